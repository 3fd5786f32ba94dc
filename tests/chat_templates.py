"""The chat templates that others ship: trl's and vLLM's where installed, llama.cpp's where fetched.

llama.cpp's are in the source distribution of ``llama-cpp-python`` (MIT; 77 MB), fetched once with pip,
checked, and kept under ``$PTST_REAL_MODELS`` or ``~/.cache/ptst-tests``. A folder of one's own may be
named in ``$PTST_CHAT_TEMPLATES``. Nothing of them is ever committed.
"""

from __future__ import annotations

import importlib.util
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.real_models import cache_folder, check_digest, download

__all__ = ["fetched", "found", "read"]

_PACKAGE, _VERSION = "llama-cpp-python", "0.3.36"
_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
_INSIDE = "/vendor/llama.cpp/models/templates/"


def found() -> dict[str, str]:
    """Name -> source of every distinct chat template that is on this machine."""
    out: dict[str, str] = {}
    for folder, name in _folders():
        out |= {key: text for key, text in read(folder, name).items() if text not in out.values()}
    return out


def read(folder: Path, name: str) -> dict[str, str]:
    """A folder's distinct templates, as ``name/template``."""
    out: dict[str, str] = {}
    for file in sorted(folder.glob("*.jinja")):
        if (text := file.read_text("utf-8")) not in out.values():
            out[f"{name}/{file.stem}"] = text
    return out


def _folders() -> Iterator[tuple[Path, str]]:
    for package, inside in (
        ("trl", "chat_templates"),
        ("vllm", "transformers_utils/chat_templates"),
    ):
        spec = importlib.util.find_spec(package)
        for place in (spec and spec.submodule_search_locations) or ():
            yield Path(place) / inside, package
    yield _cached(), "llama.cpp"
    if own := os.environ.get("PTST_CHAT_TEMPLATES"):
        yield Path(own), "own"


def _cached() -> Path:
    return cache_folder() / f"llama.cpp-templates-{_SHA256[:12]}"


def fetched() -> Path:
    """llama.cpp's folder of templates, made if it is not there.

    Raises:
        NotToBeHadError: If the package cannot be fetched here.
    """
    folder = _cached()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
            made = Path(aside) / "templates"
            made.mkdir()
            _take_out(_download(Path(aside)), made)
            made.rename(folder)
    return folder


def _download(aside: Path) -> Path:
    package = download(aside, _PACKAGE, _VERSION, ".tar.gz", "--no-binary", ":all:")
    check_digest(package, _SHA256)
    return package


def _take_out(package: Path, folder: Path) -> None:
    with tarfile.open(package) as packed:
        for member in packed:
            name = member.name.partition(_INSIDE)[2]
            file = packed.extractfile(member) if name.endswith(".jinja") else None
            if file is not None:
                (folder / Path(name).name).write_bytes(file.read())
