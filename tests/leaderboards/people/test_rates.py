"""Rates from labels and verdicts: exact in the corners, against other code, and honest by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from leaderboards.people.rates import (
    PairStratum,
    Stratum,
    difference,
    labels_alone,
    paired_difference,
    post_stratified,
    ppi,
)


@pytest.mark.parametrize(("n", "k"), [(0, 0), (10, 0), (10, 10), (100, 37), (1000, 1)])
def test_one_stratum_is_jeffreys_own_interval(n: int, k: int) -> None:
    found = post_stratified([Stratum(2000, n, k)])
    want = sps.beta.ppf([0.025, 0.975], k + 0.5, n - k + 0.5)
    low, high = (0 if n and not k else want[0]), (1 if n and k == n else want[1])
    assert [found.low, found.high] == pytest.approx([low, high], abs=2e-4)
    assert found.value == (k / n if n else 0.5)


def test_strata_add_up_as_draws_do() -> None:
    strata = [Stratum(700, 40, 2), Stratum(250, 40, 31), Stratum(50, 5, 1)]
    rng = np.random.default_rng(0)
    draws = sum(
        s.size / 1000 * rng.beta(s.positive + 0.5, s.labelled - s.positive + 0.5, 400_000)
        for s in strata
    )
    found = post_stratified(strata)
    assert found.value == pytest.approx(0.7 * 2 / 40 + 0.25 * 31 / 40 + 0.05 / 5)
    assert [found.low, found.high] == pytest.approx(
        list(np.quantile(draws, [0.025, 0.975])), abs=1e-3
    )


def test_differences_add_up_as_draws_do() -> None:
    one, two = (
        [Stratum(300, 30, 3), Stratum(100, 20, 15)],
        [Stratum(200, 30, 9), Stratum(50, 20, 19)],
    )
    rng = np.random.default_rng(1)

    def draws(strata: list[Stratum]) -> np.ndarray:
        total = sum(s.size for s in strata)
        return sum(
            s.size / total * rng.beta(s.positive + 0.5, s.labelled - s.positive + 0.5, 400_000)
            for s in strata
        )

    found, want = difference(one, two), draws(two) - draws(one)
    assert found.value == pytest.approx(
        0.8 * 9 / 30 + 0.2 * 19 / 20 - 0.75 * 3 / 30 - 0.25 * 15 / 20
    )
    assert [found.low, found.high] == pytest.approx(
        list(np.quantile(want, [0.025, 0.975])), abs=1.5e-3
    )


def test_paired_differences_add_up_as_draws_do() -> None:
    pairs = [PairStratum(300, 4, 1, 25), PairStratum(100, 10, 2, 8)]
    rng = np.random.default_rng(2)
    want = sum(
        p.size / 400 * (d := rng.dirichlet([p.up + 0.5, p.down + 0.5, p.same + 0.5], 400_000))[:, 0]
        - p.size / 400 * d[:, 1]
        for p in pairs
    )
    found = paired_difference(pairs)
    assert found.value == pytest.approx(0.75 * 3 / 30 + 0.25 * 8 / 20)
    assert [found.low, found.high] == pytest.approx(
        list(np.quantile(want, [0.025, 0.975])), abs=2e-3
    )


counts = st.integers(0, 60).flatmap(
    lambda n: st.tuples(st.integers(n, 500), st.just(n), st.integers(0, n))
)


@given(st.lists(counts.map(lambda c: Stratum(*c)), min_size=1, max_size=5))
def test_a_rate_is_a_rate_and_turned_round_its_mirror(strata: list[Stratum]) -> None:
    if not any(s.size for s in strata):
        with pytest.raises(ValueError, match="no responses"):
            post_stratified(strata)
        return
    found = post_stratified(strata)
    assert 0 <= found.low <= found.value <= found.high <= 1
    other = post_stratified([Stratum(s.size, s.labelled, s.labelled - s.positive) for s in strata])
    assert [1 - other.high, 1 - other.value, 1 - other.low] == pytest.approx(
        [found.low, found.value, found.high], abs=1e-3
    )


def test_counts_that_cannot_be_are_refused() -> None:
    for wrong in (Stratum(3, 4, 1), Stratum(3, 2, 3), Stratum(3, 2, -1)):
        with pytest.raises(ValueError, match="impossible counts"):
            post_stratified([wrong])
    with pytest.raises(ValueError, match="more labels than prompts"):
        paired_difference([PairStratum(2, 1, 1, 1)])
    with pytest.raises(ValueError, match="no labels"):
        labels_alone([])
    with pytest.raises(ValueError, match="two labels or more"):
        ppi([1], [1], [0, 1])


def test_labels_alone_is_wilson_and_unequal_weights_are_wider() -> None:
    labels = [1] * 20 + [0] * 80
    plain = labels_alone(labels)
    assert (plain.low, plain.high) == pytest.approx((0.1333669, 0.2888292), abs=1e-6)
    skew = labels_alone(labels, [1] * 20 + [10] * 80)
    assert skew.value == pytest.approx(20 / 820)
    even = labels_alone(labels, [7] * 100)
    assert (even.value, even.low, even.high) == (plain.value, plain.low, plain.high)


def ppi_by_the_book(y, f, rest):
    """Angelopoulos et al. (2023): the formula as a program of its own, a weight by grid search."""
    n, more = len(y), len(rest)
    best = None
    for weight in np.linspace(0, 1, 100_001):
        variance = np.var(y - weight * f, ddof=1) / n + weight**2 * np.var(rest, ddof=1) / more
        if best is None or variance < best[0]:
            best = variance, weight
    weight = best[1]
    return weight * rest.mean() + (y - weight * f).mean(), np.sqrt(best[0])


def test_ppi_is_the_papers() -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(400) < 0.4).astype(float)
    f = np.where(rng.random(400) < 0.85, y, 1 - y)
    rest_y = (rng.random(4000) < 0.4).astype(float)
    rest = np.where(rng.random(4000) < 0.85, rest_y, 1 - rest_y)
    found, (value, error) = ppi(y, f, rest), ppi_by_the_book(y, f, rest)
    assert found.value == pytest.approx(value, abs=2e-3)
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(error, rel=0.01)
    assert found.high - found.low < 0.9 * (labels_alone(y).high - labels_alone(y).low)


def test_a_useless_judge_costs_nothing_much() -> None:
    rng = np.random.default_rng(4)
    y, f = (rng.random(200) < 0.3).astype(float), (rng.random(200) < 0.5).astype(float)
    rest = (rng.random(2000) < 0.5).astype(float)
    alone = labels_alone(y)
    assert ppi(y, f, rest).high - ppi(y, f, rest).low < 1.1 * (alone.high - alone.low)


DESIGNS = list(
    itertools.product((0.03, 0.2, 0.6), ((0.95, 0.02), (0.7, 0.3), (0.5, 0.5)), (50, 100))
)


def simulated(rate: float, tpr: float, fpr: float, n: int, rounds: int, seed: int) -> float:
    """Share of rounds in which the interval covers the rate that people give."""
    rng = np.random.default_rng(seed)
    covered = 0
    for _ in range(rounds):
        y = rng.random(2000) < rate
        v = np.where(y, rng.random(2000) < tpr, rng.random(2000) < fpr)
        strata = []
        for verdict in (False, True):
            mine = y[v == verdict]
            share = max(1, round(n * len(mine) / 2000)) if len(mine) else 0
            drawn = rng.choice(mine, min(share, len(mine)), replace=False)
            strata.append(Stratum(len(mine), len(drawn), int(drawn.sum())))
        found = post_stratified(strata)
        covered += found.low <= y.mean() <= found.high
    return covered / rounds


@pytest.mark.parametrize(("rate", "judge", "n"), DESIGNS)
def test_the_interval_covers(rate: float, judge: tuple[float, float], n: int) -> None:
    """A few rounds; 500 of them are in the bench."""
    assert simulated(rate, *judge, n, rounds=60, seed=5) >= 0.88
