"""Statistics against hand-worked oracles, R's and scipy's; and the gate's rates by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize
from scipy import stats as sps

from leaderboards.board import stats
from tests import bench_gate as bench


def test_wilson_is_right_at_both_ends() -> None:
    # z^2 / (n + z^2) with z = 1.959964: 3.841459 / 103.841459 = 0.036993
    assert stats.wilson(0, 100) == pytest.approx((0, 0.036993), abs=1e-6)
    assert stats.wilson(100, 100) == pytest.approx((1 - 0.036993, 1), abs=1e-6)
    assert stats.wilson(0, 0) == (0, 1)


def test_wilson_agrees_with_newcombe_1998() -> None:
    # Newcombe, Stat. Med. 17 (1998) 857-872, Table I, method 3: 81/263 -> 0.2553 to 0.3662,
    # 15/148 -> 0.0624 to 0.1605
    assert stats.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert stats.wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_newcombe_by_hand() -> None:
    # Newcombe, Stat. Med. 17 (1998) 873-890, Table II (a), method 10: 56/70 - 48/80 = 0.2,
    # 0.0524 to 0.3339. By hand: Wilson 56/70 is (.6916, .8770), 48/80 is (.4905, .7005), so
    # low = .2 - sqrt((.8 - .6916)^2 + (.7005 - .6)^2) = .2 - .1478 = .0522 (rounded inputs),
    # high = .2 + sqrt((.8770 - .8)^2 + (.6 - .4905)^2) = .2 + .1339 = .3339.
    assert stats.newcombe(56, 70, 48, 80, 0.95) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    high = 3.841459 / 103.841459  # two zero rates: Wilson's end on either side
    assert stats.newcombe(0, 100, 0, 100, 0.95) == pytest.approx((-high, high), abs=1e-6)


def test_tango_agrees_with_r() -> None:
    # Fagerland, Lydersen & Laake (airway data 1, 1, 7, 12) and ratesci: -0.517 to -0.026
    assert stats.tango(1, 7, 21, 0.95) == pytest.approx((-0.517, -0.026), abs=5e-4)
    # PropCIs::scoreci.mp(25, 28, 618, 0.90), which estimates (second - first) / n
    assert stats.tango(28, 25, 618, 0.90) == pytest.approx((-0.0148, 0.0247), abs=5e-5)


def test_tango_without_flips_is_wilson() -> None:
    z2 = sps.norm.ppf(0.95) ** 2
    for n in (1, 100, 520):
        high = z2 / (n + z2)
        assert stats.tango(0, 0, n, 0.90) == pytest.approx((-high, high), abs=1e-12)
    assert stats.tango(10, 0, 10, 0.90).high == pytest.approx(1)
    assert stats.tango(0, 10, 10, 0.90).low == pytest.approx(-1)


def _score_by_search(b: int, c: int, n: int, diff: float) -> float:
    """Tango's score with its nuisance parameter found by maximising the likelihood itself."""

    def loss(q: float) -> float:
        probabilities = np.clip([q + diff, q, 1 - 2 * q - diff], 1e-15, 1)
        return -float(np.dot([b, c, n - b - c], np.log(probabilities)))

    low, high = max(0.0, -diff), (1 - diff) / 2
    q = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded",
                                 options={"xatol": 1e-12}).x  # fmt: skip
    return (b - c - n * diff) / math.sqrt(n * (2 * q + diff - diff**2))


@pytest.mark.parametrize(("b", "c", "n"), [(12, 3, 100), (3, 12, 100), (30, 28, 400), (9, 1, 40)])
def test_tango_limits_solve_its_equation(b: int, c: int, n: int) -> None:
    low, high = stats.tango(b, c, n, 0.90)
    assert _score_by_search(b, c, n, low) == pytest.approx(1.644854, abs=1e-3)
    assert _score_by_search(b, c, n, high) == pytest.approx(-1.644854, abs=1e-3)


