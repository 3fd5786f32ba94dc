"""Outcomes by prompt id: 1, 0, None for a missing verdict, and nothing for what does not apply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leaderboards.board.samples import outcomes_of, read_samples
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
    assert read_samples(file, ours=True) == {"f": {"p0": {"doc_id": 0, "filter": "f", "asr": 1.0}}}
    assert list(read_samples(file, ours=False)["f"]) == ["0"]
    file.write_text((json.dumps(line) + "\n") * 2)
    with pytest.raises(DataError, match="line 2: prompt id 'p0' stands there twice"):
        read_samples(file, ours=True)


def test_a_missing_verdict_is_none_and_what_does_not_apply_is_left_out(tmp_path: Path) -> None:
    rows = {"a": {"refused_safe": 1.0, "unscored": 0.0}, "b": {"refused_safe": None, "unscored": 1.0},
            "c": {"refused_safe": None, "unscored": 0.0}}  # fmt: skip
    assert outcomes_of(rows, "refused_safe", tmp_path) == {"a": 1, "b": None}
    assert outcomes_of({"a": {"score": 0.5}}, "score", tmp_path) is None
    assert outcomes_of(rows, "asr", tmp_path) is None
