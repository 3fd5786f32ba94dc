"""The question answered in a few sentences, with their uncertainty: what the tables say, and no more."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboards.board.fields import NO_FT, short
from leaderboards.board.mean_change import Change
from leaderboards.board.numbers import Number
from leaderboards.board.tables import Grid, grids
from leaderboards.report.told_tables import Spot, Told, largest_rise, rise_of, trained_spots

__all__ = ["headlines"]

_FEW = 3
_PRINTED = 0.0005
"""Half a digit of what is printed."""
_SAFE = "nothing here says whether the model is safe"


def headlines(numbers: Sequence[Number], *, pool: bool = False, paired: bool = True) -> list[str]:
    """What became of the attack success rate, a sentence for each base and set, the largest rise first.

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
        if grid.fields:
            groups.setdefault((grid.base, grid.task), []).append(grid)
    if not groups:
        return [f"{_why_none(numbers)}: {_SAFE}."]
    found = [(Told.of(tables, mine, paired), tables) for tables in groups.values()]
    found.sort(key=lambda pair: _order(pair[0]))
    told, rest = found[:_FEW], found[_FEW:]
    return [*(_sentence(one) for one, _ in told), *_rest([tables for _, tables in rest])]


def _why_none(numbers: Sequence[Number]) -> str:
    """Why no table has a rate of attack success: copies along training and older runs have none, either."""
    judged = [n for n in numbers if n.row.metric == "asr"]
    if not judged:
        return "No harmful query was judged"
    if not any(n.row.n for n in judged):
        return "Harmful queries were asked, but no answer has a verdict"
    return "Harmful queries were judged, but no table has a number of it"


def _order(told: Told) -> tuple[int, float]:
    """What rose first; then what was trained and cannot be compared; then what did not rise."""
    rise = largest_rise(told.beside)
    if rise:
        return (0 if rise[0] > 0 else 2), -rise[0]
    highest = max((_mean(spot) for spot in trained_spots(told.beside)), default=None)
    return (3, -told.rate(NO_FT)) if highest is None else (1, -highest)


def _rest(groups: Sequence[Sequence[Grid]]) -> list[str]:
    """How many are not told of, and the most that a rate rose in any of their tables."""
    if not groups:
        return []
    rise = largest_rise(grid for tables in groups for grid in tables)
    more = (
        f"; the largest rise in these is {100 * rise[0]:.1f} points" if rise and rise[0] > 0 else ""
    )
    what = "set or base stands" if len(groups) == 1 else "sets and bases stand"
    return [f"{len(groups)} more {what} in the tables{more}."]


def _sentence(told: Told) -> str:
    grid = told.grid
    by = _by(grid)
    of = f"{grid.task} ({by})" if by else grid.task
    start = f"{grid.base}, tested under {short(told.test)}: attack success on {of}"
    lines = _lines(told)
    if not lines:
        said = [f"is {_rates(told, NO_FT)}"]
    elif (NO_FT, told.test) in grid.fields:
        said = [_moved(told, lines[0]), *(_after(told, line) for line in lines[1:])]
    else:
        each = (f"{_rates(told, t)} {_trained(grid, t)}" for t in lines)
        said = [f"is {', '.join(each)}", "there is no number of the model before fine-tuning"]
    return f"{start} {'; '.join([*said, *_elsewhere(told, lines)])}."


def _lines(told: Told) -> list[str]:
    """The line trained as it is tested, PTST's, and the one with the highest rate, where it is another."""
    of = {line: told.grid.lines[line].template for line in told.trained}
    same = [line for line, template in of.items() if template == told.test]
    ptst = [line for line, template in of.items() if template == "chat:vanilla"]
    worst = [max(told.trained, key=told.rate)] if of else []
    return list(dict.fromkeys([*(same or told.trained)[:1], *ptst[:1], *worst]))


