"""The cells of a run: a folder each, written aside and renamed when whole, never deleted.

A cell's digest covers everything that can change its answers (`ptst_tasks.provenance`); labels
and order are not in it. What a study no longer asks for goes to the run's attic, and comes back
when it is asked for again. How a cell is read is `leaderboards.board.disk`'s business.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from leaderboards.board import disk
from leaderboards.run.attic import put_aside, remove
from ptst_tasks.digests import digest_json, read_json, write_json
from ptst_tasks.errors import DataError
from ptst_tasks.files import working
from ptst_tasks.provenance import SCHEMA, Generation, cell_digest

__all__ = ["Cell", "Store", "incomplete", "put_aside"]


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
        defence: What kept it safe in training beside the template; empty for nothing.
        attack: How harmful queries were asked; empty for plainly.
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
    defence: str = ""
    attack: str = ""
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
        elsewhere: Digests of cells that lie where the study was started, and count as done here.
        worker: Who measures, where that is another machine; each cell's record names it.

    Attributes:
        taken: How many cells were taken, by the run they were taken from.
        damaged: What was found damaged and put aside, a sentence each.
    """

    def __init__(
        self,
        run: Path,
        *,
        share: bool = True,
        elsewhere: frozenset[str] = frozenset(),
        worker: str = "",
    ) -> None:
        self.run, self.share = run, share
        self._elsewhere, self._worker = elsewhere, worker
        self.cells, self.attic = run / "cells", run / "attic"
        self.taken: Counter[str] = Counter()
        self.damaged: list[str] = []

    def sweep(self) -> None:
        """Removes what a killed process was writing; nobody else may be at work in the run."""
        for pattern in (".*.tmp", "cells/.*", "cells/*/.*.tmp", "adapters/.*"):
            for left in self.run.glob(pattern):
                remove(left)

    def folder(self, cell: Cell) -> Path:
        """Where a cell is, or will be."""
        return self.cells / cell.digest

    def has(self, cell: Cell) -> bool:
        """Whether a cell is done; one from the attic is brought back, one of a run beside copied.

        Its labels are brought up to date, since a study may call the same adapter otherwise.
        """
        if cell.digest in self._elsewhere:
            return True
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
        aside = working(self.folder(cell))
        aside.mkdir(parents=True)
        return aside

    @contextmanager
    def writing(self, cell: Cell, **more: Any) -> Iterator[Path]:
        """Gives a folder to write a cell into, and makes the cell whole at the end.

        If the block fails, nothing of it stays.
        """
        aside = self.begin(cell)
        try:
            yield aside
            self.finish(cell, aside, **more)
        finally:
            if aside.exists():
                remove(aside)

    def finish(self, cell: Cell, aside: Path, **more: Any) -> None:
        """Makes a written cell whole.

        Raises:
            DataError: If it is not: lm-eval logs that it cannot write, and goes on.
        """
        write_json(aside / "cell.json", cell.record(worker=self._worker or None, **more))
        if disk.read_cell_files(aside).results is None:
            raise DataError(f"{cell.harness_task}: lm-eval wrote no results")
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
            if folder.name not in names and "." not in folder.name:
                names |= {folder.name} if disk.is_whole(folder) else set()
        return frozenset(names)

    def done(self, adapter: str) -> list[dict[str, Any]]:
        """Records of the cells of an adapter and of its copies, or of one copy alone."""
        whole = (f for f in disk.cell_folders(self.run) if disk.is_whole(f))
        records = (read_json(folder / "cell.json") or {} for folder in whole)
        named = (r for r in records if {"adapter", "harness_task", "digest"} <= r.keys())
        whose = ((str(r["adapter"]), r) for r in named)
        return [r for name, r in whose if adapter in (name, name.partition("@")[0])]

    def fail(self, cell: Cell, error: str) -> None:
        """Records why a cell could not be had; the next run tries it again."""
        aside = self.begin(cell)
        try:
            write_json(aside / "cell.json", cell.record(error=error))
            self._place(aside, self.folder(cell))
        finally:
            if aside.exists():
                remove(aside)

    def keep_only(self, digests: set[str]) -> list[dict[str, Any]]:
        """Puts what the study no longer asks for into the attic; removes failed tries.

        Whatever may hold an answer is put aside and not removed. A process that is killed in the
        middle has put some aside, and the next run does the rest.

        Returns:
            The records of the cells that were put aside.
        """
        aside = []
        for folder in sorted(self.cells.glob("*")):
            if folder.name in digests or folder.name.startswith("."):
                continue  # the latter is being written, or a sweep's business
            if not disk.holds_answers(folder):
                remove(folder)
            elif folder.is_dir():
                record = read_json(folder / "cell.json") or {}
                self._put_aside(folder)
                aside.append(record)
        return aside

    def _found_elsewhere(self, cell: Cell, folder: Path) -> bool:
        if disk.is_whole(kept := self.attic / cell.digest):
            self._place(kept, folder)
            return True
        beside = self.run.parent.glob(f"*/cells/{cell.digest}") if self.share else ()
        return any(self._copied(p, cell) for p in beside if p != folder and disk.is_whole(p))

    def _copied(self, found: Path, cell: Cell) -> bool:
        """Takes a cell of a run beside, which may be changing while it is read."""
        aside, origin = working(self.folder(cell)), found.parents[1].name
        try:
            shutil.copytree(found, aside, ignore=shutil.ignore_patterns(".*"))
            if not disk.is_whole(aside):
                return False
            record = read_json(aside / "cell.json") or {}
            write_json(aside / "cell.json", {**record, "taken_from": origin})
            self._place(aside, self.folder(cell))
        except shutil.Error:  # of several files; it goes away, or there is no room
            return False
        finally:
            if aside.exists():
                remove(aside)
        self.taken[origin] += 1
        return True

    def _place(self, aside: Path, folder: Path) -> None:
        """Puts a written cell in its place; what stands there is put aside, or was a failed try."""
        if os.path.lexists(folder):
            if disk.holds_answers(folder):
                why = disk.damage(folder) or "it was measured again"
                kept = self._put_aside(folder, ".damaged")
                self.damaged.append(f"{why}; it was made again, and the old one is {str(kept)!r}")
            else:
                remove(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside.rename(folder)

    def _put_aside(self, folder: Path, suffix: str = "") -> Path:
        return put_aside(folder, self.attic / f"{folder.name}{suffix}")


def incomplete(records: Iterable[Mapping[str, Any]]) -> int:
    """How many cells an earlier ptst measured, whose record lacks what can change an answer."""
    return sum(_schema(record) < SCHEMA for record in records)


def _schema(record: Mapping[str, Any]) -> int:
    """Of a cell's record; 0.1.0 wrote none, and of one that cannot be read nothing is known."""
    made = record.get("provenance")
    if not record or not isinstance(made, Mapping | None):
        return SCHEMA
    schema = (made or {}).get("schema", 1)
    return schema if isinstance(schema, int) else SCHEMA
