"""Thoughts in what a model writes: markers stay in the text, and stop strings end the answer alone.

A thought's markers are special tokens in many families, and special tokens are left out of decoded
text: thought and answer would be one. Where a tokenizer's chat template has markers they are kept,
up to where the answer begins; every other special token is left out as before. Of a model without
markers nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ptst_tasks.lm_internals import cut_at_stops
from ptst_tasks.thinking import Markers, custom_markers, find_markers, is_open

__all__ = ["RowWatch", "Thoughts", "answer_place", "cut_answer", "families", "special_tokens"]

_HEAD = 32  # tokens that what stands before an answer, or opens a thought, has at most


def families(tokenizer: Any, end: str = "") -> tuple[Markers, ...]:
    """The families of thoughts that a model may write.

    Args:
        tokenizer: The model's; its chat template's source says them.
        end: ``think_end_token``, if one was said; its family comes first.
    """
    found = getattr(tokenizer, "chat_template", None) or ""
    known = find_markers(found if isinstance(found, str) else "\n".join(map(str, found.values())))
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
            closing marker anywhere is the end of a thought.

    Returns:
        A place behind the thought and what stands between the two; 0 without a thought; None
        where the thought has no end.
    """
    if not markers:
        return 0
    begun = text.lstrip()
    inside = [bool(m.open) and begun.startswith(m.open.rstrip()) for m in markers]
    unsaid = opened is None and any(not m.open or m.close in text for m in markers)
    if not (opened or unsaid or any(inside)):
        return 0
    for family, here in zip(markers, inside, strict=True):
        if not here and family.close not in text:
            continue
        start = len(text) - len(begun) + len(family.open.rstrip()) if here else 0
        found = text.find(family.close, start)
        return None if found < 0 else _behind(text, found + len(family.close), family.head)
    return None


def _behind(text: str, place: int, heads: Sequence[str]) -> int:
    """A place moved behind white space and one of the heads."""
    rest = text[place:].lstrip()
    for head in heads:
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
        self._heads = tuple(head for m in self.markers for head in m.head)
        self._opens = tuple(m.open.rstrip() for m in self.markers if m.open)
        self._again = tuple(joint for m in self.markers for joint in _joints(m))

    def opened(self, prompt: str) -> bool:
        """Whether a prompt leaves a thought open; a family without an opening is always in one."""
        if not self.markers:
            return False
        # Of the turn that is being written; a question may quote a marker.
        turn = prompt[max([0, *(prompt.rfind(t) + len(t) for t in self._turns if t in prompt)]) :]
        if is_open(turn, self.markers):
            return True
        return any(not m.open and m.close not in turn for m in self.markers)

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
        if not begun:  # what stands before the answer is no part of it
            return plain(ids[at:])
        *before, (start, _) = self._thoughts_in(ids)
        if ids[at:] and ids[at] in self.shown and self.undecided_head(ids[at:]):
            rest = [i for i in ids[start:at] if i not in self.closers]  # cut off between the two
        else:
            rest = [*ids[start:at], *(i for i in ids[at:] if i not in self.shown)]
        # Several thoughts in a row are one: their last end is the one that counts.
        parts = [[i for i in ids[a:b] if i not in self.closers] for a, b in before]
        return "\n\n".join(self.decode(part) for part in (*parts, rest))


def _joints(family: Markers) -> list[str]:
    """What may stand between two thoughts in a row, of a family that writes messages (harmony)."""
    starts = {a.removesuffix(b) for a in family.head for b in family.head if a != b}
    known = [s for s in starts if s not in family.head]
    return [start + family.open for start in (*known, "") if family.open and family.head]


class RowWatch:
    """Looks at one row while it grows, for an end of its answer behind the thought.

    It may miss one, which is cut off afterwards, and finds none that is not there.

    Args:
        thoughts: Of the model.
        opened: Whether the row's prompt left a thought open.
        words: Stop strings.
        late: Ids that end an answer, and in a thought are its closing marker.
        every: Tokens between two looks.
    """

    def __init__(
        self,
        thoughts: Thoughts,
        opened: bool,
        words: Sequence[str],
        late: frozenset[int],
        every: int,
    ) -> None:
        self._thoughts, self._words, self._late = thoughts, words, late
        # A string has at most a token per byte, so that many back hold any new one.
        self._reach = every + max((len(word.encode()) for word in words), default=0)
        self._back = every + max((len(m.close.encode()) for m in thoughts.markers), default=0)
        self._thinks = opened
        self._from: int | None = None  # from here on the tokens hold the whole answer
        self._sure: int | None = None  # from here on they hold nothing else

    def ended(self, new: Sequence[int]) -> bool:
        """Whether the tokens of the row so far hold an end of its answer."""
        if self._from is None:
            self._from = self._begin(new)
        if self._from is None:
            return False
        if self._sure is not None and len(new) - self._reach >= self._sure:
            tail = new[-self._reach :]
            return self._stops(tail, self._thoughts.plain(tail))
        part = new[self._from :]
        at = self._thoughts.answer_at(part, self._thinks)
        if self._thoughts.undecided_head(part[at:]):
            return False
        text = self._thoughts.plain(part[at:])
        if self._thinks:
            spelled = self._thoughts.closers.isdisjoint(part)
            text = self._spelled(part) if spelled else text.lstrip()
        if text.strip() and at < len(part):
            self._sure = self._sure or len(new)
        return self._stops(part[at:], text)

    def _stops(self, ids: Sequence[int], text: str) -> bool:
        return not self._late.isdisjoint(ids) or any(word in text for word in self._words)

    def _begin(self, new: Sequence[int]) -> int | None:
        if not self._thinks:
            if self._thoughts.undecided(new):
                return None
            self._thinks = self._thoughts.begun(new, False)
            if not self._thinks:
                return 0
        tail = len(new) - self._back if len(new) > 2 * self._back else 0
        closed = answer_place(self._thoughts.decode(new[tail:]), self._thoughts.markers, True)
        return None if closed is None else tail

    def _spelled(self, part: Sequence[int]) -> str:
        """The answer behind a closing marker that is no token of its own."""
        text = self._thoughts.decode(part)
        place = answer_place(text, self._thoughts.markers, True)
        return "" if place is None else text[place:]


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
