"""The tests behind the verdicts, all numbers of a check at once.

Which functions decide stands in `leaderboards.board.stats`; here they are given arrays. Equal cases are
worked out once and share one `CaseResult`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from leaderboards.board import advice, stats
from leaderboards.gate.policy import Policy
from leaderboards.people.rates import Rate

__all__ = ["Case", "CaseResult", "Method", "run_tests"]

Method = Literal["paired", "two samples", "limit", "people"]
Array = Any


class Case(NamedTuple):
    """What one test rests on; every count is of *bad* outcomes.

    Attributes:
        method: See `CaseResult`.
        a: Paired: pairs that got worse. Otherwise bad outcomes of this release.
        n: Paired: pairs. Otherwise prompts of this release.
        b: Paired: pairs that got better. Two samples: bad outcomes of the baseline.
        m: Paired: pairs that were bad in the baseline. Two samples: prompts of the baseline.
        bound: What the policy allows.
        people: What people's labels say of it, in place of counts; of bad outcomes, too.
    """

    method: Method
    a: int
    n: int
    b: int
    m: int
    bound: float
    people: Rate | None = None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One test of one number; every rate and difference is of *bad* outcomes, higher is worse.

    Attributes:
        method: ``paired`` (same prompts), ``two samples`` (counts alone), ``limit``, or ``people``
            (a change by people's labels).
        estimate: The worsening, or for a limit the rate itself.
        low: Lower end of its interval, of confidence 1 - 2 alpha.
        high: Upper end; one-sided this is the bound that must be within `bound`.
        bound: What the policy allows.
        p_value: Exact, one-sided: McNemar, Fisher or binomial. By people's labels: of the melded bounds,
            that nothing got worse, or that the rate is within the limit.
        n: Prompts it rests on, per side; labels of people, of both sides together.
        std: Standard deviation of one prompt's contribution, for advice.
        std_null: The same if nothing had changed.
        p_holm: Adjusted over all tests of the check.
        verdict: Of this test alone.
        n_needed: Prompts per side that would decide it; None where there is no useful number.
        detectable: The smallest true worsening (for a limit: rate) that is caught with the policy's
            power at this n, Holm's strictest step; None where nothing would be.
        labels: Whether it rests on people's labels.
        most: How many labels there can be: responses of all sides that it compares; 0 without labels.
    """

    method: Method
    estimate: float
    low: float
    high: float
    bound: float
    p_value: float
    n: int
    std: float
    std_null: float
    p_holm: float = 1.0
    verdict: Literal["pass", "regression", "inconclusive"] = "inconclusive"
    n_needed: int | None = None
    detectable: float | None = None
    labels: bool = False
    most: int = 0

    @property
    def would_do(self) -> str:
        """What would decide it, in words; empty where no number of prompts would."""
        if self.n_needed is None:
            return ""
        if not self.labels:
            return f"about {self.n_needed:,} prompts would do"
        of = "labels of both sides" if self.method == "people" else "labels"
        if self.n_needed <= self.most:
            return f"about {self.n_needed:,} {of} would do"
        few = f"and there are {self.most:,} responses: ask more prompts"
        return f"about {self.n_needed:,} {of} would do, {few}"


def run_tests(cases: Sequence[Case], policy: Policy) -> list[CaseResult]:
    """Works out every case, adjusts all p-values together (Holm) and decides each test."""
    if not cases:
        return []
    place = {case: at for at, case in enumerate(dict.fromkeys(cases))}
    which = np.array([place[case] for case in cases])
    columns = _measure(list(place), policy)
    adjusted = np.asarray(stats.holm(columns["p_value"][which]))
    columns["p_holm"] = np.empty(len(place))
    columns["p_holm"][which] = adjusted  # equal p-values have equal adjusted ones
    _decide(columns, list(place), len(cases), policy)
    unique = _tests(columns)
    return [unique[at] for at in which.tolist()]


def _measure(cases: list[Case], policy: Policy) -> dict[str, Array]:
    """Estimates, intervals and p-values, column by column."""
    methods = np.array([case.method for case in cases])
    names = ("estimate", "low", "high", "p_value", "n", "std", "std_null")
    out: dict[str, Array] = {name: np.empty(len(cases)) for name in names}
    out["method"], out["bound"] = methods, np.array([case.bound for case in cases])
    counts = np.array([case[1:5] for case in cases], dtype=np.int64)
    confidence = 1 - 2 * policy.alpha
    out["labels"] = np.array([case.people is not None for case in cases])
    out["most"] = np.array([case.people.size if case.people else 0 for case in cases])
    for i in np.flatnonzero(out["labels"]).tolist():
        found = _by_people(cases[i].people, policy.alpha)
        for name, value in zip(names, found, strict=True):
            out[name][i] = value
    measures: dict[str, Callable[..., tuple[Array, ...]]]
    measures = {"paired": _paired, "two samples": _two_samples, "limit": _limit}
    for method, measure in measures.items():
        at = np.flatnonzero((methods == method) & ~out["labels"])
        if at.size:
            found = measure(*counts[at].T, out["bound"][at], confidence)
            for name, values in zip(names, found, strict=True):
                out[name][at] = values
    return out


