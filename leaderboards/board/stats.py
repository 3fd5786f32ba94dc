"""The statistics of leaderboards and of the gate: rates, differences of rates, seeds.

Every rate here is a share of prompts, 0..1. A *difference* is current minus baseline of the share
of **bad** outcomes, so a positive difference is always a worsening: callers turn "lower is worse"
metrics (exact match) round first. Functions take numbers or numpy arrays, which is how
the gate decides 100,000 numbers at once and tests/bench_gate.py simulates thousands of checks with
the code that decides real ones. How many prompts would do stands in `advice`.

Sources: Wilson (1927); Newcombe, Stat. Med. 17 (1998) 873-890, method 10 (two samples); Tango,
Stat. Med. 17 (1998) 891-908 (pairs); McNemar (1947), exact form; Holm (1979).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats as sps
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

__all__ = ["ROUNDING", "Interval", "fisher_worse", "holm", "is_pass", "is_regression",
           "limit_exceeded", "mcnemar_exact", "mcnemar_worse", "mean_std", "newcombe", "tango",
           "wilson"]  # fmt: skip

Numbers = Any
"""A number or an array of numbers; a function answers in kind."""

ROUNDING = 1e-9  # 0.07 - 0.05 is 0.020000000000000004: not more than an allowed 0.02


class Interval(NamedTuple):
    """Two-sided confidence limits; one end alone is a one-sided bound at (1 + confidence) / 2."""

    low: Numbers
    high: Numbers


def wilson(count: Numbers, n: Numbers, confidence: float = 0.95) -> Interval:
    """Wilson's interval for a rate `count` / `n`; sound at 0 % and 100 %, (0, 1) where n is 0."""
    if np.ndim(n) == 0 and n == 0:
        return Interval(0.0, 1.0)
    low, high = proportion_confint(count, n, alpha=1 - confidence, method="wilson")
    return Interval(np.clip(low, 0, 1) + 0.0, np.clip(high, 0, 1) + 0.0)


def newcombe(
    current: Numbers, n_current: Numbers, baseline: Numbers, n_baseline: Numbers, confidence: float
) -> Interval:
    """Newcombe's hybrid-score interval for current - baseline of two separate samples.

    Used where only counts are known; with prompts in common `tango` is sharper.
    """
    return Interval(
        *confint_proportions_2indep(
            current,
            n_current,
            baseline,
            n_baseline,
            method="newcomb",
            compare="diff",
            alpha=1 - confidence,
        )
    )


def tango(worse: Numbers, better: Numbers, n: Numbers, confidence: float) -> Interval:
    """Tango's score interval for the paired difference (worse - better) / n.

    Chosen over Newcombe's paired interval because it uses the flips alone: two identical runs at
    50 % are as certain as two at 0 %, where square-and-add gives an interval that is too short.
    With no flip it is Wilson's, z^2 / (n + z^2) on either side, so right at 0 % and 100 %.
    Neither statsmodels nor scipy has it; PropCIs::scoreci.mp in R is the reference of the tests.

    Args:
        worse: Pairs that went from good to bad.
        better: Pairs that went from bad to good.
        n: All pairs, with those that did not change.
        confidence: Two-sided.
    """
    z = sps.norm.ppf((1 + confidence) / 2)
    high = _bisect(worse, better, n, z)
    return Interval(-_bisect(better, worse, n, z), high)


def _bisect(worse: Numbers, better: Numbers, n: Numbers, z: float) -> Numbers:
    """The difference above the observed one at which Tango's score falls to -z."""
    b, c, n = (np.asarray(x, dtype=float) for x in (worse, better, n))
    low, high = (b - c) / n, np.ones(np.broadcast_shapes(b.shape, c.shape, n.shape))
    for _ in range(50):  # to 1e-15; the score falls steadily
        middle = (low + high) / 2
        above = _score(b, c, n, middle) > -z
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high)[()] / 2


def _score(b: Numbers, c: Numbers, n: Numbers, diff: Numbers) -> Numbers:
    """Standardised distance of the observed difference from `diff` (Tango 1998, eq. 10)."""
    linear = -(b + c) + (2 * n - b + c) * diff
    root = np.sqrt(np.maximum(linear**2 + 8 * n * c * diff * (1 - diff), 0))
    q = np.maximum((root - linear) / (4 * n), 0)  # likeliest share of "better" under this diff
    variance = np.maximum(n * (2 * q + diff * (1 - diff)), 1e-300)
    return (b - c - n * diff) / np.sqrt(variance)


def mcnemar_exact(worse: int, better: int) -> float:
    """Two-sided exact McNemar p-value of "no change in either direction"."""
    return float(mcnemar([[0, worse], [better, 0]], exact=True).pvalue)


def mcnemar_worse(worse: Numbers, better: Numbers) -> Numbers:
    """One-sided exact McNemar p-value of "not worse": P(Bin(worse + better, 1/2) >= worse)."""
    return sps.binom.sf(np.subtract(worse, 1), np.add(worse, better), 0.5)


def fisher_worse(
    current: Numbers, n_current: Numbers, baseline: Numbers, n_baseline: Numbers
) -> Numbers:
    """One-sided Fisher exact p-value of "the current rate of bad outcomes is not higher"."""
    bad, total = np.add(current, baseline), np.add(n_current, n_baseline)
    return sps.hypergeom.sf(np.subtract(current, 1), total, bad, n_current)


def limit_exceeded(bad: Numbers, n: Numbers, limit: float) -> Numbers:
    """One-sided exact binomial p-value of "the true rate of bad outcomes is within `limit`"."""
    return sps.binom.sf(np.subtract(bad, 1), n, limit)


def holm(p_values: Sequence[float] | npt.NDArray[np.float64]) -> list[float]:
    """Holm's adjusted p-values, in the order given; compare them with alpha itself."""
    if len(p_values) == 0:
        return []
    return [float(p) for p in multipletests(p_values, method="holm")[1]]


def mean_std(values: Iterable[float], *, population: bool = False) -> tuple[float, float]:
    """Mean and standard deviation over seeds.

    Args:
        values: One number per seed.
        population: Divide by the number of seeds (what the paper prints) instead of by one less.

    Returns:
        (mean, std); std is nan for one value without `population`, both are nan for none.
    """
    seen = list(values)
    if len(seen) <= (0 if population else 1):
        return (seen[0] if seen else math.nan), math.nan
    return float(np.mean(seen)), float(np.std(seen, ddof=0 if population else 1))


def is_pass(upper: Numbers, bound: Numbers) -> Numbers:
    """Shown to be good enough: the upper confidence bound of the worsening is within `bound`."""
    return np.asarray(upper) <= np.asarray(bound) + ROUNDING


def is_regression(estimate: Numbers, p_holm: Numbers, bound: Numbers, alpha: float) -> Numbers:
    """Shown to be worse, by more than is allowed.

    Two things together: the exact test says that the change is no chance (Holm over all tests of
    the check, so a check of unchanged models raises a false alarm with probability alpha at most,
    whatever the rates, the number of prompts and the correlation), and the best estimate of the
    worsening is beyond the margin. It is not required that the *margin* is excluded with
    confidence: at 20 % harmful, 400 prompts and 20 cells that would let a third of the releases
    through that are 10 points beyond the margin, and 0 -> 10 newly harmful answers of 400 at a
    margin of 2 points would count as undecided.
    """
    beyond = np.asarray(estimate) > np.asarray(bound) + ROUNDING
    return beyond & (np.asarray(p_holm) <= alpha)
