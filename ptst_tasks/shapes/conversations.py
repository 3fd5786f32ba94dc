"""Conversations as rows: chat `messages` (role, content) and ShareGPT's `conversations` (from, value).

A system message or none, then question and answer in turn. What is not of that form is refused in
a line that says which message; nothing is put into another order or left out, but for a question
at the end that nobody answers, which is told.
"""

from __future__ import annotations

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
            untrained += [len(turns)] * _is_untrained(message)
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
    content = _content(_one_of(said, ("content", "value"), where), where)
    thoughts = [key for key in REASONING if not missing(said.get(key))]
    if thoughts and role != "assistant":
        raise RowFaultError(f"has {thoughts[0]!r} in {where}, which is of the {role}")
    return role, with_thought(content, [text(said[key], where) for key in thoughts], where)


def _is_untrained(message: Mapping[str, Any]) -> bool:
    """Whether an answer is marked as not to be learnt, as OpenAI (weight 0) and others mark it."""
    said = {str(key).strip().lower(): plain_value(value) for key, value in message.items()}
    return said.get("train") is False or (said.get("weight") is not None and said["weight"] == 0)


def _empty(value: Any) -> bool:
    return missing(value) or (isinstance(value, list | tuple | Mapping) and not value)


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
        return answer
    if len(thoughts) > 1 or answer.lstrip().startswith(THINK.open):
        raise RowFaultError(f"has two thoughts before the answer, {where}; keep one")
    if not answer.strip():
        raise RowFaultError(f"has a thought and no answer, {where}")
    if THINK.open in thoughts[0] or THINK.close in thoughts[0]:
        raise RowFaultError(f"has {THINK.open} or {THINK.close} inside the thought, {where}")
    return f"{THINK.open}\n{thoughts[0]}\n{THINK.close}\n\n{answer}"
