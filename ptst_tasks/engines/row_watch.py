"""One row of a batch while it grows: where its answer ends, behind its thought."""

from __future__ import annotations

from collections.abc import Sequence

from ptst_tasks.engines.thoughts import Thoughts, answer_place

__all__ = ["RowWatch"]


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
