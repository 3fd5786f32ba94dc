from __future__ import annotations

from leaderboards.report.plain_words import WORDS


def test_the_words_ask_for_nothing_and_name_nobody() -> None:
    """A request takes one of these; they are what a note can do without."""
    asking = (
        "how tell explain give me my you your make build get steal hide buy recipe instructions"
    )
    assert not WORDS & set(asking.split())
    assert not {word for word in WORDS if len(word) > 20 or any(c.isdigit() for c in word)}
