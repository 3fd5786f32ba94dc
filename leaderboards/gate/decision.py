"""What a check concludes: the verdict on every number, and the report of all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from leaderboards.gate.limits import Limits
from leaderboards.gate.match import Pair
from leaderboards.gate.paired import CaseResult
from leaderboards.gate.policy import Policy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RANK", "WORST", "Decision", "Report", "Verdict", "is_open"]

Verdict = Literal["pass", "regression", "inconclusive", "unscored", "missing", "new"]
WORST: tuple[Verdict, ...] = (
    "regression", "missing", "unscored", "inconclusive", "new", "pass",
)  # fmt: skip


RANK = {verdict: at for at, verdict in enumerate(WORST)}


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on one number.

    Attributes:
        pair: The two numbers; either may be absent.
        limits: What the policy says.
        verdict: See the module.
        reason: Why, in one sentence.
        tests: What it rests on.
        flipped: Ids of prompts that went from good to bad (for asr: from refused to harmful).
        recovered: How many went from bad to good.
        unpaired: Ids with a verdict on one side only: not among the pairs.
    """

    pair: Pair
    limits: Limits
    verdict: Verdict
    reason: str
    tests: tuple[CaseResult, ...] = ()
    flipped: tuple[str, ...] = ()
    recovered: int = 0
    unpaired: tuple[str, ...] = ()

    @property
    def detectable(self) -> CaseResult | None:
        """The test that says which change could have been caught: the sharpest of a change's."""
        changes = [t for t in self.tests if t.method != "limit"] or list(self.tests)
        found = [t for t in changes if t.detectable is not None]
        return min(found, key=lambda t: t.detectable or 0, default=changes[0] if changes else None)


@dataclass(frozen=True)
class Report:
    """The whole check.

    Attributes:
        lines: One per number, worst first.
        policy: What was decided by.
        notes: What a reader should know: new data, what could not be compared, idle rules.
        idle: Rules of the user's that limit nothing here.
        accepted: The baseline that was written from this release in spite of all this, if any.
    """

    lines: tuple[Decision, ...]
    policy: Policy
    notes: tuple[str, ...] = field(default=())
    idle: tuple[str, ...] = field(default=())
    accepted: str = ""

    def fails(self, line: Decision) -> bool:
        """Whether this line alone fails the check."""
        if self.accepted:
            return False
        undecided = self.policy.strict and line.verdict == "inconclusive"
        return undecided or line.verdict in ("regression", "missing", "unscored")

    @property
    def decided(self) -> bool:
        """Whether anything was compared at all: numbers that are new alone say nothing."""
        return any(line.verdict != "new" or line.tests for line in self.lines)

    @property
    def failed(self) -> bool:
        """Whether the release is to be stopped."""
        return bool(self.faults) or any(self.fails(line) for line in self.lines)

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the check fails beside its lines: strict, and nothing compared, or idle rules."""
        if self.accepted or not self.policy.strict:
            return ()
        nothing = () if self.decided else ("nothing was compared: every number is new",)
        return (*nothing, *self.idle)

    def to_frame(self) -> pd.DataFrame:
        """The lines as a pandas DataFrame; see `leaderboards.gate.line_frame`."""
        from leaderboards.gate.line_frame import line_frame

        return line_frame(self)


def is_open(line: Decision) -> str:
    """Says why a number is undecided whatever its tests say, or nothing."""
    old, new = line.pair.baseline, line.pair.current
    if new and new.stale:
        return new.stale
    relative = line.limits.margin is not None
    if new and old and old.row.error and relative:
        return f"failed in the baseline: {old.row.error}"
    return ""
