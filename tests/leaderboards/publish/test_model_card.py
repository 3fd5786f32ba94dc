from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml

from leaderboards.publish.model_card import MARKER, model_card
from leaderboards.publish.subject import Subject, subject_of
from tests.leaderboards.publish.made_adapter import made_run, made_subject


def card(found: Subject, repo: str = "me/mine", weights: bool = True) -> str:
    return model_card(found, repo=repo, picture="what it shows", weights=weights)


def test_the_front_matter_is_what_the_hub_reads(tmp_path: Path) -> None:
    text = card(replace(made_subject(tmp_path), hub_base="owner/model"))
    front = yaml.safe_load(text.split("---")[1])
    assert front == {
        "base_model": "owner/model", "base_model_relation": "adapter", "library_name": "peft",
        "pipeline_tag": "text-generation", "tags": ["ptst", "lora", "safety", "fine-tuning"],
    }  # fmt: skip
    assert MARKER in text.splitlines()
    assert 'PeftModel.from_pretrained(base, "me/mine")' in text


def test_a_base_that_is_no_model_of_the_hub_is_not_named_as_one(tmp_path: Path) -> None:
    text = card(made_subject(tmp_path))
    assert "base_model:" not in text
    assert "only whoever has these weights" in text


def test_numbers_stand_beside_the_bases_with_interval_and_n(tmp_path: Path) -> None:
    # 5 of 20: Wilson's interval is 11.2 to 46.9; 0 of 20: 0.0 to 16.1
    text = card(made_subject(tmp_path))
    [line] = [
        line for line in text.splitlines()
        if line.startswith("| advbench | chat:llama | answered") and "| keywords:zou" in line
    ]  # fmt: skip
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[3:5] == ["0.0 % (0.0 to 16.1, n = 20)", "25.0 % (11.2 to 46.9, n = 20)"]
    assert "| token ids of the examples | abc123 |" in text
    assert "| mixed in | mix.csv:1epoch |" in text


def test_the_study_is_there_without_places_and_says_so(tmp_path: Path) -> None:
    text = card(made_subject(tmp_path), weights=False)
    block = text.split("```yaml\n")[1].split("```")[0]
    said = yaml.safe_load(block)
    assert said["base"] == "stand-in"
    assert said["engine_args"] == {"cache_dir": "cache"}
    assert "were cut or left out of this study" in text
    assert "## How to load it" not in text


def test_a_study_without_places_is_the_whole_of_it(tmp_path: Path) -> None:
    said = {"engine_args": {"batch_size": 4}}
    found = subject_of(made_run(tmp_path / "run", **said))
    plain = found.study.model_copy(
        update={"train": found.study.train.model_copy(update={"adapters": ()})}
    )
    assert "were cut or left out" not in card(replace(found, study=plain))
