"""Refusal directions: differences of means of hidden states, and how far an adapter moves along them.

The direction of a layer under a template is the mean of the harmful prompts' hidden states less that of the
harmless ones', at the prompt's last token (Arditi et al., arXiv 2406.11717, section 2.3), here of the base.
Only sums are kept, never the states of all prompts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Direction", "Measure", "Sums", "measured"]

Array = npt.NDArray[np.float64]


class Sums:
    """What is kept of one kind of prompts.

    Args:
        along: Unit directions, (layers, width), on which the states are projected; None for none yet.
    """

    def __init__(self, along: Array | None = None) -> None:
        self._along, self.n = along, 0
        self._total: Array | None = None
        self._first: Array | None = None
        self._second: Array | None = None

    def add(self, states: Array) -> None:
        """Takes in the states of some prompts, (prompts, layers, width)."""
        states = states.astype(np.float64)
        self.n += len(states)
        self._total = states.sum(0) + (0 if self._total is None else self._total)
        if self._along is not None:
            here = np.einsum("plw,lw->pl", states, self._along)
            self._first = here.sum(0) + (0 if self._first is None else self._first)
            self._second = (here**2).sum(0) + (0 if self._second is None else self._second)

    @property
    def mean(self) -> Array:
        """(layers, width)."""
        assert self._total is not None
        return self._total / self.n

    @property
    def place(self) -> Array:
        """Mean along the directions, (layers,)."""
        assert self._first is not None
        return self._first / self.n

    @property
    def variance(self) -> Array:
        """Of single prompts along the directions, (layers,)."""
        assert self._second is not None
        left = self._second - self.n * self.place**2
        return np.maximum(left, 0.0) / max(self.n - 1, 1)


@dataclass(frozen=True)
class Direction:
    """The base's, under one template.

    Attributes:
        unit: (layers, width).
        distance: Of the two means, (layers,).
        difference: Of the two means, (layers, width).
        harmful: Where the harmful prompts' mean is along it, (layers,).
    """

    unit: Array
    distance: Array
    difference: Array
    harmful: Array

    @classmethod
    def of(cls, harmful: Sums, harmless: Sums) -> Direction:
        """From the base's own sums."""
        difference = harmful.mean - harmless.mean
        distance = np.linalg.norm(difference, axis=-1)
        unit = difference / np.maximum(distance, 1e-300)[:, None]
        return cls(unit, distance, difference, np.einsum("lw,lw->l", harmful.mean, unit))


@dataclass(frozen=True)
class Measure:
    """One layer of one model under one template, in units of the base's distance.

    Attributes:
        layer: The first is 1.
        separation: Distance of the two means along the base's direction: 1 is kept, 0 is lost.
        separation_se: Its standard error over prompts.
        shift: How far the harmful prompts' mean moved along it; below 0 towards the harmless ones.
        shift_se: Its standard error.
        cosine: Of the model's own difference of means and the base's, -1..1.
        effect: The two means' distance over the prompts' standard deviation along the direction.
    """

    layer: int
    separation: float
    separation_se: float
    shift: float
    shift_se: float
    cosine: float
    effect: float


def measured(base: Direction, harmful: Sums, harmless: Sums) -> list[Measure]:
    """A model's layers beside the base's; both sums are along the base's directions."""
    unit = np.maximum(base.distance, 1e-300)
    apart = harmful.place - harmless.place
    error = np.sqrt(harmful.variance / harmful.n + harmless.variance / harmless.n)
    spread = np.sqrt((harmful.variance + harmless.variance) / 2)
    own = harmful.mean - harmless.mean
    sizes = np.linalg.norm(own, axis=-1) * base.distance
    cosine = np.einsum("lw,lw->l", own, base.difference) / np.maximum(sizes, 1e-300)
    parts: Iterable[Array] = (
        apart / unit, error / unit, (harmful.place - base.harmful) / unit,
        np.sqrt(harmful.variance / harmful.n) / unit, cosine, apart / np.maximum(spread, 1e-300),
    )  # fmt: skip
    return [
        Measure(at, *map(float, values))
        for at, values in enumerate(zip(*parts, strict=True), start=1)
    ]
