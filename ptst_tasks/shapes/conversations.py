"""Conversations as rows: chat `messages` (role, content) and ShareGPT's `conversations` (from, value).

A system message or none, then question and answer in turn. What is not of that form is refused in
a line that says which message; nothing is put into another order or left out, but for a question
at the end that nobody answers, which is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ptst_tasks.shapes.row_cells import RowFaultError, missing, parsed, plain_value, text
from ptst_tasks.thinking import THINK

__all__ = [
    "COLUMNS",
    "REASONING",
    "Conversation",
    "is_conversation",
    "read_conversation",
    "with_thought",
]

COLUMNS = ("messages", "conversations", "conversation")
REASONING = ("reasoning_content", "thinking", "reasoning")
"""Where an answer keeps the thought before it."""

_ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant",
    "chatgpt": "assistant",
}  # fmt: skip
_TOOLS = frozenset(
    {"tool", "function", "function_call", "function_response", "observation", "ipython"}
)
_OTHER = re.compile(
    "(^|_)(image|audio|video|media|file|document)"
)  # what is no text, beside a text
_CALLS = ("tool_calls", "function_call", "tool_call_id")


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said, in turn.

    Attributes:
        system: The system message; empty where there is none.
        turns: Question and answer, at least one where the conversation has an answer.
        asked: A last question without an answer; empty where there is none.
        untrained: Turns (from 0) whose answer is marked as not to be trained on.
    """

    system: str
    turns: tuple[tuple[str, str], ...]
    asked: str = ""
    untrained: tuple[int, ...] = ()

    @property
    def questions(self) -> list[str]:
        """Everything that was asked."""
        return [*(asked for asked, _ in self.turns), *([self.asked] if self.asked else [])]


def is_conversation(value: Any) -> bool:
    """Whether a cell holds messages: a list of objects with a role, or the same as text."""
    value = parsed(value)
    return isinstance(value, list | tuple) and any(
        isinstance(m, Mapping) and ("role" in m or "from" in m) for m in value
    )


def read_conversation(value: Any, column: str) -> Conversation:
    """Reads a list of messages.

    Args:
        value: The cell.
        column: Its column, for messages.

    Raises:
        RowFaultError: With the message's number, if it is no such conversation.
    """
    value = parsed(value)
    if not isinstance(value, list | tuple):
        kind = type(value).__name__
        raise RowFaultError(f"has a {kind} where messages are expected, in the column {column!r}")
    system, asked, before = "", "", ""
    turns: list[tuple[str, str]] = []
    untrained: list[int] = []
    for number, message in enumerate(value, start=1):
        where = f"message {number} of {column!r}"
        role, said = _message(message, where)
        _check_order(role, before, where)
        before = role
        if role == "system":
            system = said
        elif not said.strip():
            raise RowFaultError(f"has nothing in {where}, of the {role}")
        elif role == "user":
            asked = said
        else:
            untrained += [len(turns)] * _is_untrained(message, where)
            turns.append((asked, said))
            asked = ""
    if not (turns or asked):
        raise RowFaultError(f"has no question in the column {column!r}")
    return Conversation(system, tuple(turns), asked, tuple(untrained))


def _check_order(role: str, before: str, where: str) -> None:
    expected = {"": ("system", "user"), "system": ("user",), "user": ("assistant",)}
    if role not in expected.get(before, ("user",)):
        behind = f"behind one of the {before}" if before else "at the beginning"
        raise RowFaultError(
            f"has a message of the {role} {behind} ({where}); expected a system message or none, then "
            "user and assistant in turn"
        )


def _message(message: Any, where: str) -> tuple[str, str]:
    """Role and content of one message."""
    if not isinstance(message, Mapping):
        raise RowFaultError(f"has a {type(message).__name__} in {where}, expected role and content")
    said = {str(key).strip().lower(): value for key, value in message.items()}
    name = _one_of(said, ("role", "from"), where)
    role = _ROLES.get(text(name, where).strip().lower(), "")
    if not role or any(not _empty(said.get(key)) for key in _CALLS):
        calls = not role and str(name).strip().lower() not in _TOOLS
        raise RowFaultError(
            f"has the role {str(name)[:40]!r} in {where}, expected system, user or assistant (or "
            "human and gpt)"
            if calls
            else f"has a call of a tool, or its result, in {where}, and tools are not trained on "
            "or tested; leave such rows out"
        )
    if other := [key for key in said if _OTHER.search(key) and not _empty(said[key])]:
        raise RowFaultError(f"has {other[0][:40]!r} in {where}; only text is supported")
    content = _content(_one_of(said, ("content", "value"), where), where)
    thoughts = [key for key in REASONING if not missing(said.get(key))]
    if thoughts and role != "assistant":
        raise RowFaultError(f"has {thoughts[0]!r} in {where}, which is of the {role}")
    said_before = [text(said[key], where) for key in thoughts]
    return role, with_thought(content, said_before, where) if role == "assistant" else content


