"""Folders as values, to be sent from one machine to another."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from ptst_tasks.files import replacing

__all__ = ["extract", "pack", "unpack"]


def pack(folder: Path) -> bytes:
    """A folder's contents as one value."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(folder, arcname=".")
    return out.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Writes a packed folder aside and renames it when whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with replacing(folder) as aside:
        aside.mkdir()
        extract(packed, aside)


def extract(packed: bytes, folder: Path) -> None:
    """Writes a packed folder's contents into an empty one."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")
