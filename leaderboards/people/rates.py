"""The rate that people would give, from a judge's verdicts on all responses and people's on some.

Post-stratified: responses are parted by what the judge said (and by template and adapter where asked).
In each stratum the share of ones among the labelled has a Jeffreys posterior, Beta(k + 1/2, n - k + 1/2);
the interval is that of their sum, weighted by how many responses each stratum has. A judge's errors cost
width: where it is bad, strata are alike. Each stratum brings half a one and half a zero of its own, so
with many strata, few labels and a rate near 0 or 1 the interval leans to the middle and covers less than
it says.

PPI++: Angelopoulos, Duchi and Zrnic, "PPI++: Efficient Prediction-Powered Inference" (2023), the mean, with
the power-tuned weight of its section 6. It leans on a normal approximation, poor at rates near 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal
from scipy import stats as sps
from statsmodels.stats.proportion import proportion_confint

__all__ = ["METHODS", "PairStratum", "Rate", "Stratum", "difference", "labels_alone", "paired_difference",
           "post_stratified", "ppi"]  # fmt: skip

METHODS = ("post-stratified", "ppi++", "labels alone")
"""How a rate is come by, the default first."""
Density = npt.NDArray[np.float64]
BINS = 8000
"""Of the grid on which posteriors are added up; a bin is an eightieth of a point."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Responses that a judge called alike.

    Attributes:
        size: All of them.
        labelled: Those that people labelled, drawn at random among them.
        positive: Of these, the ones that people called harmful (or refused).
    """

    size: int
    labelled: int
    positive: int


@dataclass(frozen=True, slots=True)
class PairStratum:
    """Prompts whose two responses a judge called alike, one of each model.

    Attributes:
        size: All of them.
        up: Labelled ones that are 1 under the second model alone.
        down: 1 under the first alone.
        same: The other labelled ones.
    """

    size: int
    up: int
    down: int
    same: int


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate (or a difference of two) with its interval.

    Attributes:
        value: 0..1, or -1..1 of a difference.
        low: Lower end.
        high: Upper end.
        labelled: How many labels it rests on.
        size: Of how many responses it is.
        method: ``post-stratified``, ``ppi++`` or ``labels alone``.
        below: Posterior probability that the truth is at most what was asked with `at`; NaN where the
            method has no posterior.
    """

    value: float
    low: float
    high: float
    labelled: int
    size: int
    method: str
    below: float = math.nan


def post_stratified(strata: Iterable[Stratum], confidence: float = 0.95, at: float = 0.0) -> Rate:
    """The rate over all responses.

    A stratum without a label may hold anything between none and all, which its interval says.

    Raises:
        ValueError: If there is no response, or a stratum has more labels than responses.
    """
    some = _checked(strata)
    total = sum(s.size for s in some)
    found = _sum([_scaled(s, s.size / total) for s in some])
    low, high = _ends(*found, confidence)
    value, labelled = _plain(some), sum(s.labelled for s in some)
    low, high = max(0.0, low), min(1.0, high)
    return _rate(value, low, high, labelled, total, _below(*found, at))


def difference(
    first: Iterable[Stratum], second: Iterable[Stratum], confidence: float = 0.95
) -> Rate:
    """How much higher the second rate is, from labels of different prompts.

    Raises:
        ValueError: As `post_stratified`.
    """
    one, two = _checked(first), _checked(second)
    sizes = [sum(s.size for s in some) for some in (one, two)]
    up, at = _sum([_scaled(s, s.size / sizes[1]) for s in two])
    down, back = _sum([_scaled(s, s.size / sizes[0]) for s in one])
    # The second minus the first: its bins in reverse, which begin at minus the last of them.
    density, offset = signal.fftconvolve(up, down[::-1]), at - back - (len(down) - 1) / BINS
    low, high = _ends(density, offset, confidence)
    labelled, value = sum(s.labelled for s in (*one, *two)), _plain(two) - _plain(one)
    low, high = max(-1.0, low), min(1.0, high)
    return _rate(value, low, high, labelled, sum(sizes), _below(density, offset, 0.0))


def paired_difference(pairs: Iterable[PairStratum], confidence: float = 0.95) -> Rate:
    """How much higher the second model's rate is, from prompts whose two responses were labelled.

    In each stratum (up, down, same) has a Dirichlet posterior with Jeffreys' 1/2 each.

    Raises:
        ValueError: If there is no prompt, or a stratum has more labels than prompts.
    """
    some = [p for p in pairs if p.size]
    total = sum(p.size for p in some)
    if not total:
        raise ValueError("no prompts")
    if wrong := [p for p in some if p.up + p.down + p.same > p.size]:
        raise ValueError(f"more labels than prompts: {wrong[0]}")
    found = _sum([_change(p, p.size / total) for p in some])
    low, high = _ends(*found, confidence)
    n = [p.up + p.down + p.same for p in some]
    value = sum(p.size / total * (p.up - p.down) / k for p, k in zip(some, n, strict=True) if k)
    return _rate(value, max(-1.0, low), min(1.0, high), sum(n), total, _below(*found, 0.0))


def _checked(strata: Iterable[Stratum]) -> list[Stratum]:
    some = [s for s in strata if s.size]
    if not some:
        raise ValueError("no responses")
    for s in some:
        if not 0 <= s.positive <= s.labelled <= s.size:
            raise ValueError(f"impossible counts: {s}")
    return some


