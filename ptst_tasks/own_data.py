"""What a user names as data of their own: a file, a folder, or a data set on the hub.

    mine.jsonl  rows.csv.gz  rows.zip  a file (`tabular`)
    folder                             shards of one kind, or what `datasets` saved to disk
    folder:split                       one split of it
    owner/name[/config][:split]        a set on the hub

What is there on disk wins. What looks like a path (it begins with a dot, a slash or ``~``, or ends
like a file) is never looked for on the hub. Without a split the only one is taken, else the one
that is named as what is done, ``train`` or ``test``; the origin says which it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ptst_tasks.errors import DataError, did_you_mean
from ptst_tasks.remote_sets import HubId, hub_splits
from ptst_tasks.row_folders import folder_splits
from ptst_tasks.tabular import read_file
from ptst_tasks.unpacking import FILE_TYPES, PACKINGS

__all__ = ["beside", "find", "is_data", "is_remote", "own_rows", "read_place", "split_off"]

T = TypeVar("T")
Rows = list[dict[str, Any]]

_HUB_ID = re.compile(
    r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:/(?P<config>[^/:\\]+))?"
    r"(?::(?P<split>\w[\w.-]*))?",
    re.ASCII,
)
_FILES = (*FILE_TYPES, *PACKINGS, "txt", "xlsx", "xls", "ods", "yaml", "yml", "py", "tar", "pkl")


def is_data(said: str) -> bool:
    """Whether a word can be data at all: it is there, or has the form of a path or of a hub id."""
    place, _ = _place(said)
    return place is not None or _is_pathlike(said) or is_remote(said)


def is_remote(said: str) -> bool:
    """Whether a word is a URL, or has the form of a hub id and none of a path; no folder is asked."""
    return "://" in said or (bool(_HUB_ID.fullmatch(said)) and not _is_pathlike(said))


def beside(said: str, folder: Path) -> str:
    """A path as it is named in a file in `folder`, made absolute; a URL or an id of the hub as it is."""
    path, split = split_off(said, folder)
    if is_remote(said) and not _is_there(folder / path):
        return said
    return str((folder / _home(path)).absolute()) + split


def split_off(said: str, folder: Path) -> tuple[str, str]:
    """A path and the split behind it with its colon, where the path is there, here or in `folder`."""
    stem, colon, split = said.rpartition(":")
    if not (colon and stem) or any(_is_there(root / _home(said)) for root in (folder, Path())):
        return said, ""
    there = any(_is_there(root / _home(stem)) for root in (folder, Path()))
    return (stem, colon + split) if there else (said, "")


def find(said: str) -> tuple[Path | HubId, str]:
    """What is meant, and which split of it, if that is said."""
    place, split = _place(said)
    if place is not None:
        return place, split
    found = _HUB_ID.fullmatch(said)
    if not found or _is_pathlike(said):
        return _home(said), ""
    parts = found.groupdict(default="")
    return HubId(parts["repo"], parts["config"]), parts["split"]


def own_rows(said: str, *, training: bool, field: str = "") -> tuple[Rows, str]:
    """Loads a user's data.

    Args:
        said: As it is written; see above.
        training: Whether they are to be trained on: which split is usual.
        field: Key of a JSON object under which the rows are.

    Returns:
        Its rows, and where they came from.

    Raises:
        DataNotFoundError: If the hub has none of that name.
        DataError: If it cannot be read, or it does not say which split.
    """
    where, split = find(said)
    usual = "train" if training else "test"
    if isinstance(where, Path):
        return read_place(where, split, usual, field)
    splits = hub_splits(where)
    name, data = _pick(splits, split, usual, f"the hub's {where}", lambda n: f"{where}:{n}")
    if not (rows := data()):
        raise DataError(f"{where}: the split {name!r} holds no rows")
    return rows, f"{where}:{name}"


def read_place(where: Path, split: str, usual: str, field: str = "") -> tuple[Rows, str]:
    """Reads a file, or a split of a folder; see `own_rows`."""
    if not where.is_dir():
        if split:
            raise DataError(f"{where}: a file has no splits, and {split!r} was asked for")
        return read_file(where, field), str(where)
    try:
        splits = folder_splits(where, field)
    except OSError as e:
        raise DataError(f"{where}: cannot be read: {e.strerror or e}") from e
    name, data = _pick(splits, split, usual, str(where), lambda n: f"{where}:{n}")
    if not (rows := data()):
        raise DataError(f"{where}: the folder's rows are none")
    return rows, f"{where}:{name}" if name else str(where)


def _place(said: str) -> tuple[Path | None, str]:
    if said and _is_there(whole := _home(said)):
        return whole, ""
    stem, colon, split = said.rpartition(":")
    if colon and stem and _is_there(place := _home(stem)):
        return place, split
    return None, ""


def _home(said: str) -> Path:
    try:
        return Path(said).expanduser()
    except RuntimeError:  # of a user whom this machine does not know
        return Path(said)


def _is_there(place: Path) -> bool:
    try:
        return place.exists() or place.is_symlink()  # one that leads nowhere is a fault, not absent
    except (OSError, ValueError):  # a name that is too long, or has a NUL in it
        return False


def _is_pathlike(said: str) -> bool:
    end = said.lower().rpartition(".")[2] if "." in said else ""
    return said.startswith((".", "/", "~", "\\")) or end in _FILES


def _pick(
    splits: Mapping[str, T], said: str, usual: str, where: str, write: Callable[[str], str]
) -> tuple[str, T]:
    names = [name for name in splits if name]
    if said and said not in splits:
        has = f"has {', '.join(map(repr, names))}" if names else "has no splits"
        raise DataError(f"{where} {has}, not {said!r}; {did_you_mean(said, names)}".rstrip("; "))
    if said or len(splits) == 1:
        name = said or next(iter(splits))
        return name, splits[name]
    if usual in splits and "" not in splits:
        return usual, splits[usual]
    odd = " and files of none" * ("" in splits)
    raise DataError(
        f"{where} has the splits {', '.join(map(repr, names))}{odd}; say which, as {write(names[0])!r}"
    )
