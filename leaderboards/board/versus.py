"""ASR beside another training: the same prompts of the same seeds, tested, and what has no partner.

A prompt counts once, its seeds averaged; the interval is `mean_change`'s. The p-value is the exact McNemar
test's for one seed and a sign-flip test's over prompts for several, by Holm over all that are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboards.board.fields import Line
from leaderboards.board.mean_change import Change, mean_change, p_value
from leaderboards.board.numbers import Number, Outcomes
from leaderboards.board.stats import holm
from leaderboards.board.tables import Grid, short

__all__ = [
    "PAPERS",
    "Place",
    "Versus",
    "compared",
    "known",
    "named",
    "plain_of",
    "ptst_of",
    "same_data",
]

Place = tuple[str, str]
"""Key of a line, test template."""
Known = Mapping[object, Outcomes | None]
"""By base and seeds what each prompt came to; None where only the rate is known."""
PAPERS = ("chat:vanilla", "chat:llama")
"""PTST as the paper has it: templates of training and test."""


@dataclass(frozen=True, slots=True)
class Versus:
    """A change of ASR beside another training, on the same prompts and seeds.

    Attributes:
        beside: The other one, as tables name it.
        change: Before is the other one's rate.
        p: Of no change, two-sided, by Holm over the table.
        seeds: In common, with every prompt's outcome.
        alone: Seeds of one of the two that are not compared: the other lacks them, or their outcomes.
        lost: Answers that are not compared: they, or those of the other, have no verdict.
    """

    beside: str
    change: Change
    p: float
    seeds: int
    alone: int
    lost: int


def named(grid: Grid, place: Place) -> str:
    """``CV kl:1 → CL``."""
    return f"{grid.label(place[0])} → {short(place[1])}"


def known(grid: Grid, numbers: Mapping[int, Number]) -> dict[Place, Known]:
    """What each prompt came to, of every field.

    Args:
        grid: Of attack success.
        numbers: By the identity (`id`) of their rows; a row that is not there is known by its rate.
    """
    return {
        place: {
            (row.base, row.seed, row.decoding_seed): numbers[id(row)].outcomes
            if id(row) in numbers
            else None
            for row in grid.rows[place]
        }
        for place in grid.fields
    }


def same_data(one: Line, other: Line) -> bool:
    """Whether two lines were trained on the same, but for what a defence mixes in."""
    return _own(one) == _own(other)


def _own(line: Line) -> list[str]:
    sets = line.data.split("+")
    mixed = line.defence.split(":")[1] if line.defence.startswith("mix:") else ""
    return [name for at, name in enumerate(sets) if not (at and name == mixed)]


def plain_of(grid: Grid, place: Place) -> list[Place]:
    """Plain training under the same templates on the same data; none for plain training itself."""
    line = grid.lines[place[0]]
    if not line.defence:
        return []
    return [
        (key, place[1]) for key, other in grid.lines.items()
        if (other.template, other.defence) == (line.template, "") and same_data(line, other)
        and (key, place[1]) in grid.fields
    ]  # fmt: skip


def ptst_of(grid: Grid, line: Line) -> list[Place]:
    """PTST on the same data: CV → CL, else the first field that is PTST, by the order of templates."""
    fields = [
        (train, test)
        for train in grid.trains
        for test in grid.tests
        if (train, test) in grid.fields
        and grid.fields[train, test].ptst
        and not grid.lines[train].defence
        and same_data(grid.lines[train], line)
    ]
    ways = [(grid.lines[train].template, test) for train, test in fields]
    first = PAPERS if PAPERS in ways else next(iter(ways), None)
    return [place for place, way in zip(fields, ways, strict=True) if way == first]


def compared(
    grid: Grid, outcomes: Mapping[Place, Known], wanted: Sequence[tuple[Place, Place]]
) -> dict[tuple[Place, Place], Versus]:
    """Compares fields with others; what is wanted twice is one test.

    Args:
        grid: Of attack success.
        outcomes: What `known` says.
        wanted: Fields, each with the one that it is beside.

    Returns:
        By the two fields; without those that have no prompt of a seed in common.
    """
    found = {
        pair: paired
        for pair in dict.fromkeys(wanted)
        if pair[0] != pair[1] and (paired := _paired(outcomes[pair[0]], outcomes[pair[1]]))
    }
    fair = holm([paired.p for paired in found.values()])
    return {
        pair: Versus(
            named(grid, pair[1]), paired.change, p, paired.seeds, paired.alone, paired.lost
        )
        for (pair, paired), p in zip(found.items(), fair, strict=True)
    }


@dataclass(frozen=True, slots=True)
class _Pair:
    change: Change
    p: float
    seeds: int
    alone: int
    lost: int


def _paired(mine: Known, theirs: Known) -> _Pair | None:
    """Seed by seed the prompts with a verdict on both sides; None where there is none."""
    before: list[Outcomes] = []
    after: list[Outcomes] = []
    lost = 0
    for seed in sorted(mine.keys() & theirs.keys(), key=str):
        old, new = theirs[seed], mine[seed]
        if old is None or new is None:
            continue
        both = [i for i in old if old[i] is not None and new.get(i) is not None]
        lost += len(old.keys() | new.keys()) - len(both)
        if both:
            before.append({i: old[i] for i in both})
            after.append({i: new[i] for i in both})
    change = mean_change(before, after)
    if change is None:
        return None
    alone = len(mine.keys() | theirs.keys()) - len(before)
    return _Pair(change, p_value(before, after), len(before), alone, lost)
