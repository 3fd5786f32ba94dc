"""How many prompts would decide, and the smallest worsening that is caught: advice beside a check."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats as sps
from statsmodels.stats.power import normal_sample_size_one_tail

from leaderboards.board.stats import ROUNDING, Numbers, fisher_worse, limit_exceeded, mcnemar_worse

__all__ = ["detectable_limit", "detectable_normal", "detectable_paired", "detectable_two_samples",
           "flips_back", "n_to_clear", "n_to_flag", "z_of"]  # fmt: skip

_MOST = 100_000  # beyond this many prompts nobody will follow the advice


def n_to_clear(
    distance: Numbers, std: Numbers, alpha: float, power: float, smallest: Numbers
) -> Numbers:
    """Prompts that let a change of this size pass with probability `power`.

    Args:
        distance: Bound minus estimate, above 0.
        std: Standard deviation of one prompt's contribution.
        alpha: One-sided level of the bound.
        power: Wanted probability, 0..1.
        smallest: The bound itself: even without one bad outcome z^2 (1 - bound) / bound are needed.

    Returns:
        None (in arrays nan) where it is more than anyone would run, or the estimate is not within
        the bound.
    """
    z = z_of(alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = z * z * np.divide(np.subtract(1, smallest), smallest)
        n = np.maximum(floor, _one_tail(distance, power, alpha, std))
    return _advice(n, np.asarray(distance) > 0)


def n_to_flag(
    estimate: Numbers, std_null: Numbers, std: Numbers, alpha: float, power: float
) -> Numbers:
    """Prompts that let a worsening of this size be called a regression with probability `power`.

    Returns:
        None (in arrays nan) where there is no worsening, or it takes more than anyone would run.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        n = _one_tail(estimate, power, alpha, std_null, std)
    return _advice(n, np.asarray(estimate) > 0)


def z_of(alpha: float) -> float:
    """How many standard deviations a one-sided bound is away."""
    return float(sps.norm.isf(alpha))


def detectable_normal(
    se: Numbers, bound: Numbers, limit: Numbers, alpha: float, power: float
) -> Numbers:
    """The smallest worsening that is caught, of an estimate with this standard error.

    It has to be beyond chance and beyond the bound; where `limit` is true it is a rate that has to be
    beyond the bound by more than chance.

    Returns:
        nan where that is more than all.
    """
    se, bound = np.asarray(se), np.asarray(bound)
    chance, power_z = z_of(alpha), z_of(1 - power)
    change = np.maximum(bound + se * power_z, se * (chance + power_z))
    found = np.where(limit, bound + se * (chance + power_z), change)
    return np.where(found <= 1, found, np.nan)


def _one_tail(distance: Numbers, *rest: Any) -> Numbers:
    return normal_sample_size_one_tail(np.asarray(distance, dtype=float), *rest)


def _advice(n: Numbers, useful: Numbers) -> Numbers:
    n = np.where(useful & (n <= _MOST), np.ceil(n), np.nan)
    if n.ndim:
        return n
    return None if np.isnan(n) else int(n)


def detectable_paired(
    better: Numbers, was_bad: Numbers, n: Numbers, margin: Numbers, alpha: float, power: float
) -> Numbers:
    """The smallest true worsening that pairs of this kind are caught at with probability `power`.

    Prompts also get better by chance: as many as were seen to, fewer in proportion the fewer are
    good at all (`flips_back`). How many they are in one run varies, which is averaged over (five
    quantiles of the binomial distribution).

    Args:
        better: Pairs that went from bad to good.
        was_bad: Pairs that were bad in the baseline: those cannot get worse.
        n: All pairs.
        margin: The worsening that is allowed.
        alpha: Level of the exact test, after Holm at its strictest.
        power: Wanted probability, 0..1.

    Returns:
        0..1; nan where not even the loss of every good prompt would be caught.
    """
    c, bad, n, margin = (np.atleast_1d(np.asarray(x, float)) for x in (better, was_bad, n, margin))
    nodes = [(at + 0.5) / 5 for at in range(5)]
    most, rate = 1 - bad / n, c / n
    flips = np.arange(float(np.max(sps.binom.ppf(nodes[-1], n, rate))) + 1)
    least = _first_caught(
        flips * 0 + np.max(n), lambda w: mcnemar_worse(w, flips), flips, 0.0, alpha
    )

    def caught(diff: Numbers) -> Numbers:
        share = flips_back(rate, most, diff)
        risk = np.clip((share + diff) / np.maximum(1 - share, 1e-300), 0, 1)
        total = np.zeros_like(n)
        for node in nodes:
            back = sps.binom.ppf(node, n, share)
            beyond = np.floor(back + n * (margin + ROUNDING)) + 1
            count = np.maximum(least[back.astype(int)], beyond)
            total += sps.binom.sf(count - 1, n - back, risk)
        return total / len(nodes)

    low, high = np.zeros_like(n), most
    for _ in range(14):  # to a hundredth of a point
        middle = (low + high) / 2
        enough = caught(middle) >= power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(caught(most) >= power, high, np.nan)


def flips_back(rate: Numbers, good: Numbers, diff: Numbers) -> Numbers:
    """Share of prompts that get better by chance once the share of good ones falls by `diff`."""
    left = np.subtract(good, diff) / np.maximum(good, 1e-300)
    return rate * np.clip(left, 0, 1)


def detectable_two_samples(
    n_current: Numbers, baseline: Numbers, n_baseline: Numbers, margin: Numbers,
    alpha: float, power: float,
) -> Numbers:  # fmt: skip
    """The same of two separate samples, given the baseline as it was measured."""
    n, k0, n0, margin = (np.atleast_1d(np.asarray(x, float))
                         for x in (n_current, baseline, n_baseline, margin))  # fmt: skip
    least = _first_caught(n, lambda k: fisher_worse(k, n, k0, n0), n * k0 / n0, margin, alpha)
    return _rate_for(least, n, power) - k0 / n0


def detectable_limit(n: Numbers, limit: Numbers, alpha: float, power: float) -> Numbers:
    """The smallest true rate that is caught beyond an absolute limit with probability `power`."""
    n, limit = (np.atleast_1d(np.asarray(x, float)) for x in (n, limit))
    least = _first_caught(n, lambda k: limit_exceeded(k, n, limit), n * limit, 0.0, alpha)
    return _rate_for(least, n, power)


def _first_caught(
    n: Numbers, p_value: Any, expected: Numbers, margin: Numbers, alpha: float
) -> Numbers:
    """The smallest count that is a regression: significant, and beyond the margin; n + 1 for none."""
    low = np.floor(expected + n * (np.asarray(margin) + ROUNDING)) + 1  # beyond the margin
    low, high = np.minimum(low, n + 1), n + 1
    for _ in range(math.ceil(math.log2(float(np.max(n)) + 2))):
        middle = np.floor((low + high) / 2)
        enough = (middle <= n) & (p_value(np.minimum(middle, n)) <= alpha)
        low, high = (
            np.where(enough | (low >= high), low, middle + 1),
            np.where(enough, middle, high),
        )
    return high


def _rate_for(count: Numbers, n: Numbers, power: float) -> Numbers:
    """The rate at which `count` of `n` or more are seen with probability `power`."""
    some = np.minimum(count, n)
    return np.where(count <= n, sps.beta.ppf(power, some, n - some + 1), np.nan)
