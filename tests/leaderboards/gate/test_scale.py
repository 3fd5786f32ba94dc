"""All numbers at once: the same decisions as one at a time, in a minute for 100,000."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaderboards.board import advice, csvio, stats
from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from leaderboards.board.sides import Side
from leaderboards.gate.decide import check_sides
from leaderboards.gate.paired import Case, CaseResult, run_tests
from leaderboards.gate.policy import default_policy
from tests import bench_gate as bench

POLICY = default_policy()


def one(case: Case) -> dict[str, Any]:
    """A test worked out alone, with numbers in place of arrays."""
    a, n, b, m, bound = case[1:]
    if case.method == "paired":
        low, high = stats.tango(a, b, n, 0.9)
        estimate, moved = (a - b) / n, (a + b) / n
        std, null = math.sqrt(max(moved - estimate**2, 0)), math.sqrt(moved)
        p, least = stats.mcnemar_worse(a, b), n
    elif case.method == "two samples":
        low, high = stats.newcombe(a, n, b, m, 0.9)
        p0, p1, both = b / m, a / n, (a + b) / (n + m)
        estimate, null = p1 - p0, math.sqrt(2 * both * (1 - both))
        std = math.sqrt(p0 * (1 - p0) + p1 * (1 - p1))
        p, least = stats.fisher_worse(a, n, b, m), min(n, m)
    else:
        low, high = stats.wilson(a, n, 0.9)
        estimate, least = a / n, n
        std, null = math.sqrt(estimate * (1 - estimate)), math.sqrt(bound * (1 - bound))
        p = stats.limit_exceeded(a, n, bound)
    return {"estimate": estimate, "low": low, "high": high, "p_value": float(p), "n": least,
            "std": std, "std_null": null}  # fmt: skip


def decide(case: Case, known: dict[str, Any], p_holm: float, family: int) -> dict[str, Any]:
    """Verdict and advice of one test."""
    estimate, bound = known["estimate"], case.bound
    if stats.is_regression(estimate, p_holm, bound, POLICY.alpha):
        return {"verdict": "regression", "n_needed": None}
    counted = case.method == "limit" and bound == 0 and estimate == 0
    if stats.is_pass(known["high"], bound) or counted:
        return {"verdict": "pass", "n_needed": None}
    beyond = estimate - bound
    if beyond <= 0:
        n = advice.n_to_clear(-beyond, known["std"], POLICY.alpha, POLICY.power, bound)
    else:
        distance = beyond if case.method == "limit" else estimate
        n = advice.n_to_flag(
            distance, known["std_null"], known["std"], POLICY.alpha / family, POLICY.power
        )
    return {"verdict": "inconclusive", "n_needed": n}


def cases(count: int) -> list[Case]:
    rng = np.random.default_rng(5)
    out = []
    for at in range(count):
        n, m, rate = (
            int(rng.integers(1, 600)),
            int(rng.integers(1, 600)),
            rng.choice([0, 0.01, 0.1, 0.5]),
        )
        bound = float(rng.choice([0.02, 0.05, 0.1]))
        if at % 3 == 0:
            was_bad = int(rng.binomial(n, rate))
            worse = int(rng.binomial(n - was_bad, rng.choice([0, 0.02, 0.2])))
            out.append(Case("paired", worse, n, int(rng.binomial(was_bad, 0.1)), was_bad, bound))
        elif at % 3 == 1:
            later = min(1.0, rate + rng.choice([0, 0.1]))
            out.append(
                Case(
                    "two samples",
                    int(rng.binomial(n, later)),
                    n,
                    int(rng.binomial(m, rate)),
                    m,
                    bound,
                )
            )
        else:
            zero = float(rng.choice([0, bound]))
            out.append(Case("limit", int(rng.binomial(n, rate)), n, 0, 0, zero))
    return out


def test_all_at_once_decides_as_one_at_a_time() -> None:
    """The functions of leaderboards.board.stats on single numbers are the reference."""
    some = cases(600)
    known = [one(case) for case in some]
    adjusted = stats.holm([facts["p_value"] for facts in known])
    seen: set[str] = set()
    for test, case, facts, p_holm in zip(
        run_tests(some, POLICY), some, known, adjusted, strict=True
    ):
        expected = {**facts, "p_holm": p_holm}
        got = {name: getattr(test, name) for name in expected}
        assert got == pytest.approx(expected, rel=1e-9, abs=1e-12), case
        wanted = decide(case, facts, p_holm, len(some))
        assert {name: getattr(test, name) for name in wanted} == wanted, case
        seen.add(f"{test.method} {test.verdict}")
    assert len(seen) == 9  # every method came to every verdict


def test_equal_cases_share_a_test() -> None:
    a, b, c = run_tests([Case("limit", 1, 9, 0, 0, 0.05), Case("limit", 2, 9, 0, 0, 0.05),
                         Case("limit", 1, 9, 0, 0, 0.05)], POLICY)  # fmt: skip
    assert a is c
    assert b is not a
    assert isinstance(a, CaseResult)
    assert run_tests([], POLICY) == []


@pytest.mark.parametrize(("n", "was_bad", "flips"), [(400, 0, 0), (400, 80, 10), (400, 200, 96),
                                                     (100, 5, 3), (520, 300, 60)])  # fmt: skip
def test_what_is_said_to_be_caught_is_caught(n: int, was_bad: int, flips: int) -> None:
    """By simulation: 80 times of 100, as the policy's power says; 40,000 draws have s.e. 0.002."""
    rng, alpha = np.random.default_rng(2), 0.05 / 20
    (smallest,) = advice.detectable_paired(flips, was_bad, n, 0.05, alpha, 0.8)
    back = float(advice.flips_back(flips / n, 1 - was_bad / n, smallest))
    drawn = rng.multinomial(n, [back + smallest, back, 1 - 2 * back - smallest], size=40_000)
    worse, better = drawn[:, 0], drawn[:, 1]
    p = stats.mcnemar_worse(worse, better) / alpha * 0.05
    assert stats.is_regression((worse - better) / n, p, 0.05, 0.05).mean() == pytest.approx(
        0.8, abs=0.015
    )
    (smallest,) = advice.detectable_two_samples(n, was_bad, n, 0.05, alpha, 0.8)
    bad = rng.binomial(n, was_bad / n + smallest, 40_000)
    p = stats.fisher_worse(bad, n, was_bad, n) / alpha * 0.05
    assert stats.is_regression((bad - was_bad) / n, p, 0.05, 0.05).mean() == pytest.approx(
        0.8, abs=0.01
    )
    (rate,) = advice.detectable_limit(n, 0.05, alpha, 0.8)
    bad = rng.binomial(n, rate, 40_000)
    p = stats.limit_exceeded(bad, n, 0.05) / alpha * 0.05
    assert stats.is_regression(bad / n, p, 0.05, 0.05).mean() == pytest.approx(0.8, abs=0.01)


