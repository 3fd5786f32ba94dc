"""Replies to one call, some of which the others settle: is what the limit cut a thought without an end?

Whether a server sends thoughts apart, or its prompts begin one, only whole replies tell, those to the same
task in the same way. So a cell's answers are its own, whatever was asked before. What is known of each
reply stands in the journal beside it: a pass that was killed comes to the same as one that was not.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from ptst_tasks.engines.journal import Journal, batch_key
from ptst_tasks.engines.wire import HttpJob

__all__ = ["HeldReplies"]


class HeldReplies:
    """The replies of one call.

    Args:
        journal: Keeps them as they come.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._all: list[tuple[str, HttpJob]] = []

    def take(self, key: str, job: HttpJob) -> bool:
        """Takes a reply that an earlier pass kept; whether there is one."""
        kept = self._journal.get(key) or self._journal.get(_held(key))
        if kept is None or not job.take(kept):
            return False
        self._all.append((key, job))
        return True

    def keep(self, key: str, job: HttpJob) -> None:
        """Keeps a reply that was read."""
        self._journal.add(key if job.settled else _held(key), job.kept())
        self._all.append((key, job))

    def settle(self, faults: Container[str]) -> Iterator[tuple[HttpJob, str]]:
        """Gives every reply with its text; those of a task that failed wait for the rest of it."""
        signs: dict[tuple[str, ...], set[str]] = {}
        for _, job in self._all:
            signs.setdefault(job.way, set()).add(job.sign)
        for key, job in self._all:
            if not job.settled and job.task not in faults:
                job.settle(signs[job.way])
                self._journal.add(key, job.kept())
            if job.settled:
                yield job, job.text


def _held(key: str) -> str:
    return batch_key(key, "held")
