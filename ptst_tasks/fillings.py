"""Fillings: what a chat template renders when the texts of a row fill a frame, and what it altered.

Where it renders them otherwise than the stand-ins, it has altered them, which is said. What becomes
of a thought in an earlier answer is its own affair: most templates take it out, some leave an empty
one there, a few want it beside the answer and fail otherwise.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ptst_tasks.errors import ChatFormatError
from ptst_tasks.frames import FOR_PLAIN, KEYS, Frame, stand_ins
from ptst_tasks.templates import Message
from ptst_tasks.thinking import Markers, Split, split

__all__ = ["fill"]

UNTHOUGHT = "the chat template takes thoughts out of earlier answers"
REWRITTEN = "the chat template writes thoughts of earlier answers in a way of its own"


def fill(
    frame: Frame, messages: list[Message], name: str,
    ask: Callable[[list[Message]], tuple[Any, str]], markers: Sequence[Markers],
) -> tuple[Any, tuple[str, ...]]:  # fmt: skip
    """Renders messages of a frame's shape.

    Args:
        frame: What the chat template writes around them.
        messages: A row's.
        name: The prompt template's name, for errors.
        ask: The chat template: messages -> what it renders, or None and why.
        markers: The families of thoughts that it has.

    Returns:
        What it renders, and what it did to the texts.

    Raises:
        ChatFormatError: If it fails, or a message cannot be found in what it renders.
    """
    bare, thoughts = _apart(messages, markers)
    text, fault = ask(frame.prepared(messages))
    if text is not None and not isinstance(text, str):
        return text, ()
    try:
        if text is None:
            raise ChatFormatError(f"the chat template fails on {name!r}: {fault}")
        return text, _altered(frame, messages, text, markers)
    except ChatFormatError:
        without, _ = ask(frame.prepared(bare)) if any(thoughts) else (None, "")
        if without is None:
            raise
    said = _altered(frame, bare, without, markers)
    for key in KEYS:  # some templates take a thought beside its answer, and no other
        beside = [{**m, key: t} if t else m for m, t in zip(bare, thoughts, strict=True)]
        text, _ = ask(frame.prepared(beside))
        if isinstance(text, str) and all(t in text for t in thoughts):
            return text, said
    return without, (*said, UNTHOUGHT)


def _apart(
    messages: Sequence[Message], markers: Sequence[Markers]
) -> tuple[list[Message], list[str]]:
    """Messages without the thoughts of earlier answers, and those; empty where there is none."""
    bare, thoughts = list[Message](), list[str]()
    for message in messages:
        parts = split(message["content"], markers) if message["role"] == "assistant" else None
        thought = parts.reasoning if parts and parts.answer.strip() else ""
        bare.append({**message, "content": parts.answer} if parts and thought else message)
        thoughts.append(thought)
    return bare, thoughts


def _altered(
    frame: Frame, messages: Sequence[Message], text: str, markers: Sequence[Markers]
) -> tuple[str, ...]:
    """Says what a chat template did to the texts themselves; nothing where it left them alone.

    Raises:
        ChatFormatError: If a message cannot be found in what was rendered.
    """
    names, roles = [m["content"] for m in stand_ins(messages)], [m["role"] for m in messages]
    texts = [m["content"] for m in messages]
    for said, given in ((), texts), ((UNTHOUGHT,), _unthought(roles, texts, markers)):
        for trimmed, changed in _trims(roles, given):
            if _filled(frame.prompt, names, changed) == text:
                return said + _told(trimmed)
    for trimmed, changed in _trims(roles, texts):
        if "assistant" not in trimmed:
            rethought = _rethought(frame.prompt, names, roles, changed, text, markers)
            if rethought:
                return (rethought, *_told(trimmed))
    if texts[-1].isspace():
        raise ChatFormatError(
            f"the user message is nothing but white space ({texts[-1]!r:.60}), which the chat template "
            "takes otherwise than an empty one; ask something, or leave the row out"
        )
    if not text.endswith(frame.tail):
        raise ChatFormatError(
            "the chat template takes something in a message's text for a command of its own "
            f"(this prompt ends with {text[-40:]!r}, others with {frame.tail[-40:]!r}); {FOR_PLAIN}"
        )
    for i, (role, content) in enumerate(zip(roles, texts, strict=True)):
        if not _holds(text, texts, i):
            raise ChatFormatError(
                f"the chat template loses a part of the {role} message ({content[:60]!r}); {FOR_PLAIN}"
            )
    moved = [role for role, content in zip(roles, texts, strict=True) if content not in text]
    return tuple(
        f"the chat template changes white space in the {role} text"
        for role in dict.fromkeys(moved or roles[-1:])
    )


def _told(trimmed: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"the chat template trims the {role} text" for role in trimmed)


def _rethought(
    prompt: str, names: Sequence[str], roles: Sequence[str], texts: Sequence[str], text: str,
    markers: Sequence[Markers],
) -> str:  # fmt: skip
    """What a template did to the thoughts of earlier answers, and to nothing else; empty for more."""
    given = {n: (r, t) for n, r, t in zip(names, roles, texts, strict=True) if n}
    if not given:
        return ""
    pieces = re.split("(" + "|".join(map(re.escape, given)) + ")", prompt)
    literals, fills, thoughts = pieces[::2], list[str](), 0
    for i, name in enumerate(pieces[1::2]):
        role, content = given[name]
        parts = split(content, markers) if role == "assistant" else None
        if parts is None or not parts.reasoning:
            fills.append(re.escape(content))
            continue
        family = next(m for m in markers if content.lstrip().startswith(m.open.strip()))
        # What is left of a thought may stand before an answer that had none.
        literals[i] = re.sub(rf"\s*{_empty(family)}$", "", literals[i])
        fills.append(_with_thought(parts, family))
        thoughts += 1
    both = zip(map(re.escape, literals), [*fills, ""], strict=True)
    found = re.fullmatch("".join(map("".join, both)), text) if thoughts else None
    if not found:
        return ""
    return REWRITTEN if all(found.groups()) else UNTHOUGHT


def _empty(family: Markers) -> str:
    """Matches a thought that is empty, a half of it, or nothing."""
    heads = "|".join(re.escape(h.strip()) for h in family.head)
    frame = rf"(?:(?:{heads})\s*)?" if heads else ""
    return "".join(_maybe(mark) for mark in (family.open, family.close)) + frame


def _with_thought(parts: Split, family: Markers) -> str:
    """Matches an answer with what a template makes of its thought, which is the group."""
    thought = rf"(?:{_maybe(family.open)}({re.escape(parts.reasoning)}\s*)?)"
    rest = _empty(replace(family, open=""))
    tails = "".join(_maybe(tail) for tail in family.tail)
    return rf"\s*{_empty(family)}{thought}{rest}{re.escape(parts.answer.strip())}\s*{tails}"


def _maybe(mark: str) -> str:
    return rf"(?:{re.escape(mark.strip())}\s*)?" if mark.strip() else ""


def _trims(
    roles: Sequence[str], texts: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The ways to trim some roles' texts, none of them first: which, and the texts then."""
    yield (), list(texts)
    both = list(zip(roles, texts, strict=True))
    loose = sorted({role for role, text in both if text != text.strip()})
    for change in (str.strip, str.rstrip, str.lstrip):
        for count in range(1, len(loose) + 1):
            for chosen in itertools.combinations(loose, count):
                yield chosen, [change(text) if role in chosen else text for role, text in both]


def _unthought(roles: Sequence[str], texts: Sequence[str], markers: Sequence[Markers]) -> list[str]:
    """Texts without the thoughts of earlier answers, which many templates take out."""
    return [
        split(text, markers).answer if role == "assistant" else text
        for role, text in zip(roles, texts, strict=True)
    ]


def _filled(prompt: str, names: Sequence[str], texts: Sequence[str]) -> str:
    """A frame with texts in place of the stand-ins."""
    given = {name: text for name, text in zip(names, texts, strict=True) if name}
    pattern = "|".join(map(re.escape, given))
    return re.sub(pattern, lambda found: given[found[0]], prompt) if given else prompt


def _holds(text: str, texts: Sequence[str], i: int) -> bool:
    """Whether text `i` is there, white space aside, beyond what the other texts would explain."""
    wanted = _flat(texts[i])
    elsewhere = sum(_flat(t).count(wanted) for k, t in enumerate(texts) if k != i) if wanted else 0
    return not wanted or _flat(text).count(wanted) > elsewhere


def _flat(text: str) -> str:
    return " ".join(text.split())  # many templates strip or fold white space
