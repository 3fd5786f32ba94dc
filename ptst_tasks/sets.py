"""The registry of data sets, and `load`, which turns a name into rows.

A set comes from ``$PTST_DATA_DIR/<folder>/<split>.*`` (`tabular.SUFFIXES`) where that folder
has it, else from its authors' public file or the hub. One row of the table below says all of
that, with the columns accepted; adding a set is adding a row.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ptst_tasks import readers
from ptst_tasks.errors import ConfigError, DataError, UnknownNameError
from ptst_tasks.own_data import own_rows, read_place
from ptst_tasks.readers import Row, RowFaultError
from ptst_tasks.remote_sets import remote
from ptst_tasks.set_source import ENV, Source
from ptst_tasks.set_table import GOAL, WHICH, table
from ptst_tasks.shapes.own_rows import OwnPrompts, OwnTraining
from ptst_tasks.tabular import SUFFIXES

__all__ = ["REGISTRY", "Loaded", "Source", "custom", "fingerprint", "get", "load", "locate"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rows of a set, where they came from, and a digest of exactly these rows.

    Attributes:
        source: The set.
        rows: Its rows.
        origin: File, URL or repository.
        left_out: Rows of the copy that are none of the set's (see `Source.keep`).
        notes: What of the copy was not used, and the like; see `readers.notes`.
    """

    source: Source
    rows: list[Row] = field(repr=False)
    origin: str
    left_out: int = 0
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits; changes with any value of any row, and with their order."""
        return fingerprint(self.rows)


def sampled(loaded: Loaded, wanted: int | None) -> Loaded:
    """So many rows of a set at random, in its order; all of them if there are not more.

    Drawn by the rows' ids alone: a sample of 100 lies within that of 200, and is the same whatever
    else the copy holds.

    Args:
        loaded: The set.
        wanted: Rows; None for all.
    """
    if wanted is None:
        return loaded
    drawn = sorted(
        loaded.rows, key=lambda row: hashlib.sha256(f"sample {row['id']}".encode()).digest()
    )
    kept = {row["id"] for row in drawn[:wanted]}
    return replace(loaded, rows=[row for row in loaded.rows if row["id"] in kept])


def fingerprint(rows: list[Row]) -> str:
    """Returns sixteen hex digits of the SHA-256 of the rows as canonical JSON."""
    text = json.dumps(rows, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def held_out(row: Row, one_in: int = 20) -> bool:
    """Whether a row of a set without splits belongs to its test part: one in twenty, by its id."""
    return int(row["id"][:12], 16) % one_in == 0


REGISTRY: dict[str, Source] = {source.name: source for source in table()}


def get(name: str) -> Source:
    """Returns a row of the registry.

    Raises:
        UnknownNameError: With near misses.
    """
    if name not in REGISTRY:
        raise UnknownNameError("data set", name, REGISTRY)
    return REGISTRY[name]


def custom(path: str, column: str = "") -> Source:
    """Returns a source for a file of the user's own, with the prompts in `column`."""
    wanted = (column.strip().lower(),) if column else (*GOAL, "forbidden_prompt")
    return Source("custom", "harmful", OwnPrompts(wanted, guess=WHICH), url=path, about=path)


def locate(source: Source) -> Path | None:
    """Returns the local file that has the set, or None.

    Raises:
        ConfigError: If ``$PTST_DATA_DIR`` is set and is no folder.
    """
    root = os.environ.get(ENV)
    if not root:
        return None
    if not Path(root).is_dir():
        raise ConfigError(f"${ENV} is {root!r}, which is not a folder")
    for folder, split in source.local:
        for file in _copies(Path(root, folder), split):
            return file
    return None


def _copies(folder: Path, split: str) -> list[Path]:
    """Files of a split, and the folder of that name; one that leads nowhere is a fault, not absent."""
    places = [folder / f"{split}.{suffix}" for suffix in SUFFIXES] + [folder / split]
    return [place for place in places if place.exists() or place.is_symlink()]


def load(source: str | Source) -> Loaded:
    """Loads a set's rows.

    Args:
        source: A name of the registry, or a `Source` (see `custom`).

    Raises:
        UnknownNameError: If the name is unknown.
        DataNotFoundError: If the set is nowhere to be had; says where it was looked for.
        DataError: If a copy was found and is malformed.
    """
    source = get(source) if isinstance(source, str) else source
    file = locate(source)
    if source.make and not file:
        origin = f"quoted from {source.url}" if source.url else "made on the spot"
        return Loaded(source, readers.with_ids(source.make()), origin)
    if file:
        _check_alone(source, file)
        raw, origin = read_place(file, "", "", source.field)
    elif source.url and "://" not in source.url:
        raw, origin = own_rows(source.url, training=source.kind == "train", field=source.field)
    else:
        raw, origin = remote(source)
    begun = replace(source, shape=readers.begin(source.shape, raw))
    found = (_shaped(begun, row, f"row {n} of {origin}") for n, row in enumerate(raw, start=1))
    kept = [row for row in found if row]
    # Who a row of OpenOrca is was decided before rows of other sets could bring a system prompt.
    systems = source.kind != "train" or isinstance(source.shape, OwnTraining)
    rows = readers.with_ids(kept, systems=systems)
    is_test_part = file is not None and file.name.partition(".")[0] == "test"
    if source.holdout is not None and not is_test_part:
        rows = [r for r in rows if held_out(r) == source.holdout]
    if not rows:
        raise DataError(f"{source.name}: {origin} has no row that belongs to the set")
    return Loaded(source, rows, origin, len(raw) - len(kept), readers.notes(begun.shape))


def _check_alone(source: Source, file: Path) -> None:
    split = next(s for f, s in source.local if file.name == s or file.name.startswith(f"{s}."))
    if copies := [str(p) for p in _copies(file.parent, split) if p != file]:
        raise DataError(
            f"{source.name}: {str(file)!r} and {copies[0]!r} are both there, and they need not hold "
            "the same rows; keep one"
        )


def _shaped(source: Source, row: Mapping[str, Any], where: str) -> Row | None:
    """One row in our shape; None if it is none of the set's."""
    try:
        if source.keep and not source.keep(row):
            return None
        shaped = source.shape(row)
    except RowFaultError as e:
        raise DataError(f"{source.name}: {where} {e}") from e
    except (LookupError, ValueError, TypeError, AttributeError) as e:
        names = map(str, row)
        columns = ", ".join(name if name.isprintable() else repr(name) for name in names)[:200]
        wanted = e.args[0] if isinstance(e, KeyError) else f"another shape ({e})"
        raise DataError(
            f"{source.name}: {where} has the columns {columns}; expected one of: {wanted}"
        ) from e
    if not shaped["prompt"].strip():
        raise DataError(f"{source.name}: {where} has an empty prompt")
    if source.kind in ("helpful", "train") and source.answered and not shaped["answer"].strip():
        need = "to train on" if source.kind == "train" else "that is scored"
        raise DataError(
            f"{source.name}: {where} has no answer; every row {need} needs one: fill it in or "
            "remove the row"
        )
    return shaped
