"""Conversations that several columns make, and what beside messages is no text."""

from __future__ import annotations

from typing import Any

import pytest

from ptst_tasks.shapes.conversations import Conversation
from ptst_tasks.shapes.row_cells import Fields, RowFaultError
from ptst_tasks.shapes.row_talks import find_conversation

ASK = {"role": "user", "content": "Hi?"}
SAY = {"role": "assistant", "content": "Hi."}
HI = Conversation("", (("Hi?", "Hi."),))


def find(row: dict[str, Any], answer: str = "") -> Conversation | None:
    return find_conversation(
        Fields(row), ("prompt", "question"), answer, ("completion", "response")
    )


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [ASK, SAY]},
        {"prompt": [ASK], "completion": [SAY]},
        {"prompt": [ASK], "completion": "Hi."},
        {"prompt": "Hi?", "completion": [SAY]},
        {"messages": [ASK], "response": "Hi."},
        {"messages": [ASK], "response": [SAY]},
        {"messages": [ASK, SAY], "response": "another, which is told"},
    ],
)
def test_one_conversation_in_the_ways_to_write_it(row: dict[str, Any]) -> None:
    assert find(row) == HI


def test_an_answer_of_messages_that_is_said() -> None:
    assert find({"prompt": "Hi?", "mine": [SAY], "response": "no"}, "mine") == HI


def test_plain_rows_are_no_conversation() -> None:
    assert find({"prompt": "Hi?", "completion": "Hi."}) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("tools", [{"name": "f"}]), ("functions", '[{"name": "f"}]'), ("functions", "def f"),
     ("images", ["x.png"]), ("image", {"bytes": b"x", "path": None}), ("image", "x.png")],
)  # fmt: skip
@pytest.mark.parametrize("talk", [{"messages": [ASK, SAY]}, {"prompt": "Hi?", "response": [SAY]}])
def test_what_is_no_text_beside_messages_is_refused(
    name: str, value: Any, talk: dict[str, Any]
) -> None:
    with pytest.raises(RowFaultError, match=f"has {name}, which are not trained on or tested"):
        find({**talk, name: value})


@pytest.mark.parametrize("value", [None, "", [], "[]", [None], {"bytes": None, "path": None}])
def test_a_column_of_images_that_holds_none_is_let_pass(value: Any) -> None:
    assert find({"messages": [ASK, SAY], "images": value}) == HI