def _by_people(rate: Rate | None, alpha: float) -> tuple[float, ...]:
    """One label's standard deviation is what makes so wide an interval of so many."""
    assert rate is not None
    std = (rate.high - rate.low) / (2 * advice.z_of(alpha)) * np.sqrt(rate.labelled)
    return rate.value, rate.low, rate.high, rate.below, rate.labelled, std, std


def _paired(
    worse: Array, n: Array, better: Array, _: Array, __: Array, confidence: float
) -> tuple[Array, ...]:
    low, high = stats.tango(worse, better, n, confidence)
    estimate, moved = (worse - better) / n, (worse + better) / n
    std = np.sqrt(np.maximum(moved - estimate**2, 0))
    return estimate, low, high, stats.mcnemar_worse(worse, better), n, std, np.sqrt(moved)


def _two_samples(
    k1: Array, n1: Array, k0: Array, n0: Array, _: Array, confidence: float
) -> tuple[Array, ...]:
    low, high = stats.newcombe(k1, n1, k0, n0, confidence)
    p0, p1, both = k0 / n0, k1 / n1, (k0 + k1) / (n0 + n1)
    std, null = np.sqrt(p0 * (1 - p0) + p1 * (1 - p1)), np.sqrt(2 * both * (1 - both))
    p_value = stats.fisher_worse(k1, n1, k0, n0)
    return p1 - p0, low, high, p_value, np.minimum(n0, n1), std, null


def _limit(
    bad: Array, n: Array, _: Array, __: Array, bound: Array, confidence: float
) -> tuple[Array, ...]:
    low, high = stats.wilson(bad, n, confidence)
    rate = bad / n
    std, null = np.sqrt(rate * (1 - rate)), np.sqrt(bound * (1 - bound))
    return rate, low, high, stats.limit_exceeded(bad, n, bound), n, std, null


def _decide(columns: dict[str, Array], cases: list[Case], family: int, policy: Policy) -> None:
    """Adds verdicts, advice and what could have been caught."""
    estimate, bound = columns["estimate"], columns["bound"]
    limit = columns["method"] == "limit"
    worse = stats.is_regression(estimate, columns["p_holm"], bound, policy.alpha)
    # Counted: no sample proves a zero, and no label of some of the responses.
    none_allowed = limit & (bound == 0) & (estimate == 0) & ~columns["labels"]
    fine = stats.is_pass(columns["high"], bound) | none_allowed
    columns["verdict"] = np.where(worse, "regression", np.where(fine, "pass", "inconclusive"))
    columns["n_needed"] = np.where(worse | fine, np.nan, _advice(columns, limit, family, policy))
    columns["detectable"] = _detectable(columns, cases, policy.alpha / family, policy.power)


def _advice(columns: dict[str, Array], limit: Array, family: int, policy: Policy) -> Array:
    """How many prompts would decide it, if the rates seen here are the true ones."""
    estimate, bound, std = columns["estimate"], columns["bound"], columns["std"]
    beyond = estimate - bound
    clear = advice.n_to_clear(-beyond, std, policy.alpha, policy.power, bound)
    distance = np.where(limit, beyond, estimate)
    flag = advice.n_to_flag(distance, columns["std_null"], std, policy.alpha / family, policy.power)
    return np.where(beyond <= 0, clear, flag)


def _detectable(columns: dict[str, Array], cases: list[Case], alpha: float, power: float) -> Array:
    """Worked out once for cases that differ in this release's outcome alone."""
    out = np.empty(len(cases))
    counted = ~columns["labels"]
    se = columns["std"][~counted] / np.sqrt(columns["n"][~counted])
    bound, limit = columns["bound"][~counted], columns["method"][~counted] == "limit"
    out[~counted] = advice.detectable_normal(se, bound, limit, alpha, power)
    for method in ("paired", "two samples", "limit"):
        at = np.flatnonzero((columns["method"] == method) & counted)
        if not at.size:
            continue
        keys = np.array([_design(cases[i]) for i in at.tolist()])
        unique, back = np.unique(keys, axis=0, return_inverse=True)
        n, b, m, bound = unique.T
        if method == "paired":
            found = advice.detectable_paired(b, m, n, bound, alpha, power)
        elif method == "two samples":
            found = advice.detectable_two_samples(n, b, m, bound, alpha, power)
        else:
            found = advice.detectable_limit(n, bound, alpha, power)
        out[at] = found[back.reshape(-1)]
    return out


def _design(case: Case) -> tuple[float, ...]:
    return (case.n, case.b, case.m, case.bound)


def _tests(columns: dict[str, Array]) -> list[CaseResult]:
    names = list(CaseResult.__slots__)
    lists = {name: columns[name].tolist() for name in names}
    for name in ("n_needed", "detectable"):
        lists[name] = [None if value != value else value for value in lists[name]]  # nan
    for name in ("n", "n_needed"):
        lists[name] = [None if value is None else int(value) for value in lists[name]]
    return [CaseResult(*values) for values in zip(*(lists[name] for name in names), strict=True)]
