"""A GGUF file as a base: read once through transformers, kept as a normal Hugging Face folder.

Weights are dequantised to float32, which holds every value of the file exactly: loaded in any dtype,
they are what transformers' own ``gguf_file=`` gives. Tokenizer, chat template and end-of-turn come out of
the file. A folder is kept per content of a file, so a copy elsewhere is the same base.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

from ptst_tasks.digests import read_json, weights_digest, write_json
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.model_files import GGUF_MARKER, check_safetensors
from ptst_tasks.whole_folders import cache_home, made_whole

__all__ = ["as_folder", "check", "digest_of", "is_gguf", "kept"]

VERSION = 1
"""Raised when the same file would give other numbers or another tokenizer."""

WORTH_A_NOTE = 100 * 2**20
"""Bytes from which on a reader waits, and a disk shows it."""

_MAGIC = b"GGUF"
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf$")


def is_gguf(name: str) -> bool:
    """Whether a base's name is that of a GGUF file."""
    return name.lower().endswith(".gguf") and not Path(name).is_dir()


def check(file: Path) -> Any:
    """Looks at a file's header and the places of its tensors; reads no weights.

    Returns:
        The gguf package's reader.

    Raises:
        ConfigError: If there is no such file, or it is cut, split, no GGUF, or of no use here.
    """
    if not file.is_file():
        raise _wrong(file, "there is no such file")
    if importlib.util.find_spec("gguf") is None:
        raise _wrong(file, "reading it needs the package gguf: pip install 'ptst[gguf]'")
    if _SPLIT.search(file.name):
        raise _wrong(
            file, "it is one part of several; join them with llama.cpp's gguf-split --merge"
        )
    from gguf import GGUFReader

    try:
        with file.open("rb") as opened:
            begins = opened.read(4)
        if begins != _MAGIC:
            raise _wrong(file, f"it begins with {begins!r}, and a GGUF file with {_MAGIC!r}")
        reader = GGUFReader(file)
        kinds = _field(reader, "general.architecture")
    except ConfigError:
        raise
    except Exception as e:  # the reader walks through the file by what it says of itself
        raise _wrong(file, f"it is cut or damaged ({said(e)[:120]}); get it again") from None
    if not kinds:
        raise _wrong(file, "it says no architecture")
    if _unknown(kinds):
        raise _wrong(file, f"transformers cannot read its architecture {kinds!r}")
    if _field(reader, "tokenizer.ggml.model") is None:
        raise _wrong(file, "it has no tokenizer; use a file of a whole model")
    return reader


def as_folder(path: str | Path) -> Path:
    """The folder of a GGUF file; made if it is not there.

    Raises:
        ConfigError: If the file is no model that transformers can read, or there is no room.
    """
    file = Path(path)
    reader = check(file)
    digest = digest_of(file)
    out = _place(file, digest)
    if _whole(out):
        return out
    if out.exists():
        shutil.rmtree(out, ignore_errors=True)  # half of a folder, which is made again
    needed = 4 * sum(int(tensor.n_elements) for tensor in reader.tensors)
    _check_room(out, needed, file)
    if needed > WORTH_A_NOTE:
        print(f"note: {file.name} is read once and kept as {str(out)!r} ({needed / 1e9:.1f} GB)",
              file=sys.stderr)  # fmt: skip
    with made_whole(out, f"the model of {file.name}") as folder:
        _convert(file, folder)
        write_json(folder / GGUF_MARKER, _record(file, digest, reader, weights_digest(folder)))
    return out


def kept(path: str | Path) -> Path | None:
    """The folder of a GGUF file if it was made before; makes nothing."""
    file = Path(path)
    try:
        out = _place(file, digest_of(file))
    except OSError:
        return None
    return out if _whole(out) else None


def _whole(folder: Path) -> bool:
    """Whether the folder of a file is there, with all that its headers promise."""
    names = (GGUF_MARKER, "config.json", "tokenizer_config.json")
    if not all(read_json(folder / name) is not None for name in names):
        return False
    try:
        for weights in folder.glob("*.safetensors"):
            check_safetensors(weights)
    except ConfigError:
        return False
    return any(folder.glob("*.safetensors"))


def _place(file: Path, digest: str) -> Path:
    stem = re.sub(r"[^\w.-]", "_", file.stem)[:60]
    return cache_home() / "gguf" / f"{stem}-{digest[:12]}-{VERSION}"


def _convert(file: Path, folder: Path) -> None:
    """Reads the file and saves what it holds.

    transformers marks what it read as quantised, which cannot be saved: the numbers go into a fresh
    model of the same configuration.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    where: dict[str, Any] = {"gguf_file": file.name}
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    bar = "transformers.modeling_gguf_pytorch_utils.tqdm"
    try:
        with mock.patch(bar, lambda tensors, **_: tensors):
            tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
            read = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **where)
        del read.config.quantization_config
        model = AutoModelForCausalLM.from_config(read.config, dtype=torch.float32)
        model.load_state_dict(read.state_dict())
        model.tie_weights()
        model.generation_config = read.generation_config
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except OSError:
        raise
    except Exception as e:  # transformers, tokenizers and gguf raise whatever they meet in a file
        if type(e).__name__ == "SafetensorError":  # of a full disk
            raise
        why = " ".join(str(e).split())[:200] or said(e)
        raise _wrong(file, f"transformers cannot read it: {why}") from None
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _record(file: Path, digest: str, reader: Any, weights: str) -> dict[str, Any]:
    kinds = Counter(tensor.tensor_type.name for tensor in reader.tensors)
    return {
        "kind": "gguf",
        "version": VERSION,
        "file": file.name,
        "sha256": digest,
        "weights": weights,
        "bytes": file.stat().st_size,
        "architecture": _field(reader, "general.architecture"),
        "name": _field(reader, "general.name"),
        "licence": _field(reader, "general.license"),
        "tensors": dict(sorted(kinds.items())),
        "versions": {name: importlib.metadata.version(name) for name in ("gguf", "transformers")},
    }


def _unknown(architecture: str) -> bool:
    """Whether transformers says so of itself; what is only spelt otherwise is left to it."""
    try:
        from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES as KNOWN
    except ImportError:
        return False
    plain = re.compile(r"[^a-z0-9]")
    said = plain.sub("", architecture.lower())
    return not any(said.startswith(plain.sub("", name)) for name in KNOWN)


def _field(reader: Any, name: str) -> str | None:
    field = reader.fields.get(name)
    return None if field is None else str(field.contents())


def _check_room(out: Path, needed: int, file: Path) -> None:
    place = next(p for p in out.parents if p.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise _wrong(
            file, f"its weights take {needed / 1e9:.1f} GB in float32, and {str(place)!r} has "
            f"{free / 1e9:.1f} GB free; set XDG_CACHE_HOME to a place with room",
        )  # fmt: skip


def digest_of(file: Path) -> str:
    """SHA-256 of a file, remembered by its place, size and time: a large one takes a while to read.

    Raises:
        OSError: If it cannot be read.
    """
    stat = file.stat()
    key = f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    notes = cache_home() / "gguf" / "digests.json"
    known = read_json(notes) or {}
    if isinstance(found := known.get(key), str):
        return found
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    try:
        notes.parent.mkdir(parents=True, exist_ok=True)
        write_json(notes, {**(read_json(notes) or {}), key: digest})
    except OSError:  # then it is read again the next time
        pass
    return digest


def _wrong(file: Path, why: str) -> ConfigError:
    return ConfigError(
        f"the base {str(file)!r} cannot be used: {why}; expected a GGUF file of a whole model that "
        "transformers reads"
    )