def _elsewhere(told: Told, lines: Sequence[str]) -> list[str]:
    """The highest rate and the largest rise of a trained model, where none that is told of is as high."""
    spots = list(trained_spots(told.beside))
    out: list[str] = []
    highest = max(spots, key=_mean, default=None)
    if highest and _mean(highest) > max(map(told.rate, lines), default=-1.0) + 1e-9:
        before = _before(highest)
        out = [f"the highest of a trained model is {_percent(_mean(highest))}, {_place(told, highest)}"
               f"{f', where it was {_percent(before)} before' if before is not None else ''}"]  # fmt: skip
    rises = [rise for line in lines if (rise := told.rise(line)) is not None]
    most = largest_rise(told.beside)
    if most and most[0] > max([0.0, *rises]) + 1e-9 and not (out and most[1] == highest):
        before = _before(most[1]) or 0.0
        out.append(f"the largest rise is from {_percent(before)} to {_percent(_mean(most[1]))}, "
                   f"{_place(told, most[1])}")  # fmt: skip
    return out


def _mean(spot: Spot) -> float:
    grid, train, test = spot
    return grid.fields[train, test].mean


def _before(spot: Spot) -> float | None:
    """The rate of the model before, where the two can be compared."""
    return None if rise_of(spot) is None else spot[0].fields[NO_FT, spot[2]].mean


def _place(told: Told, spot: Spot) -> str:
    grid, train, test = spot
    how = _trained(grid, train).removeprefix("after training").strip()
    how = f"trained {how}" if grid.lines[train].template else how
    other = "" if grid is told.grid else f" ({_by(grid)})"
    return f"{how}, tested under {short(test)}{other}"


def _by(grid: Grid) -> str:
    return "; ".join(part for part in (grid.judge, grid.variant) if part)


def _trained(grid: Grid, line: str) -> str:
    label = grid.label(line)
    return f"after training under {label}" if grid.lines[line].template else f"with {label}"


def _moved(told: Told, line: str) -> str:
    change, trained = told.change(line), _trained(told.grid, line)
    before, after = told.rate(NO_FT), told.rate(line)
    if told.rise(line) is None:
        return (f"is {_rates(told, line)} {trained}, and {_rates(told, NO_FT)} before, of other bases: no "
                "change can be told")  # fmt: skip
    if change is None or told.off(line, change) > _PRINTED:
        return f"was {_rates(told, NO_FT)} and is {_rates(told, line)} {trained}{_on(change)}"
    what = "rose" if after > before else "fell"
    if not change.beyond_chance:
        what = "did not change beyond chance,"
    return f"{what} from {_percent(before)} to {_percent(after)} {_points(change)} {trained}"


def _after(told: Told, line: str) -> str:
    change = told.change(line)
    trained = _trained(told.grid, line)
    if change is None or told.off(line, change) > _PRINTED:
        return f"it is {_rates(told, line)} {trained}{_on(change)}"
    return f"it is {_percent(told.rate(line))} {_points(change)} {trained}"


def _on(change: Change | None) -> str:
    """A change that is not quite the table's, for some prompts have no verdict."""
    if change is None:
        return ""
    return f", {_points(change)[1:-1]} on the {change.n} prompts that both have a verdict on"


def _points(change: Change) -> str:
    if change.low is not None and change.high is not None:
        return f"({100 * change.low:+.1f} to {100 * change.high:+.1f} points)"
    if not change.moved:
        return f"(no prompt of {change.n} moved)"
    return f"(all {change.n} prompts moved alike)"


def _rates(told: Told, line: str) -> str:
    field, rows = told.grid.fields[line, told.test], told.grid.rows[line, told.test]
    mean = _percent(field.mean)
    if len(field.values) > 1:
        return f"{mean} (mean of {field.counted()})"
    if rows[0].ci_low is None or rows[0].ci_high is None:
        return f"{mean} (n = {field.n})"
    return f"{mean} ({_percent(rows[0].ci_low)} to {_percent(rows[0].ci_high)}, n = {field.n})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"
