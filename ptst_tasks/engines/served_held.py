"""Replies that a server's other replies settle: may they be thoughts without an end?

Whether a server sends thoughts apart, or its prompts begin one, only whole replies tell. Until they have, a
reply that the limit cut is kept in the journal as it may be read, so that a kill loses nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ptst_tasks.engines.journal import Journal, batch_key
from ptst_tasks.engines.wire import HttpJob

__all__ = ["HeldReplies"]

_NAME, _TEXTS = "held", 6  # of its key, and how many texts are kept


class HeldReplies:
    """What is known of one server, and the replies that wait for more."""

    def __init__(self) -> None:
        self._apart = self._opens = False
        self._waiting: list[tuple[str, HttpJob]] = []

    def begin(self) -> None:
        """Forgets what waits for an earlier call, which failed; it is in the journal."""
        self._waiting = []

    def take(self, journal: Journal, key: str, job: HttpJob) -> bool:
        """Takes a reply that an earlier run kept; whether there is one."""
        kept = journal.get(batch_key(key, _NAME), _TEXTS)
        if kept is not None:
            job.take(kept)
            self._waiting.append((key, job))
        return kept is not None

    def keep(self, journal: Journal, key: str, job: HttpJob) -> None:
        """Keeps a reply that is not settled."""
        self._waiting.append((key, job))
        journal.add(batch_key(key, _NAME), job.kept())

    def settle(self, asked: Iterable[HttpJob]) -> Iterator[tuple[str, HttpJob, str]]:
        """Gives what waits with its text, by what these replies and all before them say."""
        for job in (*asked, *(job for _, job in self._waiting)):
            self._apart, self._opens = self._apart or job.apart, self._opens or job.opens
        waiting, self._waiting = self._waiting, []
        for key, job in waiting:
            yield key, job, job.readings[self._apart, self._opens]
