"""The gate: is this release worse than the last one, by more than the policy allows?

Cells are matched by base, template, task and judge. Each number that the policy limits becomes
one or more tests (an allowed change, an absolute limit); the p-values of the whole check are
adjusted together (Holm), and each number gets a verdict:

    pass          the confidence bound of the worsening is within the margin (non-inferiority)
    regression    worse beyond chance, and the best estimate is beyond the margin
    inconclusive  too few prompts to tell; says how many would do
    unscored      too many verdicts are missing, so nothing can be said
    missing       in the baseline and not here, or failed here
                  (what failed in the baseline, or is left over from an older run, is inconclusive)
    new           here and not in the baseline: reported, tested against absolute limits alone

Passing needs no adjustment for many tests: the check passes only if every number does.

**Nothing passes by being left out.** A prompt of the baseline that was not asked now is a missing
verdict of this release, whether its id is known or only that fewer were asked. And no evidence is
dropped by pairing: prompts with a verdict on one side only count for absolute limits, and where
there are any, the two rates over *all* prompts are compared as well, as one more test of Holm's
family. That look can stop a release and never pass one. It is valid although some prompts are in
both samples: two outcomes of one prompt under one model are correlated 0 or more, which makes the
difference of the rates vary less than Fisher's test assumes. It takes the prompts of one set as
draws from one population; where other rows were asked, the check has said so and refused, unless
the policy allows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from leaderboards.board.numbers import OF_SOME, Number
from leaderboards.board.people import People
from leaderboards.board.sides import Side
from leaderboards.board.signs import Flips, Pairing
from leaderboards.gate.decision import RANK, WORST, Decision, Report, Verdict, is_open
from leaderboards.gate.facts import mismatches
from leaderboards.gate.labelled import ByPeople
from leaderboards.gate.limits import Limits
from leaderboards.gate.match import Lookup, Pair, pairs_of
from leaderboards.gate.names import idle_rules
from leaderboards.gate.paired import Case, CaseResult, run_tests
from leaderboards.gate.policy import Policy
from ptst_tasks.errors import DataError

__all__ = ["check_sides", "gaps"]


def check_sides(
    baseline: Side, current: Side, policy: Policy, *, allow_mismatch: bool = False,
    people: People | None = None,
) -> Report:  # fmt: skip
    """Compares two sides under a policy.

    Args:
        baseline: The last good release, or the model before fine-tuning.
        current: The release in question.
        policy: What is allowed.
        allow_mismatch: Compare also what was not measured alike; the report says so.
        people: People's labels, for rules that say ``correct: true``.

    Raises:
        ConfigError: If the policy limits what there is not, or the wrong way round.
        DataError: If the sides were measured differently, are ambiguous, or have nothing to check.
    """
    limits = Lookup(policy)
    labelled = ByPeople(people, policy, first=not baseline.numbers)
    baseline, current = labelled.put(baseline, current)
    pairs, notes = pairs_of(baseline, current, policy, limits)
    differences, unknown = mismatches((pair for pair, _ in pairs), policy.may_differ)
    if differences and not allow_mismatch:
        raise DataError(
            f"{current.where!r} was not measured like {baseline.where!r}: "
            f"{'; '.join(differences)}; measure both alike, or pass --allow-mismatch"
        )
    notes = [*baseline.notes, *current.notes, *notes, *unknown]
    notes += [f"compared although it differs: {d}" for d in differences]
    pairing = Pairing()
    drafts = (labelled.draft(*_line(p, allowed, limits, pairing), limits) for p, allowed in pairs)
    lines = list(_judge(drafts, policy))
    labelled.check_asked(lines)
    notes += people.remarks() if people else []
    idle = idle_rules(policy, (n.row for side in (baseline, current) for n in side.numbers))
    return Report(tuple(lines), policy, tuple(notes), tuple(idle))


def gaps(number: Number, limits: Lookup, absent: int = 0) -> str:
    """Says whether more verdicts of a number are missing than allowed, or nothing.

    Args:
        number: A number without an error.
        limits: The policy's limits.
        absent: Prompts that were to be asked and were not.
    """
    row = number.row
    found = limits(row, "unscored")
    allowed = found.at_most if found and found.at_most is not None else 1.0
    missing, total = row.unscored + absent, row.n + row.unscored + absent
    if total and missing / total <= allowed and row.n:
        return ""
    why = f"{absent} of them are prompts of the baseline that were not asked; " if absent else ""
    return f"{missing} of {total} verdicts are missing in {{}} ({why}allowed: {allowed:.1%})"


def _line(
    pair: Pair, limits: Limits, lookup: Lookup, pairing: Pairing
) -> tuple[Decision, list[Case]]:
    """A number and its cases, still without a verdict."""
    new, old = pair.current, pair.baseline
    if new is None and old and old.row.error and not old.row.metric:
        why = f"failed in the baseline, and not in this run: {old.row.error}"
        return Decision(pair, limits, "inconclusive", why), []
    if new is None or new.row.error:
        why = new.row.error if new else "in the baseline and not in this run"
        return Decision(pair, limits, "missing", why), []
    why = (
        f"failed in the baseline: {old.row.error}"
        if old and old.row.error
        else "not in the baseline"
    )
    old = None if old and old.row.error else old
    flips = _flips(old, new, limits, pairing) if old else None
    reason = _missing_verdicts(old, new, flips, lookup)
    verdict: Verdict = "unscored" if reason else "inconclusive" if old else "new"
    cases = _change(old, new, limits, flips) if old and old.row.n and new.row.n else []
    if new.row.n and limits.bound is not None:
        cases.append(Case("limit", _bad(new, limits), new.row.n, 0, 0, limits.bound))
    line = Decision(pair, limits, verdict, reason or ("" if old else why))
    if flips:
        line = replace(line, flipped=flips.worse, recovered=flips.better, unpaired=flips.unpaired)
    return line, cases


def _flips(old: Number, new: Number, limits: Limits, pairing: Pairing) -> Flips | None:
    if old.outcomes is None or new.outcomes is None:
        return None
    return pairing.flips(old.outcomes, new.outcomes, 0 if limits.lower_is_worse else 1)


def _missing_verdicts(old: Number | None, new: Number, flips: Flips | None, lookup: Lookup) -> str:
    """Says which side has more missing verdicts than the policy allows, or nothing."""
    absent = _absent(old, new, flips) if old else 0
    if problem := gaps(new, lookup, absent):
        return problem.format("this run")
    return gaps(old, lookup).format("the baseline") if old else ""


def _absent(old: Number, new: Number, flips: Flips | None) -> int:
    """Prompts of the baseline that were not asked now, by their ids, or else by their number."""
    if new.row.metric in OF_SOME:  # of how many answers it is says nothing of how many were asked
        known = new.replies
        return 0 if known is None else sum(one not in known for one in old.outcomes or ())
    asked = new.row.n + new.row.unscored
    fewer = max(old.row.n + old.row.unscored - asked, 0)
    if flips is None:
        return fewer
    lost = max(asked - len(new.outcomes or ()), 0)  # asked, counted as unscored, and of unknown id
    return max(flips.absent - lost, fewer)


def _bad(number: Number, limits: Limits) -> int:
    return number.row.n - number.count if limits.lower_is_worse else number.count


def _change(old: Number, new: Number, limits: Limits, flips: Flips | None) -> list[Case]:
    """The pairs, and the two rates over all prompts where some are not among the pairs."""
    margin = limits.margin
    if margin is None:
        return []
    cases = []
    if flips and flips.n:
        cases = [Case("paired", len(flips.worse), flips.n, flips.better, flips.was_bad, margin)]
    if not flips or flips.unpaired or not cases:
        cases.append(Case("two samples", _bad(new, limits), new.row.n, _bad(old, limits), old.row.n,
                          margin))  # fmt: skip
    return cases


def _judge(drafts: Iterable[tuple[Decision, list[Case]]], policy: Policy) -> Iterator[Decision]:
    """Runs all tests of the check together and turns them into verdicts, the worst first."""
    lines, sizes, cases = [], [], []
    once: dict[Case, Case] = {}
    for line, some in drafts:
        lines.append(line)
        sizes.append(len(some))
        cases += [once.setdefault(case, case) for case in some]
    tests = iter(run_tests(cases, policy))
    for at, size in enumerate(sizes):
        lines[at] = _conclude(lines[at], tuple(islice(tests, size)))
    for verdict in WORST:
        yield from sorted((x for x in lines if x.verdict == verdict), key=lambda x: x.pair.label)


def _conclude(line: Decision, tests: tuple[CaseResult, ...]) -> Decision:
    """The worst of a line's tests, and its reason; what cannot pass is undecided."""
    line = _by_tests(line, tests) if tests else line
    if line.verdict in ("pass", "new", "inconclusive") and (why := is_open(line)):
        return replace(line, verdict="inconclusive", reason=why)
    return line


