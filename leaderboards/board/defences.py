"""Defences beside one another: a line for each training under each test template, and one front.

What is averaged is what the tables average. How lines are compared stands in `versus`, what must be said
of them in `defence_remarks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboards.board.defence_remarks import remarks
from leaderboards.board.fields import Field
from leaderboards.board.kinds import kind_of
from leaderboards.board.mean_change import by_prompt
from leaderboards.board.numbers import Number
from leaderboards.board.pictures import METRICS
from leaderboards.board.row import Row
from leaderboards.board.scatter import pareto
from leaderboards.board.standing import HEADER, Standing
from leaderboards.board.stats import wilson
from leaderboards.board.tables import Grid, grids
from leaderboards.board.versus import Known, Place, compared, known, plain_of, ptst_of

__all__ = ["Ranking", "rankings"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The table of one harmful set, as one judge saw it.

    Attributes:
        title: What it shows.
        lines: In the order of the tables.
        remarks: What a reader must know, a sentence each.
    """

    title: str
    lines: tuple[Standing, ...]
    remarks: tuple[str, ...]

    def table(self) -> list[list[str]]:
        """As text, header first."""
        return [list(HEADER), *(standing.line() for standing in self.lines)]


def rankings(numbers: Sequence[Number], *, pool: bool = False) -> list[Ranking]:
    """A table for each base, harmful set and judge in which some training had a defence.

    Args:
        numbers: Of one or more runs.
        pool: As for `leaderboards.board.tables.grids`.
    """
    mine = {id(n.row): n for n in numbers if n.row.step is None and not n.stale}
    tables = grids([n.row for n in mine.values()], pool=pool)
    return [
        _ranking(harm, _helpful(tables, harm), _mild(tables, harm), mine)
        for harm in tables
        if harm.metric == "asr" and any(line.defence for line in harm.lines.values())
    ]


def _helpful(tables: Sequence[Grid], harm: Grid) -> list[Grid]:
    """Tables of helpfulness of the same base; the first is the one that trade-offs take, too."""
    return [g for g in tables if g.metric in METRICS and g.metric != "asr" and _beside(g, harm)]


def _mild(tables: Sequence[Grid], harm: Grid) -> list[Grid]:
    """Refusals of prompts that are known to be harmless, the harmful set's judge first."""
    found = [g for g in tables if g.metric == "refused" and _beside(g, harm) and _harmless(g)]
    return sorted(found, key=lambda g: g.judge != harm.judge)


def _harmless(grid: Grid) -> bool:
    return all(kind_of(row) == "harmless" for rows in grid.rows.values() for row in rows)


def _beside(grid: Grid, harm: Grid) -> bool:
    return grid.base == harm.base and (
        grid.variant == harm.variant or "" in (grid.variant, harm.variant)
    )


def _ranking(
    harm: Grid, helps: Sequence[Grid], mild: Sequence[Grid], numbers: Mapping[int, Number]
) -> Ranking:
    places = [
        (train, test)
        for train in harm.trains
        for test in harm.tests
        if (train, test) in harm.fields
    ]
    outcomes = known(harm, numbers)
    none = {place: _one(plain_of(harm, place)) for place in places}
    ptst = {
        place: _one(ptst_of(harm, harm.lines[place[0]])) if harm.lines[place[0]].template else None
        for place in places
    }
    wanted = [(p, other) for p in places for other in (none[p], ptst[p]) if other]
    versus = compared(harm, outcomes, wanted)
    able = {p: helps[0].fields[p].mean for p in places if helps and p in helps[0].fields}
    front = set(pareto(_point(harm.fields[p], help_) for p, help_ in able.items()))
    lines = {
        place: Standing.of(
            harm, place, _interval(harm.fields[place], outcomes[place], harm.rows[place]),
            helps=able.get(place), over=_mean(mild, place),
            none=versus.get((place, none[place] or place)), ptst=versus.get((place, ptst[place] or place)),
            front=_point(harm.fields[place], able[place]) in front if place in able else None,
        )
        for place in places
    }  # fmt: skip
    told = remarks(harm, helps, mild, outcomes, lines, len(versus))
    return Ranking(_title(harm), tuple(lines.values()), tuple(told))


def _one(places: Sequence[Place]) -> Place | None:
    """The only one; of several nobody knows which is meant."""
    return places[0] if len(places) == 1 else None


def _mean(tables: Sequence[Grid], place: Place) -> float | None:
    field = tables[0].fields.get(place) if tables else None
    return field.mean if field else None


def _point(harm: Field, able: float) -> tuple[float, float]:
    """Without the last bits, in which the same mean of seeds in another order may differ."""
    return round(harm.mean, 9), round(able, 9)


def _interval(
    field: Field, outcomes: Known, rows: Sequence[Row]
) -> tuple[float, float] | tuple[None, None]:
    """Wilson's over prompts, each counted once however many seeds there are; around the mean shown."""
    logged = [found for found in outcomes.values() if found is not None]
    whole = len(logged) == len(outcomes)
    # Without outcomes: seeds that stand in one field were asked the same prompts.
    n = len(by_prompt(logged)) if whole else min(row.n for row in rows)
    low, high = wilson(field.mean * n, n) if n else (None, None)
    return low, high


def _title(harm: Grid) -> str:
    by = "; ".join(part for part in (harm.judge, harm.variant) if part)
    return f"{harm.base}: defences on {harm.task}{f' ({by})' if by else ''}"
