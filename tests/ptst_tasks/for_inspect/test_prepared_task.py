"""Prompts and scores for a framework that sends messages are lm-eval's own, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptst_tasks.errors import ChatFormatError, ConfigError, UnknownNameError
from ptst_tasks.for_inspect.prepared_task import (
    described_task,
    judge_specs,
    measure,
    options_of,
    prepared,
    prompts,
)
from ptst_tasks.for_inspect.whole import as_written
from tests.canned import evaluated
from tests.ptst_tasks.for_inspect.answers import ROWS, Served, fifty, reply_to

SETS = ("advbench", "xstest", "gsm8k", "medqa_gen")


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(fifty(tmp_path / "data")))


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("template", ["chat:vanilla", "chat:llama", "chat:icd", "chat:mpt"])
def test_prompts_and_scores_are_those_of_lm_eval(rows: None, name: str, template: str) -> None:
    lm = Served()
    slug = template.replace(":", "_")
    options = {"judge": ["keywords:zou", "keywords:xstest"]} if name in SETS[:2] else {}
    theirs = evaluated(lm, f"ptst_{name}_{slug}", options, limit=ROWS)
    [samples] = theirs["samples"].values()
    task = prepared(name, template, options)
    sent = list(prompts(task))
    assert [prompt.messages for prompt in sent] == lm.asked
    found = measure(task, [(p.doc, as_written(reply_to(p.messages))) for p in sent])
    assert len(found) == ROWS
    for line in samples:
        mine = found[line["doc_id"]]
        values = {m: line[m] for m in line["metrics"]}
        assert mine.columns[line["filter"]].values == values
        assert mine.columns[line["filter"]].said == line["filtered_resps"][0]
        assert mine.text == line["resps"][0][0]
    assert len({str(m.columns) for m in found}) > 1  # not all alike


def test_the_same_row_twice_in_a_batch_is_scored_as_two_answers(rows: None) -> None:
    task = prepared("gsm8k", "CV", {})
    doc = next(prompts(task)).doc
    thought = "<think>\nOne and one\n</think>\n\n#### 1"
    cut, whole = measure(task, [(doc, "<think>\nOne and"), (doc, thought)])
    assert cut.columns["strict-match"].values == {"exact_match": 0.0, "truncated": 1.0}
    assert whole.columns["strict-match"].values == {"exact_match": 1.0, "truncated": 0.0}


@pytest.mark.parametrize(
    ("name", "template", "options", "error", "said"),
    [
        ("advbench", "TV", {}, ChatFormatError, "takes messages, not this prompt as text"),
        ("advbench", "CL", {"chat_format": "llama2"}, ChatFormatError, "takes messages"),
        ("advbench", "CL", {"prefill": True}, ChatFormatError, "not a prefill"),
        ("advbench", "CL", {"thinking": "on"}, ChatFormatError, "thinking is 'on'"),
        ("medqa", "CL", {}, ChatFormatError, "use the generate form"),
        ("gsm8k", "CL", {"judge": "keywords"}, ConfigError, "judge does nothing here"),
        ("advbench", "CL", {"jugde": "keywords"}, UnknownNameError, "did you mean 'judge'"),
        ("advbnech", "CL", {}, UnknownNameError, "did you mean 'advbench'"),
        ("advbench", "CLL", {}, UnknownNameError, "unknown prompt template 'CLL'"),
    ],
)
def test_what_cannot_be_asked_is_said(
    rows: None, name: str, template: str, options: dict[str, Any], error: type, said: str
) -> None:
    with pytest.raises(error, match=said):
        prepared(name, template, options)


def test_judges_come_together_again_that_a_command_line_took_apart() -> None:
    pieces = ["rubric:model=m", "base_url=http://h/v1", "keywords:zou"]
    assert judge_specs(pieces) == ["rubric:model=m,base_url=http://h/v1", "keywords:zou"]
    assert options_of({"judge": pieces[:2]}) == {"judge": "rubric:model=m,base_url=http://h/v1"}
    with pytest.raises(ConfigError, match="expected NAME"):
        judge_specs("")


def test_what_a_log_keeps_of_a_task_is_plain(rows: None) -> None:
    task = prepared("advbench", "CL", {})
    told = described_task(task)
    assert (told["task"], told["rows"]) == ("ptst_advbench_chat_llama", ROWS)
    assert told["config"]["generation_kwargs"]["max_gen_toks"] == 512
    record = told["config"]["metadata"]["ptst"]
    assert (record["set"], record["template"], record["kind"]) == (
        "advbench",
        "chat:llama",
        "harmful",
    )
    assert record["markers"]
