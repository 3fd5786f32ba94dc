"""The tables of a leaderboard as the page draws them: shades, and what a click looks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from leaderboards.board.fields import DIRECTIONS
from leaderboards.board.row import Row, field_text
from leaderboards.board.tables import Grid, short
from leaderboards.report.sendable import name_of

__all__ = ["View", "Where", "cell_of", "points_of", "provenance", "views"]

_STEPS = 10


@dataclass(frozen=True, slots=True)
class Place:
    """One field.

    Attributes:
        text: Mean in percent.
        more: Its deviation and n, or why there is no number.
        shade: 0..10, by the mean; None for no number.
        mark: ``same`` (trained and tested under one template), ``ptst``, or nothing.
        label: Training and test, for the line that says whose answers are shown.
        cell: Numbers of the tasks that its answers are of, with dots between; empty where none were logged.
        only: ``safe``, where a metric is of the safe prompts of a set that has others, too.
    """

    text: str
    more: str
    shade: int | None
    mark: str
    label: str
    cell: str
    only: str


@dataclass(frozen=True, slots=True)
class View:
    """One table; `worst` has a text for each line, or none where a table has no such column."""

    title: str
    metric: str
    harm: bool
    tests: list[str]
    lines: list[tuple[str, list[Place]]]
    remarks: list[str]
    worst: list[str]


Where = Callable[[Row], int | None]
"""The number of the task that a row was measured on."""


def views(
    tables: Iterable[Grid], where: Where | None = None, *, mixed: Collection[str] = (), digits: int = 1,
    named: Callable[[str], str] = name_of,
) -> list[View]:  # fmt: skip
    """The tables: of harm, then of help, then of refusals.

    Args:
        tables: What `leaderboards.board.tables.grids` made.
        where: The number of the task that a row was measured on; None where no answers are shown.
        mixed: Sets of safe and unsafe prompts, of which `refused` is of the safe ones alone.
        digits: After the point.
        named: What is made of names and remarks.
    """
    drawn = _Drawn(where or (lambda _: None), digits, named)
    made = [_view(grid, drawn, grid.task in mixed) for grid in tables]
    return sorted(made, key=lambda view: (not view.harm, view.metric.startswith("refused")))


def cell_of(grid: Grid, train: str, test: str, where: Where) -> str:
    """The tasks that a field's answers are of."""
    found = {where(row) for row in grid.rows.get((train, test), ())} - {None}
    return ".".join(map(str, sorted(at for at in found if at is not None)))


def points_of(of: Sequence[Grid], where: Where) -> list[tuple[str, str, str, list[str], str]]:
    """The points of a trade-off: training line, its name, test template, numbers in percent, and the tasks.

    The first two are how the picture names a point.
    """
    if not of:
        return []
    first = of[0]
    out = []
    for train in first.trains:
        for test in first.tests:
            fields = [grid.fields.get((train, test)) for grid in of]
            if all(fields):
                cells = [cell_of(grid, train, test, where) for grid in of]
                texts = [f"{100 * field.mean:.1f}" for field in fields if field]
                out.append(
                    (train, name_of(first.label(train)), test, texts, ".".join(filter(None, cells)))
                )
    return out


class _Drawn(NamedTuple):
    """How tables are drawn, as `views` says."""

    where: Where
    digits: int
    named: Callable[[str], str]


def _view(grid: Grid, drawn: _Drawn, mixed: bool) -> View:
    only = "safe" if mixed and grid.metric == "refused" else ""
    named = drawn.named
    lines = [
        (named(grid.label(train)),
         [_place(grid, train, test, only, drawn) for test in grid.tests])
        for train in grid.trains
    ]  # fmt: skip
    tests = [named(short(test)) for test in grid.tests]
    remarks = [named(text) for text in grid.remarks()]
    return View(
        named(grid.title),
        grid.metric,
        DIRECTIONS.get(grid.metric) == "higher",
        tests,
        lines,
        remarks,
        [named(grid.worst_text(t, drawn.digits)) for t in grid.trains if grid.has_worst],
    )


def _place(grid: Grid, train: str, test: str, only: str, drawn: _Drawn) -> Place:
    digits, named = drawn.digits, drawn.named
    label = named(f"{grid.label(train)} tested under {short(test)}")
    cell = cell_of(grid, train, test, drawn.where)
    field = grid.fields.get((train, test))
    if field is None:
        why = named(grid.gaps.get((train, test), ""))
        return Place("–", why, None, "", label, cell, only)
    more = [] if field.std is None else [f"±{100 * field.std:.{digits}f}"]
    mark = "ptst" if field.ptst else "same" if field.diagonal else ""
    shade = round(_STEPS * min(max(field.mean, 0.0), 1.0))
    text = f"{100 * field.mean:.{digits}f}"
    return Place(text, " ".join([*more, f"n {field.n}"]), shade, mark, label, cell, only)


def provenance(rows: Sequence[Row], columns: Sequence[str]) -> list[tuple[str, list[str]]]:
    """What all numbers share, and what differs among them: column -> its values, of named rows."""
    out = []
    for column in columns:
        found = dict.fromkeys(field_text(row, column) for row in rows)
        values = list(filter(None, found))
        if values:
            out.append((column.replace("_", " "), values))
    return out
