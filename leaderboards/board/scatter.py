"""Helpfulness against ASR: a point for each train and test template, none of its labels covered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from leaderboards.board.drawing import (
    INK,
    MARKERS,
    MUTED,
    PAPER,
    SERIES,
    below,
    by,
    counts,
    cut,
    each_point,
    entry,
    plainly,
    series,
    spoken,
    wrapped,
)
from leaderboards.board.inline_svg import Mark, mark
from leaderboards.board.labelling import Around, Spot, label, together
from leaderboards.board.tables import SAFETY_PROMPTS, Field, Grid, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["pareto", "tradeoff"]

_SPREAD = "mean, with bars of ± one population standard deviation,"
_WIDE, _LINES = 36, 6
_SHORT = 18
"""Letters of a template's name beside a point."""
_SIZE, _SMALL, _LARGE = 7.0, 5.0, 9.5
"""Of a marker, in points; of the weakest and the strongest of one kind of defence."""
_ARROW = {"arrowstyle": "-|>", "linewidth": 1.6, "color": INK, "shrinkA": 6, "shrinkB": 6}


@dataclass(frozen=True, slots=True)
class _Point:
    train: str
    test: str
    harm: Field
    help: Field

    @property
    def at(self) -> tuple[float, float]:
        return 100 * self.harm.mean, 100 * self.help.mean

    @property
    def bars(self) -> tuple[float, float]:
        return 100 * (self.harm.std or 0.0), 100 * (self.help.std or 0.0)


