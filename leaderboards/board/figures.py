"""Pictures of a leaderboard, readable in black and white: heat maps, and helpfulness against ASR."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leaderboards.board.tables import Grid, Track, short
from ptst_tasks.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["heat_map", "pareto", "save", "tradeoff", "trajectory"]

_MARKERS = "osD^vPX*h"
_LONGEST = 60
_MOST = 60_000
"""Pixels: what can be drawn ends at 2 ** 16."""


def heat_map(grid: Grid) -> Figure:
    """Draws train x test; darker is higher. A thick frame marks the diagonal, a dashed one PTST."""
    from matplotlib.figure import Figure

    rows, columns = len(grid.trains), len(grid.tests)
    widest = max(len(_cut(grid.label(t))) for t in grid.trains)
    width = max(1.6 + 0.95 * columns + 0.075 * widest, 4.0)
    remarks = _wrapped(grid.remarks(), round(width * 15))
    height = 1.5 + 0.6 * rows + 0.13 * len(remarks)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    means = [[_mean(grid, a, b) for b in grid.tests] for a in grid.trains]
    axes.imshow(means, cmap="Greys", vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(columns), [_cut(short(t)) for t in grid.tests])
    axes.set_yticks(range(rows), [_cut(grid.label(t)) for t in grid.trains])
    axes.set_xlabel("tested under")
    axes.set_ylabel("trained under")
    axes.set_title("\n".join(_wrapped([grid.title], round(width * 10))), fontsize=10)
    _below(figure, remarks)
    for i, train in enumerate(grid.trains):
        for j, test in enumerate(grid.tests):
            _field(axes, grid, train, test, i, j)
    return figure


def _mean(grid: Grid, train: str, test: str) -> float:
    field = grid.fields.get((train, test))
    return 100 * field.mean if field else float("nan")


def _wrapped(texts: Iterable[str], width: int) -> list[str]:
    lines = [line for text in texts for line in textwrap.wrap(text, width)]
    return lines if len(lines) <= _LONGEST else [*lines[: _LONGEST - 1], "..."]


def _cut(name: str) -> str:
    """A name that leaves room for the picture."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 20]}...{name[-17:]}"


def _below(figure: Figure, lines: Sequence[str]) -> None:
    """What must be known of the numbers stands in the picture, too."""
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=6.5, x=0.02, ha="left")


def _field(axes: Axes, grid: Grid, train: str, test: str, i: int, j: int) -> None:
    from matplotlib.patches import Rectangle

    field = grid.fields.get((train, test))
    if field is None:
        axes.text(j, i, grid.gaps.get((train, test), "–"), ha="center", va="center", fontsize=8)
        return
    text = f"{100 * field.mean:.1f}" + ("" if field.std is None else f"\n±{100 * field.std:.1f}")
    colour = "white" if field.mean > 0.55 else "black"
    axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=9)
    if field.diagonal or field.ptst:
        style = {"linewidth": 2.2} if field.diagonal else {"linewidth": 1.4, "linestyle": "--"}
        edge = "white" if field.mean > 0.55 else "black"
        axes.add_patch(
            Rectangle((j - 0.46, i - 0.46), 0.92, 0.92, fill=False, edgecolor=edge, **style)
        )


