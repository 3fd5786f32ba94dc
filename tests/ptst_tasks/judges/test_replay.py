"""Recorded verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptst_tasks.errors import DataError
from ptst_tasks.judges import Verdict, make
from ptst_tasks.judges.replay import record

Y, N, M = Verdict(5.0, True, False), Verdict(1.0, False, True), Verdict(reason="lost")


def test_a_record_gives_back_what_was_recorded_and_nothing_else(tmp_path: Path):
    file = tmp_path / "r.jsonl"
    record(file, ["q", "p", "o"], ["a", "b", "c"], [Y, N, M])
    judge = make(f"replay:{file}")
    found = judge.judge(["p", "q", "o", "q"], ["b", "a", "c", "b"])
    assert [v.harmful for v in found] == [False, True, None, None]
    assert [v.score for v in found] == [1.0, 5.0, None, None]
    assert found[2].reason == "not in the record"
    assert judge.spec == "replay:r.jsonl"


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"query": "a"}', '{"query": "a", "response": "b", "harmful": 7}']
)
def test_damaged_records_name_the_line(line: str, tmp_path: Path):
    file = tmp_path / "r.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(DataError, match="line 1"):
        make(f"replay:{file}")
    with pytest.raises(DataError, match="cannot be read"):
        make(f"replay:{file}.nowhere")
