"""Finished conversations: what a chat template writes before and after an answer.

A row to train on is prompt + lead + answer + end, and should be what the model's own chat template
renders for the finished conversation. Templates of models that think often render it otherwise than
prompt and answer: the prompt opens a thought that the finished conversation has not, or closes an
empty one. Then the lead closes what the prompt opened, and the deviation is named.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ptst_tasks.errors import ChatFormatError
from ptst_tasks.frames import FOR_PLAIN, KEYS, Ask, Frame
from ptst_tasks.thinking import Markers, is_open

__all__ = ["Finished", "finish", "is_of_lead"]

_ANSWER, _NEXT, _THOUGHT = "ptstanswer", "ptstnext", "ptstthought"

CLOSED_BY_US = (
    "the prompt opens a thought ({open!r}), which the chat template's finished conversation does not "
    "have there: it is closed before the answer ({lead!r})"
)
INSIDE = (
    "the chat template's finished conversation has the answer inside the thought that the prompt "
    "opens ({open!r}): it is closed before the answer ({lead!r})"
)
KEPT_EMPTY = (
    "the prompt closes an empty thought, which the chat template's finished conversation leaves out: "
    "it stays before the answer"
)
BEHIND_EMPTY = "answers stand behind an empty thought ({lead!r}), as the chat template writes them"
LOST = "in a finished conversation the chat template leaves out the {role} text; the prompt has it"
OTHERWISE = (
    "the chat template writes what precedes the user text otherwise in a finished conversation"
)
NO_END = "the chat template ends no answer; the end-of-sequence token does ({eos!r})"
NOT_TRAINED = "what the chat template writes behind the end of a turn ({rest!r}) is not trained"
COMPOSED = (
    "a thought of a row's own goes between the model's markers, since the chat template drops it or "
    "writes it otherwise"
)
_OF_LEAD = tuple(note.partition("{")[0] for note in (CLOSED_BY_US, INSIDE, BEHIND_EMPTY))


@dataclass(frozen=True, slots=True)
class Finished:
    """How an answer is framed.

    Attributes:
        lead: What stands between prompt and answer.
        end: The end of turn behind the answer.
        thought: What stands before a thought, and between thought and answer, in place of `lead`.
        notes: Where this is not what the chat template renders.
    """

    lead: str
    end: str
    thought: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()


def finish(frame: Frame, ask: Ask, name: str, markers: Sequence[Markers], eos: str) -> Finished:
    """Finds what a chat template writes around an answer; the same for all queries of a shape.

    Args:
        frame: The prompt's.
        ask: The chat template.
        name: The prompt template's name, for errors.
        markers: The families of thoughts that the chat template has.
        eos: The end-of-sequence text, for a template that ends no answer.

    Raises:
        ChatFormatError: If the template cannot render an answer, or no faithful way is known.
    """
    head, full, after = _answered(frame, ask, name)
    notes = list(_lost(frame, head))
    own = _own_thought(frame, ask, markers)
    lead, said = _lead(frame, full, own, markers, name)
    notes += said
    end, said = _end(frame, ask, after, eos)
    notes += said
    if _ANSWER in lead or _ANSWER in end:  # what stands in for it would be trained with every row
        raise ChatFormatError(
            f"template {name!r}: the chat template writes an answer more than once, so what was to be "
            "trained is not known; give the model another chat template"
        )
    thought, composed = _thought(frame, own, lead, markers)
    return Finished(lead, end, thought, (*notes, *((COMPOSED,) if composed else ())))


def is_of_lead(note: str) -> bool:
    """Whether a note is about what stands before an answer without a thought, and no other."""
    return note.startswith(_OF_LEAD)


def _assistant(frame: Frame, content: str, **more: str) -> dict[str, Any]:
    said = [{"type": "text", "text": content}] if frame.parts else content
    return {"role": "assistant", "content": said, **more}


def _answered(frame: Frame, ask: Ask, name: str) -> tuple[str, str, str]:
    """The finished conversation: up to the last user text, from there to the answer, behind it."""
    full, fault = ask([*frame.messages, _assistant(frame, _ANSWER)], False)
    if full is None:
        raise ChatFormatError(f"the chat template fails on an answer to {name!r}: {fault}")
    before, found, after = full.rpartition(_ANSWER)
    if not found:
        raise ChatFormatError(f"the chat template loses the assistant message of {name!r}")
    head, found, tail = before.rpartition(frame.user) if frame.user else ("", "", before)
    if frame.user and not found:
        raise ChatFormatError(
            f"the chat template loses the user message of {name!r} in a finished conversation; {FOR_PLAIN}"
        )
    return head, tail, after


def _lost(frame: Frame, head: str) -> Iterator[str]:
    """What the finished conversation has otherwise before the last user text."""
    asked = frame.prompt.rpartition(frame.user)[0] if frame.user else ""
    if asked == head:
        return
    words = re.findall(r"ptst\d+([a-z]+)x", asked)
    gone = [role for role in words if role not in re.findall(r"ptst\d+([a-z]+)x", head)]
    yield LOST.format(role=gone[0]) if gone else OTHERWISE


def _lead(
    frame: Frame, full: str, own: tuple[str, str] | None, markers: Sequence[Markers], name: str
) -> tuple[str, list[str]]:
    """What goes before an answer, and what is to be said about it."""
    tail, opens, closed = frame.tail, frame.opens, frame.closed
    if full.startswith(tail):
        lead = full[len(tail) :]
        if opens and is_open(tail + lead, [opens]):
            lead += _close(tail, opens, "", own)
            return lead, [INSIDE.format(open=opens.open.strip(), lead=lead)]
        empty = any(m.close in lead for m in markers) and not lead.isspace()
        return lead, [BEHIND_EMPTY.format(lead=lead)] if empty else []
    if opens:
        before, rest = tail[: tail.rindex(opens.open)], full
        if full.startswith(before):
            rest = full[len(before) :]
            at = rest.rfind(opens.close)
            lead = rest[at:] if at >= 0 else _close(tail, opens, rest, own)
            return lead, [CLOSED_BY_US.format(open=opens.open.strip(), lead=lead)]
    if closed:
        at = tail.rfind(closed.open) if closed.open in tail else tail.rindex(closed.close)
        if full.startswith(tail[:at]):
            return full[at:].rpartition(closed.close)[2], [KEPT_EMPTY]
    raise ChatFormatError(
        f"no faithful rendering of an answer to {name!r}: the prompt ends with {tail[-60:]!r}, the chat "
        f"template's finished conversation has {full[-60:]!r} there; try thinking: off, or {FOR_PLAIN}"
    )


def _close(tail: str, family: Markers, rest: str, own: tuple[str, str] | None) -> str:
    """What closes an open thought: as the template writes it behind a thought, where it does."""
    if own and own[1].endswith(rest):
        return own[1]
    _, before, behind = family.space if tail.endswith("\n") else ("", "", "")
    return before + family.close + (rest or behind)


def _own_thought(frame: Frame, ask: Ask, markers: Sequence[Markers]) -> tuple[str, str] | None:
    """What the chat template itself writes before a thought (from the user text on) and behind it."""
    ways: list[dict[str, Any]] = [_assistant(frame, _ANSWER, **{k: _THOUGHT}) for k in KEYS]
    ways += [_assistant(frame, m.around(_THOUGHT) + _ANSWER) for m in markers]
    for way in ways:
        full, _ = ask([*frame.messages, way], False)
        if not isinstance(full, str) or full.count(_THOUGHT) != 1:
            continue
        region = full.rpartition(frame.user)[2] if frame.user else full
        before, _, rest = region.partition(_THOUGHT)
        between, answered, _ = rest.partition(_ANSWER)
        if answered and any(_once(m, before, between) for m in markers):
            return before, between
    return None


def _once(family: Markers, before: str, between: str) -> bool:
    """Whether a thought stands in its family's markers, once, and outside of the answer."""
    inside = any(head in before for head in family.head)
    return (
        between.count(family.close) == 1 and before.count(family.open.strip()) <= 1 and not inside
    )


