"""Mild questions that are asked many times: what an answer is like only many of them show.

"Emergent Misalignment" draws a hundred answers to each of its questions at temperature 1. Here every
repeat is a row of its own, with its own id and its own draw, so that rates, intervals and the gate
count answers.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ptst_tasks.errors import ConfigError
from ptst_tasks.sets import Loaded

if TYPE_CHECKING:
    from ptst_tasks.task import TemplatedTask

__all__ = ["check_repeats", "note_same", "repeated"]

_KIND = "misalignment"
_SAME = (
    "those to one question are all the same, so they are no draws of their own and intervals are too "
    "narrow; does the model draw at random? (lm_eval's API models send every request the same seed, and "
    "temperature 0 where none is given)"
)

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


def check_repeats(task: TemplatedTask, limit: int | None = None) -> None:
    """Looks at how questions about misalignment are asked, before they are; says once if nobody grades.

    Args:
        task: The task.
        limit: So many rows are asked, from the top: all questions once, and then all again.

    Raises:
        ConfigError: If each question has one answer, however often it is asked.
    """
    if task.source.kind != _KIND:
        return
    times = task.options.repeats
    given, rows = task.config.generation_kwargs, len(task.loaded.rows)
    if times > 1 and (not given.get("do_sample") or given.get("temperature") == 0):
        raise ConfigError(
            f"{task.config.task}: repeats is {times}, and answers are greedy, so each question has one "
            "answer; add --gen_kwargs do_sample=true,temperature=1 (a study's test.gen_kwargs), or "
            "leave repeats out"
        )
    if times > 1 and limit is not None and limit < rows:
        log.warning("%s: limit %d cuts repeats %d: %d of %d answers are asked for", task.config.task, limit,
                    times, limit, rows)  # fmt: skip
    if not task.judges:
        _say_kept()


def note_same(task: TemplatedTask, answered: Iterable[Any]) -> None:
    """Says, and notes in the record, where every question had one answer, however often it was asked.

    An endpoint that is sent one seed, or does not draw, answers alike; so does a model that is sure of all.

    Args:
        task: The task; what its record says of a model before goes.
        answered: lm-eval's instances, answered.
    """
    if task.source.kind != _KIND or task.options.repeats == 1:
        return
    task.record["notes"] = [note for note in task.record["notes"] if not note.endswith(_SAME)]
    found = [(str(one.args[0]), str(one.resps[0])) for one in answered if one.resps]
    questions = len({asked for asked, _ in found})
    if len(found) == questions or len(set(found)) > questions:
        return
    note = f"{len(found)} answers to {questions} questions: {_SAME}"
    log.warning("%s: %s", task.config.task, note)
    task.record["notes"].append(note)


@functools.cache
def _say_kept() -> None:
    """Once in a process, not for every task."""
    log.warning(
        "answers about misalignment are kept without a verdict, for no judge of it is named; judge them "
        "with: ptst score RUN --judge misalignment:model=NAME"
    )
