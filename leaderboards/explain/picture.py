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
    told = wrapped(remarks, round(50 * max(len(tests), 2)))
    size = (3.2 * max(len(tests), 2) + 2.2, 3.6 + 0.14 * len(told))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(tests), sharey=True, squeeze=False)[0]
    for axes, test in zip(panels, tests, strict=True):
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
    panels[0].set_ylabel("separation along the base's direction\n(1 kept, 0 lost)")
    below(figure, told)
    panels[-1].legend(
        title="trained under", fontsize=7.5, loc="center left", bbox_to_anchor=(1.01, 0.5)
    )
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