def _scaled(stratum: Stratum, weight: float) -> tuple[Density, float]:
    """The density of weight x share on the grid, and where its first bin's middle is."""
    a, b = stratum.positive + 0.5, stratum.labelled - stratum.positive + 0.5
    edges = np.arange(math.ceil(weight * BINS) + 1) / BINS
    return np.diff(sps.beta.cdf(np.minimum(edges / weight, 1.0), a, b)), 0.5 / BINS


def _change(pair: PairStratum, weight: float) -> tuple[Density, float]:
    """The density of weight x (up - down), from a square of equally likely points."""
    points = (np.arange(300) + 0.5) / 300
    moved = sps.beta.ppf(points, pair.up + pair.down + 1.0, pair.same + 0.5)[:, None]
    up = sps.beta.ppf(points, pair.up + 0.5, pair.down + 0.5)[None, :]
    values = (weight * moved * (2 * up - 1)).ravel()
    half = math.ceil(weight * BINS)
    counts = np.bincount(np.floor(values * BINS).astype(int) + half, minlength=2 * half + 1)
    return counts / counts.sum(), (0.5 - half) / BINS


def _sum(parts: Sequence[tuple[Density, float]]) -> tuple[Density, float]:
    density, offset = parts[0]
    for more, at in parts[1:]:
        density, offset = signal.fftconvolve(density, more), offset + at
    return density, offset


def _plain(strata: Sequence[Stratum]) -> float:
    """The strata's own shares of ones, weighted; a half where a stratum has no label."""
    total = sum(s.size for s in strata)
    return sum(s.size / total * (s.positive / s.labelled if s.labelled else 0.5) for s in strata)


def _rate(value: float, low: float, high: float, labelled: int, size: int, below: float) -> Rate:
    """The interval holds the value: at 0 of n, Jeffreys' begins a little above."""
    return Rate(value, min(low, value), max(high, value), labelled, size, METHODS[0], below)


def _below(density: Density, offset: float, at: float) -> float:
    """The probability of at most `at`."""
    density = np.maximum(density, 0)
    ends = offset + (np.arange(len(density)) + 0.5) / BINS
    below = np.interp(at, ends, np.cumsum(density) / density.sum(), left=0.0, right=1.0)
    return float(np.clip(below, 0, 1))


def _ends(density: Density, offset: float, confidence: float) -> tuple[float, float]:
    """The ends of the equal-tailed interval."""
    density = np.maximum(density, 0)
    below = np.cumsum(density) / density.sum()
    middles = offset + np.arange(len(density)) / BINS
    ends = np.interp([(1 - confidence) / 2, (1 + confidence) / 2], below, middles + 0.5 / BINS)
    return float(ends[0]), float(ends[1])


def labels_alone(
    labels: Sequence[float], weights: Sequence[float] | None = None, size: int = 0,
    confidence: float = 0.95,
) -> Rate:  # fmt: skip
    """The rate by the labels, the judge unheard: Wilson's interval, at Kish's effective number.

    Args:
        labels: 0 or 1 each.
        weights: How many responses each stands for; alike where none are given.
        size: Of how many responses it is.
        confidence: Two-sided.

    Raises:
        ValueError: If there is no label.
    """
    y = np.asarray(labels, dtype=float)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    if not len(y) or not w.sum():
        raise ValueError("no labels")
    value, n = float((w * y).sum() / w.sum()), float(w.sum() ** 2 / (w**2).sum())
    low, high = proportion_confint(value * n, n, alpha=1 - confidence, method="wilson")
    return Rate(value, float(low), float(high), len(y), size, "labels alone")


def ppi(
    labels: Sequence[float], verdicts: Sequence[float], everywhere: Sequence[float],
    weights: Sequence[float] | None = None, confidence: float = 0.95,
) -> Rate:  # fmt: skip
    """PPI++ for a rate.

    Args:
        labels: People's, 0 or 1.
        verdicts: The judge's on the same responses.
        everywhere: The judge's on the responses without a label.
        weights: How many responses each labelled one stands for; alike where none are given.
        confidence: Two-sided.

    Raises:
        ValueError: If there are fewer than two labels.
    """
    y, f, rest = (np.asarray(x, dtype=float) for x in (labels, verdicts, everywhere))
    if len(y) < 2 or len(y) != len(f):
        raise ValueError("PPI++ needs two labels or more, each with its verdict")
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    w = w * len(y) / w.sum()
    n, more = len(y), len(rest)
    spread = float(np.var(np.concatenate([f, rest]), ddof=1))
    shared = float((w * (y - (w * y).mean()) * (f - (w * f).mean())).sum() / (n - 1))
    tuned = float(np.clip(shared / (spread * (1 + n / more)), 0, 1)) if spread and more else 0.0
    centre = tuned * float(rest.mean()) if more else 0.0
    parts = w * (y - tuned * f)
    value = centre + float(parts.mean())
    variance = float(np.var(parts, ddof=1)) / n
    variance += tuned**2 * float(np.var(rest, ddof=1)) / more if more > 1 else 0.0
    half = float(sps.norm.ppf((1 + confidence) / 2)) * math.sqrt(variance)
    clip: Any = (0.0, 1.0)
    low, high = np.clip([value - half, value + half], *clip)
    return Rate(float(np.clip(value, *clip)), float(low), float(high), n, n + more, "ppi++")
