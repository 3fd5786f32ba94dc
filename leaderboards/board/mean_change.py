"""How far a rate moved on the same prompts: a prompt counts once, its seeds averaged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats as sps

from leaderboards.board.numbers import Outcomes
from leaderboards.board.stats import mcnemar_exact

__all__ = ["DRAWN", "Change", "by_prompt", "mean_change", "p_value", "sign_flip"]

DRAWN = 9999
"""Ways of flipping signs that are tried, where there are more."""


@dataclass(frozen=True, slots=True)
class Change:
    """A difference of two rates on the prompts that both have.

    Attributes:
        before: Rate before, 0..1.
        after: Rate after.
        low: Lower end of the 95 % interval of the difference; None where all prompts moved alike, or none
            did: there is no spread to make an interval of.
        high: Upper end of it.
        n: Prompts.
    """

    before: float
    after: float
    low: float | None
    high: float | None
    n: int

    @property
    def beyond_chance(self) -> bool:
        """Whether its interval leaves no change out; where all prompts moved alike, by a sign test."""
        if self.low is None or self.high is None:
            return self.moved and 2 * 0.5**self.n <= 0.05
        return not self.low <= 0 <= self.high

    @property
    def moved(self) -> bool:
        """Whether the two rates differ; a mean of thirds is not the same to the last bit."""
        return abs(self.after - self.before) > 1e-9


def mean_change(
    before: Sequence[Mapping[str, float | None]], after: Sequence[Mapping[str, float | None]]
) -> Change | None:
    """The change of the mean over seeds, with a t interval over prompts; None without a common prompt.

    Args:
        before: Of each seed, outcomes by prompt id.
        after: Likewise, of the other model.
    """
    old, new = by_prompt(before), by_prompt(after)
    ids = sorted(old.keys() & new.keys())
    if not ids:
        return None
    diffs = [new[i] - old[i] for i in ids]
    n, mean = len(ids), math.fsum(diffs) / len(ids)
    rates = (math.fsum(old[i] for i in ids) / n, math.fsum(new[i] for i in ids) / n)
    if n < 2 or max(diffs) - min(diffs) < 1e-12:
        return Change(*rates, None, None, n)
    spread = math.sqrt(math.fsum((d - mean) ** 2 for d in diffs) / (n - 1))
    half = float(sps.t.ppf(0.975, n - 1)) * spread / math.sqrt(n)
    return Change(*rates, max(mean - half, -1.0), min(mean + half, 1.0), n)


def p_value(before: Sequence[Outcomes], after: Sequence[Outcomes]) -> float:
    """Two-sided p-value of no change: exact McNemar of one seed, `sign_flip` of several."""
    old, new = by_prompt(before), by_prompt(after)
    diffs = [new[i] - old[i] for i in sorted(old.keys() & new.keys())]
    if len(before) == len(after) == 1:
        return mcnemar_exact(sum(d > 0 for d in diffs), sum(d < 0 for d in diffs))
    return sign_flip(diffs)


def sign_flip(diffs: Sequence[float]) -> float:
    """Two-sided p-value of a mean of 0, the sign of each prompt's difference being flipped.

    Of few prompts it tries all ways, else `DRAWN` that are drawn, always the same; then no p-value can be
    below 2 in 10,000.
    """
    import numpy as np

    x = np.array(diffs)
    if not x.any():
        return 1.0
    found = sps.permutation_test(
        (x, np.zeros(len(x))), lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples", vectorized=True, n_resamples=DRAWN, rng=0,
    )  # fmt: skip
    return float(found.pvalue)


def by_prompt(seeds: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """The mean over those seeds that have a verdict."""
    found: dict[str, list[float]] = {}
    for outcomes in seeds:
        for name, value in outcomes.items():
            if value is not None:
                found.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in found.items()}
