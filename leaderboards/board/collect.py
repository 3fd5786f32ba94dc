"""From runs to the rows of one leaderboard; damage is a row, and a line on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from leaderboards.board import disk
from leaderboards.board.numbers import Number
from leaderboards.board.people import People
from leaderboards.board.row import Row, conditions, in_order, sort_key
from ptst_tasks.digests import read_json
from ptst_tasks.errors import DataError, PTSTError

__all__ = ["collect", "collect_each", "with_outcomes"]


def collect(
    runs: Iterable[str | Path], people: People | None = None
) -> tuple[list[Row], list[str]]:
    """Reads run folders, lm_eval outputs and leaderboard CSVs into one list of rows.

    Args:
        runs: What to read.
        people: Puts people's rates into the rows.

    Returns:
        The rows, sorted, and notes about what was damaged, twice there, or left out.

    Raises:
        DataError: If nothing at all can be read.
    """
    rows: list[Row] = []
    notes: list[str] = []
    for run in runs:
        try:
            rows += _run(Path(run), notes, people)
        except PTSTError as e:
            notes.append(str(e))
    rows = _one_base(_once(rows, notes), notes)
    if not rows:
        raise DataError("; ".join(notes) or "no run was given")
    return in_order(rows), notes


def collect_each(
    runs: Sequence[str | Path], people: People | None = None
) -> tuple[list[Row], list[str]]:
    """The same; one run that gives nothing is a fault, not a smaller table.

    Raises:
        DataError: If a run gives nothing, with all that do.
    """
    rows, notes = collect(runs, people)
    faults = []
    for run in runs if notes and len(runs) > 1 else ():
        try:
            collect([run])
        except DataError as e:
            faults.append(str(e))
    if faults:
        raise DataError("; ".join(faults) + "; nothing was made of the others: leave it out")
    return rows, notes


def with_outcomes(runs: Iterable[str | Path], rows: Iterable[Row]) -> list[Number]:
    """Collected rows, each with what its prompts came to where a run says it.

    Args:
        runs: What the rows were collected from.
        rows: What `collect` made of them, without people's rates; numbers of older runs are left out.
    """
    known: dict[Row, Number] = {}
    for run in runs:
        with suppress(PTSTError):  # which `collect` has told of
            for number in _numbers(Path(run)):
                known.setdefault(number.row, number)
    found = (known.get(row, Number(row)) for row in rows)
    return [number for number in found if not number.stale]


def _numbers(run: Path) -> Iterator[Number]:
    from leaderboards.board.results import read_cell
    from leaderboards.board.sides import read_side

    if not (run / "study.json").exists():
        yield from read_side(run).numbers
        return
    for cell in disk.cell_folders(run):
        with suppress(PTSTError):
            yield from read_cell(cell)


def _run(run: Path, notes: list[str], people: People | None) -> list[Row]:
    from leaderboards.board.results import read_cell
    from leaderboards.board.sides import read_side

    if not (run / "study.json").exists():
        return _rows(read_side(run).numbers, people)
    cells = disk.cell_folders(run)
    if not cells:
        raise DataError(f"{str(run)!r} has no finished cell; run its study again")
    rows: list[Row] = []
    for cell in cells:
        try:
            rows += _rows(read_cell(cell), people)
        except PTSTError as e:
            notes.append(str(e))
            rows.append(_damaged(cell, str(e)))
    return rows


def _rows(numbers: Sequence[Number], people: People | None) -> list[Row]:
    return people.rows(numbers) if people else [number.row for number in numbers]


def _damaged(cell: Path, error: str) -> Row:
    record = read_json(cell / "cell.json") or {}
    names = ("base", "adapter", "train_data", "train_template", "defence", "seed", "test_template",
             "attack", "task")  # fmt: skip
    known = {name: record[name] for name in names if record.get(name) is not None}
    unknown = {"base": "?", "task": "?", "metric": "", "cell": cell.name, "error": error}
    try:
        return Row.model_validate({**unknown, **known})
    except ValidationError:  # the record is what is damaged
        return Row.model_validate(unknown)


def _once(rows: list[Row], notes: list[str]) -> list[Row]:
    """Cells that several runs share are one; two numbers under one name both stay, and are told of.

    Whoever shows them tells them apart by their digests (`leaderboards.board.merging`), or says that it
    cannot. A failure gives way to a number.
    """
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(sort_key(row), []).append(row)
    out = []
    for same in found.values():
        good = [row for row in same if not row.error]
        kept = _different(good, notes) if good else _failures(same)
        if len(kept) > 1 and good:
            notes.append(_twice(kept))
        out += kept
    return out


def _failures(rows: list[Row]) -> list[Row]:
    """One of each; cells of which nobody knows what they are, are each their own."""
    return list({row.cell: row for row in rows}.values()) if rows[0].task == "?" else rows[:1]


def _different(rows: list[Row], notes: list[str]) -> list[Row]:
    """Of equal cells one, and of one measurement that was made twice with other results the first.

    A leaderboard may hold what its run does, without what people's labels say: that is kept.
    """
    if len(rows) == 1:
        return rows
    kept: dict[tuple[str, ...], Row] = {}
    for row in rows:
        first = kept.setdefault(conditions(row), row)
        same = (first.value, first.n, first.unscored) == (row.value, row.n, row.unscored)
        if same and first.people is None and row.people is not None:
            kept[conditions(row)] = row
        if not same:
            notes.append(
                f"{_name(row)} was measured twice with different results; the first is kept"
            )
    return list(kept.values())


def _name(row: Row) -> str:
    return f"{row.task} {row.test_template} {row.metric} of {row.adapter or row.base!r}"


def _twice(rows: list[Row]) -> str:
    row = rows[0]
    what = _name(row)
    if len({r.adapter_digest for r in rows}) > 1:
        return f"{what}: {len(rows)} adapters of one name and different weights; name them apart"
    return f"{what} was measured {len(rows)} times under different conditions; all are kept"


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
