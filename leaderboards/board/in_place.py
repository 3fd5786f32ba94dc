"""Puts new verdicts in place: samples and results change together, or not at all.

They are put beside both as ``.NAME.next``, the results' last, and then in place. Whoever finds the
results' next one after a kill finishes that; without it the samples' next one is nobody's.
"""

from __future__ import annotations

import glob
from pathlib import Path

from ptst_tasks.errors import DataError, said
from ptst_tasks.locks import locked

__all__ = ["LOCK", "next_of", "put_in_place", "settle"]

LOCK = ".score.lock"
"""Held by whoever changes a folder's results."""


def next_of(file: Path) -> Path:
    """Where the next state of a file lies until it is put in place."""
    return file.with_name(f".{file.name}.next")


def settle(results: Path) -> None:
    """Finishes what a killed process had begun to put in place.

    Raises:
        DataError: If it cannot be finished.
    """
    if not next_of(results).exists():
        return
    try:
        with locked(results.with_name(LOCK)):  # it may be under way, and not dead
            put_in_place(results)
    except OSError as e:
        raise DataError(
            f"{str(results)!r}: new verdicts were being written when the process ended, and cannot "
            f"be put in place: {said(e)}; let somebody read it who may write there"
        ) from e


def put_in_place(results: Path) -> None:
    """Puts the next states of a results file and its samples in place, or removes half of them.

    The caller holds the lock.
    """
    whole = next_of(results).exists()
    date = results.stem.rpartition("_")[2]
    for aside in results.parent.glob(f".samples_*_{glob.escape(date)}.jsonl.next"):
        if whole:
            aside.replace(aside.with_name(aside.name[1 : -len(".next")]))
        else:
            aside.unlink()
    if whole:
        next_of(results).replace(results)
