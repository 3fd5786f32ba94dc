"""Judges under one limit, watched by canaries where they are paid: what `score_runs` does with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from leaderboards.judging import cost
from leaderboards.judging.saved import Task
from leaderboards.judging.score import Scored, score_tasks
from ptst_tasks.command import screen
from ptst_tasks.judges import Judge
from ptst_tasks.judges.budget import Budget
from ptst_tasks.judges.group import endpoints
from ptst_tasks.judges.watching import Round

__all__ = ["score_all"]


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
    paid, watch = [one for judge in judges for one in endpoints(judge)], Round(tell)
    asks = any(map(watch.due, paid))
    made = cost.estimates(paid, found, screen(quiet=True), batch=False, watched=asks)
    cost.check_budget(made, budget)
    return [(judge.spec, one) for judge in judges
            for one in score_tasks(found, judge, most, partial(watch.told, judge))]  # fmt: skip
