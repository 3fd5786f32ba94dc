"""Asks the canaries where nobody stands by: of judges inside lm_eval, in a study, and from Python.

A judge is asked once in a process, or in a run within it, and after the verdicts that are wanted of it:
nothing that goes wrong here costs a verdict, and what a limit leaves is first for them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ptst_tasks.errors import said
from ptst_tasks.files import printable
from ptst_tasks.judges.base import Judge
from ptst_tasks.judges.budget import Estimate
from ptst_tasks.judges.cache import default_path
from ptst_tasks.judges.canaries import UNCACHED, Watched, add_to, wanted, watch
from ptst_tasks.judges.group import endpoints
from ptst_tasks.keys import hidden
from ptst_tasks.record import TaskRecord, note_canaries

if TYPE_CHECKING:
    from ptst_tasks.judges.endpoint import EndpointJudge

__all__ = ["Round", "checked", "current", "note", "round_of"]

log = logging.getLogger(__name__)


class Round:
    """What judges say of the canaries in one process, or one run.

    Args:
        tell: Hears of changes, and of judges that are not asked: of each once.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._hears = tell
        self._looks: dict[tuple[str, str], Watched | None] = {}
        self._counted = set[tuple[str, str]]()

    def due(self, judge: EndpointJudge) -> bool:
        """Whether a judge is to be asked once it is paid for a verdict."""
        return wanted() and not _uncached(judge) and _key(judge) not in self._looks

    def add_to(self, estimate: Estimate, judge: EndpointJudge) -> int:
        """Adds the canaries to what a judge is about to be asked, once; returns how many they are."""
        if not estimate.calls or not self.due(judge) or _key(judge) in self._counted:
            return 0
        self._counted.add(_key(judge))
        return add_to(estimate, judge)

    def told(self, judge: Judge) -> dict[str, dict[str, Any] | None]:
        """What a judge, or each of its panel, says of the canaries, as it stands in results.

        Asks those that were paid for a verdict and were not asked in this round.

        Returns:
            By name; None of one that was paid and is not watched. Those that were not paid are not there.
        """
        told: dict[str, dict[str, Any] | None] = {}
        for one in endpoints(judge):
            key = _key(one)
            if one.answered and key not in self._looks:
                self._looks[key] = self._asked(one)
            if key in self._looks:
                look = self._looks[key]
                told[one.spec] = look.told() if look else None
        return told

    def _asked(self, judge: EndpointJudge) -> Watched | None:
        try:
            if not wanted():
                return None
            if why := _unwatched(judge):
                self._tell(f"{judge.spec}: {why}")
                return None
            look = watch(judge)
        except Exception as e:  # whatever it was: the verdicts are there, and are worth more
            self._tell(f"{judge.spec}: whether it changed is not known, its canaries failed: "
                       f"{hidden(said(e))}")  # fmt: skip
            return None
        if look.remark:
            self._tell(f"{judge.spec}: {look.remark}")
        return look

    def _tell(self, what: str) -> None:
        self._hears(printable(what))  # a reply names its model as it likes


def _key(judge: EndpointJudge) -> tuple[str, str]:
    """Who a judge is, whichever of its objects, and where what it said is kept."""
    return judge.cache_path or default_path(), judge.key("", "")


def _uncached(judge: EndpointJudge) -> bool:
    return (judge.cache_path or default_path()) == ":memory:"


def _unwatched(judge: EndpointJudge) -> str:
    """Why a judge is not asked; empty if it is."""
    if _uncached(judge):
        return UNCACHED
    estimate = Estimate(price=judge.price)
    if judge.budget.has_room(add_to(estimate, judge), estimate.cost or 0.0):
        return ""
    return "canaries are not asked: max_calls or max_cost leaves no room for their 50 calls"


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


def checked(judges: list[Judge]) -> list[Judge]:
    """The same judges; what the environment says of canaries is read before anything is asked.

    Raises:
        ConfigError: If it says neither on nor off, and a judge behind an endpoint is there.
    """
    if any(True for judge in judges for _ in endpoints(judge)):
        wanted()
    return judges


def note(record: TaskRecord, judges: Iterable[Judge]) -> None:
    """Writes down beside the verdicts what their judges say of the canaries."""
    for judge in judges:
        for name, told in current().told(judge).items():
            note_canaries(record, name, told)
