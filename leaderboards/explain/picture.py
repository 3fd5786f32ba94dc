"""Separation kept by layer: a panel for each test template, a line for each training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from leaderboards.board.drawing import MUTED, PAPER, below, cut, entry, plainly, series, wrapped
from leaderboards.board.tables import short
from leaderboards.explain.explaining import Explained

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["by_layer"]

_ACROSS = 3
_ENTRIES = 20


@plainly()
def by_layer(found: Sequence[Explained], remarks: Sequence[str]) -> Figure:
    """Draws what is left of the base's separation behind each layer, in the mean over seeds.

    Args:
        found: What was measured; the base is the line at 1.
        remarks: What a reader must know.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    tests = list(dict.fromkeys(one.test for one in found))
    trained = list(dict.fromkeys(_name(one) for one in found if one.plan.name))
    across = min(len(tests), _ACROSS)
    down = -(-len(tests) // across)
    keys = -(
        -(1 + len(trained)) // _ENTRIES
    )  # columns of the legend, each no higher than it is long
    size = [3.2 * max(across, 2) + 2.4 * keys, 3.3 * down]
    size[1] = max(size[1], 0.6 + 0.18 * -(-(1 + len(trained)) // keys))
    told = wrapped(remarks, round(15 * size[0]))
    figure = Figure(figsize=(size[0], size[1] + 0.3 + 0.14 * len(told)), layout="constrained")
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    panels = grid.flatten()
    for axes, test in zip(panels, tests, strict=False):  # the last line may have room for more
        axes.axhline(1, color=MUTED, linewidth=1, linestyle="--", label=entry("before fine-tuning"))
        axes.axhline(0, color=MUTED, linewidth=0.6)
        for at, name in enumerate(trained):
            mine = [
                one for one in found if one.test == test and one.plan.name and _name(one) == name
            ]
            _line(axes, mine, at, name)
        axes.set_title(f"tested under {cut(short(test))}", fontsize=9)
        axes.set_xlabel("layer")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    for axes in panels[len(tests) :]:
        axes.remove()
    for line in grid:
        line[0].set_ylabel("separation along the base's\ndirection (1 kept, 0 lost)")
    below(figure, told)
    lines = {str(line.get_label()): line for axes in figure.axes for line in axes.get_lines()
             if not str(line.get_label()).startswith("_")}  # fmt: skip
    order = [entry("before fine-tuning"), *(entry(cut(name)) for name in trained)]
    figure.legend(handles=[lines[name] for name in dict.fromkeys(order) if name in lines], ncols=keys,
                  title="trained under", fontsize=7.5, loc="outside right center")  # fmt: skip
    return figure


def _name(one: Explained) -> str:
    plan = one.plan
    more = "" if plan.defence == "none" else f" {plan.defence}"
    return f"{short(plan.train_template) or plan.name}{more}"


def _line(axes: Axes, mine: Sequence[Explained], at: int, name: str) -> None:
    if not mine:
        return
    colour, marker = series(at)
    layers = [m.layer for m in mine[0].layers]
    each = np.array([[m.separation for m in one.layers] for one in mine])
    if len(each) > 1:
        low, high = each.min(0), each.max(0)
        axes.fill_between(layers, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(layers, each.mean(0), color=colour, marker=marker, markersize=4, markeredgecolor=PAPER,
              markeredgewidth=0.4, linewidth=1.2, label=entry(cut(name)))  # fmt: skip
