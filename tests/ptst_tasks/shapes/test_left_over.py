"""What nobody reads is told with its count, and earlier turns of a test are refused."""

from __future__ import annotations

from collections import Counter

import pytest

from ptst_tasks.shapes.left_over import column_notes, count_left, refuse_earlier
from ptst_tasks.shapes.row_cells import Fields, RowFaultError


def test_columns_that_nobody_took_are_counted_by_rows() -> None:
    seen: Counter[str] = Counter()
    for row in (
        {"prompt": "q", "note": "x", "answer": 0, "tags": []},
        {"prompt": "q", "note": None, "answer": "y"},
    ):
        fields = Fields(row)
        fields.take("prompt")
        count_left(seen, fields)
    assert column_notes(seen) == ("columns that are not used: note (1 row), answer (2 rows)",)
    assert column_notes(Counter()) == ()


@pytest.mark.parametrize("history", [[["q", "a"]], '[["q", "a"]]', [{"role": "user"}]])
def test_turns_before_the_question_are_refused(history: object) -> None:
    with pytest.raises(RowFaultError, match="1 earlier turns in the column 'history'"):
        refuse_earlier(Fields({"prompt": "q", "history": history}))


@pytest.mark.parametrize("history", [None, "", [], "[]", "of the town"])
def test_no_turns_and_another_history_are_let_pass(history: object) -> None:
    refuse_earlier(Fields({"prompt": "q", "history": history}))