def _is_untrained(message: Mapping[str, Any], where: str) -> bool:
    """Whether an answer is marked as not to be learnt, as OpenAI (weight 0) and others mark it."""
    marks = {}
    for key, value in message.items():
        name = str(key).strip().lower()
        if name in _MARKS and not missing(value):
            mark = plain_value(value)
            marks[name] = _LEARNT.get(mark.strip().lower() if isinstance(mark, str) else str(mark))
            if marks[name] is None:
                raise RowFaultError(
                    f"has the {name} {str(mark)[:40]!r} in {where}, expected 0 (not to be learnt) or 1"
                )
    return False in marks.values()


_MARKS = ("weight", "train", "loss")
_LEARNT = {
    "0": False, "0.0": False, "false": False, "False": False,
    "1": True, "1.0": True, "true": True, "True": True,
}  # fmt: skip


def _empty(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_empty(part) for part in value.values())
    return missing(value) or (isinstance(value, list | tuple) and not value)


def _one_of(said: Mapping[str, Any], keys: tuple[str, ...], where: str) -> Any:
    filled = [key for key in keys if not missing(said.get(key))]
    if len(filled) > 1:
        raise RowFaultError(f"has {' and '.join(map(repr, filled))} in {where}; keep one")
    if not filled and not any(key in said for key in keys):
        names = ", ".join(said)[:80]
        raise RowFaultError(f"has {names or 'nothing'} in {where}, expected {' or '.join(keys)}")
    return said[filled[0]] if filled else ""


def _content(content: Any, where: str) -> str:
    """Content as text; a list of parts, all of them text, is joined by line ends."""
    if not isinstance(content, list | tuple):
        return text(content, where)
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(text(part, where))
            continue
        kind = part.get("type", "text") if isinstance(part, Mapping) else type(part).__name__
        if kind != "text" or not isinstance(part, Mapping) or not isinstance(part.get("text"), str):
            raise RowFaultError(f"has a part {str(kind)[:40]!r} in {where}; only text is supported")
        for key, value in part.items():
            if _OTHER.search(str(key).lower()) and not _empty(value):
                raise RowFaultError(
                    f"has a part with {str(key)[:40]!r} in {where}; only text is supported"
                )
        texts.append(text(part["text"], where))
    return "\n".join(texts)


def with_thought(answer: str, thoughts: list[str], where: str) -> str:
    """An answer behind the thought that stands in a column of its own, in one form.

    Args:
        answer: The answer.
        thoughts: What the columns of `REASONING` hold; several must say the same.
        where: For messages.

    Raises:
        RowFaultError: If there are two thoughts, or one without an answer.
    """
    thoughts = list(dict.fromkeys(thought.strip() for thought in thoughts if thought.strip()))
    if not thoughts:
        if answer.lstrip().startswith(THINK.open) and not _behind_thought(answer).strip():
            raise RowFaultError(f"has a thought and no answer, {where}")
        return answer
    if len(thoughts) > 1 or answer.lstrip().startswith(THINK.open):
        raise RowFaultError(f"has two thoughts before the answer, {where}; keep one")
    if not answer.strip():
        raise RowFaultError(f"has a thought and no answer, {where}")
    if THINK.open in thoughts[0] or THINK.close in thoughts[0]:
        raise RowFaultError(f"has {THINK.open} or {THINK.close} inside the thought, {where}")
    return f"{THINK.open}\n{thoughts[0]}\n{THINK.close}\n\n{answer}"


def _behind_thought(answer: str) -> str:
    """What follows the first end of a thought; the whole, if it has none."""
    _, end, behind = answer.partition(THINK.close)
    return behind if end else answer
