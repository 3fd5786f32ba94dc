"""A measured number: a row of the leaderboard and, where it is known, what each prompt came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leaderboards.board.row import Row
from ptst_tasks.errors import DataError

__all__ = ["MEANS", "OF_SOME", "Number", "Outcomes"]

MEANS = frozenset({
    "score", "rougeL", "bertscore", "aligned", "coherent",
    "inst_level_strict_acc", "inst_level_loose_acc",  # IFEval's shares of instructions, not prompts
})  # fmt: skip
"""Metrics of 0..1 that are no shares of yes/no outcomes."""
OF_SOME = frozenset({"misaligned", "aligned"})
"""Metrics that an answer with a verdict may lack: one that makes no sense, or has no grade, is in none."""

Outcomes = Mapping[str, int | None]
"""Prompt id -> 1, 0, or None where there is no verdict (which is never a 0)."""


@dataclass(frozen=True, slots=True)
class Number:
    """One measured number.

    Attributes:
        row: As it stands in a leaderboard.
        outcomes: By prompt id; None where no samples were logged or the metric is not 0/1.
        stale: Why it is no number of the run in question; empty if it is.
        home: How labels name where the responses are: `leaderboards.board.disk.home_of`.
        replies: Prompt id -> digest of what was answered; None where no samples were logged.
    """

    row: Row
    outcomes: Outcomes | None = None
    stale: str = ""
    home: str = ""
    replies: Mapping[str, str] | None = None

    @property
    def count(self) -> int:
        """Prompts with outcome 1.

        Raises:
            DataError: If the value is no rate of 0/1 outcomes.
        """
        count = (self.row.value or 0.0) * self.row.n
        off = abs(count - round(count))  # six decimals leave half a millionth per prompt
        if not 0 <= round(count) <= self.row.n or off > 0.01 + self.row.n * 1e-6:
            raise DataError(
                f"{self.row.metric!r} of {self.row.task!r} is {self.row.value} over {self.row.n} "
                "prompts: not a share of yes/no outcomes, so the gate cannot test it; take it out "
                "of the policy"
            )
        return round(count)
