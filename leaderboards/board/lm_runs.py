"""Which numbers of a folder with several results files are those of the run in question?

lm_eval adds a results file per call. Calls of one evaluation share the work (one per task, say); a
later evaluation measures again what an earlier one did. A number that is left over from an earlier
evaluation is *stale*: it is kept, named, and never passes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from leaderboards.board.numbers import Number
from leaderboards.board.row import sort_key

__all__ = ["Run", "by_model", "newest"]

Key = tuple[str, ...]

ONE_RUN = timedelta(days=1)
"""Results files further apart than this are no parts of one evaluation."""

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Run:
    """What one results file says of one model."""

    file: Path
    model: tuple[str, str]
    numbers: dict[Key, Number]

    @property
    def date(self) -> str:
        """When, as the file says."""
        return next((n.row.date for n in self.numbers.values()), "")


def by_model(file: Path, numbers: Iterable[Number]) -> list[Run]:
    """The numbers of a file by model (base and adapter)."""
    found: dict[tuple[str, str], dict[Key, Number]] = defaultdict(dict)
    for number in numbers:
        found[number.row.base, number.row.adapter][sort_key(number.row)] = number
    return [Run(file, model, some) for model, some in found.items()]


def newest(runs: Iterable[Run]) -> tuple[list[Number], list[str]]:
    """Of each number the newest, and notes on what was replaced and what is left over.

    Args:
        runs: By date, oldest first.
    """
    models: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        models[run.model].append(run)
    numbers: list[Number] = []
    notes: list[str] = []
    for some in models.values():
        found, said = _of_one_model(some)
        numbers += found
        notes += said
    return numbers, notes


def _of_one_model(runs: list[Run]) -> tuple[list[Number], list[str]]:
    last, seen = runs[-1], set(runs[-1].numbers)
    numbers, notes = list(last.numbers.values()), []
    for run in reversed(runs[:-1]):
        left = {key: number for key, number in run.numbers.items() if key not in seen}
        again = len(run.numbers) - len(left)
        if again:
            notes.append(f"{again} numbers measured again: {last.file.name} replaces what is older")
        if left:
            stale = again > 0 or _far(run.date, last.date)
            why = f"of an older run ({run.date or run.file.name}), not of the newest ({last.file.name})"
            numbers += [replace(n, stale=why) if stale else n for n in left.values()]
            notes.append(_said(run, last, left.values(), stale))
        seen |= run.numbers.keys()
    return numbers, notes[::-1]


def _said(run: Run, last: Run, left: Iterable[Number], stale: bool) -> str:
    names = list(
        dict.fromkeys(" / ".join(filter(None, (n.row.task, n.row.test_template))) for n in left)
    )
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" * (len(names) > _NAMED))
    what = (
        f"{shown} of {run.date or run.file.name}: not in the newest results file {last.file.name}"
    )
    if stale:
        return (
            f"stale: {what}, so a number of an older run; evaluate all of them into an empty folder"
        )
    return f"{what}; taken for a part of the same run"


def _far(old: str, new: str) -> bool:
    try:
        return datetime.fromisoformat(new) - datetime.fromisoformat(old) > ONE_RUN
    except (TypeError, ValueError):
        return False
