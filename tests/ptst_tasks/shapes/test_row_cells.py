"""Cells as text: to the letter, or refused; nothing is printed as Python would print it."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptst_tasks.shapes import row_cells as cells
from ptst_tasks.shapes.row_cells import Fields, RowFaultError
from tests.fuzz import fuzz, json_like


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("", ""),
        (None, ""),
        (float("nan"), ""),
        (" two\n", " two\n"),
        ("None", "None"),
        ("True", "True"),
        (0, "0"),
        (False, "false"),
        (True, "true"),
        (0.0, "0.0"),
        (1.0, "1.0"),
        (2.5, "2.5"),
        (1e-05, "0.00001"),
        (1.5e16, "15000000000000000"),
        (1e300, "1e+300"),
        (10**30, "1" + "0" * 30),
        (Decimal("0.10"), "0.10"),
        (Decimal("0.00000001"), "0.00000001"),
        (np.float32(0.1), "0.1"),
        (np.int64(7), "7"),
        (np.bool_(False), "false"),
        (np.float32("nan"), ""),
        (np.str_("x"), "x"),
    ],
    ids=repr,
)
def test_a_cell_as_text(value: Any, want: str) -> None:
    assert cells.text(value) == want
    assert cells.missing(value) == (want == "")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["a"], "has a list where text is expected, in the column 'answer'"),
        ([], "has a list"),
        (("a",), "has a list"),
        (np.array(["a"]), "has a list"),
        ({"a": 1}, "has a dict"),
        (b"a", "has a bytes"),
        (datetime.date(2020, 1, 1), "has a date"),
        (float("inf"), "has the number inf"),
        (Decimal("Infinity"), "has the number Infinity"),
        ("\ud800", "holds half a character"),
    ],
    ids=repr,
)
def test_what_is_no_text_is_refused(value: Any, message: str) -> None:
    with pytest.raises(RowFaultError, match=message):
        cells.text(value, "answer")
    assert not cells.missing(value)


@fuzz
@given(json_like())
def test_fuzz_no_cell_is_printed_as_python_prints_it(value: Any) -> None:
    """What comes out is the text itself, or what JSON writes for a number or truth value."""
    try:
        out = cells.text(value)
    except RowFaultError:
        return
    if isinstance(value, str):
        assert out == value
    elif out:
        read = json.loads(out)  # large whole numbers are written in digits
        assert (float(read) if isinstance(value, float) else read) == value
    else:
        assert value is None or value != value


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ('["a", "b"]', ["a", "b"]),
        ("['a', \"it's\"]", ["a", "it's"]),
        (' {"A": null} ', {"A": None}),
        ("{'A': None}", {"A": None}),
        (np.array(["a", "b"]), ["a", "b"]),
        ("[a]", "[a]"),
        ("['a' 'b']", "['a' 'b']"),
        ("['a'\n 'b', 'c']", "['a'\n 'b', 'c']"),
        ("['a',\n 'b']", ["a", "b"]),
        ('{"A": 1, "A": 2}', '{"A": 1, "A": 2}'),
        ("{'A': 1, 'A': 2}", "{'A': 1, 'A': 2}"),
        ("['a', ", "['a', "),
        ("['C:\\dir', 'b']", "['C:\\dir', 'b']"),
        (repr(["C:\\dir", "\n"]), ["C:\\dir", "\n"]),
        ("[" * 50_000, "[" * 50_000),
        ("{1, 2}", "{1, 2}"),
        ("text", "text"),
        (3, 3),
    ],
    ids=lambda v: repr(v)[:20],
)
def test_lists_that_a_table_holds_as_text(value: Any, want: Any) -> None:
    assert cells.parsed(value) == want


def test_columns_are_found_by_name_and_what_is_left_can_be_told() -> None:
    fields = Fields({" Prompt": "q", "question": None, "ID": 3, "note": "", "extra": 0})
    assert fields.pick(("question", "prompt")) == ("prompt", "q")
    assert fields.optional(("note",)) == ""
    assert fields.left() == ["id", "extra"]
    with pytest.raises(KeyError, match="answer, output"):
        fields.text(("answer", "output"))


def test_two_columns_that_hold_different_things_are_nobodys_to_decide() -> None:
    row = {"prompt": "a", "query": "b", "text": " a "}
    with pytest.raises(RowFaultError, match="'prompt' and 'query', and each may be meant; say it"):
        Fields(row).pick(("prompt", "query"), "say it")
    fields = Fields(row)
    assert fields.pick(("prompt", "text")) == ("prompt", "a")
    assert fields.left() == ["query"]
    with pytest.raises(RowFaultError, match="'goal' twice"):
        Fields({"goal": 1, "Goal ": 2}).take("goal")


def test_a_shape_that_needs_the_whole_file_gets_it() -> None:
    def shape(row: Any) -> dict[str, Any]:
        return {"prompt": row}

    class Counting:
        def over(self, rows: Any) -> Any:
            return lambda row: {"prompt": f"{row} of {len(rows)}"}

        def __call__(self, row: Any) -> dict[str, Any]:
            raise AssertionError

    assert cells.begin(shape, [{}, {}]) is shape
    assert cells.begin(Counting(), [{}, {}])({"a": 1}) == {"prompt": "{'a': 1} of 2"}
    assert cells.notes(shape) == ()


@fuzz
@given(st.dictionaries(st.text(max_size=5), json_like(3), max_size=5))
def test_fuzz_fields(row: dict[str, Any]) -> None:
    fields = Fields(row)
    left = fields.left()
    assert all(name in fields.names() for name in left)
    for name in left:
        try:
            fields.take(name)
        except RowFaultError:
            fields.taken.add(name)
    assert fields.left() == []
