"""Disks that are full or read-only, for real: small file systems in memory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["SmallDisk", "fill", "small_disk"]


class SmallDisk:
    """A mounted file system of its own.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read_only(self, on: bool = True) -> None:
        """Makes it read-only, or writable again."""
        subprocess.run(["mount", "-o", f"remount,{'ro' if on else 'rw'}", self.path], check=True)


@contextmanager
def small_disk(path: Path, kilobytes: int) -> Iterator[SmallDisk]:
    """Mounts a file system of this size at `path`; skips the test where that is not allowed."""
    path.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        why = done.stderr.strip() if done.returncode else ""
    except OSError as e:
        why = str(e)
    if why:
        pytest.skip(f"needs a file system that may be mounted: {why}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(disk: SmallDisk, *, leave: int = 0) -> Path:
    """Fills a disk but for so many kilobytes; returns the file that does it."""
    file = disk.path / ".filler"
    with file.open(
        "wb", buffering=0
    ) as out:  # what is left in a buffer would fail again at its end
        try:
            while True:
                out.write(b"\0" * 4096)
        except OSError:
            pass
        size = file.stat().st_size
    with file.open("r+b") as out:
        out.truncate(max(0, size - 1024 * leave))
    return file