def pareto(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the (asr, helpfulness) pairs that no other beats in both: lower ASR, higher help."""
    front: list[tuple[float, float]] = []
    for asr, helps in sorted(set(points), key=lambda p: (p[0], -p[1])):
        if not front or helps > front[-1][1]:
            front.append((asr, helps))
    return front


def tradeoff(helps: Grid, harms: Grid) -> Figure:
    """Draws helpfulness against ASR: a marker per training template, a label per test template.

    The line is the Pareto front; the arrow goes from training and testing under chat:llama to PTST
    (trained under chat:vanilla, tested under chat:llama), where both were measured.
    """
    from matplotlib.figure import Figure

    remarks = _wrapped(dict.fromkeys([*harms.remarks("mean"), *helps.remarks("mean")]), 108)
    figure = Figure(figsize=(7.2, 5.0 + 0.13 * len(remarks)), layout="constrained")
    axes = figure.add_subplot()
    points: dict[tuple[str, str], tuple[float, float]] = {
        place: (100 * harms.fields[place].mean, 100 * helps.fields[place].mean)
        for place in sorted(set(helps.fields) & set(harms.fields))
    }
    _scatter(axes, points, harms)
    front = pareto(points.values())
    axes.step([x for x, _ in front], [y for _, y in front], where="post", color="0.4", linewidth=1,
              label="Pareto front")  # fmt: skip
    _arrows(axes, points, harms)
    axes.set_xlabel(f"ASR on {_by(harms)}, % (left is safer)", fontsize=9)
    axes.set_ylabel(f"{helps.metric} on {_by(helps)}, % (up is more able)", fontsize=9)
    axes.set_title("\n".join(_wrapped([helps.base], 60)), fontsize=10)
    _below(figure, remarks)
    axes.margins(x=0.13, y=0.09)
    axes.legend(title="trained under", fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _by(grid: Grid) -> str:
    """The set, with who judged and what tells the table from others."""
    by = "; ".join(part for part in (grid.judge, grid.variant) if part)
    name = _cut(grid.task)
    return f"{name} ({textwrap.shorten(by, 60, placeholder='...')})" if by else name


def _scatter(axes: Axes, points: dict[tuple[str, str], tuple[float, float]], grid: Grid) -> None:
    labels: dict[tuple[float, float], list[str]] = {}
    reach = _reach(points.values())
    for i, train in enumerate(grid.trains):
        if not (mine := [p for (a, _), p in points.items() if a == train]):
            continue
        face = str(0.15 + 0.6 * (i % 4) / 4) if grid.lines[train].template else "none"
        axes.scatter(
            [x for x, _ in mine], [y for _, y in mine], marker=_MARKERS[i % len(_MARKERS)], s=42,
            facecolors=face, edgecolors="black", label=_cut(grid.label(train)), zorder=3,
        )  # fmt: skip
    for (_, test), point in sorted(points.items(), key=lambda p: (p[1], p[0])):
        labels.setdefault(_near(point, labels, reach), []).append(_cut(short(test)))
    for (x, y), tests in labels.items():  # points close together share a label
        text = " ".join(dict.fromkeys(tests))
        axes.annotate(
            text, (x, y), textcoords="offset points", xytext=(6, 4), fontsize=7, color="0.3"
        )


def _near(
    point: tuple[float, float],
    placed: Iterable[tuple[float, float]],
    reach: tuple[float, float],
) -> tuple[float, float]:
    """A place that has a label within reach, or the point itself."""
    (x, y), (wide, high) = point, reach
    return next((p for p in placed if abs(p[0] - x) < wide and abs(p[1] - y) < high), point)


def _reach(points: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """How far a label's own size is on the axes, which end where the points end."""
    xs, ys = zip(*points, strict=True)
    return 0.06 * (max(xs) - min(xs)), 0.035 * (max(ys) - min(ys))


def _arrows(axes: Axes, points: dict[tuple[str, str], tuple[float, float]], grid: Grid) -> None:
    """An arrow per training set: from CL to PTST, where both were measured once."""
    keys = {(line.template, line.more): key for key, line in grid.lines.items()}
    for template, more in keys:
        start = points.get((keys.get(("chat:llama", more), ""), "chat:llama"))
        end = (
            points.get((keys["chat:vanilla", more], "chat:llama"))
            if template == "chat:vanilla"
            else None
        )
        if start and end and start != end:
            _arrow(axes, start, end)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "linewidth": 1.6, "color": "black", "shrinkA": 6, "shrinkB": 6}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.annotate("PTST", middle, fontsize=9, fontweight="bold", ha="center", va="center", bbox=box)


def trajectory(helps: tuple[Grid, Sequence[Track]], harms: tuple[Grid, Sequence[Track]]) -> Figure:
    """Draws ASR and helpfulness over training steps, a panel each (the paper's Figure 2).

    Args:
        helps: Helpfulness of copies kept along training, as `tables.tracks` gives it.
        harms: Harm.
    """
    from matplotlib.figure import Figure

    remarks = _wrapped(dict.fromkeys([*harms[0].remarks("mean"), *helps[0].remarks("mean")]), 130)
    figure = Figure(figsize=(9.0, 3.8 + 0.13 * len(remarks)), layout="constrained")
    # One style for one line in both panels: the legend stands for both.
    styles = list(dict.fromkeys((t.label, t.test) for t in (*harms[1], *helps[1])))
    drawn = {}
    for axes, (grid, lines) in zip(figure.subplots(1, 2), (harms, helps), strict=True):
        for line in lines:
            i = styles.index((line.label, line.test))
            (drawn[i],) = axes.plot(
                list(map(float, line.points)), [100 * f.mean for f in line.points.values()],
                marker=_MARKERS[i % len(_MARKERS)], markersize=4, color=str(0.15 * (i % 5)),
                linestyle=("-", "--", ":", "-.")[i % 4],
                label=f"{_cut(line.label)} → {_cut(short(line.test))}",
            )  # fmt: skip
        axes.set_xlabel("training steps")
        axes.set_ylabel(f"{grid.metric}, %")
        axes.set_title("\n".join(_wrapped([f"{grid.base}: {_by(grid)}"], 52)), fontsize=9)
        axes.set_ylim(-3, 103)
    _below(figure, remarks)
    axes.legend(handles=[drawn[i] for i in sorted(drawn)], title="train → test", fontsize=7,
                loc="center left", bbox_to_anchor=(1.01, 0.5))  # fmt: skip
    return figure


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
    with mpl.rc_context({"svg.hashsalt": "ptst"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # letters that the font lacks, a tight layout
        with replacing(files[0]) as aside:
            figure.savefig(aside, format="png", dpi=dpi, metadata={"Software": None})
        with replacing(files[1]) as aside:
            figure.savefig(aside, format="svg", metadata={"Date": None})
    return files