def _by_tests(line: Decision, tests: tuple[CaseResult, ...]) -> Decision:
    """The worst of a line's tests, and its reason."""
    line = replace(line, tests=tests)
    paired = tests[0].method == "paired"
    idle = [paired and t.method == "two samples" and t.verdict != "regression" for t in tests]
    said = [test for test, only_a_look in zip(tests, idle, strict=True) if not only_a_look]
    worst = min(said, key=lambda test: RANK[test.verdict])
    look = paired and worst.method == "two samples"
    if worst.verdict == "regression":
        return replace(line, verdict="regression", reason=_why(worst, look))
    if line.verdict in ("missing", "unscored"):  # no test can make them better
        return line
    if line.verdict == "new" and worst.verdict == "pass":
        return line
    return replace(line, verdict=worst.verdict, reason=_why(worst, look))


def _why(test: CaseResult, look: bool) -> str:
    points = f"{100 * test.estimate:+.1f} points"
    what = f"{test.estimate:.1%}" if test.method == "limit" else points
    allowed = f"{test.bound:.1%}" if test.method == "limit" else f"{100 * test.bound:.1f} points"
    by = "by people's labels: " if test.labels else ""
    if test.verdict == "regression":
        over = " over all prompts, paired or not" if look else ""
        return f"{by}{what}{over}, allowed {allowed}, p = {test.p_holm:.2g}"
    if test.verdict == "pass":
        return f"{by}at most {100 * test.high:.1f} of {allowed}"
    would = test.would_do or "at its limit"
    return f"{by}{what}, up to {100 * test.high:.1f} with n = {test.n}, allowed {allowed}; {would}"
