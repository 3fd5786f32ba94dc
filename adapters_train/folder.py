"""The run's folder: ``OUT.part`` while it trains, renamed to ``OUT`` when it is whole.

The same command finds an unfinished ``OUT.part`` and goes on, or a finished ``OUT`` and leaves it;
a folder with anything else in it is left alone and reported.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptst_tasks.digests import read_json, write_json
from ptst_tasks.errors import ConfigError

__all__ = ["MANIFEST", "RunFolder", "is_main"]

MANIFEST = "manifest.json"
_RUN = "run.json"
_LOCK = ".lock"
_RESUME = "resume"
_WHOLE = "whole.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where one run lives.

    Attributes:
        out: The finished folder.
    """

    out: Path

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

        Raises:
            ConfigError: If the folder, or the unfinished one, holds anything else.
        """
        if self.out.is_file() or (self.out.is_dir() and any(self.out.iterdir())):
            manifest = self.manifest()
            _check_same(self.out, manifest, identity)
            return manifest
        # The first of several processes may be making the unfinished folder right now.
        if is_main() and self.part.exists() and any(self.part.iterdir()):
            whole = read_json(self.part / MANIFEST)
            _check_same(self.part, whole or read_json(self.part / _RUN) or {}, identity)
            if whole:  # stopped between the manifest and the rename
                self._rename()
                return whole
        return None

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
        try:
            self.part.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.part / _LOCK, timeout=0):
                write_json(self.part / _RUN, {"config": config, "inputs": inputs})
                yield
        except filelock.Timeout:
            raise ConfigError(f"another process is training into {str(self.part)!r}") from None
        except OSError as e:
            raise ConfigError(f"cannot write {str(self.part)!r}: {e.strerror or e}") from None

    def checkpoint(self) -> Path | None:
        """The newest whole checkpoint; halves of one are removed."""
        whole = {}
        for folder in self.resume.glob("checkpoint-*"):
            if (folder / _WHOLE).is_file():
                whole[self.step(folder)] = folder
            elif is_main():  # the process was killed while it wrote this one
                shutil.rmtree(folder)
        return whole[max(whole)] if whole else None

    def mark_whole(self, step: int, seconds: float) -> None:
        """Says that the checkpoint of `step` is on disk as a whole."""
        write_json(self.resume / f"checkpoint-{step}" / _WHOLE, {"seconds": seconds})

    @staticmethod
    def seconds(checkpoint: Path | None) -> float:
        """Seconds of training up to a checkpoint."""
        told = read_json(checkpoint / _WHOLE) if checkpoint else None
        return float(told["seconds"]) if told else 0.0

    @staticmethod
    def step(checkpoint: Path | None) -> int:
        """Optimiser steps done at a checkpoint."""
        return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0

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
        for name in (_RUN, _LOCK):
            (self.part / name).unlink(missing_ok=True)
        self.part.replace(self.out)


def is_main() -> bool:
    """Whether this is the only, or the first, process of a run."""
    return os.environ.get("RANK", "0") == "0"


def _check_same(folder: Path, record: dict[str, Any], wanted: dict[str, Any]) -> None:
    if not {"config", "inputs"} <= record.keys():
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
