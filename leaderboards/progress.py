"""What a run reports while it goes, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Outcome", "Progress"]


@dataclass(slots=True)
class Outcome:
    """What a run came to: cells done before and now, columns of verdicts added to
    cells that were there, what failed and why, and what else to know.
    """

    kept: int = 0
    done: int = 0
    judged: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Progress:
    """What a runner reports; this one says nothing."""

    def start(self, what: str, total: int) -> None:
        """Something of `total` steps begins."""

    def label(self, what: str) -> None:
        """What is being done now, without a new total."""

    def advance(self, steps: int) -> None:
        """So many steps more are done."""

    def done(self) -> None:
        """It is over."""
