"""Frames: what a chat template writes around the messages of one shape, whatever they say.

A conversation's shape is its roles, in order. One of stand-ins, a word per message, is rendered
once per shape, and says what the template does by itself: whether the system text must be folded
into the user's, whether content goes as a list of parts, what stands behind the last user text, and
whether that opens a thought. The texts of a row then fill the frame (`fillings`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ptst_tasks.errors import ChatFormatError
from ptst_tasks.templates import Message
from ptst_tasks.thinking import Markers, Switch, is_closed, is_open

__all__ = ["FOLDED", "FOR_PLAIN", "KEYS", "PARTS", "Ask", "Frame", "frame", "shape", "stand_ins"]

FOLDED = "system prompt folded into the first user message"
PARTS = "the chat template wants content as a list of parts, and got it"
REPEATED = "the chat template writes the {role} text {times} times"
FOR_PLAIN = (
    "use a text template, or chat_format llama2 or mistral with a model trained in that format"
)

KEYS = ("reasoning_content", "reasoning", "thinking", "thought")
"""What chat templates call a thought that stands beside an answer's content."""

Ask = Callable[..., tuple[Any, str]]
"""(messages, generation prompt?, switch, thinking) -> what the template renders, or None and why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a chat template writes around messages of one shape.

    Attributes:
        messages: The stand-ins, as they were rendered: folded, in parts.
        prompt: The prompt of the stand-ins; not a text where an endpoint gets the messages.
        tail: What follows the last user text in it.
        folded: Whether the system message goes into the first user message.
        parts: Whether content goes as a list of parts.
        thinking: ``auto``, ``on`` or ``off``.
        switch: What tells the template; None under ``auto``, or where it does so anyway.
        opens: The family whose thought the prompt leaves open.
        closed: The family whose thought the prompt closes at its end.
        notes: What a reader of the result must know.
    """

    messages: list[Message]
    prompt: Any
    tail: str = ""
    folded: bool = False
    parts: bool = False
    thinking: str = "auto"
    switch: Switch | None = None
    opens: Markers | None = None
    closed: Markers | None = None
    notes: tuple[str, ...] = ()

    @property
    def user(self) -> str:
        """The last user message's stand-in."""
        return _text(self.messages[-1]).split("\n\n")[-1]

    def prepared(self, messages: list[Message]) -> list[Message]:
        """Messages of this shape as the template takes them."""
        messages = _fold(messages) if self.folded else messages
        return _in_parts(messages) if self.parts else messages


def shape(messages: Sequence[Message]) -> tuple[tuple[str, bool], ...]:
    """What a frame depends on: each message's role, and whether it says anything."""
    return tuple((m["role"], bool(m["content"].strip())) for m in messages)


def stand_ins(messages: Sequence[Message]) -> list[Message]:
    """Messages of the same shape that say one word each."""
    return [
        {"role": m["role"], "content": f"ptst{i}{m['role']}x" if m["content"].strip() else ""}
        for i, m in enumerate(messages)
    ]


def frame(
    messages: list[Message], ask: Ask, name: str,
    thinking: str, switches: Sequence[Switch], markers: Sequence[Markers],
) -> Frame:  # fmt: skip
    """Finds how a chat template takes messages of this shape.

    Args:
        messages: A row's; their texts are only quoted in errors.
        ask: The chat template.
        name: The prompt template's name, for errors.
        thinking: ``auto``, ``on`` or ``off``.
        switches: What the chat template may listen to.
        markers: The families of thoughts that it has.

    Raises:
        ChatFormatError: If it fails, loses a message, or has no such switch.
    """
    plain = stand_ins(messages)
    folded, parts, text = _taken(messages, plain, ask, name)
    prepared = _fold(plain) if folded else plain
    prepared = _in_parts(prepared) if parts else prepared
    notes = ((FOLDED,) if folded else ()) + ((PARTS,) if parts else ())
    if not isinstance(text, str):
        return Frame(prepared, text, folded=folded, parts=parts, notes=notes)
    switch, prompt = _switched(prepared, ask, name, text, thinking, switches, markers)
    user = Frame(prepared, prompt).user
    for message in plain:
        times = prompt.count(message["content"]) if message["content"] else 1
        if times > 1:
            notes += (REPEATED.format(role=message["role"], times=times),)
    tail = prompt.rpartition(user)[2] if user else prompt
    return Frame(
        prepared, prompt, tail, folded, parts, thinking, switch,
        is_open(tail, markers), is_closed(tail, markers), notes,
    )  # fmt: skip


def _taken(
    messages: list[Message], plain: list[Message], ask: Ask, name: str
) -> tuple[bool, bool, Any]:
    """Finds a form in which no message is lost: folded? in parts? and what is rendered."""
    has_system = plain[0]["role"] == "system"
    lost = ""
    for parts, folded in itertools.product(
        (False, True), (False, True) if has_system else (False,)
    ):
        form = _fold(plain) if folded else plain
        text, fault = ask(_in_parts(form) if parts else form, True)
        if text is None:
            lost = lost if parts else f"the chat template fails on {name!r}: {fault}; {FOR_PLAIN}"
            continue
        gone = [
            i for i, m in enumerate(plain) if isinstance(text, str) and m["content"] not in text
        ]
        if parts and "{'type'" in str(text):
            continue  # the list itself was written, as Python prints it
        if not gone:
            return folded, parts, text
        if not parts:
            m = messages[gone[0]]
            lost = (
                f"the chat template loses the {m['role']} message of {name!r} "
                f"({m['content'][:60]!r}); {FOR_PLAIN}"
            )
    raise ChatFormatError(lost)


def _switched(
    prepared: list[Message], ask: Ask, name: str, text: str,
    thinking: str, switches: Sequence[Switch], markers: Sequence[Markers],
) -> tuple[Switch | None, str]:  # fmt: skip
    """Finds the switch that changes this prompt, and the prompt with it."""
    if thinking == "auto":
        return None, text
    for switch in switches:
        on, off = (ask(prepared, True, switch, state)[0] for state in ("on", "off"))
        if isinstance(on, str) and isinstance(off, str) and on != off:
            return switch, on if thinking == "on" else off
    tail = text.rpartition(Frame(prepared, text).user)[2]
    if (is_open if thinking == "on" else is_closed)(tail, markers):
        return None, text
    tried = ", ".join(str(s) for s in switches)
    what = f"renders the same prompt with {tried} on and off" if tried else "has no switch for it"
    raise ChatFormatError(
        f"thinking: {thinking} does nothing to {name!r}: the chat template {what}; leave it at "
        "thinking: auto, or say it in the template's own terms with chat_template_args"
    )


def _fold(messages: list[Message]) -> list[Message]:
    system, first, *rest = messages
    both = f"{system['content']}\n\n{first['content']}" if system["content"] else first["content"]
    return [{"role": first["role"], "content": both}, *rest]


def _in_parts(messages: list[Message]) -> list[Any]:
    return [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in messages]


def _text(message: Any) -> str:
    content = message["content"]
    return content if isinstance(content, str) else str(content[0]["text"])
