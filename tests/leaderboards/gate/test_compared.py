"""What two sides must share is what the leaderboard can hold."""

from __future__ import annotations

from leaderboards.board.row import COLUMNS
from leaderboards.gate.compared import compared
from ptst_tasks.provenance import gate_facts


def test_every_fact_is_a_column_and_has_a_name_for_people() -> None:
    facts = compared()
    assert set(facts) <= set(COLUMNS)
    assert set(facts) - set(gate_facts()) == {"base", "prompting", "decoding_seed"}
    assert all(facts.values())
