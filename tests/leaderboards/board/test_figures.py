"""Pictures: the front by hand, the same bytes twice."""

from __future__ import annotations

from pathlib import Path

from leaderboards.board.figures import heat_map, pareto, save, tradeoff
from leaderboards.board.tables import grids
from tests.leaderboards.board.rows import ROWS


def test_pareto_front_by_hand() -> None:
    # (10, 50) is beaten by (5, 60); (20, 60) has the help of (5, 60) at more harm.
    assert pareto([(10, 50), (5, 60), (0, 20), (20, 60), (30, 70)]) == [(0, 20), (5, 60), (30, 70)]


def test_pictures_are_the_same_bytes(tmp_path: Path) -> None:
    (harms,) = grids(ROWS)
    (helps,) = grids(
        [r.model_copy(update={"metric": "exact_match", "task": "gsm8k"}) for r in ROWS]
    )
    for name, make in (("a", lambda: heat_map(harms)), ("b", lambda: tradeoff(helps, harms))):
        first = [p.read_bytes() for p in save(make(), tmp_path / f"{name}1")]
        again = [p.read_bytes() for p in save(make(), tmp_path / f"{name}2")]
        assert first == again
        assert first[0].startswith(b"\x89PNG")
        assert b"<svg" in first[1]
