"""Folders as values, to be sent from one machine to another."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from ptst_tasks.digests import read_json
from ptst_tasks.files import replacing

__all__ = ["extract", "holds", "pack", "unpack"]

_MANIFEST = "manifest.json"


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


def holds(folder: Path, packed: bytes) -> bool:
    """Whether an adapter's folder has the manifest of a packed one: it is the very same."""
    mine = read_json(folder / _MANIFEST)
    return mine is not None and bool(mine == _manifest(packed))


def _manifest(packed: bytes) -> Any:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for member in tar:
            if member.name.removeprefix("./") == _MANIFEST and (file := tar.extractfile(member)):
                return json.loads(file.read())
    return None
