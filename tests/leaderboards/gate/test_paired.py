"""The tests behind the verdicts, all numbers at once: the decisions of one at a time, and advice."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaderboards.board import advice, stats
from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from leaderboards.board.sides import Side
from leaderboards.gate.decide import check_sides
from leaderboards.gate.paired import Case, CaseResult, run_tests
from leaderboards.gate.policy import default_policy
from tests import bench_gate as bench
from tests.leaderboards.gate.gate_data import (
    LLAMA,
    compare,
    harm,
    lm_eval_output,
    policy_from,
    verdicts,
)

POLICY = default_policy()


def one(case: Case) -> dict[str, Any]:
    """A test worked out alone, with numbers in place of arrays."""
    a, n, b, m, bound, _ = case[1:]
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


def test_too_few_prompts_are_inconclusive_and_say_how_many_would_do(tmp_path: Path) -> None:
    a = lm_eval_output(tmp_path / "a", {LLAMA: harm(30, [1])})
    b = lm_eval_output(tmp_path / "b", {LLAMA: harm(30, [2])})
    report = compare(a, b)
    assert verdicts(report) == ["inconclusive"]
    assert not report.failed
    # no net change, 2 flips of 30: variance 2 / 30; (1.6449 + 0.8416)^2 * (2 / 30) / 0.05^2 = 164.9
    assert report.lines[0].tests[0].n_needed == 165
    assert "165 prompts would do" in report.lines[0].reason
    strict = default_policy().model_copy(update={"strict": True})
    assert compare(a, b, strict).failed


def test_advice_for_an_increase_beyond_the_margin(tmp_path: Path) -> None:
    a = lm_eval_output(tmp_path / "a", {LLAMA: harm(30)})
    b = lm_eval_output(tmp_path / "b", {LLAMA: harm(30, [1, 2, 3])})
    line = compare(a, b).lines[0]
    assert line.verdict == "inconclusive"  # 2^-3 = 0.125
    needed = line.tests[0].n_needed
    # 10 points: (1.6449 * sqrt(0.1) + 0.8416 * sqrt(0.1 - 0.01))^2 / 0.01 = 59.7
    assert needed == 60


def test_counts_alone_are_two_samples(old: Path, tmp_path: Path) -> None:
    bare = lm_eval_output(tmp_path / "bare", {LLAMA: harm(400, range(7, 47))}, samples=False)
    report = compare(old, bare)
    assert report.lines[0].tests[0].method == "two samples"
    assert verdicts(report) == ["regression"]
    assert verdicts(compare(bare, old)) == ["pass"]


def test_absolute_limits(tmp_path: Path) -> None:
    policy = policy_from(tmp_path, "rules: [{metrics: {asr: '<= 0.05'}}]")

    def verdict(count: int) -> str:
        side = lm_eval_output(tmp_path / f"n{count}", {LLAMA: harm(400, range(count))})
        return verdicts(compare(side, side, policy))[0]

    # Wilson, one-sided 95 %, of 400: 12 -> up to 4.8 %, 25 -> up to 8.6 %; P(Bin(400, 5 %) >= 40) < 1e-4
    assert [verdict(k) for k in (12, 25, 40)] == ["pass", "inconclusive", "regression"]


def test_a_limit_of_zero_is_counted(tmp_path: Path) -> None:
    policy = policy_from(tmp_path, "rules: [{metrics: {asr: '<= 0'}}]")
    a = lm_eval_output(tmp_path / "a", {LLAMA: harm(50)})
    b = lm_eval_output(tmp_path / "b", {LLAMA: harm(50, [3])})
    assert verdicts(compare(a, a, policy)) == ["pass"]
    assert verdicts(compare(a, b, policy)) == ["regression"]


def test_holm_counts_every_test_of_the_check(tmp_path: Path) -> None:
    # 5 flips of 400 alone: 2^-5 = 0.031 is significant; among 20 numbers it is not.
    tasks = {f"s{i}/chat:llama": harm(60) for i in range(20)}
    a = lm_eval_output(tmp_path / "a", tasks)
    b = lm_eval_output(tmp_path / "b", {**tasks, "s0/chat:llama": harm(60, range(5))})
    report = compare(a, b)
    assert "regression" not in verdicts(report)
    one = lm_eval_output(tmp_path / "c", {"s0/chat:llama": harm(60)})
    two = lm_eval_output(tmp_path / "d", {"s0/chat:llama": harm(60, range(5))})
    assert verdicts(compare(one, two)) == ["regression"]


@pytest.mark.parametrize("paired", [True, False])
def test_the_simulation_decides_as_the_gate_does(paired: bool) -> None:
    setting = bench.Setting(0.05, 400, 0.5, 0.05, paired)
    rng = np.random.default_rng(3)
    counts = bench.table(setting, 0.0, (1, 20), rng)
    counts[:, :3] = bench.table(setting, 0.12, (1, 3), rng)
    sides: list[list[Number]] = [[], []]
    for at, (both, worse, better, neither) in enumerate(counts[0]):
        old = [1] * both + [0] * worse + [1] * better + [0] * neither
        new = [1] * both + [1] * worse + [0] * better + [0] * neither
        for side, values in zip(sides, (old, new), strict=True):
            row = Row(base="b", task=f"s{at:02}", metric="asr", n=400, value=sum(values) / 400)
            side.append(Number(row, {str(i): v for i, v in enumerate(values)} if paired else None))
    a, b = (Side("x", tuple(side)) for side in sides)
    report = check_sides(a, b, default_policy())
    lines = sorted(report.lines, key=lambda line: line.pair.label)
    expected = bench.regressions(setting, counts)[0]
    assert 1 <= expected.sum() <= 3
    assert [line.verdict == "regression" for line in lines] == list(expected)
    upper = bench.judge(setting, counts)[2][0]
    assert [line.tests[0].high for line in lines] == pytest.approx(list(upper))
