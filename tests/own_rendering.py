"""What a chat template renders when transformers is asked, the oracle of tests about our own rendering."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from functools import cache
from typing import Any

import jinja2

from ptst_tasks.chat import FOLDED
from ptst_tasks.templates import PromptTemplate
from tests.support import byte_tokenizer

__all__ = [
    "PINNED",
    "QUERY",
    "STATES",
    "SWITCHED",
    "Messages",
    "Own",
    "in_parts",
    "prepared",
    "told",
]

Messages = list[dict[str, Any]]

QUERY = "Why is  tea hot?\n"
_DAY = datetime.date(2024, 7, 26)
PINNED = {"strftime_now": _DAY.strftime, "date_string": _DAY.strftime("%d %b %Y")}

# Name, on, off: what the templates' authors write in their model cards.
SWITCHED: tuple[tuple[str, Any, Any], ...] = (
    ("enable_thinking", True, False), ("thinking", True, False), ("thinking_mode", "enabled", "disabled"),
    ("thinking_budget", -1, 0), ("reasoning", True, False), ("reasoning_effort", "high", "no_think"),
    ("reasoning_effort", "high", "none"), ("reasoning_effort", "high", "minimal"),
)  # fmt: skip
STATES: dict[str, list[dict[str, Any]]] = {
    "auto": [{}],
    "on": [{name: on} for name, on, _ in SWITCHED],
    "off": [{name: off} for name, _, off in SWITCHED],
}


class Own:
    """What a template renders when transformers is asked; None where it fails."""

    def __init__(self, source: str) -> None:
        # A tokenizer that adds BOS by itself goes with a chat template that writes it.
        self.tokenizer = _tokenizer(False)
        self.tokenizer.chat_template = source
        question: Messages = [{"role": "user", "content": QUERY}]
        told = (
            self(question, True) or self([{**question[0], "content": in_parts(QUERY)}], True) or ""
        )
        self.tokenizer = _tokenizer(told.startswith(self.tokenizer.bos_token))
        self.tokenizer.chat_template = source

    def __call__(self, messages: Messages, ask: bool, **args: Any) -> str | None:
        try:
            return str(self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=ask, **PINNED, **args
            ))  # fmt: skip
        except (jinja2.TemplateError, TypeError, ValueError, LookupError):
            return None


@cache
def _tokenizer(adds_bos: bool) -> Any:
    return byte_tokenizer(None, adds_bos=adds_bos)


def prepared(row: PromptTemplate, notes: tuple[str, ...], *, strip: str = "") -> Messages:
    messages: Messages = [*row.messages(QUERY)]
    for message in messages:
        if message["role"] == strip:
            message["content"] = message["content"].strip()
    if FOLDED in notes:
        system, first, *rest = messages
        messages = [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *rest]
    if any("list of parts" in note for note in notes):
        messages = [{**m, "content": in_parts(m["content"])} for m in messages]
    return messages


def in_parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def told(messages: Messages, thinking: str) -> Iterator[tuple[Messages, dict[str, Any]]]:
    """The ways in which a template may be told: its own variables, or a word in the system message."""
    for args in STATES[thinking]:
        yield messages, args
    if thinking != "auto" and isinstance(messages[0]["content"], str):
        word = "/think" if thinking == "on" else "/no_think"
        if messages[0]["role"] == "system":
            first = {**messages[0], "content": f"{messages[0]['content']} {word}"}
            yield [first, *messages[1:]], {}
        else:
            yield [{"role": "system", "content": word}, *messages], {}
        yield messages, {}