def test_what_can_be_caught_by_hand() -> None:
    # none of three prompts may be harmful: one is caught; 1 - (1 - p)^3 = 0.8 at p = 0.4152
    assert advice.detectable_limit(3, 0.0, 0.05, 0.8) == pytest.approx([1 - 0.2 ** (1 / 3)])
    # four pairs, all good before: 2^-4 = 0.0625, so no outcome at all is caught
    assert np.isnan(advice.detectable_paired(0, 0, 4, 0.05, 0.05, 0.8))
    # five: 2^-5 = 0.031 needs all five, p^5 = 0.8
    assert advice.detectable_paired(0, 0, 5, 0.05, 0.05, 0.8) == pytest.approx([0.8**0.2], abs=1e-3)


def test_a_leaderboard_of_20_000_numbers_is_checked_in_little_memory() -> None:
    """Seen: 100,000 numbers did not finish in 9 minutes; `python tests/bench_gate.py` times them."""
    _, peak = bench.scale(20_000, 2_000)
    assert peak < 320  # MB; 240 of them are the libraries


def test_a_number_with_odd_facts_costs_no_more() -> None:
    """Two thousand numbers of two engines' names: compared fact by fact, in a second."""
    sides = []
    for engine in ("hf", "ptst-hf"):
        rows = [Row(base="b", task=f"t{at}", metric="asr", value=0.0, n=400, engine=engine)
                for at in range(2000)]  # fmt: skip
        sides.append(Side(engine, tuple(map(Number, rows))))
    report = check_sides(*sides, POLICY)
    assert report.notes == ()
    assert {line.verdict for line in report.lines} == {"pass"}


def test_a_csv_keeps_equal_fields_once(tmp_path: Path) -> None:
    rows = [Row(base="b" * 40, task=f"t{at}", metric="asr", value=0.5, n=4000) for at in range(3)]
    csvio.write(rows, tmp_path / "x.csv")
    a, b, _ = csvio.read(tmp_path / "x.csv")
    assert a.base is b.base
    assert a.n is b.n
    assert a.model_fields_set is b.model_fields_set
    assert csvio.read(tmp_path / "x.csv") == rows
