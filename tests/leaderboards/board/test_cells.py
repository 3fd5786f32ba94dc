"""Cells of a CSV: no spreadsheet runs them, and they are read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.board import cells, csvio
from leaderboards.board.row import Row


@pytest.mark.parametrize(
    ("value", "as_cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd", "'+cmd"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\uff1d1", "'\uff1d1"),
        ("-5", "-5"),
        ("+0.25", "+0.25"),
        ("a=1", "a=1"),
        ("'tis", "'tis"),
        ("'=1", "''=1"),
        ("'-5", "''-5"),
        ('\'"a"', "''\"a\""),
        ("\t=1", '\'"\\t=1"'),
        ("a\r\nb\0", '\'"a\\r\\nb\\u0000"'),
        ("a\ud800b", '\'"a\\ud800b"'),
        ("a\\ud800b", "a\\ud800b"),
        ("a\u2028b\u0085c  d ", "a\u2028b\u0085c  d "),
    ],
)
def test_cells_that_a_spreadsheet_would_run_are_escaped_and_read_back(
    value: str, as_cell: str, tmp_path: Path
) -> None:
    assert cells.cell(value) == as_cell
    assert cells.uncell(as_cell) == value
    row = Row(base=value, task=value, judge=value, metric="acc", value=0.5, n=2)
    csvio.write([row], tmp_path / "x.csv")
    assert csvio.read(tmp_path / "x.csv") == [row]
    assert (tmp_path / "x.csv").read_text(encoding="utf-8").count("\n") == 2  # a row is a line
