"""Thoughts in what a model writes: markers stay in the text, and stop strings end the answer alone.

A thought's markers are special tokens in many families, and special tokens are left out of decoded
text: thought and answer would be one. Where a tokenizer's chat template has markers they are kept,
up to where the answer begins; every other special token is left out as before. Of a model without
markers nothing changes.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ptst_tasks.chat import Renderer
from ptst_tasks.lm_internals import cut_at_stops
from ptst_tasks.nesting import end_of
from ptst_tasks.thinking import THINK, Markers, custom_markers, is_closed, unopened

__all__ = ["Thoughts", "answer_place", "cut_answer", "families", "special_tokens"]

_HEAD = 32  # tokens that what stands before an answer, or opens a thought, has at most
# Messages of gpt-oss that are no answer either; they are read as thoughts.
_ALSO = {"<|channel|>analysis<|message|>": ("<|channel|>commentary<|message|>",)}


def families(
    tokenizer: Any, end: str = "", args: Mapping[str, Any] | None = None
) -> tuple[Markers, ...]:
    """The families of thoughts that a model may write: those that its prompts are read by.

    Args:
        tokenizer: The model's; None where it is not to be had.
        end: ``think_end_token``, if one was said; its family comes first.
        args: What the engine tells the chat template.
    """
    has = getattr(tokenizer, "chat_template", None)
    known = Renderer.for_tokenizer(tokenizer, args=args).markers if has else ()
    if not end:
        return known
    said = custom_markers(end)
    return said, *(m for m in known if m.close != said.close)


def answer_place(text: str, markers: Sequence[Markers], opened: bool | None) -> int | None:
    """Where in a response its answer begins, as `ptst_tasks.thinking.split` sees it.

    Args:
        text: The response.
        markers: The families to look for.
        opened: Whether the prompt left a thought open; None where that is not known, so that a
            closing marker at the edge of a line is the end of a thought (`unopened`).

    Returns:
        A place behind the thought and what stands between the two; 0 without a thought; None
        where the thought has no end.
    """
    if not markers:
        return 0
    begun = text.lstrip()
    inside = [bool(m.open) and begun.startswith(m.open.strip()) for m in markers]
    bare = any(not m.open for m in markers)
    likely = [m for m in markers if m is THINK or m is markers[0]]
    unsaid = opened is None and (bare or unopened(text, likely) is not None)
    if not (opened or unsaid or any(inside)):
        return 0
    for family, here in zip(markers, inside, strict=True):
        if not here and family.close not in text:
            continue
        start = len(text) - len(begun) + len(family.open.strip()) if here else 0
        return _behind_all(text, start, family)
    return None


def _behind_all(text: str, start: int, family: Markers) -> int | None:
    """Behind one thought that has begun, and all that follow it: several in a row are one."""
    joints = tuple(joint.lstrip() for joint in _joints(family))
    while (found := end_of(text[start:], family.open, family.close)) >= 0:
        place = start + found + len(family.close)
        rest = text[place:].lstrip()
        if not (again := next((j for j in joints if rest.startswith(j)), "")):
            return _behind(text, place, family.head)
        start = len(text) - len(rest) + len(again)
    return None


def _behind(text: str, place: int, heads: Sequence[str]) -> int:
    """A place moved behind white space and one of the heads."""
    rest = text[place:].lstrip()
    for head in map(str.lstrip, heads):
        if rest.startswith(head):
            rest = rest[len(head) :].lstrip()
            break
    return len(text) - len(rest)


def cut_answer(
    text: str, stops: Sequence[str], markers: Sequence[Markers], opened: bool | None
) -> str:
    """A response whose answer ends at the first stop string; its thought stays whole.

    Args:
        text: The response, markers included.
        stops: Stop strings of the task.
        markers: The families to look for; none for a model that does not think.
        opened: Whether the prompt left a thought open; None where that is not known.
    """
    place = answer_place(text, markers, opened)
    return text if place is None else text[:place] + cut_at_stops(text[place:], stops)


class Thoughts:
    """What an engine knows of a model's thoughts.

    Args:
        tokenizer: The model's.
        markers: The families; none for a model that does not think.

    Attributes:
        markers: The same.
        shown: Ids of special tokens that belong to a marker.
        closers: Ids of tokens that are, or belong to, a closing one.
    """

    def __init__(self, tokenizer: Any, markers: Sequence[Markers]) -> None:
        self._tokenizer, self.markers = tokenizer, tuple(markers)
        special = special_tokens(tokenizer) if self.markers else {}
        added = getattr(tokenizer, "added_tokens_decoder", {}) if self.markers else {}
        every = {**{int(i): str(token.content) for i, token in added.items()}, **special}
        ends = [m.close for m in self.markers]
        parts = [*ends, *(m.open for m in self.markers), *(h for m in self.markers for h in m.head)]
        self.shown = {i for i, text in special.items() if text and any(text in p for p in parts)}
        self.closers = {i for i, text in every.items() if text and any(text in e for e in ends)}
        self._dropped = special.keys() - self.shown
        self._turns = {special[i] for i in self._dropped if special[i]}
        self._heads = tuple(head.lstrip() for m in self.markers for head in m.head)
        self._opens = tuple(o for m in self.markers for o in _openings(m))
        self._again = tuple(joint.lstrip() for m in self.markers for joint in _joints(m))
        self._tails = tuple(tail for m in self.markers for tail in m.tail)
        self._asks = _ends_of_prompts(tokenizer) if any(not m.open for m in self.markers) else ()

    def opened(self, prompt: str) -> bool:
        """Whether a prompt leaves a thought open, which it does at its very end.

        A family without an opening is in one as soon as the model's turn begins, unless the prompt
        has a thought behind it, or a beginning of the answer.
        """
        end = prompt.rstrip()
        if any(m.open and end.endswith(m.open.rstrip()) for m in self.markers):
            return True
        # Of the turn that is being written; a question may quote a marker.
        begins = [prompt.rfind(t) + len(t) for t in self._turns if t in prompt]
        turn = prompt[max([0, *begins, *(prompt.rfind(ask) for ask in self._asks)]) :]
        if is_closed(turn, self.markers):
            return False
        if not any(not m.open and m.close not in turn for m in self.markers):
            return False
        chat = any(ask in prompt for ask in self._asks)
        return not chat or end.endswith(self._asks)

    def record(self) -> dict[str, Any]:
        """What differs in how answers end, as plain values; nothing for a model without markers."""
        return {"thoughts": [f"{m.open}...{m.close}" for m in self.markers]} if self.markers else {}

    def decode(self, ids: Sequence[int]) -> str:
        """Text with its markers."""
        kept = [i for i in ids if i not in self._dropped]
        return str(self._tokenizer.decode(kept, skip_special_tokens=False))

    def plain(self, ids: Sequence[int]) -> str:
        """Text without any special token."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def begun(self, ids: Sequence[int], opened: bool) -> bool:
        """Whether a response begins within a thought."""
        return opened or self.decode(ids[:_HEAD]).lstrip().startswith(self._opens)

    def undecided(self, ids: Sequence[int]) -> bool:
        """Whether what is there may yet become the opening of a thought."""
        text = self.decode(ids).lstrip() if len(ids) <= _HEAD else "nothing is that long"
        return any(mark.startswith(text) for mark in self._opens)

    def undecided_head(self, ids: Sequence[int]) -> bool:
        """Whether what is there may yet become what stands before an answer."""
        text = self.decode(ids).lstrip() if len(ids) <= _HEAD else "nothing is that long"
        return any(head.startswith(text) for head in (*self._heads, *self._again))

    def answer_at(self, ids: Sequence[int], begun: bool) -> int:
        """Index of the token with which an answer begins; the number of tokens if it does not."""
        at = self._thoughts_in(ids)[-1][1] if begun else 0
        return at + self._long(ids[at:], self._heads)

    def _thoughts_in(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Where each of several thoughts in a row begins, and the place behind its closing token."""
        out, start = [], 0
        for n, token in enumerate(ids):
            if n < start or token not in self.closers or not self._closed(ids[start : n + 1]):
                continue
            out.append((start, n + 1))
            if not (again := self._long(ids[n + 1 :], self._again)):
                return out
            start = n + 1 + again
        return [*out, (start, len(ids))]

    def _long(self, ids: Sequence[int], texts: tuple[str, ...]) -> int:
        """How many tokens one of these texts has at the beginning; 0 if none is there."""
        for n in range(1, min(_HEAD, len(ids)) + 1 if texts else 0):
            if self.decode(ids[:n]).lstrip().startswith(texts):
                return n
        return 0

    def _closed(self, ids: Sequence[int]) -> bool:
        return answer_place(self.decode(ids), self.markers, True) is not None

    def text(self, ids: Sequence[int], opened: bool, plain: Callable[[Any], str]) -> str:
        """Text of a response: up to its answer with markers, from there on without.

        Args:
            ids: Its tokens.
            opened: Whether the prompt left a thought open.
            plain: Decodes without special tokens.
        """
        if self.shown.isdisjoint(ids):
            return plain(ids)
        begun = self.begun(ids, opened)
        at = self.answer_at(ids, begun)
        ids = [*ids[:at], *self._answer(ids[at:])]
        if not begun:  # what stands before the answer is no part of it
            return plain(ids[at:])
        *before, (start, _) = self._thoughts_in(ids)
        if ids[at:] and ids[at] in self.shown and self.undecided_head(ids[at:]):
            rest = [i for i in ids[start:at] if i not in self.closers]  # cut off between the two
        else:
            rest = [*ids[start:at], *(i for i in ids[at:] if i not in self.shown)]
        # Several thoughts in a row are one: their last end is the one that counts.
        parts = [[i for i in ids[a:b] if i not in self.closers] for a, b in before]
        return self._as_thought("\n\n".join(self.decode(part) for part in (*parts, rest)))

    def _answer(self, ids: Sequence[int]) -> Sequence[int]:
        """An answer up to what closes it, which may be special tokens with words between them."""
        for n, token in enumerate(ids):
            if token in self.shown and self._long(ids[n:], self._tails):
                return ids[:n]
        return ids

    def _as_thought(self, text: str) -> str:
        """A text whose first message is no answer, with the marker of a thought before it."""
        begun = text.lstrip()
        for opening, others in _ALSO.items():
            if found := next((o for o in others if begun.startswith(o)), ""):
                return opening + begun[len(found) :]
        return text


def _openings(family: Markers) -> list[str]:
    """What begins a message that is no answer; nothing where only the end of a thought is known."""
    return [o.strip() for o in (family.open, *_ALSO.get(family.open, ())) if o]


def _joints(family: Markers) -> list[str]:
    """What begins another thought behind the first; harmony's stands in a message of its own."""
    starts = {a.removesuffix(b) for a in family.head for b in family.head if a != b}
    known = [s for s in starts if s not in family.head]
    opens = [family.open.strip(), *_ALSO.get(family.open, ())] if family.open else []
    return [start + o for start in (*known, "") for o in opens]


def _ends_of_prompts(tokenizer: Any) -> tuple[str, ...]:
    """With what a chat template begins the model's turn, thinking left to it and switched on."""
    import jinja2

    if not getattr(tokenizer, "chat_template", None):
        return ()
    renderer, out = Renderer.for_tokenizer(tokenizer), set()
    told = [{}, *(switch.args("on") for switch in renderer.switches)]
    parts = [{"type": "text", "text": "ptstquestion"}]  # as some templates want it
    for args, content in itertools.product(told, ("ptstquestion", parts)):
        asked = [{"role": "user", "content": content}]
        with contextlib.suppress(jinja2.TemplateError, TypeError, ValueError, LookupError):
            _, found, end = renderer.apply(asked, True, **args).rpartition("ptstquestion")  # type: ignore[misc]
            # What is printed as a list is no prompt.
            out |= {end.rstrip()} if found and end.strip() and "}]" not in end else set()
    return tuple(sorted(out))


def special_tokens(tokenizer: Any) -> dict[int, str]:
    """Id -> text of every token that a decoded answer leaves out.

    A tokenizer's list of named special tokens is not all of them: ``<|im_end|>`` often is an added
    token that is marked as special and has no name.
    """
    if tokenizer is None:
        return {}
    added = getattr(tokenizer, "added_tokens_decoder", {})
    out = {int(i): str(token.content) for i, token in added.items() if token.special}
    named = zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True)
    return {**out, **{int(i): str(text) for i, text in named}}
