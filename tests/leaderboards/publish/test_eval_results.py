from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from leaderboards.publish.eval_results import gsm8k_results
from tests.leaderboards.board.rows import row
from tests.leaderboards.publish.made_adapter import gsm8k, made_subject

huggingface_hub = pytest.importorskip("huggingface_hub")


def test_the_whole_test_split_under_the_training_template(tmp_path: Path) -> None:
    other = gsm8k(test_template="chat:vanilla", value=0.9)
    text, why = gsm8k_results(made_subject(tmp_path, other, gsm8k()))
    assert why == ""
    [entry] = huggingface_hub._eval_results.parse_eval_result_entries(yaml.safe_load(text))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("openai/gsm8k", "gsm8k", 45.0)
    assert entry.date == "2026-01-31T12:00:00Z"
    for said in (
        "zero-shot",
        "chat:llama",
        "all 1319 test rows",
        "at most 400 tokens",
        "40.0 to 50.0",
    ):
        assert said in entry.notes


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"n": 300}, "300 of the benchmark's 1319"),
        ({"n": 1318, "unscored": 1}, "1318 of"),
        ({"test_template": "chat:vanilla"}, "there are 0"),
    ],
)
def test_a_part_of_it_is_not_the_benchmark(
    tmp_path: Path, more: dict[str, object], said: str
) -> None:
    text, why = gsm8k_results(made_subject(tmp_path, gsm8k(**more)))
    assert text == ""
    assert said in why


def test_two_numbers_of_one_template_are_none(tmp_path: Path) -> None:
    rows = [gsm8k(decoding_seed=seed) for seed in (0, 1)]
    assert "there are 2" in gsm8k_results(made_subject(tmp_path, *rows))[1]


def test_without_gsm8k_nothing_is_said(tmp_path: Path) -> None:
    found = made_subject(tmp_path, row("chat:llama", "chat:llama", 0.5, adapter="a"))
    assert gsm8k_results(found) == ("", "")
