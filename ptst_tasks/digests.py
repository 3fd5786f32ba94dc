"""Digests, JSON files, versions and memory: what a manifest is made of."""

from __future__ import annotations

import array
import contextlib
import hashlib
import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ptst_tasks import __version__
from ptst_tasks.errors import ConfigError
from ptst_tasks.files import replacing

__all__ = [
    "digest_json",
    "ids_digest",
    "peak_memory",
    "read_json",
    "versions",
    "weights_digest",
    "write_json",
]

_PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "tokenizers", "openai")


def digest_json(value: Any) -> str:
    """SHA-256 of a value as canonical JSON, in hex."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    # Lone surrogates come out of byte-level tokenizers; they are no reason to fail.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def ids_digest(rows: Iterable[Sequence[int]]) -> str:
    """SHA-256 of rows of token ids or labels, in their order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(len(row).to_bytes(4, "little"))
        digest.update(array.array("i", row).tobytes())
    return digest.hexdigest()


def weights_digest(folder: Path) -> str:
    """SHA-256 over names and contents of a folder's weights files.

    Raises:
        ConfigError: If there are none.
    """
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if not files:
        raise ConfigError(f"{str(folder)!r} holds no weights (*.safetensors)")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(
                f"{file.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode()
            )
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change an adapter."""
    found = {"python": platform.python_version(), "ptst": __version__}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def peak_memory() -> int:
    """Bytes: the GPU's peak of this process, or without a GPU the process's own."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    # What getrusage says outlives exec: of a process started from a large one it is the parent's.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # kilobytes, but not on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def write_json(file: Path, value: Any) -> None:
    """Writes JSON aside and renames it, so that no reader finds half of it.

    Raises:
        OSError: If it cannot be written; the file is what it was.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    with replacing(file) as aside:
        # Half a character is written as JSON escapes it, which reads back as itself.
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_json(file: Path) -> dict[str, Any] | None:
    """Reads a JSON object; None if the file is missing or is none."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
