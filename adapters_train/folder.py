"""The run's folder: ``OUT.part`` while it trains, renamed to ``OUT`` when it is whole.

The same command finds an unfinished ``OUT.part`` and goes on, or a finished ``OUT`` and leaves it;
a folder with anything else in it is left alone and reported.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptst_tasks.digests import read_json, weights_digest, write_json
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.files import working
from ptst_tasks.model_files import check_weights

__all__ = ["MANIFEST", "RunFolder", "check_weights", "is_main"]

MANIFEST = "manifest.json"
_RUN = "run.json"
_LOCK = ".lock"
_RESUME = "resume"
_WHOLE = "whole.json"
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
        """Refuses a folder without a name of its own: the work is done beside it.

        Raises:
            ConfigError: On ``.``, ``..`` and ``/``.
        """
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
                _check_same(self.out, manifest, identity)
                broken = _damage(self.out, manifest)
            if not broken:
                return manifest
            if is_main():
                _put_aside(self.out, f"{broken}; it is trained again")
        # The first of several processes may be making the unfinished folder right now.
        if is_main() and self.part.exists() and any(self.part.iterdir()):
            return self._unfinished(identity)
        return None

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
        _check_same(self.part, whole or run or {}, identity)
        if whole is None:
            return None
        if broken := _damage(self.part, whole):  # stopped between the manifest and the rename
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
            broken = _torn(newest)
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
        return {self.step(p): p for p in found if (p / _WHOLE).is_file()}

    def clear_halves(self) -> None:
        """Removes checkpoints in whose writing a process was killed."""
        whole = self._whole().values()
        for folder in self.resume.glob("checkpoint-*"):
            if folder not in whole and is_main():
                shutil.rmtree(folder)

    def mark_whole(self, step: int, seconds: float) -> None:
        """Says that the checkpoint of `step` is on disk as a whole, and what it holds."""
        folder = self.resume / f"checkpoint-{step}"
        write_json(folder / _WHOLE, {"seconds": seconds, "files": _files(folder)})

    @staticmethod
    def seconds(checkpoint: Path | None) -> float:
        """Seconds of training up to a checkpoint."""
        told = (read_json(checkpoint / _WHOLE) or {}).get("seconds") if checkpoint else None
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


def _files(folder: Path) -> dict[str, str]:
    """Digests of a checkpoint's files, but for those that other processes of the run write."""
    found = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name != _WHOLE and not file.name.startswith("rng_state_"):
            with file.open("rb") as stream:
                found[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


def _torn(checkpoint: Path) -> str:
    """What is wrong with a checkpoint that was marked whole; empty for nothing."""
    told = read_json(checkpoint / _WHOLE)
    if told is None:
        return f"{str(checkpoint / _WHOLE)!r} is damaged"
    try:
        if not isinstance(files := told.get("files"), Mapping):  # of 0.2 and before
            check_weights(checkpoint)
            files = {}
        here = _files(checkpoint)
    except (ConfigError, OSError) as e:
        return said(e)
    bad = [name for name, digest in files.items() if here.get(name) != digest]
    return f"{str(checkpoint / bad[0])!r} is damaged" if bad else ""


def _damage(folder: Path, manifest: Mapping[str, Any]) -> str:
    """What is wrong with a finished run; empty for nothing, and for those of the API."""
    if manifest.get("kind") == "openai":
        return ""
    adapter, losses = manifest.get("adapter"), manifest.get("losses")
    if not (
        isinstance(adapter, Mapping)
        and isinstance(losses, list)
        and losses
        and all(isinstance(r, list) and len(r) == 3 and _number(r[1]) for r in losses)
    ):
        return f"{str(folder / MANIFEST)!r} is damaged"  # fmt: skip
    try:
        check_weights(folder)
        if adapter.get("weights") == weights_digest(folder):
            return ""
    except (ConfigError, OSError) as e:
        return said(e)
    return f"the weights in {str(folder)!r} are not those that its {MANIFEST} names"


def _left(name: str) -> bool:
    """Whether a name is that of something that was being written (`ptst_tasks.files.working`)."""
    return name.startswith(".") and name.endswith(".tmp")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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


def _check_same(folder: Path, record: dict[str, Any], wanted: dict[str, Any]) -> None:
    if not all(isinstance(record.get(part), Mapping) for part in ("config", "inputs")):
        raise ConfigError(
            f"{str(folder)!r} exists and holds no run of ptst train; choose a new folder"
        )
    found = {**record["config"], **record["inputs"]}
    # 0.1.0 recorded fewer inputs; those that it did record must agree.
    known = wanted.keys() if "base_config" in found else wanted.keys() & found.keys()
    # Where files lie changes nothing once digests of what is in them agree.
    digests = "base_weights" in found and found.get("token_ids") == wanted.get("token_ids")
    where = {"model", "data", "templates"} if digests else set()
    keys = [k for k in wanted if k in known and k not in where and found.get(k) != wanted[k]]
    if keys:
        told = "; ".join(f"{k} was {found.get(k)!r}, now {wanted[k]!r}" for k in keys[:3])
        raise ConfigError(
            f"{str(folder)!r} holds another run ({told}); choose a new folder or remove that one"
        )
