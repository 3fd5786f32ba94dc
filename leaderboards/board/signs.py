"""Outcomes by prompt id, packed: the ids once for all numbers of a set, one byte per outcome.

A dictionary per number takes 50 times as much, which is what a leaderboard of 100,000 numbers with
400 prompts each would not fit into memory for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from leaderboards.board.numbers import Outcomes

__all__ = ["Digests", "Flips", "Pairing", "Signs", "pack_signs", "packed"]

_SIGNS = {1: "1", 0: "0", None: "?"}
_VALUES: dict[str, int | None] = {sign: value for value, sign in _SIGNS.items()}


class Signs(Mapping[str, "int | None"]):
    """Prompt id -> 1, 0, or None where there is no verdict.

    Args:
        ids: Sorted, each once.
        signs: ``1``, ``0`` or ``?`` per id.
    """

    __slots__ = ("ids", "signs")

    def __init__(self, ids: tuple[str, ...], signs: str) -> None:
        self.ids, self.signs = ids, signs

    def __getitem__(self, name: str) -> int | None:
        at = bisect_left(self.ids, name)
        if at == len(self.ids) or self.ids[at] != name:
            raise KeyError(name)
        return _VALUES[self.signs[at]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __len__(self) -> int:
        return len(self.ids)


class Digests(Mapping[str, str]):
    """Prompt id -> the beginning of the digest of what was answered.

    Args:
        ids: Sorted, each once.
        text: `WIDTH` hexadecimal digits per id, in their order; spaces where no answer is known.

    Raises:
        ValueError: If the text is of another length.
    """

    __slots__ = ("_text", "ids")
    WIDTH = 8

    def __init__(self, ids: tuple[str, ...], text: str) -> None:
        if len(text) != self.WIDTH * len(ids):
            raise ValueError("ids and digests do not belong together")
        self.ids, self._text = ids, text

    def __getitem__(self, name: str) -> str:
        at = bisect_left(self.ids, name)
        if at == len(self.ids) or self.ids[at] != name:
            raise KeyError(name)
        return self._text[at * self.WIDTH : (at + 1) * self.WIDTH]

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def text(cls, ids: Iterable[str], replies: Mapping[str, str]) -> str:
        """How they are written for some ids."""
        return "".join(f"{replies.get(name, '')[: cls.WIDTH]:{cls.WIDTH}}" for name in ids)


def pack_signs(ids: Iterable[Any], signs: Iterable[str], once: dict[tuple[str, ...], Any]) -> Signs:
    """Packs ids and their signs.

    Args:
        ids: In any order.
        signs: One of ``1``, ``0``, ``?`` each.
        once: Tuples of ids seen before; equal ones are shared.

    Raises:
        ValueError: If their numbers differ, an id stands there twice or is no text, or a sign is
            none.
    """
    names, text = tuple(ids), "".join(signs)
    if len(names) != len(text) or text.strip("10?") or not all(isinstance(i, str) for i in names):
        raise ValueError("ids and signs do not belong together")
    if any(a >= b for a, b in pairwise(names)):
        order = sorted(range(len(names)), key=names.__getitem__)
        names, text = tuple(names[at] for at in order), "".join(text[at] for at in order)
        if any(a == b for a, b in pairwise(names)):
            raise ValueError("an id stands there twice")
    return Signs(once.setdefault(names, names), text)


def packed(outcomes: Outcomes, once: dict[tuple[str, ...], Any]) -> Signs:
    """The same outcomes, packed."""
    if isinstance(outcomes, Signs):
        return outcomes
    return pack_signs(outcomes, (_SIGNS[value] for value in outcomes.values()), once)


@dataclass(frozen=True, slots=True)
class Flips:
    """What became of the prompts of two sides.

    Attributes:
        worse: Ids that went from good to bad.
        better: How many went from bad to good.
        n: Prompts with a verdict on both sides.
        was_bad: How many of them were bad in the baseline.
        unpaired: Ids with a verdict on one side only.
        absent: How many of the baseline were not asked now.
    """

    worse: tuple[str, ...]
    better: int
    n: int
    was_bad: int
    unpaired: tuple[str, ...]
    absent: int


class Pairing:
    """Compares outcomes prompt by prompt; what two sets of ids share is worked out once."""

    def __init__(self) -> None:
        self._once: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._shared: dict[tuple[int, int], tuple[tuple[str, ...], Any, Any]] = {}

    def flips(self, old: Outcomes, new: Outcomes, bad: int) -> Flips:
        """Compares two sides; `bad` is the outcome that is the worse one."""
        import numpy as np

        a, b = packed(old, self._once), packed(new, self._once)
        ids, at_old, at_new = self._union(a.ids, b.ids)
        was, now = _spread(a.signs, at_old, len(ids)), _spread(b.signs, at_new, len(ids))
        wrong, right = ord(str(bad)), ord(str(1 - bad))
        worse = np.flatnonzero((was == right) & (now == wrong))
        known_old, known_new = (was == wrong) | (was == right), (now == wrong) | (now == right)
        both = known_old & known_new
        return Flips(
            worse=tuple(ids[at] for at in worse.tolist()),
            better=int(((was == wrong) & (now == right)).sum()),
            n=int(both.sum()),
            was_bad=int(((was == wrong) & both).sum()),
            unpaired=tuple(ids[at] for at in np.flatnonzero(known_old ^ known_new).tolist()),
            absent=len(ids) - len(b.ids),
        )

    def _union(
        self, old: tuple[str, ...], new: tuple[str, ...]
    ) -> tuple[tuple[str, ...], Any, Any]:
        """All ids in order, and the places of each side's among them."""
        old, new = self._once.setdefault(old, old), self._once.setdefault(new, new)
        key = (id(old), id(new))  # they live as long as this object, so their ids stay theirs
        if key not in self._shared:
            import numpy as np

            ids = old if old is new else tuple(sorted({*old, *new}))
            place = {name: at for at, name in enumerate(ids)}
            places = [
                np.array([place[name] for name in side], dtype=np.intp) for side in (old, new)
            ]
            self._shared[key] = (ids, places[0], places[1])
        return self._shared[key]


def _spread(signs: str, places: Any, size: int) -> Any:
    """The signs at their places; 0 where the side has no such id."""
    import numpy as np

    out = np.zeros(size, dtype=np.uint8)
    out[places] = np.frombuffer(signs.encode("ascii"), dtype=np.uint8)
    return out
