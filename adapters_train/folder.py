"""The run's folder: ``OUT.part`` while it trains, renamed to ``OUT`` when it is whole.

The same command finds an unfinished ``OUT.part`` and goes on, or a finished ``OUT`` and leaves it;
a folder with anything else in it is left alone and reported.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters_train.folder_checks import MANIFEST, WHOLE, check_same, file_digests, run_damage, torn
from ptst_tasks.digests import read_json, write_json
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.files import working
from ptst_tasks.model_files import check_weights

__all__ = ["MANIFEST", "RunFolder", "check_weights", "is_main"]

_RUN = "run.json"
_LOCK = ".lock"
_RESUME = "resume"
_OWNER = ".owner"
_OURS = frozenset({_RUN, _LOCK, _OWNER, _RESUME, "adapter", "train.jsonl"})
"""What an unfinished folder may hold that is of no worth without a checkpoint."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where one run lives.

    Attributes:
        out: The finished folder.
    """

    out: Path

    def __post_init__(self) -> None:
        """Refuses a folder without a name of its own: the work is done beside it."""
        if self.out.name in ("", ".."):
            raise ConfigError(f"--out {str(self.out)!r} names no folder of its own; name a new one")

    @property
    def part(self) -> Path:
        """The folder while the run is unfinished."""
        return self.out.with_name(f"{self.out.name}.part")

    @property
    def resume(self) -> Path:
        """Where the checkpoints are from which an interrupted run goes on."""
        return self.part / _RESUME

    def manifest(self) -> dict[str, Any]:
        """The finished run's manifest; empty if there is none."""
        return read_json(self.out / MANIFEST) or {}

    def finished(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """Returns the manifest if this very run is finished, None if the folder is free.

        A finished run that is damaged goes aside, as ``OUT.damaged-1``, and the folder is free.

        Raises:
            ConfigError: If the folder, or the unfinished one, holds anything else.
        """
        if self.out.is_file() or (self.out.is_dir() and any(self.out.iterdir())):
            manifest = self.manifest()
            broken = self._unreadable()
            if not broken:
                check_same(self.out, manifest, identity)
                broken = run_damage(self.out, manifest)
            if not broken:
                return manifest
            if is_main():
                _put_aside(self.out, f"{broken}; it is trained again")
        # The first of several processes may be making the unfinished folder right now.
        if is_main() and self.part.exists() and any(self.part.iterdir()):
            return self._unfinished(identity)
        return None

    def holds(self, identity: dict[str, Any]) -> bool:
        """Whether this very run is finished here and whole; changes nothing."""
        manifest = self.manifest()
        if not manifest:
            return False
        try:
            check_same(self.out, manifest, identity)
        except ConfigError:
            return False
        return not run_damage(self.out, manifest)

    def _unreadable(self) -> str:
        """What is wrong with a manifest that is there, beside an adapter, and cannot be read."""
        file = self.out / MANIFEST
        ours = file.is_file() and (self.out / "adapter_config.json").exists()
        return f"{str(file)!r} is damaged" if ours and read_json(file) is None else ""

    def _unfinished(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """The manifest of a run that stopped just before its last rename; None to go on with it."""
        whole, run = read_json(self.part / MANIFEST), read_json(self.part / _RUN)
        if whole is None and self._worthless():
            return None
        if whole is None and run is None and (self.part / _RUN).exists():
            _put_aside(self.part, f"{str(self.part / _RUN)!r} is damaged; it is trained again")
            return None
        check_same(self.part, whole or run or {}, identity)
        if whole is None:
            return None
        if broken := run_damage(self.part, whole):  # stopped between the manifest and the rename
            _note(f"{broken}; training goes on from the last checkpoint")
            return None
        self._rename()
        return whole

    def _worthless(self) -> bool:
        """Whether the unfinished folder holds nothing that anyone could go on from."""
        names = {p.name for p in self.part.iterdir()}
        begun = not names or bool(names & {_RUN, _LOCK})  # else somebody else's, of the same names
        ours = begun and all(n in _OURS or _left(n) for n in names)
        return ours and not self._whole()

    def check_writable(self) -> None:
        """Tries whether the folder could be made, before anything is read; leaves nothing behind.

        Raises:
            ConfigError: If it could not.
        """
        try:
            place = self.part
            while not place.exists() and place != place.parent:
                place = place.parent
            if not place.is_dir():
                raise NotADirectoryError(20, "Not a directory")
            aside = working(place / self.part.name)
            aside.touch()
            aside.unlink()
        except OSError as e:
            if not self.out.exists() or not any(self.out.iterdir() if self.out.is_dir() else [1]):
                raise ConfigError(
                    f"cannot write {str(self.part)!r} (--out): {e.strerror or said(e)}"
                ) from None

    @contextlib.contextmanager
    def claim(self, config: dict[str, Any], inputs: dict[str, Any]) -> Iterator[None]:
        """Holds the unfinished folder for this run; of several processes, for the first.

        Raises:
            ConfigError: If it cannot be written, or another run's process has it.
        """
        import filelock

        if not is_main():
            yield
            return
        made = [p for p in (self.part, *self.part.parents) if not p.exists()]
        try:
            self.part.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.part / _LOCK, timeout=0):
                try:
                    self._sweep()
                    write_json(
                        self.part / _OWNER, {"host": socket.gethostname(), "pid": os.getpid()}
                    )
                    write_json(self.part / _RUN, {"config": config, "inputs": inputs})
                    yield
                finally:
                    self._leave(made)
        except filelock.Timeout:
            raise ConfigError(
                f"another process is training into {str(self.part)!r}{self._owner()}; wait for it, "
                "or choose another folder"
            ) from None
        except OSError as e:
            _remove_empty(made)
            raise ConfigError(f"cannot write {str(self.part)!r}: {e.strerror or said(e)}") from None

    def _owner(self) -> str:
        told = read_json(self.part / _OWNER)
        return f" ({told.get('host')}, pid {told.get('pid')})" if told else ""

    def _sweep(self) -> None:
        """Removes what kills of earlier processes left; only for who holds the lock."""
        found = [*self.part.glob(".*"), *self.part.glob("steps/.*"), self.part / "adapter"]
        for left in found:
            if left.name != "adapter" and not _left(left.name):
                continue
            with contextlib.suppress(OSError):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)

    def _leave(self, made: list[Path]) -> None:
        """Leaves no halves behind, and no folder that nobody could go on from."""
        if not self.part.exists():  # it is finished
            return
        self._sweep()
        whole = self._whole()
        for folder in self.resume.glob("checkpoint-*"):
            if folder not in whole.values():
                shutil.rmtree(folder, ignore_errors=True)
        (self.part / _OWNER).unlink(missing_ok=True)
        if not (self.part / MANIFEST).exists() and self._worthless():
            shutil.rmtree(self.part, ignore_errors=True)
            _remove_empty(made)

    def checkpoint(self) -> Path | None:
        """The newest whole checkpoint; others that are not whole are removed, and named."""
        whole = self._whole()
        while whole:
            newest = whole.pop(max(whole))
            broken = torn(newest)
            if not broken:
                return newest
            if is_main():
                before = f"step {max(whole)}" if whole else "the beginning"
                _note(f"{broken}; training goes on from {before}")
                shutil.rmtree(newest)
        return None

    def _whole(self) -> dict[int, Path]:
        """Step -> checkpoint, of those that were marked whole."""
        found = self.resume.glob("checkpoint-*")
        return {self.step(p): p for p in found if (p / WHOLE).is_file()}

    def clear_halves(self) -> None:
        """Removes checkpoints in whose writing a process was killed."""
        whole = self._whole().values()
        for folder in self.resume.glob("checkpoint-*"):
            if folder not in whole and is_main():
                shutil.rmtree(folder)

    def mark_whole(self, step: int, seconds: float) -> None:
        """Says that the checkpoint of `step` is on disk as a whole, and what it holds."""
        folder = self.resume / f"checkpoint-{step}"
        write_json(folder / WHOLE, {"seconds": seconds, "files": file_digests(folder)})

    @staticmethod
    def seconds(checkpoint: Path | None) -> float:
        """Seconds of training up to a checkpoint."""
        told = (read_json(checkpoint / WHOLE) or {}).get("seconds") if checkpoint else None
        return float(told) if isinstance(told, int | float) and math.isfinite(told) else 0.0

    @staticmethod
    def step(checkpoint: Path | None) -> int:
        """Optimiser steps done at a checkpoint."""
        number = checkpoint.name.rpartition("-")[2] if checkpoint else "0"
        return int(number) if number.isdecimal() else 0

    def finish(self, manifest: dict[str, Any], adapter: Path | None = None) -> None:
        """Moves the adapter to the folder's top, writes the manifest and renames the folder."""
        if adapter:
            for file in sorted(adapter.iterdir()):
                file.replace(self.part / file.name)
            adapter.rmdir()
        write_json(self.part / MANIFEST, manifest)
        self._rename()

    def _rename(self) -> None:
        shutil.rmtree(self.resume, ignore_errors=True)
        for name in (_RUN, _OWNER, _LOCK):
            (self.part / name).unlink(missing_ok=True)
        self.part.replace(self.out)


def is_main() -> bool:
    """Whether this is the only, or the first, process of a run."""
    return os.environ.get("RANK", "0") == "0"


def _left(name: str) -> bool:
    """Whether a name is that of something that was being written (`ptst_tasks.files.working`)."""
    return name.startswith(".") and name.endswith(".tmp")


def _put_aside(folder: Path, why: str) -> None:
    """Gives a damaged folder another name; nothing of it is deleted."""
    number = 1
    while (aside := folder.with_name(f"{folder.name}.damaged-{number}")).exists():
        number += 1
    with contextlib.suppress(FileNotFoundError):  # another process was first
        folder.rename(aside)
    _note(f"{why}, and the damaged one is kept as {str(aside)!r}")


def _note(what: str) -> None:
    print(f"note: {what}", file=sys.stderr)


def _remove_empty(folders: list[Path]) -> None:
    """Removes folders that were made for a run that never began, from the innermost."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
