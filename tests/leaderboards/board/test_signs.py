"""Outcomes as signs, and pairs of them."""

from __future__ import annotations

from typing import Any

import pytest

from leaderboards.board.signs import Pairing, pack_signs


def test_pairs_by_hand() -> None:
    once: dict[tuple[str, ...], Any] = {}
    old = pack_signs(["d", "a", "b", "c"], "1?01", once)  # a none, b good, c bad, d bad
    flips = Pairing().flips(old, {"b": 1, "c": 0, "a": 1, "e": 1}, bad=1)
    assert flips.worse == ("b",)
    assert (flips.better, flips.n, flips.was_bad, flips.absent) == (1, 2, 1, 1)
    assert flips.unpaired == ("a", "d", "e")
    assert (old["d"], old["a"], len(old), "x" in old) == (1, None, 4, False)
    with pytest.raises(ValueError, match="do not belong together"):
        pack_signs(["a"], "10", once)