def test_mcnemar_by_hand() -> None:
    # 8 worse, 2 better: P(X >= 8 | 10, 1/2) = (45 + 10 + 1) / 1024 = 0.0546875; twice that both ways
    assert stats.mcnemar_worse(8, 2) == pytest.approx(56 / 1024)
    assert stats.mcnemar_exact(8, 2) == pytest.approx(112 / 1024)
    assert stats.mcnemar_worse(0, 0) == stats.mcnemar_exact(0, 0) == 1
    assert stats.mcnemar_worse(2, 8) == pytest.approx(
        1 - 11 / 1024
    )  # better is no evidence of worse


def test_fisher_is_scipys() -> None:
    for a, b in ((5, 1), (0, 0), (10, 10), (1, 5)):
        table = [[a, 10 - a], [b, 10 - b]]
        expected = sps.fisher_exact(table, alternative="greater").pvalue
        assert stats.fisher_worse(a, 10, b, 10) == pytest.approx(expected)


def test_limit_by_hand() -> None:
    # P(X >= 2 | 3, 0.1) = 3 * 0.01 * 0.9 + 0.001 = 0.028
    assert stats.limit_exceeded(2, 3, 0.1) == pytest.approx(0.028)


def test_holm_by_hand() -> None:
    # sorted 0.01 0.03 0.04 -> 3 * 0.01 = 0.03, 2 * 0.03 = 0.06, max(0.06, 1 * 0.04) = 0.06
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    # p.adjust(c(.001, .008, .039, .041, .042), "holm") in R: .005 .032 .117 .117 .117
    p = [0.001, 0.008, 0.039, 0.041, 0.042]
    assert stats.holm(p) == pytest.approx([0.005, 0.032, 0.117, 0.117, 0.117])
    assert stats.holm([]) == []


def test_mean_std() -> None:
    # 1, 2, 6: mean 3, squares 4 + 1 + 9 = 14; 14 / 3 and 14 / 2
    assert stats.mean_std([1, 2, 6], population=True) == pytest.approx((3, math.sqrt(14 / 3)))
    assert stats.mean_std([1, 2, 6]) == pytest.approx((3, math.sqrt(7)))
    assert stats.mean_std([5], population=True) == (5, 0)
    assert math.isnan(stats.mean_std([5])[1])
    assert math.isnan(stats.mean_std([])[0])


def test_a_rounding_error_is_no_worsening() -> None:
    assert not stats.is_regression(0.07 - 0.05, 0.001, 0.02, 0.05)
    assert stats.is_regression(0.021, 0.001, 0.02, 0.05)
    assert not stats.is_regression(0.021, 0.051, 0.02, 0.05)


def test_the_benchs_holm_is_ours() -> None:
    p = np.random.default_rng(1).random((3, 20)) ** 3
    assert bench.holm_rows(p) == pytest.approx(np.array([stats.holm(row) for row in p]))


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("rate", bench.RATES)
def test_false_alarms_and_misses(rate: float, paired: bool) -> None:
    """Reduced: 400 checks of 20; the full table is `python tests/bench_gate.py`."""
    rng = np.random.default_rng(11)
    for correlation in bench.CORRELATIONS if rate else (0.0,):
        for n in bench.SIZES:
            setting = bench.Setting(rate, n, correlation, 0.05, paired)
            # Exact tests and Holm promise 0.05; 400 checks have a standard error of 0.011.
            assert bench.false_alarms(setting, 400, rng) <= 0.05 + 2.6 * 0.011
            assert bench.passes(setting, 0.05, 400, rng) <= 0.05 + 3 * 0.011
        setting = bench.Setting(rate, 400, correlation, 0.05, paired)
        # 95 % or more, but 91 % at 40 to 60 % ASR where a prompt's outcomes are not correlated
        least = 0.91 if rate >= 0.4 and not correlation else 0.95
        assert bench.caught(setting, 400, rng) >= least - 2 * 0.015
