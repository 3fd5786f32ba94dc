"""Pairs on their way to a verdict: each with what it has used up, in a queue that takes them back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["Mode", "PairQueue", "PendingPair"]

Mode = Literal["json", "text"]


@dataclass(slots=True)
class PendingPair:
    """One pair on its way to a verdict; what it has used up goes with it."""

    key: str
    query: str
    response: str
    mode: Mode = "json"
    why: str = ""
    attempt: int = 0
    malformed: int = 0
    answers: int = -1  # of the endpoint, to anybody, when this pair failed last
    own_fault: bool = False  # others were answered while it was not


class PairQueue:
    """What is to be asked; a pair may be put back while others are under way."""

    def __init__(self, pairs: Iterable[PendingPair]) -> None:
        self._pairs = deque(pairs)

    def __iter__(self) -> Iterator[PendingPair]:
        return self

    def __next__(self) -> PendingPair:
        if not self._pairs:
            raise StopIteration
        return self._pairs.popleft()

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def put_back(self, pair: PendingPair) -> None:
        """To be asked again, after all others."""
        self._pairs.append(pair)
