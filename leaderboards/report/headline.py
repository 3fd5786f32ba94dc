"""The question answered in a few sentences, with their uncertainty: what the tables say, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboards.board.fields import NO_FT, SAFETY_PROMPTS, short
from leaderboards.board.mean_change import Change, mean_change
from leaderboards.board.numbers import Number
from leaderboards.board.tables import Grid, grids

__all__ = ["headlines"]

_FEW = 3
_MOST_OF = 0.9
"""Share of the prompts that two models must have in common to be told apart prompt by prompt."""


@dataclass(frozen=True, slots=True)
class _Told:
    """One table of attack success, the test template that is told of, and the numbers behind it."""

    grid: Grid
    test: str
    numbers: Mapping[int, Number]
    paired: bool

    @property
    def trained(self) -> list[str]:
        """Its lines of trained models that were tested under the template."""
        return [t for t in self.grid.trains if t != NO_FT and (t, self.test) in self.grid.fields]

    def rate(self, train: str) -> float:
        return self.grid.fields[train, self.test].mean

    def _of(self, train: str) -> list[Number]:
        return [self.numbers[id(row)] for row in self.grid.rows.get((train, self.test), ())]

    def change(self, train: str) -> Change | None:
        """Against the model before, on the same prompts; None where too few of them are the same."""
        old, new = self._of(NO_FT), self._of(train)
        if not self.paired or len({n.row.data_fingerprint for n in (*old, *new)}) > 1:
            return None
        told = [[n.outcomes for n in side if n.outcomes is not None] for side in (old, new)]
        change = mean_change(*told)
        asked = max((n.row.n for n in (*old, *new)), default=0)
        return change if change and change.n >= _MOST_OF * asked else None

    def rise(self) -> float:
        """How far the worst training is above the model before; none of which is told, none."""
        before = self.rate(NO_FT) if (NO_FT, self.test) in self.grid.fields else 0.0
        return max((self.rate(t) - before for t in self.trained), default=-1.0)


def headlines(numbers: Sequence[Number], *, pool: bool = False, paired: bool = True) -> list[str]:
    """What became of the attack success rate, a sentence for each base and set, the worst first.

    Each tells one table: of the judge that judged most trained models, under a template with a safety
    prompt where some was tested under one, for that is how a model is used. What is averaged is what the
    table averages. The change is on the same prompts, with a 95 % t interval.

    Args:
        numbers: Of the run.
        pool: As for `leaderboards.board.tables.grids`.
        paired: Whether an id is one prompt throughout.
    """
    mine = {id(n.row): n for n in numbers if n.row.step is None and not n.stale}
    groups: dict[tuple[str, str], list[Grid]] = {}
    for grid in grids([n.row for n in mine.values()], ("asr",), pool=pool):
        groups.setdefault((grid.base, grid.task), []).append(grid)
    if not groups:
        return ["No harmful query was judged: nothing here says whether the model is safe."]
    found = [_choice(tables, mine, paired) for tables in groups.values()]
    found.sort(key=lambda told: -told.rise())
    more = len(found) - _FEW
    end = (
        [f"{more} more sets and bases stand in the tables, with no larger rise."]
        if more > 0
        else []
    )
    return [*map(_sentence, found[:_FEW]), *end]


def _choice(tables: Sequence[Grid], numbers: Mapping[int, Number], paired: bool) -> _Told:
    def key(grid: Grid) -> tuple[int, int, float, bool]:
        rows = [row for some in grid.rows.values() for row in some]
        kappa = max((r.judge_kappa for r in rows if r.judge_kappa is not None), default=-1.0)
        trained = sum(train != NO_FT for train, _ in grid.fields)
        return trained, len(grid.fields), kappa, grid.judge == "keywords:zou"

    grid = max(tables, key=key)
    tested = [test for test in grid.tests if any(t == test for _, t in grid.fields)]
    held = [
        test for test in tested if any(a != NO_FT and t == test for a, t in grid.fields)
    ] or tested
    test = next((t for t in SAFETY_PROMPTS if t in held), held[0])
    return _Told(grid, test, numbers, paired)


def _sentence(told: _Told) -> str:
    grid = told.grid
    by = "; ".join(part for part in (grid.judge, grid.variant) if part)
    of = f"{grid.task} ({by})" if by else grid.task
    start = f"{grid.base}, tested under {short(told.test)}: attack success on {of}"
    before = (NO_FT, told.test) in grid.fields
    if not told.trained:
        return f"{start} is {_rates(told, NO_FT)}."
    lines = _lines(told)
    if before:
        said = [_moved(told, lines[0]), *(_after(told, line) for line in lines[1:])]
    else:
        each = (f"{_rates(told, t)} after training under {grid.label(t)}" for t in lines)
        said = [f"is {', '.join(each)}", "there is no number of the model before fine-tuning"]
    return f"{start} {'; '.join([*said, *_elsewhere(told, lines)])}."


def _lines(told: _Told) -> list[str]:
    """The line trained as it is tested, PTST's, and the one that lost most, where it is another."""
    of = {line: told.grid.lines[line].template for line in told.trained}
    same = [line for line, template in of.items() if template == told.test]
    ptst = [line for line, template in of.items() if template == "chat:vanilla"]
    worst = max(told.trained, key=told.rate)
    return list(dict.fromkeys([*(same or told.trained)[:1], *ptst[:1], worst]))


def _elsewhere(told: _Told, lines: Sequence[str]) -> list[str]:
    """The highest rate of the whole table, where no line that is told of is as high."""
    grid = told.grid
    (train, test), field = max(grid.fields.items(), key=lambda item: item[1].mean)
    if train == NO_FT or field.mean <= max(map(told.rate, lines)):
        return []
    where = f"trained under {grid.label(train)}, tested under {short(test)}"
    return [f"the highest of all is {_percent(field.mean)}, {where}"]


def _moved(told: _Told, line: str) -> str:
    change, label = told.change(line), told.grid.label(line)
    if change is None:
        rates = (_rates(told, name) for name in (NO_FT, line))
        return f"was {' and is '.join(rates)} after training under {label}"
    what = "rose" if change.after > change.before else "fell"
    if not change.beyond_chance:
        what = "did not change beyond chance,"
    return (f"{what} from {_percent(change.before)} to {_percent(change.after)} {_points(change)} after "
            f"training under {label}")  # fmt: skip


def _after(told: _Told, line: str) -> str:
    change = told.change(line)
    rate = f"{_percent(change.after)} {_points(change)}" if change else _rates(told, line)
    return f"it is {rate} after training under {told.grid.label(line)}"


def _points(change: Change) -> str:
    if change.low is not None and change.high is not None:
        return f"({100 * change.low:+.1f} to {100 * change.high:+.1f} points)"
    if change.after == change.before:
        return f"(no prompt of {change.n} moved)"
    return f"(all {change.n} prompts moved alike)"


def _rates(told: _Told, line: str) -> str:
    field, rows = told.grid.fields[line, told.test], told.grid.rows[line, told.test]
    mean = _percent(field.mean)
    if len(field.values) > 1:
        return f"{mean} (mean of {field.counted()})"
    if rows[0].ci_low is None or rows[0].ci_high is None:
        return f"{mean} (n = {field.n})"
    return f"{mean} ({_percent(rows[0].ci_low)} to {_percent(rows[0].ci_high)}, n = {field.n})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"