def pareto(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the (asr, helpfulness) pairs that no other beats in both: lower ASR, higher help."""
    front: list[tuple[float, float]] = []
    for asr, helps in sorted(set(points), key=lambda p: (p[0], -p[1])):
        if not front or helps > front[-1][1]:
            front.append((asr, helps))
    return front


@plainly()
def tradeoff(helps: Grid, harms: Grid) -> Figure:
    """Draws helpfulness against ASR: colour and marker per training template, a label per test template.

    Where trainings have defences, the colour is the template's, the marker the kind of defence and its size
    the strength, filled where the test template has a safety prompt; labels are those of the front alone.

    Bars are mean ± population std over seeds. The line is the Pareto front; the arrow goes from
    training and testing under chat:llama to PTST (trained under chat:vanilla, tested under
    chat:llama), where both were measured. Points are marked for `inline`.

    Args:
        helps: Helpfulness, higher is better.
        harms: ASR of the same base, higher is worse; at least one field is measured in both.
    """
    from matplotlib.figure import Figure

    points = [_Point(*place, harms.fields[place], helps.fields[place])
              for place in sorted(set(helps.fields) & set(harms.fields))]  # fmt: skip
    remarks = _remarks(helps, harms, points)
    figure = Figure(figsize=(7.2, 5.0 + 0.14 * len(remarks)), layout="constrained")
    axes = figure.add_subplot()
    _points(axes, points, helps, harms)
    front = pareto(p.at for p in points)
    axes.plot(*zip(*_stairs(front), strict=True), color=MUTED, linewidth=1, label="Pareto front",
              zorder=1.5)  # fmt: skip
    arrows = _arrows(points, harms)
    for start, end in arrows:
        axes.annotate("", xy=end, xytext=start, arrowprops=_ARROW, zorder=2)
    axes.set_xlabel(f"ASR on {by(harms)}, % (left is safer)")
    axes.set_ylabel(f"{spoken(helps.metric)} on {by(helps)}, % (up is more able)")
    axes.set_title("\n".join(wrapped([helps.base], 60)), fontsize=10)
    below(figure, remarks)
    axes.margins(x=0.1, y=0.1)
    axes.legend(title="trained under", fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    around = Around([p.at for p in points], arrows, [_stairs(front), *_bars(points)])
    told = _told(points, front, harms) if _defended(harms) else points
    label(figure, axes, _texts(figure, axes, told, harms, arrows), around)
    return figure


def _told(points: list[_Point], front: list[Spot], harms: Grid) -> list[_Point]:
    """What has a label among many: the front, and PTST."""
    return [p for p in points if p.at in front or (p.harm.ptst and not harms.lines[p.train].more)]


def _remarks(helps: Grid, harms: Grid, points: list[_Point]) -> list[str]:
    several = any(sum(p.bars) for p in points)
    shown = _SPREAD if several else "mean"
    each = each_point({harms.metric: [p.harm for p in points],
                       helps.metric: [p.help for p in points]})  # fmt: skip
    return wrapped(dict.fromkeys([each, *harms.remarks(shown), *helps.remarks(shown)]), 108)


def _points(axes: Axes, points: list[_Point], helps: Grid, harms: Grid) -> None:
    looks = _looks(harms)
    for train in harms.trains:
        mine = [p for p in points if p.train == train]
        colour, marker, size = looks[train]
        for p in mine:
            x, y = p.bars
            axes.errorbar(*p.at, xerr=x or None, yerr=y or None, fmt="none", ecolor=colour,
                          elinewidth=0.8, alpha=0.45, zorder=1)  # fmt: skip
            hollow = _defended(harms) and p.test not in SAFETY_PROMPTS
            order = 3 - size / 100 if _defended(harms) else 3  # the smaller one above
            (dot,) = axes.plot(*p.at, marker, color=colour, markersize=size, zorder=order, clip_on=False,
                               markeredgecolor=colour if hollow else PAPER,
                               markeredgewidth=1.4 if hollow else 0.6,
                               markerfacecolor=PAPER if hollow else colour)  # fmt: skip
            mark(dot, Mark(p.train, p.test, _title(p, helps, harms)))
        if mine and not _defended(harms):
            axes.plot(
                [], [], marker, color=colour, markersize=size, label=entry(cut(harms.label(train)))
            )
    if _defended(harms):
        _keys(axes, harms)


def _defended(grid: Grid) -> bool:
    """Whether colour, marker and size can tell its lines apart: there are defences, and not too many."""
    found = any(line.defence for line in grid.lines.values())
    return found and len(_trainings(grid)) <= len(SERIES) and len(_kinds(grid)) <= len(MARKERS)


def _trained(grid: Grid) -> list[str]:
    return [t for t in grid.trains if grid.lines[t].template]


def _trainings(grid: Grid) -> dict[str, None]:
    """What is trained, but for the defence: ``CV``, ``CV openorca``."""
    return dict.fromkeys(_training(grid, train) for train in _trained(grid))


def _training(grid: Grid, train: str) -> str:
    words = grid.label(train).split(" ")
    return " ".join(word for word in words if word != grid.lines[train].defence)


def _kinds(grid: Grid) -> dict[str, list[str]]:
    """Defences by kind: ``scale`` -> all its strengths, in the table's order."""
    out: dict[str, list[str]] = {}
    for train in _trained(grid):
        defence = grid.lines[train].defence
        mine = out.setdefault(defence.partition(":")[0], [])
        mine += [defence] if defence not in mine else []
    return out


def _looks(grid: Grid) -> dict[str, tuple[str, str, float]]:
    """Colour, marker and size of each line; a star for what was not trained."""
    trained = _trained(grid)
    out = {train: (INK, "*", 10.0) for train in grid.trains if train not in trained}
    if not _defended(grid):
        return out | {train: (*series(at), _SIZE) for at, train in enumerate(trained)}
    colours, kinds = list(_trainings(grid)), _kinds(grid)
    for train in trained:
        kind = grid.lines[train].defence.partition(":")[0]
        strengths = kinds[kind]
        at = strengths.index(grid.lines[train].defence)
        size = (
            _SMALL + (_LARGE - _SMALL) * at / (len(strengths) - 1) if at or strengths[1:] else _SIZE
        )
        out[train] = (
            SERIES[colours.index(_training(grid, train))],
            MARKERS[list(kinds).index(kind)],
            size,
        )
    return out


def _keys(axes: Axes, grid: Grid) -> None:
    """The legend: of trainings, of defences, and of what is not filled."""
    looks, keys = _looks(grid), dict[tuple[str, str], tuple[str, str, float]]()
    for train in grid.trains:
        colour, marker, size = looks[train]
        star = marker == "*"
        keys["", _training(grid, train)] = ("*" if star else "_", colour, size if star else 9.0)
    for train in _trained(grid):
        _, marker, size = looks[train]
        keys.setdefault(("defence", grid.lines[train].defence), (marker, MUTED, size))
    for (kind, name), (marker, colour, size) in keys.items():
        (key,) = axes.plot([], [], marker, color=colour, markersize=size,
                           label=entry(cut(name or f"no {kind}")))  # fmt: skip
        if marker == "_":
            key.set_markeredgewidth(4)
    axes.plot([], [], "o", color=MUTED, markerfacecolor=PAPER, markersize=_SIZE,
              label="tested without safety prompt")  # fmt: skip


def _title(point: _Point, helps: Grid, harms: Grid) -> str:
    """``CV -> CL: asr 1.2 %, exact match 34.0 %, n = 80``."""
    said = [f"{spoken(grid.metric)} {field.text(1).rstrip(' =*')} %"
            for grid, field in ((harms, point.harm), (helps, point.help))]  # fmt: skip
    ns = [counts([point.harm]), counts([point.help])]
    if ns[0] == ns[1]:
        said += ns[:1]
    else:
        said = [f"{text} ({n})" if n else text for text, n in zip(said, ns, strict=True)]
    place = f"{harms.label(point.train)} -> {short(point.test)}"
    return f"{place}: {', '.join(text for text in said if text)}"


def _arrows(points: list[_Point], grid: Grid) -> list[tuple[Spot, Spot]]:
    """An arrow per training set: from CL to PTST, where both were measured once."""
    at = {(p.train, p.test): p.at for p in points}
    keys = {(line.template, line.more): key for key, line in grid.lines.items() if not line.defence}
    out = []
    for more in [m for template, m in keys if template == "chat:vanilla"]:
        start = at.get((keys.get(("chat:llama", more), ""), "chat:llama"))
        end = at.get((keys["chat:vanilla", more], "chat:llama"))
        if start and end and start != end:
            out.append((start, end))
    return out


def _texts(
    figure: Figure, axes: Axes, points: list[_Point], grid: Grid, arrows: list[tuple[Spot, Spot]]
) -> list[Text]:
    """Arrows' names and points' test templates; points that cover one another share a text."""
    middles = [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in arrows]
    out = [axes.text(*middle, "PTST", fontsize=8.5, fontweight="bold") for middle in middles]
    points = sorted(points, key=lambda p: (p.at, p.test, p.train))
    groups: dict[Spot, list[_Point]] = {}
    for spot, p in zip(together(figure, axes, [p.at for p in points]), points, strict=True):
        groups.setdefault(spot, []).append(p)
    for spot, found in groups.items():
        out.append(axes.text(*spot, _beside(found, grid), fontsize=7.5, linespacing=1.05))
    return out


def _beside(points: list[_Point], grid: Grid) -> str:
    """``CL``; of points of several trainings that cover one another ``TV, TA → CL``, a line each."""
    tests: dict[str, dict[str, None]] = {}
    most = 2 * _SHORT if _defended(grid) else _SHORT
    for p in sorted(points, key=lambda p: (grid.tests.index(p.test), grid.trains.index(p.train))):
        tests.setdefault(cut(short(p.test), _SHORT), {})[cut(grid.label(p.train), most)] = None
    if _defended(grid):
        lines = [f"{train} → {test}" for test, trains in tests.items() for train in trains]
    elif len({p.train for p in points}) == 1:
        lines = wrapped([", ".join(tests)], _WIDE)
    else:
        lines = wrapped([f"{', '.join(trains)} → {test}" for test, trains in tests.items()], _WIDE)
    return "\n".join([*lines[:_LINES], *["..."] * (len(lines) > _LINES)])


def _stairs(front: list[Spot]) -> list[Spot]:
    """The front as a line: more help is had at the ASR of the next point, not before."""
    turns = [[(b[0], a[1]), b] for a, b in pairwise(front)]
    return [*front[:1], *(spot for turn in turns for spot in turn)]


def _bars(points: list[_Point]) -> list[list[Spot]]:
    return [bar for p in points for (x, y), (wide, high) in [(p.at, p.bars)]
            for bar in ([(x - wide, y), (x + wide, y)], [(x, y - high), (x, y + high)])]  # fmt: skip
