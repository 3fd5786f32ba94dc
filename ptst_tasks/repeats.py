"""Mild questions that are asked many times: what an answer is like only many of them show.

"Emergent Misalignment" draws a hundred answers to each of its questions at temperature 1. Here every
repeat is a row of its own, with its own id and its own draw, so that rates, intervals and the gate
count answers.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from ptst_tasks.errors import ConfigError
from ptst_tasks.sets import Loaded

if TYPE_CHECKING:
    from ptst_tasks.task import TemplatedTask

__all__ = ["check_repeats", "repeated"]

_KIND = "misalignment"

log = logging.getLogger(__name__)


def repeated(loaded: Loaded, times: int) -> Loaded:
    """Every question so many times, in rounds: ``4a5c``, ``77d0``, ``4a5c*2``, ``77d0*2``, ...

    Args:
        loaded: The set; one of another kind stays as it is.
        times: From 1 on.
    """
    if loaded.source.kind != _KIND or times == 1:
        return loaded
    again = [
        {**row, "id": f"{row['id']}*{at}"} for at in range(2, times + 1) for row in loaded.rows
    ]
    return replace(loaded, rows=[*loaded.rows, *again])


def check_repeats(task: TemplatedTask) -> None:
    """Looks at how questions about misalignment are asked, before they are; says once if nobody grades.

    Raises:
        ConfigError: If each question has one answer, however often it is asked.
    """
    if task.source.kind != _KIND:
        return
    times = task.options.repeats
    if times > 1 and not task.config.generation_kwargs.get("do_sample"):
        raise ConfigError(
            f"{task.config.task}: repeats is {times}, and answers are greedy, so each question has one "
            "answer; add --gen_kwargs do_sample=true,temperature=1 (a study's test.gen_kwargs), or "
            "leave repeats out"
        )
    if not task.judges:
        _say_kept()


@functools.cache
def _say_kept() -> None:
    """Once in a process, not for every task."""
    log.warning(
        "answers about misalignment are kept without a verdict, for no judge of it is named; judge them "
        "with: ptst score RUN --judge misalignment:model=NAME"
    )
