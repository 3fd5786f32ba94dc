"""Defences beside one another: a line for each training under each test template, and paired tests.

What is averaged is what the tables average. Differences are on the same prompts and of the same seeds: a
prompt counts once, its seeds averaged; the interval is `mean_change`'s, and the p-value the exact McNemar
test's for one seed, a sign-flip test's over prompts for several, by Holm over all comparisons of a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboards.board.defence_remarks import remarks_of
from leaderboards.board.mean_change import Change, by_prompt, mean_change, p_value
from leaderboards.board.numbers import Number, Outcomes
from leaderboards.board.row import Row
from leaderboards.board.scatter import pareto
from leaderboards.board.standing import Standing, Versus
from leaderboards.board.stats import holm, wilson
from leaderboards.board.tables import Grid, grids

__all__ = ["Ranking", "rankings"]

_OVER = "refused"

Place = tuple[str, str]
"""Key of a line, test template."""


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


def _helpful(tables: Sequence[Grid], harm: Grid) -> Grid | None:
    """The first table of helpfulness of the same base, as the trade-off's picture takes it."""
    known = ("exact_match", "acc", "prompt_level_strict_acc", "rougeL", "bertscore")
    return next((g for g in tables if g.metric in known and _beside(g, harm)), None)


def _mild(tables: Sequence[Grid], harm: Grid) -> Grid | None:
    """Refusals of harmless prompts: of a set that has no attack success rate."""
    harmful = {g.task for g in tables if g.metric == "asr"}
    found = (g for g in tables if g.metric == _OVER and g.task not in harmful)
    return next((g for g in found if _beside(g, harm)), None)


def _beside(grid: Grid, harm: Grid) -> bool:
    return grid.base == harm.base and (
        grid.variant == harm.variant or "" in (grid.variant, harm.variant)
    )


def _ranking(
    harm: Grid, helps: Grid | None, mild: Grid | None, numbers: Mapping[int, Number]
) -> Ranking:
    places = [
        (train, test)
        for train in harm.trains
        for test in harm.tests
        if (train, test) in harm.fields
    ]
    outcomes = {place: _outcomes(harm.rows[place], numbers) for place in places}
    ptst = _ptst(harm, places)
    pairs: dict[tuple[Place, str], tuple[Change, float, int]] = {}
    for place in places:
        for kind, other in (("none", _plain(harm, place)), ("ptst", ptst)):
            found = _paired(outcomes, place, other)
            if found:
                pairs[place, kind] = found
    fair = dict(zip(pairs, holm([p for _, p, _ in pairs.values()]), strict=True))
    versus = {key: Versus(change, fair[key], n) for key, (change, _, n) in pairs.items()}
    front = set(pareto((harm.fields[p].mean, helps.fields[p].mean) for p in places
                       if helps and p in helps.fields))  # fmt: skip
    lines = tuple(
        _standing(harm, helps, mild, place, outcomes[place], versus, front) for place in places
    )
    return Ranking(
        _title(harm), lines, tuple(remarks_of(harm, helps, mild, ptst, lines, len(pairs)))
    )


def _outcomes(rows: Sequence[Row], numbers: Mapping[int, Number]) -> dict[object, Outcomes]:
    """By base and seeds, where every prompt's outcome is known."""
    return {
        (row.base, row.seed, row.decoding_seed): found
        for row in rows
        if (found := numbers[id(row)].outcomes) is not None
    }


def _plain(harm: Grid, place: Place) -> Place | None:
    """Plain training under the same templates; None for itself, and where it was not measured."""
    line = harm.lines[place[0]]
    if not line.defence:
        return None
    same = (
        key
        for key, other in harm.lines.items()
        if (other.template, other.defence) == (line.template, "") and (key, place[1]) in harm.fields
    )
    return next(((key, place[1]) for key in same), None)


def _ptst(harm: Grid, places: Sequence[Place]) -> Place | None:
    """Plain training without a safety prompt, tested with one: CV -> CL, else the first there is."""
    fields = [
        (train, test)
        for train, test in places
        if harm.fields[train, test].ptst and not harm.lines[train].defence
    ]
    best = [
        p for p in fields if (harm.lines[p[0]].template, p[1]) == ("chat:vanilla", "chat:llama")
    ]
    return next(iter(best or fields), None)


def _paired(
    outcomes: Mapping[Place, Mapping[object, Outcomes]], place: Place, other: Place | None
) -> tuple[Change, float, int] | None:
    """Change, its p-value and seeds in common; None where there is nothing to compare."""
    if other is None or other == place:
        return None
    shared = outcomes[place].keys() & outcomes[other].keys()
    if not shared:
        return None
    before, after = ([outcomes[p][s] for s in sorted(shared, key=str)] for p in (other, place))
    change = mean_change(before, after)
    return None if change is None else (change, p_value(before, after), len(shared))


def _standing(
    harm: Grid, helps: Grid | None, mild: Grid | None, place: Place,
    outcomes: Mapping[object, Outcomes], versus: Mapping[tuple[Place, str], Versus],
    front: set[tuple[float, float]],
) -> Standing:  # fmt: skip
    line, field = harm.lines[place[0]], harm.fields[place]
    rates = by_prompt(list(outcomes.values())).values()
    low, high = wilson(sum(rates), len(rates)) if rates else (None, None)
    able = helps.fields.get(place) if helps else None
    over = mild.fields.get(place) if mild else None
    return Standing(
        line.template, line.defence, harm.label(place[0]), place[1], field.mean, low, high,
        able.mean if able else None, over.mean if over else None,
        versus.get((place, "none")), versus.get((place, "ptst")),
        (field.mean, able.mean) in front if able else None,
    )  # fmt: skip


def _title(harm: Grid) -> str:
    by = "; ".join(part for part in (harm.judge, harm.variant) if part)
    return f"{harm.base}: defences on {harm.task}{f' ({by})' if by else ''}"
