"""A conversation as a row's columns have it: whole, with its answer beside it, or its history.

Messages may be of one column, of a prompt and an answer of messages (preference data), or of messages
that end in a question and an answer beside them.
"""

from __future__ import annotations

from typing import Any

from ptst_tasks.shapes.conversations import (
    COLUMNS,
    Conversation,
    is_conversation,
    read_conversation,
)
from ptst_tasks.shapes.row_cells import Fields, RowFaultError, missing, parsed, text

__all__ = [
    "SYSTEM",
    "WHICH",
    "earlier_turns",
    "find_conversation",
    "only_question",
    "system_prompt",
]

SYSTEM = ("system_prompt", "system", "system_message")
"""Columns of a row's own system prompt."""
WHICH = "say which with prompt_column or answer_column, or put them into one column"
"""What a user can do about two columns that may both be meant."""

_NOT_TEXT = ("tools", "functions", "images", "image", "videos", "audios")


def find_conversation(
    fields: Fields, prompt: tuple[str, ...], answer: str = "", answers: tuple[str, ...] = ()
) -> Conversation | None:
    """The row's conversation, if it has one and no columns are said that would pass it by.

    Args:
        fields: The row.
        prompt: Accepted columns of the prompt; one, if it is said.
        answer: The column of answers, if it is said.
        answers: Accepted columns of the answer; none where nobody trains on it.

    Raises:
        RowFaultError: If it is one that cannot be read.
    """
    usual = () if answer or len(prompt) == 1 else COLUMNS
    answers = (answer,) if answer and answers else answers
    held = [n for n in fields.filled((*usual, *prompt)) if is_conversation(fields.peek(n))]
    if not held:
        return _answered_in_messages(fields, prompt, answers)
    _check_text_alone(fields)
    name, value = fields.pick(held, "keep one")
    messages = list(parsed(value))
    if name in prompt or _ends_in_question(messages):
        for column in fields.filled(answers):
            messages += _answer(fields.take(column), column)
    talk = read_conversation(messages, name)
    asked = {question.strip() for question in talk.questions}
    for column in fields.filled(prompt):  # people keep the first question beside the messages
        if isinstance(fields.peek(column), str) and fields.peek(column).strip() in asked:
            fields.take(column)
    return talk


def _answered_in_messages(
    fields: Fields, prompt: tuple[str, ...], answers: tuple[str, ...]
) -> Conversation | None:
    """A prompt that is a text, and its answer as messages."""
    held = [n for n in fields.filled(answers) if is_conversation(fields.peek(n))]
    if not held or not fields.filled(prompt):
        return None
    _check_text_alone(fields)
    name, value = fields.pick(held, "keep one")
    asked = {"role": "user", "content": fields.text(prompt, WHICH)}
    return read_conversation([asked, *parsed(value)], name)


def _check_text_alone(fields: Fields) -> None:
    for name in fields.filled(_NOT_TEXT):
        value = parsed(fields.peek(name))
        if isinstance(value, dict):
            value = [part for part in value.values() if not missing(part)]
        if not isinstance(value, list | tuple) or any(not missing(part) for part in value):
            raise RowFaultError(
                f"has {name}, which are not trained on or tested; leave such rows out"
            )


def _ends_in_question(messages: list[Any]) -> bool:
    """Whether no answer is the last message."""
    try:
        return bool(read_conversation(messages, "").asked)
    except RowFaultError:  # reading it says so, with its column
        return False


def _answer(said: Any, column: str) -> list[Any]:
    if is_conversation(said):
        return list(parsed(said))
    return [{"role": "assistant", "content": text(said, column)}]


def only_question(talk: Conversation) -> str:
    """The question of a conversation to test with.

    Raises:
        RowFaultError: If it has several.
    """
    if len(talk.questions) > 1:
        raise RowFaultError(
            f"has a conversation with {len(talk.questions)} questions, and a test asks one; write that "
            "one into a column and say which"
        )
    return talk.questions[0]


def system_prompt(fields: Fields, talk: Conversation, accepted: tuple[str, ...] = SYSTEM) -> str:
    """A conversation's system message, or the system prompt beside it.

    Raises:
        RowFaultError: If they differ.
    """
    beside = fields.optional(accepted, WHICH)
    if beside.strip() and talk.system.strip() and beside.strip() != talk.system.strip():
        raise RowFaultError("has a system message, and another system prompt beside it; keep one")
    return talk.system if talk.system.strip() else beside


def earlier_turns(fields: Fields) -> list[list[str]]:
    """Earlier turns in a column of their own, as pairs of question and answer."""
    if not fields.filled(("history",)):
        return []
    turns = parsed(fields.peek("history"))
    if not isinstance(turns, list | tuple):
        return []  # another history; told as a column that nobody reads
    fields.take("history")
    out = []
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, list | tuple) or len(turn) != 2:
            raise RowFaultError(f"has no pair of question and answer in turn {number} of 'history'")
        out.append([text(said, f"history, turn {number}") for said in turn])
        if not all(said.strip() for said in out[-1]):
            raise RowFaultError(f"has an empty question or answer in turn {number} of 'history'")
    return out
