"""The cells of a run: a folder each, written aside and renamed when whole, never deleted.

A cell's digest covers everything that can change its answers (`ptst_tasks.provenance`); labels
and order are not in it. What a study no longer asks for goes to the run's attic, and comes back
when it is asked for again. How a cell is read is `leaderboards.disk`'s business.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from leaderboards import disk
from ptst_tasks.digests import digest_json, read_json, write_json
from ptst_tasks.provenance import SCHEMA, Generation, cell_digest

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
        provenance: Everything that decides its answers.
        requested: Decoding options as the task and the study say them, before the engine's own.
        training: Digest of how the adapter was trained, but for the seed.
        form: How its prompts were made (style, chat format, prefill).
        lost: For a cell whose model could not be had, what names it in place of its provenance.
    """

    base: str
    adapter: str
    train_data: str
    train_template: str
    seed: int | None
    test_template: str
    task: str
    harness_task: str
    provenance: Generation
    requested: Mapping[str, Any] = field(default_factory=dict)
    training: str = ""
    form: Mapping[str, Any] = field(default_factory=dict)
    lost: str = ""

    @property
    def label(self) -> str:
        """Model and task, for a reader."""
        return f"{self.adapter or self.base} {self.harness_task}"

    @property
    def digest(self) -> str:
        """Twenty hex digits; the cell's identity and its folder's name."""
        return digest_json(["lost", self.lost])[:20] if self.lost else cell_digest(self.provenance)

    def record(self, **more: Any) -> dict[str, Any]:
        """What ``cell.json`` holds."""
        values = {**asdict(self), "digest": self.digest, **more}
        return {key: value for key, value in values.items() if value is not None}


class Store:
    """The cells of one run.

    Args:
        run: The run's folder.
        share: Take cells that a run beside it has.

    Attributes:
        taken: How many cells were taken, by the run they were taken from.
    """

    def __init__(self, run: Path, *, share: bool = True) -> None:
        self.run, self.share = run, share
        self.cells, self.attic = run / "cells", run / "attic"
        self.taken: Counter[str] = Counter()

    def folder(self, cell: Cell) -> Path:
        """Where a cell is, or will be."""
        return self.cells / cell.digest

    def has(self, cell: Cell) -> bool:
        """Whether a cell is done; one from the attic is brought back, one of a run beside copied.

        Its labels are brought up to date, since a study may call the same adapter otherwise.
        """
        folder = self.folder(cell)
        if not disk.is_whole(folder) and not self._found_elsewhere(cell, folder):
            return False
        record = read_json(folder / "cell.json") or {}
        own = {f.name for f in fields(Cell)}  # what a label no longer says must not stay
        labelled = {**{k: v for k, v in record.items() if k not in own}, **cell.record()}
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
        """Digests of the cells that are done: here, in the attic, and in the runs beside."""
        places = [*self.cells.glob("*"), *self.attic.glob("*")]
        if self.share:
            places += self.run.parent.glob("*/cells/*")
        names: set[str] = set()
        for folder in places:  # each digest is looked through until one is whole
            if folder.name not in names and not folder.name.startswith("."):
                names |= {folder.name} if disk.is_whole(folder) else set()
        return frozenset(names)

    def done(self, adapter: str) -> list[dict[str, Any]]:
        """Records of the cells of an adapter, and of its copies."""
        whole = (f for f in disk.cell_folders(self.run) if disk.is_whole(f))
        records = (read_json(folder / "cell.json") or {} for folder in whole)
        return [r for r in records if str(r.get("adapter")).partition("@")[0] == adapter]

    def fail(self, cell: Cell, error: str) -> None:
        """Records why a cell could not be had; the next run tries it again."""
        aside = self.begin(cell)
        write_json(aside / "cell.json", cell.record(error=error))
        self._place(aside, self.folder(cell))

    def keep_only(self, digests: set[str]) -> list[dict[str, Any]]:
        """Puts what the study no longer asks for into the attic; removes torn and failed tries.

        Returns:
            The records of the measured cells that were put aside.
        """
        aside = []
        for folder in self.cells.glob("*"):
            if folder.name in digests:
                continue
            record = read_json(folder / "cell.json") or {}
            if folder.name.startswith(".") or not disk.results_files(folder):
                shutil.rmtree(folder)
            else:
                self._put_aside(folder)
                aside.append(record)
        return aside

    def _found_elsewhere(self, cell: Cell, folder: Path) -> bool:
        if disk.is_whole(kept := self.attic / cell.digest):
            self._place(kept, folder)
            return True
        beside = self.run.parent.glob(f"*/cells/{cell.digest}") if self.share else ()
        found = next((p for p in beside if p != folder and disk.is_whole(p)), None)
        if found is None:
            return False
        aside = Path(shutil.copytree(found, self._aside(cell)))
        origin = found.parents[1].name
        record = read_json(aside / "cell.json") or {}
        write_json(aside / "cell.json", {**record, "taken_from": origin})
        self._place(aside, folder)
        self.taken[origin] += 1
        return True

    def _aside(self, cell: Cell) -> Path:
        aside = self.cells / f".{cell.digest}.{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        return aside

    def _place(self, aside: Path, folder: Path) -> None:
        if folder.exists() and disk.results_files(folder):  # damaged: for a person to look at
            self._put_aside(folder, ".damaged")
        elif folder.exists():  # a failed try
            shutil.rmtree(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        Path(aside).rename(folder)

    def _put_aside(self, folder: Path, suffix: str = "") -> None:
        self.attic.mkdir(exist_ok=True)
        target = self.attic / f"{folder.name}{suffix}"
        if target.exists():  # of two the newer counts; the other is what it was before
            shutil.rmtree(target)
        folder.rename(target)


def incomplete(records: Iterable[Mapping[str, Any]]) -> int:
    """How many cells an earlier ptst measured, whose record lacks what can change an answer."""
    return sum((r.get("provenance") or {}).get("schema", 1) < SCHEMA for r in records)
