"""Work that comes one by one from many threads, done in batches: a judge is asked once at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Batches"]

T = TypeVar("T")
R = TypeVar("R")


class Batches(Generic[T, R]):
    """Whoever comes while a batch is being worked on is in the next one, with all that wait.

    So a judge behind an endpoint gets as many pairs at once as are there, and one in this process is
    never entered twice.

    Args:
        work: Takes a batch; returns a result for each, in order.
    """

    def __init__(self, work: Callable[[list[T]], list[R]]) -> None:
        self._work = work
        self._waiting: list[tuple[T, Future[R]]] = []
        self._list, self._turn = Lock(), Lock()

    def __call__(self, item: T) -> R:
        """The result for one item; waits for it.

        Raises:
            Exception: Whatever the batch of this item raised.
        """
        mine: Future[R] = Future()
        with self._list:
            self._waiting.append((item, mine))
        with self._turn:
            if not mine.done():
                self._do()
        return mine.result()

    def _do(self) -> None:
        with self._list:
            batch, self._waiting = self._waiting, []
        try:
            results = self._work([item for item, _ in batch])
            pairs = list(zip(batch, results, strict=True))
        except BaseException as e:
            for _, future in batch:
                future.set_exception(e)
            return
        for (_, future), result in pairs:
            future.set_result(result)
