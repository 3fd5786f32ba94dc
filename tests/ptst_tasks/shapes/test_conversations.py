"""Conversations, read as they stand or refused with the message that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptst_tasks.shapes.conversations import (
    Conversation,
    is_conversation,
    read_conversation,
    with_thought,
)
from ptst_tasks.shapes.row_cells import RowFaultError
from tests.fuzz import bent, fuzz


def chat(*said: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in said]


HI = chat(("user", "Hi?"), ("assistant", "Hi."))
SHAREGPT = [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Hi?"},
            {"from": "gpt", "value": "Hi."}]  # fmt: skip

READ: list[tuple[str, Any, Conversation]] = [
    ("one turn", HI, Conversation("", (("Hi?", "Hi."),))),
    ("ShareGPT", SHAREGPT, Conversation("Be brief.", (("Hi?", "Hi."),))),
    ("as JSON text", '[{"role": "user", "content": "Hi?"}]', Conversation("", (), "Hi?")),
    ("as Python text", str(HI), Conversation("", (("Hi?", "Hi."),))),
    ("roles of other houses", chat(("Developer", "Be."), ("human", "Hi?"), ("model", "Hi.")),
     Conversation("Be.", (("Hi?", "Hi."),))),
    ("several turns", [*HI, *chat(("user", "And?"), ("assistant", "So."))],
     Conversation("", (("Hi?", "Hi."), ("And?", "So.")))),
    ("a question at the end", [*HI, *chat(("user", "And?"))],
     Conversation("", (("Hi?", "Hi."),), "And?")),
    ("an empty system message", [*chat(("system", None)), *HI], Conversation("", (("Hi?", "Hi."),))),
    ("parts of text", chat(("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
                           ("assistant", ["c"])), Conversation("", (("a\nb", "c"),))),
    ("no tools, as a table has it", [{**m, "tool_calls": None, "weight": 1} for m in HI],
     Conversation("", (("Hi?", "Hi."),))),
    ("an answer that is not to be learnt", [{**HI[0], "weight": 0}, {**HI[1], "weight": 0.0}, *HI,
                                            HI[0], {**HI[1], "train": False}],
     Conversation("", (("Hi?", "Hi."),) * 3, untrained=(0, 2))),
    ("a thought", [HI[0], {**HI[1], "reasoning_content": " So be it.\n"}],
     Conversation("", (("Hi?", "<think>\nSo be it.\n</think>\n\nHi."),))),
    ("a thought twice", [HI[0], {**HI[1], "thinking": "So.", "reasoning": "So."}],
     Conversation("", (("Hi?", "<think>\nSo.\n</think>\n\nHi."),))),
    ("a thought in the text", chat(("user", "Hi?"), ("assistant", "<think>\nSo.\n</think>\n\nHi.")),
     Conversation("", (("Hi?", "<think>\nSo.\n</think>\n\nHi."),))),
    ("answers that are 0 and false", chat(("user", "2-2?"), ("assistant", 0), ("user", "Wet?"),
                                          ("assistant", False)),
     Conversation("", (("2-2?", "0"), ("Wet?", "false")))),
]  # fmt: skip


@pytest.mark.parametrize(("value", "want"), [c[1:] for c in READ], ids=[c[0] for c in READ])
def test_conversations_as_they_stand(value: Any, want: Conversation) -> None:
    assert is_conversation(value)
    assert read_conversation(value, "messages") == want


@pytest.mark.parametrize(
    ("mark", "learnt"),
    [({"weight": "0"}, False), ({"weight": 0}, False), ({"train": "false"}, False),
     ({"loss": False}, False), ({"weight": 1, "loss": 0.0}, False), ({"weight": "1"}, True),
     ({"train": None}, True), ({"loss": "True"}, True)],
)  # fmt: skip
def test_an_answer_that_is_marked_in_any_way(mark: dict[str, Any], learnt: bool) -> None:
    found = read_conversation([HI[0], {**HI[1], **mark}], "messages")
    assert found.untrained == (() if learnt else (0,))


def test_parts_of_a_table_have_keys_that_hold_nothing() -> None:
    part = {"type": "text", "text": "Hi?", "image_url": None, "file": {"id": None, "data": None}}
    assert read_conversation([{"role": "user", "content": [part]}, HI[1]], "x").questions == ["Hi?"]


def test_what_was_asked() -> None:
    assert Conversation("", (("a", "b"),), "c").questions == ["a", "c"]


REFUSED: list[tuple[str, Any, str]] = [
    ("no messages", [], "has no question in the column 'messages'"),
    ("a system message alone", chat(("system", "Be.")), "has no question"),
    ("an answer first", chat(("assistant", "Hi.")),
     r"a message of the assistant at the beginning \(message 1 of 'messages'\)"),
    ("an answer behind the system", chat(("system", "Be."), ("assistant", "Hi.")),
     "behind one of the system"),
    ("two questions", chat(("user", "a"), ("user", "b")), "the user behind one of the user"),
    ("two answers", [*HI, *chat(("assistant", "Ho."))], "the assistant behind one of the assistant"),
    ("a system message in the middle", [*HI, *chat(("system", "Be."))],
     "the system behind one of the assist"),
    ("an empty question", chat(("user", " "), ("assistant", "Hi.")),
     "has nothing in message 1 of .*the user"),
    ("an empty answer", chat(("user", "Hi?"), ("assistant", None)), "has nothing in message 2 .*assistant"),
    ("an unknown role", chat(("narrator", "Once")), "has the role 'narrator' in message 1"),
    ("no role", [{"content": "a"}, {"role": "user", "content": "b"}],
     "has content in message 1 of 'messages', expected role"),
    ("two roles", [{"role": "user", "from": "gpt", "content": "a"}], "has 'role' and 'from' in message 1"),
    ("no content", [{"role": "user", "text": "a"}],
     "has role, text in message 1 .*expected content or value"),
    ("a tool's answer", [*HI, *chat(("tool", "3"))], "a call of a tool, or its result, in message 3"),
    ("ShareGPT's tools", [{"from": "observation", "value": "3"}], "a call of a tool"),
    ("a tool that is called", [HI[0], {**HI[1], "tool_calls": [{"id": 1}]}], "a call of a tool"),
    ("an image", chat(("user", [{"type": "image_url", "image_url": "x"}])),
     "a part 'image_url' in message 1 of 'messages'; only text"),
    ("a text with an image", chat(("user", [{"type": "text", "text": "q", "image_url": {"url": "x"}}])),
     "a part with 'image_url' in message 1 of 'messages'; only text"),
    ("a text and an image", chat(("user", [{"text": "q", "image": "x.png"}])), "a part with 'image'"),
    ("an image beside the content", [{**HI[0], "images": ["x.png"]}, HI[1]], "has 'images' in message 1"),
    ("an unknown weight", [HI[0], {**HI[1], "weight": 0.5}],
     "has the weight '0.5' in message 2 .*expected 0"),
    ("a thought alone", [HI[0], {**HI[1], "content": "<think>x</think> "}], "a thought and no answer"),
    ("a part without text", chat(("user", [{"type": "text"}])), "a part 'text'"),
    ("content that is an object", chat(("user", {"a": 1})),
     "has a dict where text is expected, in the column"),
    ("a message that is a text", ["Hi?", {"role": "user", "content": "a"}], "has a str in message 1"),
    ("two thoughts", [HI[0], {**HI[1], "thinking": "a", "reasoning": "b"}],
     "two thoughts before the answer"),
    ("a thought beside one in the text", [HI[0], {"role": "assistant", "thinking": "a",
                                                  "content": "<think>b</think>c"}], "two thoughts"),
    ("a thought of the user", [{**HI[0], "thinking": "a"}], "has 'thinking' in message 1 .*of the user"),
    ("a thought without an answer", [HI[0], {"role": "assistant", "thinking": "a", "content": ""}],
     "a thought and no answer"),
    ("a thought that ends a thought", [HI[0], {**HI[1], "thinking": "a</think>b"}], "inside the thought"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED]
)
def test_what_is_no_such_conversation_is_refused(value: Any, message: str) -> None:
    with pytest.raises(RowFaultError, match=message):
        read_conversation(value, "messages")


@pytest.mark.parametrize("value", ["Hi?", 3, None, ["a"], [{"A": "a"}], {"messages": HI}], ids=repr)
def test_other_cells_are_none(value: Any) -> None:
    assert not is_conversation(value)
    with pytest.raises(RowFaultError):
        read_conversation(value, "x")


def test_an_answer_without_a_thought_stays_as_it_is() -> None:
    assert with_thought(" a\n", ["", " "], "here") == " a\n"


@fuzz
@given(
    st.text(max_size=4),
    st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=4),
    st.booleans(),
)  # fmt: skip
def test_fuzz_nothing_that_was_said_is_altered(
    system: str, turns: list[tuple[str, str]], sharegpt: bool
) -> None:
    turns = [(q, a) for q, a in turns if q.strip() and a.strip()] or [("q", "a")]
    role, content, user, assistant = (
        ("from", "value", "human", "gpt") if sharegpt else ("role", "content", "user", "assistant")
    )
    value = [{role: "system", content: system}]
    for question, answer in turns:
        value += [{role: user, content: question}, {role: assistant, content: answer}]
    assert read_conversation(value, "x") == Conversation(system, tuple(turns))


@fuzz
@given(bent([{"role": "system", "content": "a"},
             {"role": "user", "content": [{"type": "text", "text": "b"}]},
             {"role": "assistant", "content": "c", "thinking": "d", "tool_calls": None}]))  # fmt: skip
def test_fuzz_conversations(value: Any) -> None:
    try:
        found = read_conversation(value, "x")
    except RowFaultError:
        return
    assert all(q.strip() and a.strip() for q, a in found.turns)
