"""The tables of one base and set that a sentence at the top is of, and what may be compared in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from leaderboards.board.fields import NO_FT, SAFETY_PROMPTS
from leaderboards.board.mean_change import Change, by_prompt, mean_change
from leaderboards.board.numbers import Number
from leaderboards.board.tables import Grid

__all__ = ["Spot", "Told", "largest_rise", "rise_of", "trained_spots"]

_MOST_OF = 0.9
"""Share of the prompts that two models must have in common to be told apart prompt by prompt."""
_NEAR = 0.02
"""How far a mean over prompts may be from the table's, over seeds: some prompts have no verdict."""

Spot = tuple[Grid, str, str]
"""A field of a trained model: its table, line and test template."""


def rise_of(spot: Spot) -> float | None:
    """How far a field is above the model before; None where that is not measured, or of other bases."""
    grid, train, test = spot
    before, after = grid.fields.get((NO_FT, test)), grid.fields.get((train, test))
    if before is None or after is None or not _same_bases(spot):
        return None
    return after.mean - before.mean


def _same_bases(spot: Spot) -> bool:
    """Whether both means weigh the same bases alike: of pooled ones some may lack a training, or a seed."""
    grid, train, test = spot
    old, new = (_weights(grid, line, test) for line in (NO_FT, train))
    return all(old[base] * new.total() == new[base] * old.total() for base in old | new)


def _weights(grid: Grid, line: str, test: str) -> Counter[tuple[str, str]]:
    """How many values of a field are of each base."""
    values = {(row.base, row.base_digest, row.seed) for row in grid.rows.get((line, test), ())}
    return Counter((base, digest) for base, digest, _ in values)


def trained_spots(tables: Iterable[Grid]) -> Iterator[Spot]:
    """All fields of trained models."""
    return ((grid, a, t) for grid in tables for a, t in grid.fields if a != NO_FT)


def largest_rise(tables: Iterable[Grid]) -> tuple[float, Spot] | None:
    """Of all their fields; None where none can be compared."""
    found = ((rise, spot) for spot in trained_spots(tables) if (rise := rise_of(spot)) is not None)
    return max(found, key=lambda pair: pair[0], default=None)


@dataclass(frozen=True, slots=True)
class Told:
    """A table of attack success, the test template that is told of, and the numbers behind it.

    Attributes:
        grid: The table.
        beside: It and the others of the same base, set and judge: under attacks, measured otherwise.
        test: The test template.
        numbers: By the id of their rows.
        paired: Whether an id is one prompt throughout.
    """

    grid: Grid
    beside: Sequence[Grid]
    test: str
    numbers: Mapping[int, Number]
    paired: bool

    @classmethod
    def of(cls, tables: Sequence[Grid], numbers: Mapping[int, Number], paired: bool) -> Told:
        """Chooses among the tables of one base and set; each has a field."""
        grid = max(tables, key=_weight)
        held = {t for a, t in grid.fields if a != NO_FT} or {t for _, t in grid.fields}
        order = (*SAFETY_PROMPTS, *grid.tests)
        beside = [other for other in tables if other.judge == grid.judge]
        return cls(grid, beside, next(t for t in order if t in held), numbers, paired)

    @property
    def trained(self) -> list[str]:
        """Its lines of trained models that were tested under the template."""
        return [t for t in self.grid.trains if t != NO_FT and (t, self.test) in self.grid.fields]

    def rate(self, train: str) -> float:
        """As the table shows it."""
        return self.grid.fields[train, self.test].mean

    def rise(self, train: str) -> float | None:
        """See `rise_of`."""
        return rise_of((self.grid, train, self.test))

    def change(self, train: str) -> Change | None:
        """Against the model before, on the same prompts.

        None where too few of them are the same, where samples of some seed are not here, and where the
        table shows something else: a prompt without a verdict weighs otherwise there.
        """
        rise = self.rise(train)
        old, new = self._of(NO_FT), self._of(train)
        both = [*old, *new]
        if not self.paired or rise is None or any(n.outcomes is None for n in both):
            return None
        if len({n.row.data_fingerprint for n in both}) > 1:
            return None
        change = mean_change([_over_seeds(old)], [_over_seeds(new)])
        if change is None or change.n < _MOST_OF * max(n.row.n for n in both):
            return None
        turned = (change.after - change.before) * rise < 0
        return None if turned or self.off(train, change) > _NEAR else change

    def off(self, train: str, change: Change) -> float:
        """How far the rates of a change are from those of the table."""
        pairs = ((change.before, self.rate(NO_FT)), (change.after, self.rate(train)))
        return max(abs(mine - shown) for mine, shown in pairs)

    def _of(self, train: str) -> list[Number]:
        return [self.numbers[id(row)] for row in self.grid.rows.get((train, self.test), ())]


def _weight(grid: Grid) -> tuple[int, int, float, bool]:
    rows = [row for some in grid.rows.values() for row in some]
    kappa = max((r.judge_kappa for r in rows if r.judge_kappa is not None), default=-1.0)
    trained = sum(train != NO_FT for train, _ in grid.fields)
    return trained, len(grid.fields), kappa, grid.judge == "keywords:zou"


def _over_seeds(numbers: Sequence[Number]) -> dict[str, float]:
    """By prompt the mean over training seeds, each the mean of its draws, as tables average."""
    seeds: dict[tuple[str, str, int | None], list[Number]] = {}
    for number in numbers:
        row = number.row
        seeds.setdefault((row.base, row.base_digest, row.seed), []).append(number)
    return by_prompt([by_prompt([n.outcomes or {} for n in draws]) for draws in seeds.values()])
