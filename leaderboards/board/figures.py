"""Pictures of a leaderboard: heat maps, helpfulness against ASR, both along training; as files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboards.board.drawing import (
    PAPER,
    below,
    by,
    counts,
    cut,
    each_point,
    entry,
    plainly,
    series,
    settle,
    spoken,
    wrapped,
)
from leaderboards.board.heat import heat_map
from leaderboards.board.inline_svg import Mark, mark
from leaderboards.board.scatter import pareto, tradeoff
from leaderboards.board.tables import Grid, Track, short
from ptst_tasks.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["heat_map", "pareto", "save", "tradeoff", "trajectory"]

_MOST = 60_000
"""Pixels: what can be drawn ends at 2 ** 16."""
_DASHES = ("-", "--", ":", "-.")


@plainly()
def trajectory(helps: tuple[Grid, Sequence[Track]], harms: tuple[Grid, Sequence[Track]]) -> Figure:
    """Draws ASR and helpfulness over training steps, a panel each (the paper's Figure 2).

    Bands are mean ± population std over seeds. Points are marked for `inline`.

    Args:
        helps: Helpfulness of copies kept along training, as `tables.tracks` gives it.
        harms: Harm.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    remarks = wrapped(_remarks(harms, helps), 130)
    figure = Figure(figsize=(9.0, 3.8 + 0.14 * len(remarks)), layout="constrained")
    # One style for one line in both panels: the legend stands for both.
    styles = list(dict.fromkeys((t.label, t.test) for t in (*harms[1], *helps[1])))
    drawn: dict[int, Line2D] = {}
    for axes, (grid, lines) in zip(figure.subplots(1, 2), (harms, helps), strict=True):
        for line in lines:
            i = styles.index((line.label, line.test))
            drawn[i] = _track(axes, grid, line, i)
        axes.set_xlabel("training steps")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
        better = "lower is safer" if grid is harms[0] else "higher is more able"
        axes.set_ylabel(f"{spoken(grid.metric)}, % ({better})")
        axes.set_title("\n".join(wrapped([f"{grid.base}: {by(grid)}"], 52)), fontsize=9)
        axes.set_ylim(-3, 103)
        axes.grid(axis="y", alpha=0.25, linewidth=0.6)
    below(figure, remarks)
    axes.legend(handles=[drawn[i] for i in sorted(drawn)], title="train → test", fontsize=7.5,
                handlelength=3.2, loc="center left", bbox_to_anchor=(1.01, 0.5))  # fmt: skip
    settle(figure)
    return figure


def _remarks(*panels: tuple[Grid, Sequence[Track]]) -> list[str]:
    fields = {g.metric: [f for t in tracks for f in t.points.values()] for g, tracks in panels}
    several = any(f.std for found in fields.values() for f in found)
    shown = "mean, with a band of ± one population standard deviation," if several else "mean"
    said = [remark for grid, _ in panels for remark in grid.remarks(shown)]
    return list(dict.fromkeys([each_point(fields), *said]))


def _track(axes: Axes, grid: Grid, line: Track, at: int) -> Line2D:
    """Draws one line, each point of it for itself; returns what stands for it in the legend."""
    from matplotlib.lines import Line2D

    colour, marker = series(at)
    look: dict[str, Any] = {"color": colour, "linestyle": _DASHES[at % len(_DASHES)]}
    dot: dict[str, Any] = {"marker": marker, "markersize": 5, "markeredgecolor": PAPER,
                           "markeredgewidth": 0.5}  # fmt: skip
    steps = [float(step) for step in line.points]
    means = [100 * f.mean for f in line.points.values()]
    spread = [100 * (f.std or 0.0) for f in line.points.values()]
    if any(spread):
        low, high = ([m + sign * s for m, s in zip(means, spread, strict=True)] for sign in (-1, 1))
        axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(steps, means, **look)
    name = entry(f"{cut(line.label)} → {cut(short(line.test))}")
    for step, field in line.points.items():
        (point,) = axes.plot(float(step), 100 * field.mean, color=colour, **dot)
        said = [f"{spoken(grid.metric)} {field.text(1).rstrip(' =*')} %", counts([field])]
        place = f"{cut(line.label)} -> {cut(short(line.test))}, step {step}"
        title = f"{place}: {', '.join(filter(None, said))}"
        mark(point, Mark(line.train, line.test, title, str(step)))
    return Line2D([], [], label=name, **look, **dot)


def save(figure: Figure, path: Path) -> list[Path]:
    """Writes PNG and SVG beside each other, each whole or not at all; returns both paths.

    Raises:
        OSError: If they cannot be written.
    """
    import matplotlib as mpl

    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path.with_name(f"{path.name}.{kind}") for kind in ("png", "svg")]
    dpi = min(160.0, _MOST / max(figure.get_size_inches()))
    # Fixed ids and no date: the same figures are the same bytes.
    with plainly(), mpl.rc_context({"svg.hashsalt": "ptst"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # letters that the font lacks, a tight layout
        with replacing(files[0]) as aside:
            figure.savefig(aside, format="png", dpi=dpi, metadata={"Software": None})
        with replacing(files[1]) as aside:
            figure.savefig(aside, format="svg", metadata={"Date": None})
    return files
