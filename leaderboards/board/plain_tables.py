"""Tables for programs: what ``ptst board --json`` says of them."""

from __future__ import annotations

from typing import Any

from leaderboards.board.tables import Grid

__all__ = ["plain"]


def plain(grid: Grid) -> dict[str, Any]:
    """A table for programs; means and deviations are 0..1."""
    fields = [
        {"train": grid.label(train), "test": test, "mean": f.mean, "std": f.std, "n": f.n,
         "values": list(f.values), "over": f.counted()}
        for (train, test), f in grid.fields.items()
    ]  # fmt: skip
    gaps = [{"train": grid.label(a), "test": b, "why": why} for (a, b), why in grid.gaps.items()]
    return {"base": grid.base, "task": grid.task, "judge": grid.judge, "metric": grid.metric,
            "variant": grid.variant, "fields": fields, "gaps": gaps, "worst": _worst(grid),
            "notes": grid.remarks()}  # fmt: skip


def _worst(grid: Grid) -> list[dict[str, Any]]:
    """The worst test templates of each line, of attack success under several."""
    found = ((train, grid.worst(train)) for train in grid.trains if grid.has_worst)
    return [
        {"train": grid.label(train), "tests": list(worst[0]), "mean": worst[1]}
        for train, worst in found if worst
    ]  # fmt: skip
