"""The learned judge's file: numbers in an ``.npz``, never pickled, checked before any of them is used.

A file holds several models of the same shape: the one that judges, trained on all sources, and for each
source one that never saw it, by which the judge is measured there (`ptst judges`).
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ptst_tasks.digests import digest_json
from ptst_tasks.errors import DataError, DataNotFoundError, said
from ptst_tasks.files import replacing
from ptst_tasks.judges.keywords import LISTS
from ptst_tasks.judges.learned_features import BUCKETS, NAMES, VERSION
from ptst_tasks.judges.learned_marks import MARKS
from ptst_tasks.whole_folders import cache_home

__all__ = ["FORMAT", "Heads", "LearnedFile", "default_file", "load", "packed", "reading", "save",
           "unpacked"]  # fmt: skip

FORMAT = 1
MOST_BYTES = 50_000_000
AGAIN = "`ptst judges --train` makes it anew (docs/judges.md)"
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heads:
    """One model: three heads over the numbers of a pair, one over the words of a query.

    Attributes:
        harm: Weights of the numbers, then the bias: log-odds that the response does the harm asked for.
        harm_unsure: The two probabilities between which it does not say.
        refusal: Likewise, that the response refuses in full.
        refusal_unsure: Likewise.
        partial: Likewise, that what looks like a refusal is one in part; a model that saw no such labels
            has -1000 as its bias.
        request: Weights of the buckets of a query's words, then the bias: log-odds that it asks for harm.
        request_low: Log-odds below which a request is taken to be harmless.
    """

    harm: Numbers
    harm_unsure: Numbers
    refusal: Numbers
    refusal_unsure: Numbers
    partial: Numbers
    request: Numbers
    request_low: Numbers


_NUMBERS, _WORDS = (len(NAMES) + 1,), (BUCKETS + 1,)
_SHAPES = {"harm": _NUMBERS, "harm_unsure": (2,), "refusal": _NUMBERS, "refusal_unsure": (2,),
           "partial": _NUMBERS, "request": _WORDS, "request_low": (1,)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LearnedFile:
    """What a file holds.

    Attributes:
        models: Source that a model never saw -> model; of ``""`` it saw all.
        card: Recipe, sets, licences, record.
        digest: Of all that decides a verdict, in hex; the card is not among it.
    """

    models: dict[str, Heads]
    card: dict[str, Any]
    digest: str


def default_file() -> Path:
    """Where the file is looked for and made: ``$XDG_CACHE_HOME/ptst/learned.npz``."""
    return cache_home() / "learned.npz"


def reading() -> str:
    """Digest of what features are: a model is of no use with others."""
    lists = [[name, one.phrases, one.at_start] for name, one in LISTS.items()]
    return digest_json([VERSION, NAMES, BUCKETS, MARKS, lists])[:16]


def packed(models: Mapping[str, Heads], card: Mapping[str, Any]) -> bytes:
    """The file's bytes; the same for the same models and card."""
    arrays = {f"{name}/{f.name}": getattr(heads, f.name).astype(np.float32)
              for name, heads in models.items() for f in fields(Heads)}  # fmt: skip
    digest = _digest(arrays)
    head = {"format": FORMAT, "reading": reading(), "sources": [*models], "digest": digest}
    text = {"head": head, "card": dict(card)}
    for name, value in text.items():
        data = json.dumps(value, sort_keys=True, ensure_ascii=True).encode()
        arrays[name] = np.frombuffer(data, dtype=np.uint8)
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def save(file: Path, data: bytes) -> None:
    """Puts the bytes in place, whole or not at all.

    Raises:
        DataError: If it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as aside:
            aside.write_bytes(data)
    except OSError as e:
        raise DataError(f"cannot write the learned judge to {str(file)!r}: {said(e)}") from None


def load(file: Path) -> LearnedFile:
    """Reads a file and checks it.

    Raises:
        DataNotFoundError: If it is not there.
        DataError: If it cannot be read, or is no whole file of this version.
    """
    where = repr(str(file))
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
        return unpacked(file.read_bytes())
    except FileNotFoundError:
        raise DataNotFoundError(
            f"the learned judge's file {where} does not exist; `ptst judges --train` makes it from "
            "labelled sets (docs/judges.md)"
        ) from None
    except OSError as e:
        raise DataError(f"the learned judge's file {where} cannot be read: {e.strerror}") from None
    except Exception as e:  # numpy and zipfile raise what their parts do, down to tokenize and lzma
        raise DataError(f"{where} is no file of the learned judge: {said(e)}; {AGAIN}") from None


def unpacked(data: bytes) -> LearnedFile:
    """A file of its bytes, checked.

    Raises:
        ValueError: If they are none, as other errors of numpy and zipfile (see `load`).
    """
    with zipfile.ZipFile(io.BytesIO(data)) as members:
        if sum(m.file_size for m in members.infolist()) > MOST_BYTES:
            raise ValueError(f"it unpacks to more than {MOST_BYTES:,} bytes")
    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        arrays = {name: found[name] for name in found.files}
    head, card = (_json(arrays.pop(name)) for name in ("head", "card"))
    if head["format"] != FORMAT:
        raise ValueError(f"it is of format {head['format']!r}, expected {FORMAT}")
    if head["reading"] != reading():
        raise ValueError("it was made for other features than this version of ptst computes")
    sources = [str(source) for source in head["sources"]]
    if "" not in sources:
        raise ValueError("it lacks the model that saw all sources")
    models = {source: _heads(arrays, source) for source in sources}
    if {name.rpartition("/")[0] for name in arrays} - set(sources):
        raise ValueError("its models are not of the sources that it names")
    if (digest := _digest(arrays)) != head["digest"]:
        raise ValueError(
            f"its numbers have the digest {digest[:16]}, expected {head['digest'][:16]}"
        )
    return LearnedFile(models, card, digest)


def _heads(arrays: Mapping[str, Any], source: str) -> Heads:
    values = {}
    for name, shape in _SHAPES.items():
        one = arrays[f"{source}/{name}"]
        if one.shape != shape or one.dtype != np.float32:
            raise ValueError(f"{source}/{name} is {one.dtype}{one.shape}, expected float32{shape}")
        if not np.isfinite(one).all():
            raise ValueError(f"{source}/{name} holds numbers that are not finite")
        values[name] = one.astype(np.float64)
    return Heads(**values)


def _json(array: Any) -> dict[str, Any]:
    value = json.loads(array.tobytes())
    if not isinstance(value, dict):
        raise ValueError("its head or card is no object")
    return value


def _digest(arrays: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        one = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {one.dtype.str} {one.shape}\n".encode())
        digest.update(one.tobytes())
    return digest.hexdigest()
