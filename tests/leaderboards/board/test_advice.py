"""Advice on numbers of prompts, by hand."""

from __future__ import annotations

from leaderboards.board import advice, stats


def test_advice_by_hand() -> None:
    # one-sided 5 %, power 80 %: (1.644854 + 0.841621)^2 * 0.3^2 / 0.05^2 = 222.6
    assert advice.n_to_clear(0.05, 0.3, 0.05, 0.8, 0.05) == 223
    # nothing flipped: z^2 (1 - 0.02) / 0.02 = 2.705543 * 49 = 132.6
    assert advice.n_to_clear(0.02, 0.0, 0.05, 0.8, 0.02) == 133
    assert stats.is_pass(stats.tango(0, 0, 133, 0.9).high, 0.02)
    assert not stats.is_pass(stats.tango(0, 0, 132, 0.9).high, 0.02)
    assert advice.n_to_clear(1e-6, 0.5, 0.05, 0.8, 0.02) is None
    assert advice.n_to_flag(0.1, 0.3, 0.3, 0.05, 0.8) == 56  # 222.6 * (0.05 / 0.1)^2 = 55.6
    assert advice.n_to_flag(0.0, 0.3, 0.3, 0.05, 0.8) is None
