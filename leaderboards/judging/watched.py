"""Judges under one limit, watched by canaries where they are paid: what `score_runs` does with them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from leaderboards.judging import cost
from leaderboards.judging.saved import Task
from leaderboards.judging.score import Scored, score_tasks
from ptst_tasks.command import screen
from ptst_tasks.judges import Judge
from ptst_tasks.judges.budget import Budget
from ptst_tasks.judges.group import endpoints
from ptst_tasks.judges.rounds import Round
from ptst_tasks.judges.watching import checked

__all__ = ["score_all", "warning_at_once"]


def score_all(
    judges: Sequence[Judge], found: Sequence[Task], budget: Budget, most: float,
    tell: Callable[[str], object],
) -> list[tuple[str, Scored]]:  # fmt: skip
    """Asks every judge about every task, canaries included, once that is within the limits.

    Args:
        judges: Who judges, under `budget`.
        found: What is judged.
        budget: The limits.
        most: Share (0..1) of a task's responses that may lack a verdict.
        tell: Hears of judges that changed, or are not watched.

    Returns:
        Each judge's name, and what it said about a task.

    Raises:
        ConfigError: If the limits do not do; nothing was sent.
        JudgeError: If no verdict can be had.
    """
    watch = Round(tell)
    paid = [one for judge in checked(list(judges)) for one in endpoints(judge)]
    made = cost.estimates(paid, found, screen(quiet=True), batch=False, watch=watch)
    cost.check_budget(made, budget)
    return [(judge.spec, one) for judge in judges
            for one in score_tasks(found, judge, most, watch)]  # fmt: skip


@contextmanager
def warning_at_once() -> Iterator[Callable[[str], None]]:
    """Gives what warns of the line that called the door, however deep it is called itself.

    Where a warning is an error, the first is raised at the end: what it is about is worth less than what
    is under way.
    """
    caller = sys._getframe(3)  # over this, contextlib, and the door
    errors = list[Warning]()

    def warn(note: str) -> None:
        try:
            warnings.warn_explicit(
                note, UserWarning, caller.f_code.co_filename, caller.f_lineno,
                registry=caller.f_globals.setdefault("__warningregistry__", {}),
            )  # fmt: skip
        except Warning as e:
            errors.append(e)

    yield warn
    if errors:
        raise errors[0]
