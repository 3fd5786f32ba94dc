"""The leaderboard CSV: tidy, one row per measured number, the same bytes from the same runs.

UTF-8, LF, comma, a header, rows sorted by their identity. Rates are 0..1 with six decimals; an
empty field is "none". `n` counts the prompts that have a verdict (the denominator of `value`),
`unscored` those that have none, so n + unscored prompts were asked. A cell that failed is a row
with an `error` and no `value`.

Every Unicode text is written and read back unchanged (`cells`); only `error` is made one line.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from leaderboards.board.cells import cell, uncell
from leaderboards.board.row import (
    COLUMNS,
    IDENTITY,
    RATES,
    REQUIRED,
    Row,
    conditions,
    field_text,
    in_order,
    sort_key,
)
from ptst_tasks.errors import DataError, DataNotFoundError, did_you_mean, one_line, said
from ptst_tasks.files import write_text

__all__ = ["dumps", "read", "write"]


_NUMERIC = frozenset({*RATES, "n", "unscored", "labelled", "seed"})
_LONGEST = csv.field_size_limit()
_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


def dumps(rows: Iterable[Row]) -> str:
    """Returns the file's text.

    Raises:
        DataError: If two rows are one number.
    """
    ordered = in_order(rows)
    _no_twins(ordered, "the rows to write")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(ordered))
    return out.getvalue()


def _cells(rows: Iterable[Row]) -> Iterator[list[str]]:
    once: dict[str, str] = {}  # a digest that stands in 100,000 rows is looked at once
    for row in rows:
        line = []
        for name in COLUMNS:
            value = field_text(row, name)
            if value not in once:
                once[value] = _checked(cell(value), name, row)
            line.append(once[value])
        yield line


def _checked(value: str, name: str, row: Row) -> str:
    if len(value) <= _LONGEST:
        return value
    if name == "error":
        return value[: _LONGEST // 2] + "..."
    raise DataError(f"column {name!r} of a row of {row.task[:80]!r} is {len(value):,} characters long; "
                    f"expected {_LONGEST:,} at most, as no reader takes more")  # fmt: skip


def write(rows: Iterable[Row], path: str | os.PathLike[str]) -> None:
    """Writes the file whole or not at all.

    Raises:
        DataError: If two rows are one number.
        ConfigError: If it cannot be written.
    """
    write_text(Path(path), dumps(rows), what="leaderboard")


def read(path: str | os.PathLike[str]) -> list[Row]:
    """Reads and validates a leaderboard CSV; provenance columns may be absent.

    Raises:
        DataNotFoundError: If there is no such file.
        DataError: If a column or a row is wrong; the message names the line.
    """
    where = str(path)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = _parse(file, where)
    except FileNotFoundError as e:
        raise DataNotFoundError(f"leaderboard {where!r} does not exist") from e
    except OSError as e:
        raise DataError(f"leaderboard {where!r} cannot be read: {e.strerror or said(e)}") from e
    except UnicodeDecodeError as e:
        raise DataError(
            f"leaderboard {where!r} is not UTF-8 (byte {e.object[e.start]:#04x}); save it as UTF-8"
        ) from e
    _no_twins(rows, repr(where))
    return rows


def _parse(file: Iterable[str], where: str) -> list[Row]:
    lines = csv.reader(file, strict=True)
    records = _records(lines, where)
    header = next(records, [])
    _check_header(header, where)
    rows = []
    once: dict[str, str] = {}  # a digest that stands in 100,000 rows is kept in memory once
    numbers: dict[str, str | float] = {}
    numeric = [at for at, name in enumerate(header) if name in _NUMERIC]
    for fields in records:
        if len(fields) != len(header):
            raise DataError(
                f"leaderboard {where!r}, line {lines.line_num}: {len(fields)} fields, the header "
                f"has {len(header)}"
            )
        values: list[str | float] = [
            once[f] if f in once else once.setdefault(f, uncell(f)) for f in fields
        ]
        for at in numeric:
            values[at] = numbers.setdefault(fields[at], _number(fields[at]))
        try:
            rows.append(Row.model_validate(dict(zip(header, values, strict=True))))
        except ValidationError as e:
            raise DataError(f"leaderboard {where!r}, line {lines.line_num}: {_why(e)}") from e
    return rows


def _why(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return one_line(error, COLUMNS) if first["loc"] else first["msg"].removeprefix("Value error, ")


def _records(lines: Any, where: str) -> Iterator[list[str]]:
    try:
        yield from lines
    except csv.Error as e:
        why = f"a field has more than {_LONGEST:,} characters" if "limit" in str(e) else str(e)
        raise DataError(f"leaderboard {where!r}, line {lines.line_num}: not CSV: {why}") from e


def _number(field: str) -> str | float:
    """A number, so that equal ones share an object; what is none stays for the model to refuse."""
    if not _DECIMAL.fullmatch(field):
        return field
    return float(field) if "." in field else int(field)


def _check_header(header: Sequence[str], where: str) -> None:
    if not header:
        raise DataError(f"leaderboard {where!r} is empty; its header is {','.join(REQUIRED)},...")
    for name in header:
        if name not in COLUMNS:
            hint = did_you_mean(name, COLUMNS)
            raise DataError(
                f"leaderboard {where!r}: unknown column {name!r}; {hint}known: {', '.join(COLUMNS)}"
            )
    missing = [name for name in REQUIRED if name not in header]
    twice = [name for name in header if header.count(name) > 1]
    if missing or twice:
        what = (
            f"column {missing[0]!r} is missing" if missing else f"{twice[0]!r} stands there twice"
        )
        raise DataError(f"leaderboard {where!r}: {what}; the header is {','.join(REQUIRED)},...")


def _no_twins(rows: Sequence[Row], where: str) -> None:
    first: dict[tuple[str, ...], Row] = {}
    more: dict[tuple[str, ...], set[tuple[str, ...]]] = {}  # of the few that share an identity
    for row in rows:
        key = sort_key(row)
        if key not in first:
            first[key] = row
            continue
        seen = more.setdefault(key, {conditions(first[key])})
        if conditions(row) in seen:
            name = ", ".join(f"{c}={getattr(row, c)!r}" for c in IDENTITY if getattr(row, c))
            raise DataError(f"{where}: two rows for {name}; keep one")
        seen.add(conditions(row))
