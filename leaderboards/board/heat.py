"""Heat maps, train x test: one hue that only gets darker, readable in print and by the colour-blind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leaderboards.board.drawing import (
    INK,
    MUTED,
    PAPER,
    below,
    counts,
    cut,
    ink_on,
    plainly,
    settle,
    spoken,
    wrapped,
)
from leaderboards.board.fields import DIRECTIONS
from leaderboards.board.tables import Field, Grid, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

__all__ = ["colour", "heat_map"]

SCALE = "Blues"
_FRAMES: dict[str, dict[str, Any]] = {
    "diagonal": {"linewidth": 2.2},
    "ptst": {"linewidth": 1.4, "linestyle": (0, (3, 2))},
}
_SAID = {"diagonal": "trained and tested under one template",
         "ptst": "PTST: a safety prompt in the test alone"}  # fmt: skip


@plainly()
def heat_map(grid: Grid) -> Figure:
    """Draws train x test in percent; darker is higher, and the colour bar says what higher means.

    A thick frame marks the diagonal, a dashed one PTST. How many prompts have a verdict stands in
    each field, or once below where it is the same in all.
    """
    from matplotlib.figure import Figure

    rows, columns = len(grid.trains), len(grid.tests)
    widest = max(len(cut(grid.label(t))) for t in grid.trains)
    width = max(2.4 + 0.95 * columns + 0.075 * widest, 5.0)
    alike = len({f.n for f in grid.fields.values()}) < 2
    each = f"{counts(grid.fields.values())} prompts in each field" if alike else ""
    remarks = wrapped(
        [each if any(f.n for f in grid.fields.values()) else "", *grid.remarks()], round(width * 15)
    )
    height = 2.2 + 0.6 * rows + 0.14 * len(remarks)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    means = [[_mean(grid, a, b) for b in grid.tests] for a in grid.trains]
    drawn = axes.pcolormesh(means, cmap=SCALE, vmin=0, vmax=100, edgecolors=PAPER, linewidth=1.5)
    axes.invert_yaxis()
    axes.set_xticks([j + 0.5 for j in range(columns)], [cut(short(t)) for t in grid.tests])
    axes.set_yticks([i + 0.5 for i in range(rows)], [cut(grid.label(t)) for t in grid.trains])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("tested under")
    axes.set_ylabel("trained under")
    axes.set_title("\n".join(wrapped([grid.title], round(width * 9))), fontsize=10)
    _bar(figure, axes, drawn, f"{spoken(grid.metric)}, %{_direction(grid.metric)}")
    for i, train in enumerate(grid.trains):
        for j, test in enumerate(grid.tests):
            _field(axes, grid, (train, test), (j, i), not alike)
    _legend(figure, grid, remarks)
    settle(figure)
    return figure


def _bar(figure: Figure, axes: Axes, drawn: QuadMesh, label: str) -> None:
    bar = figure.colorbar(
        drawn, ax=axes, pad=0.02, boundaries=range(0, 101, 4), ticks=range(0, 101, 20)
    )
    bar.set_label(label, fontsize=8)
    bar.outline.set_visible(False)
    if bar.solids:
        bar.solids.set_edgecolor("face")  # no seams between its steps


def _each(grid: Grid) -> str:
    n = counts(grid.fields.values())
    return f"{n} prompts in each field" if n else ""


def _direction(metric: str) -> str:
    """What dark means; of some metrics it depends on the set, of others nothing is known."""
    way = DIRECTIONS.get(metric)
    return f" ({'higher is worse' if way == 'higher' else 'higher is better'})" if way else ""


def _mean(grid: Grid, train: str, test: str) -> float:
    field = grid.fields.get((train, test))
    return 100 * field.mean if field else float("nan")


def colour(share: float) -> str:
    """The colour of a field, 0..1."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return to_hex(colormaps[SCALE](share))


def _field(
    axes: Axes, grid: Grid, place: tuple[str, str], at: tuple[int, int], count: bool
) -> None:
    """Writes and frames one field; its lines apart, as each is to be in the middle in any letters."""
    field = grid.fields.get(place)
    middle, top = at[0] + 0.5, at[1] + 0.5
    if field is None:
        gap = cut(grid.gaps.get(place, "–"))
        axes.text(middle, top, gap, ha="center", va="center", fontsize=8, color=MUTED)
        return
    ink = ink_on(colour(field.mean))
    lines = [(9.0, f"{100 * field.mean:.1f}")]
    lines += [(7.0, f"±{100 * field.std:.1f}")] if field.std is not None else []
    lines += [(6.5, f"n = {field.n}")] if count and field.n else []
    for k, (size, text) in enumerate(lines):
        y = top + 0.25 * (k - (len(lines) - 1) / 2)
        axes.text(middle, y, text, ha="center", va="center", color=ink, fontsize=size)
    if kind := _kind(field):
        _frame(axes, at, kind, ink)


def _kind(field: Field) -> str:
    return "diagonal" if field.diagonal else "ptst" if field.ptst else ""


def _frame(axes: Axes, at: tuple[int, int], kind: str, ink: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((at[0] + 0.05, at[1] + 0.05), 0.9, 0.9, fill=False, edgecolor=ink,
                             **_FRAMES[kind]))  # fmt: skip


def _legend(figure: Figure, grid: Grid, remarks: list[str]) -> None:
    """What must be known of the numbers, and what the frames mean that are in the picture."""
    from matplotlib.patches import Patch

    there = [kind for kind in _FRAMES if kind in map(_kind, grid.fields.values())]
    if not there:
        return below(figure, remarks)
    frames = [Patch(fill=False, edgecolor=INK, label=_SAID[k], **_FRAMES[k]) for k in there]
    key = figure.legend(handles=frames, loc="outside lower left", fontsize=7, handlelength=2.4,
                        title="\n".join(remarks) or None, title_fontsize=7, alignment="left")  # fmt: skip
    key.get_title().set_color(MUTED)
    return None
