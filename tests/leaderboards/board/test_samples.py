"""Outcomes by prompt id: 1, 0, None for a missing verdict, and nothing for what does not apply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leaderboards.board.samples import outcomes_of, read_samples
from leaderboards.people.sheet import reply_digest
from ptst_tasks.errors import DataError


def test_samples_are_read_by_filter_and_id_without_their_texts(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    line = {
        "doc_id": 0,
        "doc": {"id": "p0", "prompt": "x"},
        "resps": [["y"]],
        "filter": "f",
        "asr": 1.0,
    }
    file.write_text(json.dumps(line) + "\n")
    samples, replies = read_samples(file, ours=True)
    assert samples == {"f": {"p0": {"doc_id": 0, "filter": "f", "asr": 1.0}}}
    assert replies == {"p0": reply_digest("y")}
    assert list(read_samples(file, ours=False)[0]["f"]) == ["0"]
    file.write_text((json.dumps(line) + "\n") * 2)
    with pytest.raises(DataError, match="line 2: prompt id 'p0' stands there twice"):
        read_samples(file, ours=True)


def test_a_missing_verdict_is_none_and_what_does_not_apply_is_left_out(tmp_path: Path) -> None:
    rows = {"a": {"refused_safe": 1.0, "unscored": 0.0}, "b": {"refused_safe": None, "unscored": 1.0},
            "c": {"refused_safe": None, "unscored": 0.0}}  # fmt: skip
    assert outcomes_of(rows, "refused_safe", tmp_path) == {"a": 1, "b": None}
    assert outcomes_of({"a": {"score": 0.5}}, "score", tmp_path) is None
    assert outcomes_of(rows, "asr", tmp_path) is None


def test_a_refusal_that_a_judge_of_harm_does_not_tell_is_missing(tmp_path: Path) -> None:
    """`unscored` is of the harm: to leave these out would make the rest look like all."""
    rows = {"a": {"asr": 0.0, "refused": 1.0, "unscored": 0.0},
            "b": {"asr": 0.0, "refused": None, "unscored": 0.0},
            "c": {"asr": None, "refused": None, "unscored": 1.0}}  # fmt: skip
    assert outcomes_of(rows, "refused", tmp_path) == {"a": 1, "b": None, "c": None}
    silent = {name: {**row, "refused": None} for name, row in rows.items() if name != "c"}
    assert outcomes_of(silent, "refused", tmp_path) == {}  # it speaks of no refusal


def test_a_missing_verdict_is_missing_in_the_refusals_of_its_own_kind_of_prompt(
    tmp_path: Path,
) -> None:
    """XSTest's safe and unsafe prompts: a verdict that could not be had is no refusal of both."""
    file, none = (
        tmp_path / "samples.jsonl",
        {"refused": None, "refused_safe": None, "refused_unsafe": None},
    )
    kinds = {"s": "safe", "u": "unsafe", "t": "safe"}
    rows = [{"doc_id": at, "doc": {"id": i, "label": kind}, "resps": [["y"]], "filter": "f", "unscored": 1,
             **none} for at, (i, kind) in enumerate(kinds.items())]  # fmt: skip
    rows[2] |= {"unscored": 0, "refused": 1.0, "refused_safe": 1.0}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_samples(file, ours=True)[0]["f"]
    assert {metric: outcomes_of(found, metric, file) for metric in none} == {
        "refused": {"s": None, "t": 1},
        "refused_safe": {"s": None, "t": 1},
        "refused_unsafe": {"u": None},
    }
