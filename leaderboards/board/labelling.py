"""Labels of points: where they cover nothing, in a picture that grows where they have no room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leaderboards.board.drawing import MUTED, settle
from leaderboards.board.placing import PAD, Box, Places, along, nearest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["Around", "Spot", "label", "together"]

Spot = tuple[float, float]
"""In the axes' own numbers."""
_GROWTHS = 6
_SLACK = 1.06
"""Letters are not quite as wide in a file of another resolution."""
_DOT = 5.0
"""Half a marker, in points."""


@dataclass(frozen=True, slots=True)
class Around:
    """What stands in a picture already.

    Attributes:
        dots: Points, which no label may cover.
        arrows: Start and end, nor these.
        lines: Broken lines, which are better not covered.
    """

    dots: Sequence[Spot]
    arrows: Sequence[tuple[Spot, Spot]] = ()
    lines: Sequence[Sequence[Spot]] = ()


def label(figure: Figure, axes: Axes, texts: Sequence[Text], around: Around) -> list[Text]:
    """Moves texts from the points that they stand at to free places, each led to its point.

    The layout is settled for good. No text covers another, a dot, an arrow or the axes' edge; the
    figure grows until there is room, and a text that finds none even then is removed.

    Returns:
        The texts that are in the picture.
    """
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    for text in texts:
        text.set(in_layout=False, ha="left", va="bottom", zorder=4)
    for growth in range(_GROWTHS):
        if growth:
            figure.set_size_inches(*(1.25 * side for side in figure.get_size_inches()))
        settle(figure)
        found = _found(axes, texts, around)
        if None not in found:
            break
    for text, box in zip(texts, found, strict=True):
        if box:
            _move(axes, text, box)
        else:
            text.remove()
    return [text for text, box in zip(texts, found, strict=True) if box]


def together(figure: Figure, axes: Axes, spots: Sequence[Spot], near: float = 4.0) -> list[Spot]:
    """For each spot the first one that it lies upon; it may be itself."""
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    settle(figure)
    out: list[Spot] = []
    for spot in spots:
        here = _pixels(axes, spot)
        upon = (
            o for o in dict.fromkeys(out) if np.hypot(*np.subtract(_pixels(axes, o), here)) < near
        )
        out.append(next(upon, spot))
    return out


def _pixels(axes: Axes, spot: Spot) -> Spot:
    x, y = axes.transData.transform(spot)
    return float(x), float(y)


def _spot(axes: Axes, pixels: Spot) -> Spot:
    x, y = axes.transData.inverted().transform(pixels)
    return float(x), float(y)


def _found(axes: Axes, texts: Sequence[Text], around: Around) -> list[Box | None]:
    half = _DOT * axes.figure.dpi / 72
    dots = [_square(_pixels(axes, spot), half) for spot in around.dots]
    shafts = [[_pixels(axes, spot) for spot in arrow] for arrow in around.arrows]
    arrows = [_square(p, half) for shaft in shafts for p in along(*shaft, step=half)]
    lines = [p for line in around.lines for p in along(*(_pixels(axes, spot) for spot in line))]
    edge = axes.bbox
    places = Places((edge.x0, edge.y0, edge.x1, edge.y1), [*dots, *arrows], lines)
    out: list[Box | None] = []
    for text in texts:
        extent = text.get_window_extent()
        size = _SLACK * extent.width, _SLACK * extent.height
        out.append(places.find(_pixels(axes, text.get_position()), size))
    return out


def _square(middle: Spot, half: float) -> Box:
    return middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half


def _move(axes: Axes, text: Text, box: Box) -> None:
    """Moves a text, with a leader where it comes to stand further away."""
    spot = text.get_position()
    anchor = _pixels(axes, spot)
    end = nearest(box, anchor)
    if np.hypot(*np.subtract(end, anchor)) > 3 * _DOT:
        leader = zip(spot, _spot(axes, end), strict=True)
        axes.plot(*leader, color=MUTED, linewidth=0.6, zorder=1.4)
    text.set_position(_spot(axes, (box[0] + PAD, box[1] + PAD)))
