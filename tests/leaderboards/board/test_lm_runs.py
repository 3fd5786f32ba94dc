"""Of several results files the newest number counts, and what is left over is told."""

from __future__ import annotations

from pathlib import Path

from leaderboards.board.lm_runs import by_model, newest
from leaderboards.board.numbers import Number
from leaderboards.board.row import Row


def number(task: str, value: float, day: int, adapter: str = "a") -> Number:
    date = f"2025-01-{day:02}T12:00:00"
    return Number(
        Row(base="b", adapter=adapter, task=task, metric="acc", value=value, n=2, date=date)
    )


def test_a_number_measured_again_replaces_the_older_and_the_rest_is_stale() -> None:
    [old] = by_model(Path("old.json"), [number("x", 0.5, 1), number("y", 0.5, 1)])
    [new] = by_model(Path("new.json"), [number("x", 1.0, 3)])
    numbers, notes = newest([old, new])
    assert [(n.row.task, n.row.value, bool(n.stale)) for n in numbers] == [
        ("x", 1.0, False), ("y", 0.5, True)
    ]  # fmt: skip
    assert any("new.json replaces what is older" in note for note in notes)
    assert any(note.startswith("stale: y of 2025-01-01") for note in notes)


def test_parts_of_one_day_are_one_run_and_models_are_kept_apart() -> None:
    [one] = by_model(Path("1.json"), [number("x", 0.5, 1)])
    [two] = by_model(Path("2.json"), [number("y", 0.5, 1)])
    assert [n.stale for n in newest([one, two])[0]] == ["", ""]
    runs = by_model(Path("1.json"), [number("x", 0.5, 1), number("x", 0.5, 1, "other")])
    assert [run.model for run in runs] == [("b", "a"), ("b", "other")]
