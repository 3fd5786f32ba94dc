"""Files of rows: csv, json, jsonl and parquet, read right or refused with the line.

A lenient reader changes a set without a word: a quote that is never closed swallows the rows
below it, a comma too many cuts a prompt, of two columns of one name the last wins. Here each of
these is one line that says where.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ptst_tasks.errors import DataError
from ptst_tasks.files import lines

__all__ = ["FILE_TYPES", "read_file"]

Record = dict[str, Any]
FILE_TYPES = ("jsonl", "json", "csv", "parquet")


def read_file(path: Path, field: str = "") -> list[Record]:
    """Reads a csv, json, jsonl or parquet file into rows.

    Args:
        path: The file; its suffix says its type.
        field: Key of a JSON object under which the rows are.

    Raises:
        DataError: If it cannot be read as what its suffix says, or holds no rows.
    """
    read = _READERS.get(path.suffix.lower().removeprefix("."))
    if read is None:
        raise DataError(
            f"{path}: unknown file type {path.suffix!r}; use one of {', '.join(FILE_TYPES)}"
        )
    try:
        rows = read(path, field or "data")
    except DataError:
        raise
    except OSError as e:
        raise DataError(f"{path}: cannot be read: {e.strerror or e}") from e
    except UnicodeDecodeError as e:
        raise DataError(
            f"{path}: not UTF-8 (byte {e.object[e.start]:#04x} at {e.start:,}); save it as UTF-8"
        ) from e
    except (_FaultError, ValueError) as e:  # of JSON, and of a path with a NUL in it
        told = " ".join(str(e).split())[:200]
        raise DataError(f"{path}: not a {path.suffix} file: {told}") from e
    if not rows:
        raise DataError(f"{path}: the file holds no rows")
    return rows


class _FaultError(Exception):
    """What is wrong with a file, and in which line."""


def _csv(path: Path, _: str) -> list[Record]:
    with path.open(encoding="utf-8-sig", newline="") as file, _fields_of_any_length():
        table = csv.reader(file, strict=True)
        first = _next(table, 1)
        if first is None:
            return []
        names, rows = _header(first), []
        while (values := _next(table, start := table.line_num + 1)) is not None:
            if len(values) not in (0, len(names)):  # 0: an empty line
                raise _FaultError(
                    f"the row that begins in line {start} has {len(values)} fields, expected "
                    f"{len(names)} as in line 1: is a field missing, or a comma outside quotes?"
                )
            if values:
                rows.append({n: v for n, v in zip(names, values, strict=True) if n})
    return rows


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """Prompts are longer than the 131,072 characters at which the csv module stops."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _next(table: Any, start: int) -> list[str] | None:
    try:
        values: list[str] | None = next(table, None)
    except csv.Error as e:
        raise _FaultError(
            f"the row that begins in line {start} cannot be read ({e}): is a quote in it never "
            "closed, or a quote inside a field not doubled?"
        ) from e
    if any("\0" in value for value in values or ()):
        raise _FaultError(f"line {start} holds a NUL byte: is it a text file at all?")
    return values


def _header(names: Sequence[str]) -> Sequence[str]:
    if not any(name.strip() for name in names):
        raise _FaultError("line 1 is empty, expected the names of the columns")
    _check_names(names, "line 1")
    return names


def _check_names(names: Sequence[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        flat = name.strip().lower()  # as columns are looked up; a column without a name is nobody's
        if flat and flat in seen:
            raise _FaultError(f"{where} names the column {name!r} twice; keep one")
        seen.add(flat)


def _jsonl(path: Path, _: str) -> list[Record]:
    rows = []
    for number, line in lines(path):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            if not text.strip():  # white space of other kinds, or a byte order mark alone
                continue
            row = _parse(text)
        except UnicodeDecodeError as e:
            raise _FaultError(
                f"line {number} is not UTF-8 (byte {e.object[e.start]:#04x} at {e.start:,}); save it "
                "as UTF-8"
            ) from e
        except RecursionError as e:
            raise _FaultError(f"line {number} is nested too deeply") from e
        except ValueError as e:
            raise _FaultError(f"line {number}: {e}") from e
        if not isinstance(row, dict):
            raise _FaultError(
                f"line {number} holds a {type(row).__name__}, expected a list of rows, an object "
                "on each line"
            )
        rows.append(row)
    return rows


def _json(path: Path, field: str) -> list[Record]:
    try:
        found = _parse(path.read_text(encoding="utf-8-sig"))
    except RecursionError as e:
        raise _FaultError("it is nested too deeply") from e
    except json.JSONDecodeError as e:
        hint = "; rows on lines of their own belong into a .jsonl file" * (e.msg == "Extra data")
        raise _FaultError(f"{e}{hint}") from e
    if isinstance(found, dict):
        if field not in found:
            keys = ", ".join(map(repr, list(found)[:8]))
            raise _FaultError(f"expected a list of rows, or one under {field!r}; found {keys}")
        found = found[field]
    if not isinstance(found, list):
        raise _FaultError(f"expected a list of rows, found a {type(found).__name__}")
    for number, row in enumerate(found, start=1):
        if not isinstance(row, dict):
            raise _FaultError(f"row {number} is a {type(row).__name__}, expected an object")
    return found


def _parse(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> Record:
    out = dict(pairs)
    if len(out) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in out if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object; keep one")
    return out


def _parquet(path: Path, _: str) -> list[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_names(file.schema_arrow.names, "the file")
            rows: list[Record] = file.read().to_pylist()
    except pa.ArrowException as e:
        raise _FaultError(str(e)) from e
    return rows


_READERS: dict[str, Callable[[Path, str], list[Record]]] = {
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
    "parquet": _parquet,
}
