"""A folder of rows: shards of one kind, or what `datasets` saved to disk.

Shards are read in the order of their names. A name that says a split (``train-00000.parquet``,
``testData.csv``) is of that split alone: rows to test on are never trained on because they lie in
the same folder. A name that may say one is refused where there are others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ptst_tasks.errors import DataError
from ptst_tasks.tabular import SUFFIXES, read_file
from ptst_tasks.unpacking import FILE_TYPES, FileFaultError

__all__ = ["folder_splits"]

Rows = list[dict[str, Any]]

_NAMES = {
    "train": "train", "training": "train", "test": "test", "tests": "test", "testing": "test",
    "validation": "validation", "valid": "valid", "val": "val", "dev": "dev", "eval": "eval",
    "evaluation": "eval", "evals": "eval", "holdout": "held_out", "heldout": "held_out",
}  # fmt: skip
"""Word of a file's name -> the split that it says."""
_HUMP = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # of trainData
_OUT = re.compile(r"(held|hold)[\W_]*out(?![a-z])")
_OF = re.compile(r"(set|data|split|part|file|row|sample)s?$")  # trainset, testdata
_COPY = re.compile(r"(?i)(?:[ _-]+copy(?:[ _]*\(?\d+\)?)?|\s*\(\d+\))$")  # as systems name copies
_SHARD = re.compile(r"(.*?)(\d+)-of-(\d+)(?:-\w+)?")
_SAVED, _SAVED_SPLITS = "state.json", "dataset_dict.json"  # as `save_to_disk` names them


def folder_splits(where: Path, field: str) -> Mapping[str, Callable[[], Rows]]:
    """The splits of a folder, and how each is read; shards that name no split are one without name.

    Raises:
        DataError: If the folder holds no rows, or rows of several kinds.
    """
    if (where / _SAVED_SPLITS).is_file():
        return {name: partial(_saved, where / name) for name in _saved_splits(where)}
    if (where / _SAVED).is_file():
        return {"": partial(_saved, where)}
    files = sorted(f for f in where.iterdir() if _is_data_file(f, where))
    below = sorted(
        {f.relative_to(where).parts[0] for f in where.glob("*/**/*") if _is_data_file(f, where)}
    )
    if below:
        more = " beside its own files" if files else ""
        raise DataError(
            f"{where}: there are rows in folders within it{more} ({', '.join(map(repr, below[:4]))}); "
            f"name one, as {str(where / below[0])!r}"
        )
    kinds = sorted({_suffix(f) for f in files})
    if len(kinds) != 1:
        seen = f"files of several kinds ({', '.join(kinds)})" if kinds else "no file of rows"
        raise DataError(
            f"{where}: a folder with {seen}, expected shards of one kind ({', '.join(FILE_TYPES)})"
        )
    _check_copies(where, files)
    _check_whole(where, files)
    groups: dict[str, list[Path]] = {}
    for file in files:
        groups.setdefault(_split(file, alone=len(files) == 1), []).append(file)
    return {name: partial(_shards, group, field) for name, group in groups.items()}


def _split(file: Path, *, alone: bool) -> str:
    """The split that a file's name says, in words of its own; empty for none.

    Raises:
        DataError: If it may say one, or says two, and there are files beside it.
    """
    stem = _stem(file)
    flat = _OUT.sub(r"\1out ", _HUMP.sub(" ", stem).lower())
    words = [_OF.sub("", word) for word in re.findall("[a-z]+", flat)]
    said = list(dict.fromkeys(_NAMES[word] for word in words if word in _NAMES))
    if not alone and (len(said) > 1 or (not said and "test" in stem.lower())):
        seen = (
            f"the splits {' and '.join(map(repr, said))}" if said else "'test', or a word with it"
        )
        raise DataError(
            f"{file.parent}: {file.name!r} has {seen} in its name, and it does not say whether its rows "
            "are to train on; name files as 'train-0' or 'test-0', or name one file"
        )
    return said[0] if said else ""


def _check_copies(where: Path, files: list[Path]) -> None:
    names = {file.name for file in files}
    for file in files:
        stem = _stem(file)
        original = _COPY.sub("", stem) + file.name[len(stem) :]
        if original != file.name and original in names:
            raise DataError(
                f"{where}: {file.name!r} is a copy of {original!r}, as it seems, and its rows would be "
                "read twice; keep one, or name it otherwise"
            )


def _check_whole(where: Path, files: list[Path]) -> None:
    """Refuses some shards of a set that says how many it has (``train-00000-of-00003``)."""
    there: dict[tuple[str, int], set[int]] = {}
    for file in files:
        if found := _SHARD.fullmatch(_stem(file)):
            there.setdefault((found[1], int(found[3])), set()).add(int(found[2]))
    for (name, count), numbers in there.items():
        lost = sorted(set(range(count)) - numbers)
        if lost and numbers != set(range(1, count + 1)):  # some count from one
            raise DataError(
                f"{where}: of the {count} shards {name + '...'!r} {len(lost)} are not there, the first of "
                f"them number {lost[0]}; get them, or name the rest otherwise"
            )


def _stem(file: Path) -> str:
    return file.name[: -len(_suffix(file)) - 1]


def _is_data_file(file: Path, root: Path) -> bool:
    metadata = ("dataset_info.json", "dataset_infos.json", _SAVED, _SAVED_SPLITS)
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(root).parts)
    return not hidden and file.name not in metadata and bool(_suffix(file))


def _suffix(file: Path) -> str:
    name = file.name.lower()
    return max((s for s in SUFFIXES if name.endswith(f".{s}")), key=len, default="")


def _shards(files: list[Path], field: str) -> Rows:
    rows: Rows = []
    for file in files:
        rows += read_file(file, field)
    return rows


def _saved_splits(where: Path) -> list[str]:
    try:
        names = json.loads((where / _SAVED_SPLITS).read_text(encoding="utf-8"))["splits"]
        if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
            raise TypeError
    except (ValueError, LookupError, TypeError, RecursionError) as e:
        raise DataError(f"{where / _SAVED_SPLITS}: expected a list of names under 'splits'") from e
    return names


def _saved(where: Path) -> Rows:
    """What `datasets` saved: its values as they are stored, whatever format it was set to."""
    import datasets

    from ptst_tasks.arrow_rows import batch_rows

    try:
        data = datasets.load_from_disk(str(where))
        return list(batch_rows(data.with_format("arrow").iter(10_000)))
    except Exception as e:  # the library has no common base for its errors
        words = " ".join(str(e).split())[:200]
        raise DataError(
            f"{where}: cannot be read as a set that datasets saved: "
            + (words if isinstance(e, FileFaultError) else f"{type(e).__name__}: {words}")
        ) from e
