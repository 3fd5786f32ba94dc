"""Samples and results change together: whoever comes after a kill finishes it, or removes half of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.board.in_place import next_of, settle

RESULTS, SAMPLES = "results_2025.json", "samples_t_2025.jsonl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (RESULTS, SAMPLES):
        (tmp_path / name).write_text("old")
    return tmp_path


def test_both_next_states_are_put_in_place(folder: Path) -> None:
    for name in (RESULTS, SAMPLES):
        next_of(folder / name).write_text("new")
    settle(folder / RESULTS)
    assert [(folder / name).read_text() for name in (RESULTS, SAMPLES)] == ["new", "new"]
    assert not [f for f in folder.iterdir() if f.name.endswith(".next")]


def test_samples_alone_are_nobodys_and_change_nothing(folder: Path) -> None:
    next_of(folder / SAMPLES).write_text("new")
    settle(folder / RESULTS)
    assert [(folder / name).read_text() for name in (RESULTS, SAMPLES)] == ["old", "old"]
