"""Cells on disk: a folder each, written aside and renamed when whole.

    RUN/study.json               the study, as it was asked for
    RUN/adapters/NAME            what was trained
    RUN/cells/DIGEST/cell.json   one model under one test template on one set
    RUN/cells/DIGEST/*/results_*.json, samples_*.jsonl    as lm-eval writes them

A cell's digest covers everything that can change its answers; labels and order are not in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ptst_tasks.digests import digest_json, read_json, write_json

__all__ = ["Cell", "Store"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One model under one test template on one set.

    Attributes:
        base: The base, as the study names it.
        adapter: Its adapter's name, empty for the base alone.
        train_data: What the adapter was trained on.
        train_template: Under which template.
        seed: Training seed.
        test_template: Template of the prompts.
        task: The set.
        harness_task: lm-eval's task name.
        decoding: Decoding options.
        engine: The engine's name.
        digests: Of base, adapter, data, prompts, and what else decides the answers.
        step: For a copy kept along training, after how many steps.
    """

    base: str
    adapter: str
    train_data: str
    train_template: str
    seed: int | None
    test_template: str
    task: str
    harness_task: str
    decoding: Mapping[str, Any]
    engine: str
    digests: Mapping[str, Any] = field(default_factory=dict)
    step: int | None = None

    @property
    def digest(self) -> str:
        """Twenty hex digits; the cell's identity and its folder's name."""
        deciding: dict[str, Any] = {
            "digests": self.digests,
            "decoding": self.decoding,
            "engine": self.engine,
        }
        if self.step is not None:  # the last copy has the finished adapter's weights, and a row too
            deciding["step"] = self.step
        return digest_json(deciding)[:20]

    def record(self, **more: Any) -> dict[str, Any]:
        """What ``cell.json`` holds."""
        values = {**asdict(self), "digest": self.digest, **more}
        return {key: value for key, value in values.items() if value is not None}


class Store:
    """The cells of one run.

    Args:
        run: The run's folder; cells of the runs beside it are shared.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.cells = run / "cells"

    def folder(self, cell: Cell) -> Path:
        """Where a cell is, or will be."""
        return self.cells / cell.digest

    def has(self, cell: Cell) -> bool:
        """Whether a cell is done; one that a run beside this one has is copied.

        Its labels are brought up to date, since a study may call the same adapter otherwise.
        """
        folder = self.folder(cell)
        if not _whole(folder):
            beside = (p for p in self.run.parent.glob(f"*/cells/{cell.digest}") if _whole(p))
            if (found := next(beside, None)) is None:
                return False
            self._place(shutil.copytree(found, self._aside(cell)), folder)
        record = read_json(folder / "cell.json") or {}
        labelled = {**record, **cell.record()}
        if labelled != record:
            write_json(folder / "cell.json", labelled)
        return True

    def begin(self, cell: Cell) -> Path:
        """Returns an empty folder to write a cell into."""
        aside = self._aside(cell)
        aside.mkdir(parents=True)
        return aside

    def finish(self, cell: Cell, aside: Path, **more: Any) -> None:
        """Makes a written cell whole."""
        write_json(aside / "cell.json", cell.record(**more))
        self._place(aside, self.folder(cell))

    def receive(self, cell: Cell, aside: Path) -> None:
        """Takes a cell that was written elsewhere, ``cell.json`` included."""
        self._place(aside, self.folder(cell))

    def known(self) -> frozenset[str]:
        """Digests of the cells that are done, here and in the runs beside."""
        there = self.run.parent.glob("*/cells/*")
        return frozenset(p.name for p in there if not p.name.startswith(".") and _whole(p))

    def done(self, adapter: str) -> list[dict[str, Any]]:
        """Records of the cells of an adapter, and of its copies."""
        there = (p for p in self.cells.glob("*") if not p.name.startswith(".") and _whole(p))
        records = (read_json(p / "cell.json") or {} for p in there)
        return [r for r in records if r["adapter"].partition("@")[0] == adapter]

    def fail(self, cell: Cell, error: str) -> None:
        """Records why a cell could not be had; the next run tries it again."""
        aside = self.begin(cell)
        write_json(aside / "cell.json", cell.record(error=error))
        self._place(aside, self.folder(cell))

    def keep_only(self, digests: set[str]) -> None:
        """Leaves out of the run what its study no longer asks for, and torn leftovers."""
        for folder in self.cells.glob("*"):
            if folder.name not in digests:
                shutil.rmtree(folder)

    def _aside(self, cell: Cell) -> Path:
        aside = self.cells / f".{cell.digest}.{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        return aside

    def _place(self, aside: Path, folder: Path) -> None:
        if folder.exists():  # a failed try
            shutil.rmtree(folder)
        Path(aside).rename(folder)


def _whole(folder: Path) -> bool:
    return (folder / "cell.json").exists() and any(folder.glob("*/results_*.json"))
