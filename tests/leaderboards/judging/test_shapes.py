"""What looks otherwise than judging reads it is damage, named with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboards.judging.shapes import asked_of, misshapen
from ptst_tasks.errors import DataError

GOOD: dict[str, Any] = {"doc_id": 0, "doc": {"id": "p", "prompt": "q"}, "resps": [["r"]],
                        "filter": "f", "metrics": ["asr"], "asr": 1.0}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"doc": {"id": "p"}}, "doc holds no prompt"),
        ({"resps": [[]]}, "resps holds no response"),
        ({"doc_id": True}, "doc_id is no prompt's number"),
        ({"metrics": ["doc"]}, "metrics names a field of its own"),
    ],
)
def test_a_line_of_samples(change: dict[str, Any], said: str) -> None:
    assert misshapen({**GOOD, **change}) == said


def test_how_many_were_asked() -> None:
    file = Path("results.json")
    assert asked_of(file, {"n-samples": {"t": {"effective": 3}}}, "t") == 3
    assert asked_of(file, {}, "t") is None
    with pytest.raises(DataError, match=r"n-samples\.t\.effective is '-1', expected"):
        asked_of(file, {"n-samples": {"t": {"effective": -1}}}, "t")
