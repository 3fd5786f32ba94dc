"""Columns that a user has named, in files that have them or not."""

from __future__ import annotations

import pytest

from ptst_tasks.shapes.numeric import Numeric
from ptst_tasks.shapes.row_cells import begin, notes
from ptst_tasks.shapes.said_columns import SaidColumns

ROWS = [{"q": "x", "a": 1, "n": "y"}, {"q": "z", "a": 2, "Role": "r"}]


def test_a_column_has_to_be_in_a_row_of_the_file() -> None:
    shape = begin(SaidColumns(Numeric(("q",), ("a",)), ("role",)), ROWS)
    assert [shape(row)["answer"] for row in ROWS] == ["1", "2"]
    assert notes(shape) == ("columns that are not used: n (1 row), role (1 row)",)
    lost = begin(SaidColumns(Numeric(("q",), ("a",)), ("rol", "n")), ROWS)
    with pytest.raises(KeyError, match="rol"):
        lost(ROWS[0])


def test_a_shape_that_tells_by_itself_is_left_alone() -> None:
    shape = begin(SaidColumns(lambda row: {"prompt": row["q"]}), ROWS)
    assert (shape(ROWS[0]), notes(shape)) == ({"prompt": "x"}, ())
