"""Numbers that people's labels decide: rules that say ``correct: true``.

The tests of such a number rest on the rate that people would give (`leaderboards.people.rates`), not on
the judge's counts: the rise from one side to the other, and the rate itself where there is an absolute
limit. Their p-values are those of the melded bounds. As in the other tests the prompts count as draws from
a population, so labels of all of them still leave doubt.

Without labels of its own replies nothing can be said of a release, and that fails the check: else the
labels of the last release, or none, would let every one pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from leaderboards.board.corrected import Corrected, place
from leaderboards.board.numbers import Number
from leaderboards.board.people import People
from leaderboards.board.sides import Side
from leaderboards.gate.decision import Decision
from leaderboards.gate.limits import Limits
from leaderboards.gate.match import Lookup
from leaderboards.gate.paired import Case
from leaderboards.gate.policy import Policy
from leaderboards.people.rates import Stratum, difference, post_stratified
from ptst_tasks.errors import ConfigError, DataError

__all__ = ["ByPeople"]


class ByPeople:
    """What people's labels say of both sides of a check.

    Args:
        people: Their labels; None where none were given.
        policy: Decides which numbers are decided by them.
        first: There is no baseline yet: labels are not asked for, and without them nothing is decided.

    Raises:
        ConfigError: If labels are given and no rule asks for them, or the other way round.
    """

    def __init__(self, people: People | None, policy: Policy, *, first: bool = False) -> None:
        asks = any(rule.correct for rule in policy.rules)
        if asks and not people and not first:
            raise ConfigError("a rule of the policy says correct: true, so the gate needs people's labels: "
                              "ptst label makes some, --human LABELS gives them")  # fmt: skip
        if people and not asks:
            raise ConfigError("--human does nothing: no rule of the policy says correct: true")
        self._people, self._confidence = people, 1 - 2 * policy.alpha
        self._found: dict[int, Corrected] = {}
        self._asked = False

    def put(self, baseline: Side, current: Side) -> tuple[Side, Side]:
        """Both sides with people's rates in their rows.

        Raises:
            DataError: If labels do not say of which side's replies they are.
        """
        if not self._people:
            return baseline, current
        self._check_apart(baseline, current)
        return self._put(baseline), self._put(current)

    def _check_apart(self, baseline: Side, current: Side) -> None:
        """One cell may stand on both sides: answered again, with replies of its own."""
        assert self._people
        old = {place(n): n for n in baseline.numbers if n.outcomes}
        both = {place(n): (old[place(n)], n) for n in current.numbers
                if n.outcomes and place(n) in old}  # fmt: skip
        for label in self._people.labels:
            sides = both.get(label.cell)
            if sides and not (label.reply and all(n.replies is not None for n in sides)):
                raise DataError(
                    f"labels of cell {label.cell!r} are of this run or of the baseline, which holds the "
                    "same cell: give the baseline's run in place of its CSV, and labels with the column "
                    "reply (ptst label writes it)"
                )

    def _put(self, side: Side) -> Side:
        assert self._people
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
        if not lookup.corrects(line.pair.row):
            return line, cases
        self._asked = True  # by a number that is new, too: the first baseline has no other
        if not self._people:
            return line, []
        if not cases:
            return line, cases
        old, new = (self._of(number) for number in (line.pair.baseline, line.pair.current))
        changes = any(case.method != "limit" for case in cases)
        cases = self._cases(line.limits, old if changes else None, new)
        sides = {"the baseline": old, "this run": new} if changes else {"this run": new}
        silent = next((name for name, one in sides.items() if one is None), "")
        if silent and line.verdict != "missing":
            here = line.pair.baseline if silent == "the baseline" else line.pair.current
            line = replace(line, verdict="unscored", reason=self._why(silent, here))
        return line, cases

    def _why(self, silent: str, number: Number | None) -> str:
        one = self._found.get(id(number))
        why = one.why or next((out.why for out in one.left_out), "") if one else ""
        why = why or f"no label of people is of the replies of {silent}"
        return (f"{why}, and a rule says correct: true; label some (ptst label), or name in the rule what "
                "is labelled")  # fmt: skip

    def check_asked(self, lines: Iterable[Decision]) -> None:
        """Refuses labels that decided nothing, once all numbers are drafted; what failed is told first.

        Raises:
            ConfigError: If rules that say ``correct: true`` decide no number of this check.
        """
        failed = any(line.verdict in ("missing", "unscored") for line in lines)
        if self._people and not self._asked and not failed:
            raise ConfigError("--human does nothing: the rules that say correct: true decide no number of "
                              "this check (a later rule may, or they name what is not here)")  # fmt: skip

    def _of(self, number: Number | None) -> Corrected | None:
        one = self._found.get(id(number)) if number else None
        return one if one and one.rate else None

    def _cases(self, limits: Limits, old: Corrected | None, new: Corrected | None) -> list[Case]:
        margin, bound, cases = limits.margin, limits.bound, []
        if margin is not None and old and new:
            pair = (new, old) if limits.lower_is_worse else (old, new)
            found = difference(pair[0].strata, pair[1].strata, self._confidence, beyond=True)
            cases = [Case("people", 0, 0, 0, 0, margin, found)]
        if bound is not None and new:
            strata = [_turned(s) for s in new.strata] if limits.lower_is_worse else new.strata
            rate = post_stratified(strata, self._confidence, bound, beyond=True)
            cases.append(Case("limit", 0, 0, 0, 0, bound, rate))
        return cases


def _turned(stratum: Stratum) -> Stratum:
    """The same of what is not."""
    no = stratum.labelled - stratum.positive
    return Stratum(stratum.size, stratum.labelled, no, stratum.unsure)
