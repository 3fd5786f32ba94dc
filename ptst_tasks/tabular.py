"""Files of rows: read right, or refused in one line that says where.

A lenient reader changes a set without a word: a quote that is never closed swallows the rows
below it, a comma too many cuts a prompt, of two columns of one name the last wins. Each kind is
read by a well-kept library, with our own check in front where the library is silent:

| kind | library | ours, and why |
|---|---|---|
| csv, tsv | `csv`, strict | delimiter, ragged rows, names, NUL (`delimited`: what others let pass) |
| json, jsonl, ndjson | `json` | keys that stand twice, numbers that cannot be held (`json_rows`) |
| parquet, arrow, feather | pyarrow | names, validation, limits (`arrow_rows`) |
| folders, hub ids | `datasets` | which split (`own_data`) |
| gz, bz2, xz, zip; zst | standard library; pyarrow | a limit on what is unpacked (`unpacking`) |

The same texts have the same fingerprint whatever they are stored in. Numbers are numbers where a
format has them: ``007`` in a csv stays ``007``, while 1.50 in JSON or parquet is 1.5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ptst_tasks import arrow_rows, delimited, json_rows
from ptst_tasks.errors import DataError
from ptst_tasks.unpacking import FILE_TYPES, PACKINGS, DataFile, FileFaultError, find_kind

__all__ = ["FILE_TYPES", "SUFFIXES", "read_file"]

SUFFIXES = (
    *FILE_TYPES,
    *(f"{kind}.{packing}" for kind in FILE_TYPES for packing in PACKINGS),
    "zip",
)
"""What the name of a file of rows can end with."""


def read_file(path: Path, field: str = "", name: str = "") -> list[dict[str, Any]]:
    """Reads a file of rows.

    Args:
        path: The file; its suffix says its type.
        field: Key of a JSON object under which the rows are.
        name: What it is called, where that is not its path (a download's address).

    Raises:
        DataError: If it cannot be read as what its suffix says, or holds no rows.
    """
    kind, called = "", name or str(path)
    try:
        file = find_kind(path, name)
        kind = file.suffix
        rows = _read(file, field or "data")
    except OSError as e:
        raise DataError(f"{called}: cannot be read: {e.strerror or e}") from e
    except UnicodeDecodeError as e:  # of a text in parquet
        raise DataError(f"{called}: holds a text that is not UTF-8") from e
    except (FileFaultError, ValueError) as e:  # of JSON, and of a path with a NUL in it
        told = " ".join(str(e).split())[:300]
        raise DataError(f"{called}: " + (f"not a {kind} file: {told}" if kind else told)) from e
    if not rows:
        raise DataError(f"{called}: the file holds no rows")
    return rows


def _read(file: DataFile, field: str) -> list[dict[str, Any]]:
    if file.kind in ("csv", "tsv"):
        return delimited.read_delimited(file)
    if file.kind == "parquet":
        return arrow_rows.read_parquet(file)
    if file.kind in ("arrow", "feather"):
        return arrow_rows.read_arrow(file)
    return json_rows.read_json(file, field)
