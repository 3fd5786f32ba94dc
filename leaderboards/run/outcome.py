"""What a run came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Outcome"]


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

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "measured": self.done,
            "kept": self.kept,
            "judged": self.judged,
            "failed": [{"what": what, "why": why} for what, why in self.failed],
            "notes": list(self.notes),
        }