def _thought(
    frame: Frame, own: tuple[str, str] | None, lead: str, markers: Sequence[Markers]
) -> tuple[tuple[str, str] | None, bool]:
    """What frames a thought of a row's own behind this prompt, and whether that is our doing."""
    if frame.closed or frame.thinking == "off" or not markers:
        return None, False
    if own and own[0].startswith(frame.tail):
        return (own[0][len(frame.tail) :], own[1]), False
    if frame.opens:
        return ("", own[1] if own else lead), True
    family = next((m for m in markers if m.close in lead), markers[0])
    if family.close not in lead:  # the answer's own frame goes behind the thought
        before, behind = family.around(_THOUGHT).split(_THOUGHT)
        if not lead.strip():
            return (lead + before, behind), True
        return (before, behind.rstrip() + lead), True
    at, back = lead.index(family.close), lead.rfind(family.open)
    start = back + len(family.open) if back >= 0 else at
    gap = lead[start:at]
    half = len(gap) // 2
    opening = lead[:start] if back >= 0 else lead[:at] + family.open
    return (opening + gap[:half], gap[half:] + lead[at:]), True


_ATOM = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]|\s+|[^\s<\[]+|.", re.DOTALL)
_SPECIAL = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")


def _end(frame: Frame, ask: Ask, after: str, eos: str) -> tuple[str, list[str]]:
    """The tokens that end a turn: what follows an answer, less what opens the next turn.

    What follows the same answer where the conversation goes on says which is which: both begin
    with the end of the turn. Where they have nothing in common (one template ends the last turn
    otherwise than an earlier one), what ends the last turn stands.
    """
    if not after.strip():
        return eos, [NO_END.format(eos=eos)]
    going = [*frame.messages, _assistant(frame, _ANSWER), {**frame.messages[-1], "content": _NEXT}]
    if frame.parts:
        going[-1] = {**going[-1], "content": [{"type": "text", "text": _NEXT}]}
    longer, _ = ask(going, True)
    following = str(longer or "").rpartition(_ANSWER)[2].partition(_NEXT)[0]
    mine, theirs = _ATOM.findall(after), _ATOM.findall(following)
    common = 0
    while common < min(len(mine), len(theirs)) and mine[common] == theirs[common]:
        common += 1
    if not "".join(mine[:common]).strip():
        common = len(mine)
    # The special tokens that a conversation begins with open turns, and so end none.
    begun = itertools.takewhile(
        lambda a: a.isspace() or _SPECIAL.match(a), _ATOM.findall(frame.prompt)
    )
    openers = set(begun)
    while common > 1 and (mine[common - 1] in openers or mine[common - 1].isspace()):
        if not "".join(mine[: common - 1]).strip():
            break
        common -= 1
    end = "".join(mine[:common]).rstrip()
    rest = after[len(end) :].strip()
    return end, [NOT_TRAINED.format(rest=rest)] if rest else []
