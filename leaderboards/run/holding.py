"""A run's folder belongs to one study, and to one process at a time.

``RUN/.lock`` is held by the operating system for as long as the process lives, so that a killed
one leaves nothing locked; ``RUN/.lock.json`` says for people whose it is. A board may read a run
while it goes on.
"""

from __future__ import annotations

import datetime
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboards.board import disk
from ptst_tasks.digests import read_json, write_json
from ptst_tasks.errors import ConfigError, DataError, said
from ptst_tasks.locks import HeldError, can_lock, lock

if TYPE_CHECKING:
    from leaderboards.run.study import Study

__all__ = ["PARTS", "check", "claimed"]

PARTS = ("cells", "attic", "adapters", "journal")
"""What a run makes in its folder, beside its study."""

_LOCK, _HOLDER, _STUDY = ".lock", ".lock.json", "study.json"
_PATIENCE = 0.5  # seconds; whoever has just got the lock writes down who it is


def check(study: Study, run: Path) -> None:
    """Looks whether a folder is a run of this study, or free to become one; writes nothing.

    Raises:
        ConfigError: If it is neither.
    """
    _check_folder(run)
    _check_study(study, run)


@contextmanager
def claimed(study: Study, run: Path) -> Iterator[bool]:
    """Holds a run's folder for a study, and writes down which.

    Gives whether nobody else can be at work in it, which some file systems cannot say. A folder
    that was made for it is gone again if nothing came into it.

    Raises:
        ConfigError: If it cannot be had: it is of another study, in another process's hands, no run
            at all, or cannot be written.
    """
    check(study, run)
    made = _missing_parents(run)
    try:
        with _writing(run):
            run.mkdir(parents=True, exist_ok=True)
        with _held(run) as alone:
            _check_study(study, run)  # another process may have begun meanwhile
            with _writing(run):
                write_json(run / _STUDY, study.model_dump(mode="json"))
            yield alone
    finally:
        if made:
            _tidy(run, made)


@contextmanager
def _writing(run: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise ConfigError(
            f"the run's folder {str(run)!r} cannot be written: {said(e)}; choose another --out"
        ) from e


@contextmanager
def _held(run: Path) -> Iterator[bool]:
    try:
        with _writing(run):
            held = lock(run / _LOCK, _PATIENCE)
            if held is not None:
                _write_holder(run)
    except HeldError:
        if not can_lock(run / _LOCK):  # an old filelock takes "cannot" for "held"
            held = None
        else:
            raise ConfigError(
                f"{str(run)!r} is in use by {_holder(run)}; wait for it, or choose another --out"
            ) from None
    try:
        yield held is not None
    finally:
        if held is not None:
            with suppress(OSError):
                (run / _HOLDER).unlink(missing_ok=True)
            held.release()


def _write_holder(run: Path) -> None:
    since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    write_json(run / _HOLDER, {"host": socket.gethostname(), "pid": os.getpid(), "since": since})


def _holder(run: Path) -> str:
    """Who has a run, as far as that is written down."""
    told = read_json(run / _HOLDER) or {}
    if not {"host", "pid", "since"} <= told.keys():
        return "another process"
    return f"process {told['pid']} on {told['host']!r}, started {told['since']}"


def _check_folder(run: Path) -> None:
    """Makes sure that a folder is a run's, or free to become one."""
    if run.exists() and not run.is_dir():
        raise ConfigError(f"--out {str(run)!r} is a file, expected a folder")
    try:
        found = [p.name for p in run.iterdir()] if run.exists() else []
    except OSError as e:
        raise ConfigError(f"--out {str(run)!r} cannot be read: {said(e)}") from e
    # Another process may be about to write down whose run it is.
    begun = (_LOCK, f".{_STUDY}.")
    if any(not name.startswith(begun) for name in found) and not disk.is_run(run):
        raise ConfigError(f"{str(run)!r} holds something that is no run; choose another --out")
    for part in PARTS:
        if (run / part).exists() and not (run / part).is_dir():
            raise ConfigError(
                f"{str(run / part)!r} is a file, and the run keeps a folder of this name there; "
                "move it away, or choose another --out"
            )


def _check_study(study: Study, run: Path) -> None:
    """Refuses the folder of another study: another name, or another base.

    A study that asks for more, less or other things goes on. A base that was moved is the same: its
    last name counts here, and its weights count in every cell.
    """
    file = run / _STUDY
    if not os.path.lexists(file):
        return
    told = _told(file, study)
    name, base = told.get("name", study.name), told.get("base", study.base)
    if name != study.name:
        raise ConfigError(
            f"{str(run)!r} is the run of another study, {name!r}, and this one is {study.name!r}; "
            f"choose another --out (or set name: {name} if it is the same study)"
        )
    if not _same_base(base, study.base):
        raise ConfigError(
            f"{str(run)!r} is the run of a study {name!r} of another base, {base!r}, and this one's "
            f"is {study.base!r}; choose another --out"
        )


def _told(file: Path, study: Study) -> dict[str, Any]:
    try:
        told = disk.json_object(file)
        odd = next((n for n in ("name", "base") if not isinstance(told.get(n, ""), str)), None)
        if odd:
            raise DataError(f"{str(file)!r}: {odd} is {repr(told[odd])[:80]}, expected text")
    except DataError as e:
        raise ConfigError(
            f"{e}: damaged, so nobody knows whose run this is; delete this file if it is that of "
            f"the study {study.name!r} and run again, or choose another --out"
        ) from e
    return told


def _same_base(one: str, other: str) -> bool:
    return one == other or Path(one).name == Path(other).name


def _missing_parents(run: Path) -> list[Path]:
    """The folders that making this one makes, the innermost first."""
    return [p for p in (run, *run.parents) if not p.exists()]


def _tidy(run: Path, made: list[Path]) -> None:
    """Removes what a run that came to nothing has made."""
    own = {_LOCK, _HOLDER, _STUDY}
    with suppress(OSError):
        if {p.name for p in run.iterdir()} <= own:
            for name in own:
                (run / name).unlink(missing_ok=True)
            for folder in made:
                folder.rmdir()
