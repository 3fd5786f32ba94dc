"""Which judges are watched by canaries, and the round that this process, or a run within it, is in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from ptst_tasks.judges.base import Judge
from ptst_tasks.judges.canaries import wanted
from ptst_tasks.judges.group import endpoints
from ptst_tasks.judges.rounds import Asked, Round
from ptst_tasks.record import TaskRecord, note_canaries

__all__ = ["Asked", "checked", "current", "note", "round_of"]

log = logging.getLogger(__name__)

_PROCESS = Round(log.warning)
_ROUND = ContextVar[Round]("_ROUND")


def current() -> Round:
    """The round that this process is in."""
    return _ROUND.get(_PROCESS)


@contextmanager
def round_of(tell: Callable[[str], object]) -> Iterator[Round]:
    """A round of its own: judges that were asked before it are asked anew."""
    token = _ROUND.set(Round(tell))
    try:
        yield _ROUND.get()
    finally:
        _ROUND.reset(token)


def checked(judges: list[Judge], *, on: bool = True) -> list[Judge]:
    """The same judges; those behind an endpoint are watched, unless the environment says no, or `on`.

    Raises:
        ConfigError: If the environment says neither on nor off, and such a judge is there.
    """
    for judge in judges:
        for one in endpoints(judge):
            one.watched = on and wanted()
    return judges


def note(record: TaskRecord, judges: Iterable[Judge], asked: Mapping[str, Asked]) -> None:
    """Writes down beside the verdicts what their judges said of the canaries.

    Args:
        record: Of the task.
        judges: Who judged.
        asked: Name -> what it was asked about.
    """
    for judge in judges:
        if judge.spec in asked:
            stands = current().under(judge, *asked[judge.spec])
            for name, told in current().told(stands).items():
                note_canaries(record, name, told)
