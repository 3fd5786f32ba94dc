"""A question and what it is about, in columns beside it."""

from __future__ import annotations

import pytest

from ptst_tasks.shapes.questions import asked
from ptst_tasks.shapes.row_cells import Fields, RowFaultError

QUESTIONS = ("question", "instruction", "input")


@pytest.mark.parametrize(
    ("row", "want"),
    [
        ({"question": "How many?"}, "How many?"),
        ({"Body": "Tom has 3.", "Question": "How many?"}, "Tom has 3.\n\nHow many?"),
        ({"question": "How many?", "context": "Tom has 3."}, "Tom has 3.\n\nHow many?"),
        ({"instruction": "Add.", "input": "1 + 1"}, "Add.\n\n1 + 1"),
        ({"instruction": "Add.", "input": ""}, "Add."),
        ({"instruction": "Add.", "input": "1 + 1", "passage": "Sums"}, "Sums\n\nAdd.\n\n1 + 1"),
        ({"question": "How many?", "context": "How many? "}, "How many?"),
        ({"question": "How", "sent2": "many?"}, "How many?"),
        ({"question": " ", "context": "Tom has 3."}, " "),
    ],
)
def test_nothing_of_a_question_is_lost(row: dict[str, str], want: str) -> None:
    fields = Fields(row)
    assert asked(fields, QUESTIONS) == want
    assert fields.left() == []


def test_what_cannot_be_meant() -> None:
    with pytest.raises(KeyError, match="question"):
        asked(Fields({"context": "x"}), QUESTIONS)
    with pytest.raises(RowFaultError, match=r"'question' and 'input'.*say which"):
        asked(Fields({"question": "x", "input": "y"}), QUESTIONS, "say which")
