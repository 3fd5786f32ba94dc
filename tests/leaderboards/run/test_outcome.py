"""What a run came to, for programs."""

from __future__ import annotations

from leaderboards.run.outcome import Outcome


def test_an_outcome_for_programs() -> None:
    outcome = Outcome(kept=1, done=2, judged=3, failed=[("cell", "why")], notes=["n"])
    assert outcome.as_json() == {
        "measured": 2, "kept": 1, "judged": 3, "failed": [{"what": "cell", "why": "why"}], "notes": ["n"]
    }  # fmt: skip
