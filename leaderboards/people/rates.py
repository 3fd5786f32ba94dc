"""The rate that people would give, from a judge's verdicts on all responses and people's on some.

Post-stratified: responses are parted by what the judge said (and by what the sample was drawn by). How many
ones a stratum holds is bounded by the exact test of its labels (Clopper and Pearson's, for draws without
replacement), and the strata's bounds are *melded*: of the count below which the truth should hardly lie a
confidence distribution is taken, and these are added up; see Fay, Proschan and Brittain, "Combining
One-Sample Confidence Procedures for Inference in the Two-Sample Case" (Biometrics, 2015). A judge's errors
cost width: where it is bad, strata are alike. Jeffreys' intervals, which are a little narrower, were tried
first: with two strata and rates near 0 or 1 they covered 0.90 to 0.91 and with few labels far less, as each
stratum brings half a one of its own.

PPI++: Angelopoulos, Duchi and Zrnic, "PPI++: Efficient Prediction-Powered Inference" (2023), the mean, with
the power-tuned weight of its section 6. It leans on a normal approximation, poor at rates near 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal
from scipy import stats as sps
from statsmodels.stats.proportion import proportion_confint

__all__ = ["METHODS", "Rate", "Stratum", "difference", "labels_alone", "post_stratified", "ppi"]

METHODS = ("post-stratified", "ppi++", "labels alone")
"""How a rate is come by, the default first."""
THOUSAND = 1000
"""How finely a population's rate is known."""
COARSE = 2000
"""Counts of ones that are told apart on the way there."""
Chances = npt.NDArray[np.float64]
"""Of every count 0..N how likely it is."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Responses that a judge called alike.

    Attributes:
        size: All of them.
        labelled: Those that people labelled, drawn at random among them.
        positive: Of these, the ones that people called harmful (or refused).
        unsure: Drawn and shown, and not called anything: any of them may be one, and none.
    """

    size: int
    labelled: int
    positive: int
    unsure: int = 0


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
        below: One-sided p-value of a truth that is at most what was asked with `at` (of a difference: of
            no rise); NaN where the method has none.
    """

    value: float
    low: float
    high: float
    labelled: int
    size: int
    method: str
    below: float = math.nan


def post_stratified(
    strata: Iterable[Stratum], confidence: float = 0.95, at: float = 0.0, *, beyond: bool = False
) -> Rate:
    """The rate over all responses; with `beyond` over the population that their prompts are draws of.

    A stratum without a label may hold anything between none and all, which its interval says; its
    part of the rate itself is what the others' is.

    Raises:
        ValueError: If there is no response, or a stratum has more labels than responses.
    """
    some = _checked(strata)
    tail = (1 - confidence) / 2
    least, most = _ends(some, beyond)
    total = len(least) - 1
    low = np.searchsorted(np.cumsum(least), tail, side="right")
    high = total - np.searchsorted(np.cumsum(most[::-1]), tail, side="right")
    below = float(least[: math.floor(at * total + 1e-9) + 1].sum())
    return _rate(_plain(some), float(low) / total, float(high) / total, some, below)


def difference(
    first: Iterable[Stratum], second: Iterable[Stratum], confidence: float = 0.95, *,
    beyond: bool = False,
) -> Rate:  # fmt: skip
    """How much higher the second rate is; with `beyond` of populations, as in `post_stratified`.

    Both samples count as independent. Where prompts have labels on both sides their outcomes mostly go
    together, and the interval is wider than it need be; where one side's harm excludes the other's on the
    same prompts it is too narrow (90 % covered 81 to 87 % at rates of 20 to 50 %). One by pairs was tried,
    and was wider still in most designs, since strata of pairs are many and hold few labels.

    Raises:
        ValueError: As `post_stratified`.
    """
    one, two = _checked(first), _checked(second)
    tail = (1 - confidence) / 2
    (least_1, most_1), (least_2, most_2) = _ends(one, beyond), _ends(two, beyond)
    low = _least(lambda change: _at_most(least_2, most_1, change) > tail)
    high = 0.0 - _least(lambda change: _at_most(least_1, most_2, change) > tail)
    return _rate(_plain(two) - _plain(one), low, high, [*one, *two], _at_most(least_2, most_1, 0.0))


def _checked(strata: Iterable[Stratum]) -> list[Stratum]:
    some = [s for s in strata if s.size]
    if not some:
        raise ValueError("no responses")
    for s in some:
        if not (0 <= s.positive <= s.labelled and 0 <= s.unsure <= s.size - s.labelled):
            raise ValueError(f"impossible counts: {s}")
    return some


def _ends(strata: Sequence[Stratum], beyond: bool) -> tuple[Chances, Chances]:
    """How many ones there are, as the lower and as the upper bounds have it."""
    least, most = (_sum([_count(s, more) for s in strata]) for more in (0, 1))
    return (_of_more(least, 0), _of_more(most, 1)) if beyond else (least, most)


def _of_more(chances: Chances, more: int) -> Chances:
    """The same of the population, in thousandths, of which these responses are draws."""
    n, out = len(chances) - 1, np.zeros(THOUSAND + 1)
    edges = np.clip((np.arange(THOUSAND + 2) - 0.5) / THOUSAND, 0, 1)
    chances = _coarse(chances, more)
    for ones in np.flatnonzero(chances > 1e-9):
        a, b = ones + more, n - ones + 1 - more
        if a and b:
            out += chances[ones] * np.diff(sps.beta.cdf(edges, a, b))
        else:
            out[THOUSAND if more else 0] += chances[ones]
    found: Chances = out / out.sum()
    return found


def _coarse(chances: Chances, more: int) -> Chances:
    """The same on at most `COARSE` counts: each gives way to a lower one, with `more` to a higher one."""
    n = len(chances) - 1
    if n <= COARSE:
        return chances
    step = -(-n // COARSE)
    counts = np.arange(n + 1)
    places = np.minimum(-(-counts // step) * step, n) if more else counts // step * step
    return np.asarray(np.bincount(places, chances, n + 1), dtype=np.float64)


def _count(stratum: Stratum, more: int) -> Chances:
    """The confidence distribution of a stratum's ones: of its lower bound, or with `more` = 1 of its upper.

    Of n drawn from N responses in a row, ones first, at least k are ones exactly if the k-th of them
    stands among the ones: the bound's chances are those of the k-th one's place, which beyond the k
    labelled ones before it is beta-binomial.
    """
    drawn = stratum.labelled + stratum.unsure
    rest, ones = stratum.size - drawn, stratum.positive + (stratum.unsure if more else 0)
    a, b = ones + more, drawn - ones + 1 - more
    chances = np.zeros(stratum.size + 1)
    if a and b:
        chances[ones : ones + rest + 1] = sps.betabinom.pmf(np.arange(rest + 1), rest, a, b)
    else:  # no one among the labelled bounds nothing from below, and no zero nothing from above
        chances[ones + (rest if more else 0)] = 1.0
    return chances


def _sum(parts: Sequence[Chances]) -> Chances:
    found = parts[0]
    for part in parts[1:]:
        found = np.maximum(signal.fftconvolve(found, part), 0)
    total: Chances = found / found.sum()
    return total


def _at_most(second: Chances, first: Chances, change: float) -> float:
    """The chance that the second share is no more than `change` above the first."""
    n_1, n_2 = len(first) - 1, len(second) - 1
    most = np.floor((np.arange(n_1 + 1) / n_1 + change) * n_2 + 1e-6).astype(int)
    below = np.concatenate([[0.0], np.cumsum(second)])
    return float((first * below[np.clip(most + 1, 0, n_2 + 1)]).sum())


def _least(holds: Callable[[float], bool]) -> float:
    """The least change of -1..1 for which it holds, to a millionth; it does for any greater one."""
    low, high = -1.0, 1.0
    if holds(low):
        return low
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _plain(strata: Sequence[Stratum]) -> float:
    """The strata's own shares of ones, weighted; a half where nobody labelled anything."""
    some = [s for s in strata if s.labelled]
    total = sum(s.size for s in some)
    return sum(s.size / total * s.positive / s.labelled for s in some) if some else 0.5


def _rate(value: float, low: float, high: float, strata: Sequence[Stratum], below: float) -> Rate:
    labelled, size = sum(s.labelled for s in strata), sum(s.size for s in strata)
    return Rate(value, min(low, value), max(high, value), labelled, size, METHODS[0], below)


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
