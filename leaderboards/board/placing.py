"""Finds free places for labels beside their points, for certain: what has no place is told.

adjustText (1.4.0) was tried: texts that push each other settle somewhere, and after 500 rounds labels
lay over points in 7 of the 21 published and measured trade-offs, over each other in a crowd. Here each
label takes the nearest place that is free, in an order that is always the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["PAD", "Box", "Places", "along", "nearest"]

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in pixels."""
_Many = npt.NDArray[np.float64]
_SIDES = np.radians([30, 150, -30, 210, 0, 180, 90, 270, 60, 120, 240, 300, 15, 165, 345, 195])
_STEP = 3.0
PAD = 2.0
"""Pixels around a label, which its place includes."""


def along(*corners: tuple[float, float], step: float = _STEP) -> list[tuple[float, float]]:
    """Points on a broken line, a few pixels apart."""
    out: list[tuple[float, float]] = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        count = max(2, int(np.hypot(x1 - x0, y1 - y0) / step))
        out += [
            (float(x0 + (x1 - x0) * t), float(y0 + (y1 - y0) * t)) for t in np.linspace(0, 1, count)
        ]
    return out


@dataclass(slots=True)
class Places:
    """What is taken on a picture.

    Attributes:
        within: Where labels may be.
        taken: What none may cover.
        lines: Points of what is better not covered: lines, bars, leaders.
    """

    within: Box
    taken: list[Box]
    lines: list[tuple[float, float]] = field(default_factory=list)

    def find(self, anchor: tuple[float, float], size: tuple[float, float]) -> Box | None:
        """Takes the nearest free place for a label; None where there is none."""
        boxes, gaps = self._around(anchor, size)
        free = self._inside(boxes) & ~_touch(boxes, np.array(self.taken).reshape(-1, 4)).any(axis=1)
        if not free.any():
            return None
        boxes, gaps = boxes[free], gaps[free]
        near = np.argsort(gaps, kind="stable")[:60]
        costs = [gaps[i] + self._harm(boxes[i], anchor) for i in near]
        x0, y0, x1, y1 = map(float, boxes[near[int(np.argmin(costs))]])
        found = (x0, y0, x1, y1)
        self.taken.append(found)
        self.lines += along(anchor, nearest(found, anchor))
        return found

    def _around(
        self, anchor: tuple[float, float], size: tuple[float, float]
    ) -> tuple[_Many, _Many]:
        """Places around a point, the nearest ring first, and how far each is."""
        wide, high = size[0] + 2 * PAD, size[1] + 2 * PAD
        left, bottom, right, top = self.within
        rings = np.arange(5.0, np.hypot(right - left, top - bottom), _STEP)
        gaps, sides = (g.ravel() for g in np.meshgrid(rings, _SIDES, indexing="ij"))
        lean_x, lean_y = (np.clip(1.6 * f(sides), -1, 1) for f in (np.cos, np.sin))
        x = anchor[0] + gaps * np.cos(sides) + (lean_x - 1) * wide / 2
        y = anchor[1] + gaps * np.sin(sides) + (lean_y - 1) * high / 2
        liked = np.tile(np.arange(len(_SIDES)) * 0.2, len(rings))
        return np.stack([x, y, x + wide, y + high], axis=1), gaps + liked

    def _inside(self, boxes: _Many) -> npt.NDArray[np.bool_]:
        left, bottom, right, top = self.within
        return ((boxes[:, 0] > left) & (boxes[:, 1] > bottom)
                & (boxes[:, 2] < right) & (boxes[:, 3] < top))  # fmt: skip

    def _harm(self, box: _Many, anchor: tuple[float, float]) -> float:
        """Pixels of distance that it is worth not to cover lines, nor to lead over labels."""
        covered = _holds(np.array([box]), np.array(self.lines).reshape(-1, 2)).sum()
        x0, y0, x1, y1 = map(float, box)
        leader = np.array(along(anchor, nearest((x0, y0, x1, y1), anchor)))
        far = leader[np.hypot(*(leader - anchor).T) > 6]
        return float(1.5 * covered + 6 * _holds(np.array(self.taken).reshape(-1, 4), far).sum())


def nearest(box: Box, point: tuple[float, float]) -> tuple[float, float]:
    """Where a box is nearest to a point."""
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def _touch(some: _Many, others: _Many) -> npt.NDArray[np.bool_]:
    a, b = some[:, None], others[None]
    return ((a[..., 0] < b[..., 2]) & (b[..., 0] < a[..., 2])
            & (a[..., 1] < b[..., 3]) & (b[..., 1] < a[..., 3]))  # fmt: skip


def _holds(boxes: _Many, points: _Many) -> npt.NDArray[np.bool_]:
    p, b = points[None], boxes[:, None]
    return ((b[..., 0] < p[..., 0]) & (p[..., 0] < b[..., 2])
            & (b[..., 1] < p[..., 1]) & (p[..., 1] < b[..., 3]))  # fmt: skip
