"""Numbers that people's labels decide: rules that say ``correct: true``.

The tests of such a number rest on the rate that people would give (`leaderboards.people.rates`), not on
the judge's counts: the rise from one side to the other, by prompts labelled on both where these are
half of the labels or more, and the rate itself where there is an absolute limit. In place of an exact
p-value stands the posterior probability that nothing got worse, or that the limit is kept.

Labels of one side alone are left out of a pairing, and without labels on either side nothing is tested:
that fails under ``--strict`` alone.
"""

from __future__ import annotations

from dataclasses import replace

from leaderboards.board.corrected import Corrected, People, rise
from leaderboards.board.numbers import Number
from leaderboards.board.sides import Side
from leaderboards.gate.decision import Decision
from leaderboards.gate.limits import Limits
from leaderboards.gate.match import Lookup
from leaderboards.gate.paired import Case
from leaderboards.gate.policy import Policy
from leaderboards.people.rates import Stratum, post_stratified
from ptst_tasks.errors import ConfigError

__all__ = ["ByPeople"]


class ByPeople:
    """What people's labels say of both sides of a check.

    Args:
        people: Their labels; None where none were given.
        policy: Decides which numbers are decided by them.

    Raises:
        ConfigError: If labels are given and no rule asks for them, or the other way round.
    """

    def __init__(self, people: People | None, policy: Policy) -> None:
        asks = any(rule.correct for rule in policy.rules)
        if asks and not people:
            raise ConfigError("a rule of the policy says correct: true, so the gate needs people's labels: "
                              "ptst label makes some, --human LABELS gives them")  # fmt: skip
        if people and not asks:
            raise ConfigError("--human does nothing: no rule of the policy says correct: true")
        self._people, self._confidence = people, 1 - 2 * policy.alpha
        self._found: dict[int, Corrected] = {}

    def put(self, side: Side) -> Side:
        """The side with people's rates in its rows."""
        if not self._people:
            return side
        found = {id(one.number): one for one in self._people.correct(side.numbers)}
        numbers = []
        for number in side.numbers:
            if one := found.get(id(number)):
                number = replace(number, row=one.row)
                self._found[id(number)] = one
            numbers.append(number)
        return replace(side, numbers=tuple(numbers))

    def draft(
        self, line: Decision, cases: list[Case], lookup: Lookup
    ) -> tuple[Decision, list[Case]]:
        """A number's cases, by people's labels where the policy says so."""
        new, old = line.pair.current, line.pair.baseline
        if not self._people or not cases or not lookup.corrects(line.pair.row):
            return line, cases
        sides = [self._of(number) for number in (old, new)]
        changes = any(case.method != "limit" for case in cases)
        for name, one in zip(("the baseline", "this run"), sides, strict=True):
            if (name == "this run" or changes) and not (one and one.rate):
                why = f"no label of people for {name}; draw and label it with ptst label"
                if line.verdict in ("new", "inconclusive"):
                    line = replace(line, verdict="inconclusive", reason=why)
                return line, []
        return line, self._cases(line.limits, sides)

    def _of(self, number: Number | None) -> Corrected | None:
        return self._found.get(id(number)) if number else None

    def _cases(self, limits: Limits, sides: list[Corrected | None]) -> list[Case]:
        assert self._people
        old, new = sides
        assert new
        margin, bound, cases = limits.margin, limits.bound, []
        if margin is not None and old:
            pair = (new, old) if limits.lower_is_worse else (old, new)
            found = rise(*pair, self._people.labels, self._confidence)
            cases = [Case("people", 0, 0, 0, 0, margin, found)]
        if bound is not None:
            strata = [_turned(s) for s in new.strata] if limits.lower_is_worse else new.strata
            rate = post_stratified(strata, self._confidence, bound)
            cases.append(Case("limit", 0, 0, 0, 0, bound, rate))
        return cases


def _turned(stratum: Stratum) -> Stratum:
    """The same of what is not."""
    return Stratum(stratum.size, stratum.labelled, stratum.labelled - stratum.positive)
