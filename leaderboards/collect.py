"""From runs to the rows of one leaderboard; damage is a row, and a line on stderr."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from leaderboards import csvio, disk
from leaderboards.csvio import Row
from ptst_tasks.digests import read_json
from ptst_tasks.errors import DataError, PTSTError

__all__ = ["collect"]


def collect(runs: Iterable[str | Path]) -> tuple[list[Row], list[str]]:
    """Reads run folders, lm_eval outputs and leaderboard CSVs into one list of rows.

    Returns:
        The rows, sorted, and notes about what was damaged, twice there, or left out.

    Raises:
        DataError: If nothing at all can be read.
    """
    rows: list[Row] = []
    notes: list[str] = []
    for run in runs:
        try:
            rows += _run(Path(run), notes)
        except PTSTError as e:
            notes.append(str(e))
    rows = _one_base(_once(rows, notes), notes)
    if not rows:
        raise DataError("; ".join(notes) or "no run was given")
    return sorted(rows, key=csvio.sort_key), notes


def _run(run: Path, notes: list[str]) -> list[Row]:
    from leaderboards.lm_output import read_cell
    from leaderboards.outcomes import read_side

    if not (run / "study.json").exists():
        return [number.row for number in read_side(run).numbers]
    cells = disk.cell_folders(run)
    if not cells:
        raise DataError(f"{str(run)!r} has no finished cell; run its study again")
    rows: list[Row] = []
    for cell in cells:
        try:
            rows += [number.row for number in read_cell(cell)]
        except PTSTError as e:
            notes.append(str(e))
            rows.append(_damaged(cell, str(e)))
    return rows


def _damaged(cell: Path, error: str) -> Row:
    record = read_json(cell / "cell.json") or {}
    names = ("base", "adapter", "train_data", "train_template", "seed", "test_template", "task")
    known = {name: record[name] for name in names if name in record}
    return Row(**{"base": "?", "task": "?", **known, "metric": "", "cell": cell.name,
                  "error": error})  # fmt: skip


def _once(rows: list[Row], notes: list[str]) -> list[Row]:
    """Cells that several runs share are one; of two different measurements the first stays."""
    kept: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = csvio.sort_key(row)
        if key not in kept or (kept[key].error and not row.error):
            kept[key] = row
        elif row != kept[key] and not row.error:
            notes.append(
                f"{row.task} {row.test_template} {row.metric} of {row.adapter or row.base!r} was "
                "measured twice with different results; the first is kept"
            )
    return list(kept.values())


def _one_base(rows: list[Row], notes: list[str]) -> list[Row]:
    """Two models of one name cannot stand in one table: the later becomes a row with an error."""
    digest: dict[str, str] = {}
    out = []
    for row in rows:
        first = digest.setdefault(row.base, row.base_digest) if row.base_digest else ""
        if row.base_digest and first != row.base_digest:
            error = f"the base {row.base!r} has other weights than in the rows before"
            if error not in notes:
                notes.append(error)
            row = Row(**{**row.model_dump(), "value": None, "ci_low": None, "ci_high": None,
                         "n": 0, "unscored": 0, "error": error})  # fmt: skip
        out.append(row)
    return out
