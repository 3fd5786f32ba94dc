"""What happens on another machine: some of a study's models, from their training to their cells.

An `Order` says what to do and a `Result` brings everything back, so no file system need be
shared for results. A worker that died leaves its scratch folder; the next one goes on from it.
"""

from __future__ import annotations

import gc
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from leaderboards.run.adapters import RunAdapters
from leaderboards.run.asked import load_asked
from leaderboards.run.executors.packing import holds, pack, unpack
from leaderboards.run.ledger import CellLedger
from leaderboards.run.local import measure_here
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.store import Cell, Store
from leaderboards.run.study import Study
from ptst_tasks import __version__
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.files import file_name
from ptst_tasks.judges.watching import round_of
from ptst_tasks.progress import Progress

__all__ = ["Order", "Result", "measure", "ptst_version"]

_WAIT = 10  # seconds; a worker whose node was lost may live on for as long


@dataclass(frozen=True, slots=True)
class Order:
    """What one task of an executor is to do.

    Attributes:
        study: The whole study.
        plans: The models to train and measure, a part of the study's.
        home: The run's folder where it was asked for; named in results and messages.
        known: Digests of the cells that need not be measured.
        adapters: Those trained already, packed, by name.
        paths: Files and folders that must be there.
        cwd: Folder that relative paths start from.
        env: Environment variables to set.
        version: Of ptst, where the study was asked for.
        scratch: Folder for work in progress; empty for the node's temporary folder.
        name: Of the task's own folder in it, the same for every try.
    """

    study: Study
    plans: tuple[AdapterPlan, ...]
    home: Path
    known: frozenset[str]
    adapters: Mapping[str, bytes]
    paths: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    version: str
    scratch: str
    name: str


@dataclass(slots=True)
class Result:
    """What a task brings home.

    Attributes:
        cells: All that its models have, the known ones too.
        made: The folders of those measured or failed here, packed, by digest.
        failed: Which cells failed, and why.
        adapters: Those trained here, packed, by name.
        notes: What else a reader must know.
        error: Why nothing could be measured; empty otherwise.
    """

    cells: list[Cell] = field(default_factory=list)
    made: dict[str, bytes] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)
    adapters: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    error: str = ""


def ptst_version() -> str:
    """The version of this package."""
    return __version__


def measure(order: Order) -> Result:
    """Trains and measures the models of an order, in this process."""
    # Here, and not in the scheduler's own settings, where it would be logged; libraries that read
    # it when they are imported are imported below.
    os.environ.update(order.env)
    try:
        with _scratch(order) as scratch:
            return _measure(order, scratch)
    except OSError as e:
        return Result(error=f"node {socket.gethostname()!r}: {said(e)}")
    finally:
        gc.collect()  # the process may be used again


@contextmanager
def _scratch(order: Order) -> Iterator[Path]:
    """The task's folder, the same for every try; what a dead worker left is still in it."""
    folder = Path(order.scratch or tempfile.gettempdir()).absolute() / order.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(f"{folder}.lock")
    try:
        lock.acquire(timeout=_WAIT)
    except filelock.Timeout:  # given up by the scheduler, and at work all the same
        folder = Path(f"{folder}-{os.getpid()}")
    folder.mkdir(mode=0o700, exist_ok=True)  # answers are nobody else's business
    (folder / "worker").write_text(_worker())  # for whoever looks in: who is at it
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock.is_locked:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()
        with suppress(OSError):  # another task's is beside it
            folder.parent.rmdir()


def _measure(order: Order, scratch: Path) -> Result:
    result = Result()
    try:
        _check(order)
        store = Store(scratch, share=False, elsewhere=order.known, worker=_worker())
        ledger = CellLedger(order.study, store)
        adapters = RunAdapters(order.study, scratch, ledger.outcome.notes)
        # What a part of the order came to goes home, whatever happens to the rest.
        result.cells, result.failed = ledger.cells, ledger.outcome.failed
        result.notes = ledger.outcome.notes
        _unpack(order, scratch)
        tasks = load_asked(order.study)
        with round_of(ledger.outcome.notes.append):
            measure_here(order.plans, tasks, ledger, adapters, Progress(), home=order.home)
    except Exception as e:  # of a library's, too: on this side nobody would see its trace
        result.error = said(e).replace(str(scratch), str(order.home))
    # What was put aside there is put aside at home.
    result.notes = [n.replace(str(scratch), str(order.home)) for n in result.notes]
    trained = [p.name for p in order.plans if p.name and not p.existing]
    places = {name: _place(scratch, name) for name in sorted(trained)}
    result.adapters = {
        name: pack(place)
        for name, place in places.items()
        if place.is_dir() and _changed(place, order.adapters.get(name))
    }
    result.made = _packed(scratch / "cells", {cell.digest for cell in result.cells})
    return result


def _check(order: Order) -> None:
    if order.version != (here := ptst_version()):
        raise ConfigError(
            f"node {socket.gethostname()!r} has ptst {here}, the study was started with "
            f"{order.version}; install the same version on every node"
        )
    if Path(order.cwd).is_dir():
        os.chdir(order.cwd)
    if missing := [path for path in order.paths if not Path(path).exists()]:
        raise ConfigError(
            f"node {socket.gethostname()!r} has no {missing[0]!r}; put it in the same place on "
            "every node, or name a model of the hub"
        )


def _unpack(order: Order, scratch: Path) -> None:
    """Puts the adapters that were trained already where a run has its own."""
    for name, packed in order.adapters.items():
        if not (folder := _place(scratch, name)).exists():
            unpack(packed, folder)


def _place(scratch: Path, name: str) -> Path:
    return scratch / "adapters" / file_name(name)


def _changed(folder: Path, packed: bytes | None) -> bool:
    """Whether an adapter is another than the one that came with the order."""
    return packed is None or not holds(folder, packed)


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _packed(parent: Path, names: set[str]) -> dict[str, bytes]:
    return {name: pack(parent / name) for name in sorted(names) if (parent / name).is_dir()}
