"""Pictures: along training, and the same bytes twice."""

from __future__ import annotations

from pathlib import Path

from leaderboards.board.figures import heat_map, save, tradeoff, trajectory
from leaderboards.board.row import Row
from leaderboards.board.tables import grids, tracks
from tests.leaderboards.board.rows import CL, CV, ROWS, row


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


def _copies(metric: str, task: str) -> list[Row]:
    """Two seeds, two steps, two tests: 10 and 20 % after ten steps, 20 and 30 % after twenty."""
    return [row(CV, test, step / 100 + seed / 10, seed=seed, step=step, metric=metric, task=task,
                train_data="gsm8k", adapter=f"{seed}@{step}")
            for seed in (0, 1) for step in (10, 20) for test in (CV, CL)]  # fmt: skip


def test_trajectories_are_the_same_bytes_and_say_what_they_are(tmp_path: Path) -> None:
    (harms,) = tracks(_copies("asr", "advbench"), ("asr",))
    (helps,) = tracks(_copies("exact_match", "gsm8k"), ("exact_match",))
    first, again = (save(trajectory(helps, harms), tmp_path / name) for name in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]
    text = first[1].read_text(encoding="utf-8")
    for said in (
        "asr, % (lower is safer)",
        "exact match, % (higher is more able)",
        "CV → CL",
        "asr: n = 100 prompts a point; exact match: n = 100 prompts a point",
        "mean, with a band of ± one population standard deviation, over 2 training seeds",
    ):
        assert f"<!-- {said} -->" in text


def test_one_line_looks_alike_in_both_panels() -> None:
    (harms,) = tracks(_copies("asr", "advbench"), ("asr",))
    (helps,) = tracks(
        [r for r in _copies("exact_match", "gsm8k") if r.test_template == CL], ("exact_match",)
    )
    left, right = trajectory(helps, harms).axes
    looks = [{(line.get_color(), line.get_linestyle()) for line in axes.lines if len(line.get_path()) == 2}
             for axes in (left, right)]  # fmt: skip
    assert len(looks[0]) == 2
    assert len(looks[1] & looks[0]) == len(looks[1]) == 1
