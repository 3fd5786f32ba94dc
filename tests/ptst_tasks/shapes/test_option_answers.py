"""Which option an answer means, by all rows of a file; in the forms of files in test_choices."""

from __future__ import annotations

from ptst_tasks.shapes.option_answers import decide, ways_of
from ptst_tasks.shapes.option_forms import Offered

TREES = Offered(("1", "2", "3"), ("oak", "elm", "fir"), ("A", "B", "C"))


def test_a_way_is_what_fits_every_row() -> None:
    assert ways_of([(TREES, [("answer", 0)])])["answer"] == {"0"}
    assert ways_of([(TREES, [("answer", 3)])])["answer"] == {"1", "named"}
    assert ways_of([(TREES, [("answer", 0)]), (TREES, [("answer", 3)])])["answer"] == frozenset()
    assert ways_of([(TREES, [("answer", "elm")])])["answer"] == {"text"}
    assert ways_of([(TREES, [("answer", "yew")])]) == {}  # says nothing of the others


def test_what_stands_beside_tells_too() -> None:
    rows = [(TREES, [("label", 1), ("answer", "elm")])]
    assert ways_of(rows)["label"] == {"0"}
    assert decide(*rows[0], ways_of(rows)) == 1
