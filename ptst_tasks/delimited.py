r"""Rows of csv and tsv files, by the standard library's `csv` with ``strict=True``.

Measured on what changes a set without a word, with every cell asked for as text (pandas 3.1,
pyarrow 26):

| | pandas, C | pandas, Python | pyarrow | csv, strict |
|---|---|---|---|---|
| two columns of one name | renamed | renamed | the last wins | seen here |
| a field missing | filled with ``""`` | NaN | refused | seen here |
| a field too many | shifts the row | shifts the row | refused | seen here |
| text behind a closing quote | rows merged | refused | rows merged | refused |
| NUL | kept | kept | kept | seen here |
| the line of names a second time | a row | a row | a row | seen here |
| a quote behind a space | text | text | text | seen here |

What is seen here is a line of ours in front; a cell stays the text that it is (``NA``, ``007``). An
empty line is no row, also where there is one column.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ptst_tasks.shapes.row_cells import TextRow
from ptst_tasks.texts import text_lines
from ptst_tasks.unpacking import DataFile, FileFaultError

__all__ = ["check_names", "read_delimited"]

_MARKS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_LONGEST_HEADER = 100  # lines; a quote in it that is never closed must not read the whole file


def read_delimited(file: DataFile) -> list[dict[str, Any]]:
    """Reads csv or tsv.

    Raises:
        FileFaultError: With the line, if it cannot be read in one way only.
    """
    header, skip = _first_record(file)
    if not header:
        return []
    mark = skip or _find_mark(file, header)
    return list(_rows(file, mark, skip=bool(skip)))


def check_names(names: Sequence[str], where: str) -> None:
    """Checks that no column is named twice, as columns are looked up.

    Raises:
        FileFaultError: If one is; columns without a name are nobody's.
    """
    seen: set[str] = set()
    for name in names:
        flat = name.strip().lower()
        if flat and flat in seen:
            raise FileFaultError(f"{where} names the column {name!r} twice; keep one")
        seen.add(flat)


def _first_record(file: DataFile) -> tuple[str, str]:
    """The line of names, and the delimiter that a line ``sep=;`` before it says (Excel's)."""
    lines, record, said = text_lines(file, old_mac=True), "", ""
    for number, line in enumerate(lines, start=1):
        if number == 1 and (found := re.fullmatch(r"\"?sep=([,;\t|])\"?\s*", line)):
            said = found[1]
            continue
        record += line
        if record.count('"') % 2 == 0 or number > _LONGEST_HEADER:
            break
    return record, said


def _find_mark(file: DataFile, header: str) -> str:
    """The delimiter: the one that the names are separated by, outside quotes.

    Raises:
        FileFaultError: If several would do for the whole file.
    """
    bare = re.sub(r'"(?:[^"]|"")*"', "", header)
    usual = "\t" if file.kind == "tsv" else ","
    marks = [mark for mark in _MARKS if mark in bare]
    if len(marks) < 2:
        return marks[0] if marks else usual
    even = [mark for mark in marks if _is_even(file, mark)]
    if len(even) > 1:
        both = " and at every ".join(_MARKS[mark] for mark in even)
        raise FileFaultError(
            f"line 1 can be cut at every {both}, and the rows fit each; save it as csv with commas, "
            "and put names that hold one into quotes"
        )
    return even[0] if even else usual if usual in marks else marks[0]


def _is_even(file: DataFile, mark: str) -> bool:
    try:
        return any(True for _ in _rows(file, mark)) and all(True for _ in _rows(file, mark))
    except FileFaultError:
        return False


def _rows(file: DataFile, mark: str, *, skip: bool = False) -> Iterator[TextRow]:
    lines = _Lines(text_lines(file, old_mac=True))
    ahead = 1 if skip else 0
    if skip:
        next(lines)
        lines.take()
    with _fields_of_any_length():
        table = csv.reader(lines, delimiter=mark, strict=True)
        names = _next(table, 1 + ahead)
        if names is None:
            return
        _check_header(names, f"line {1 + ahead}")
        _check_spaces(names, lines.take(), mark, 1 + ahead)
        named = [name.strip() or f"(column {n}, without a name)" for n, name in enumerate(names, 1)]
        bare = [not name.strip() for name in names]
        while (values := _next(table, start := table.line_num + 1 + ahead)) is not None:
            record = lines.take()
            if not values:  # an empty line
                continue
            if mark == "\t" and len(record) > 1:
                _check_unquoted(record, len(names), start)
            if len(values) != len(names):
                raise FileFaultError(
                    f"the row that begins in line {start} has {len(values)} fields, expected "
                    f"{len(names)} as in line {1 + ahead}: is a field missing, or a {_MARKS[mark]} "
                    "outside quotes?"
                )
            _check_spaces(values, record, mark, start)
            if values == names:
                raise FileFaultError(
                    f"line {start} holds the names of the columns again; were two files put together? "
                    "take it out"
                )
            cells = zip(named, values, bare, strict=True)
            yield TextRow({name: value for name, value, odd in cells if value or not odd})


class _Lines:
    """Lines, and those that a row was read from."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        self._taken.append(line := next(self._lines))
        return line

    def take(self) -> list[str]:
        """The lines since the last time."""
        taken, self._taken = self._taken, []
        return taken


def _check_unquoted(record: Sequence[str], count: int, start: int) -> None:
    """Many write tab-separated rows without quoting: then a quote begins no field."""
    if all(line.count("\t") + 1 == count for line in record):
        raise FileFaultError(
            f"lines {start} to {start + len(record) - 1} are one row with a line end in quotes, or a row "
            "each whose quotes mean nothing; write the file as csv or JSON lines"
        )


def _check_spaces(values: Sequence[str], record: Sequence[str], mark: str, start: int) -> None:
    """A quote behind a space quotes nothing, and would be a part of the text."""
    for value in values:
        quoted = value.startswith(" ") and value.lstrip(" ").startswith('"')
        whole = quoted and (value.endswith('"') or value.count('"') % 2)
        if whole and (mark + value in "".join(record) or record[0].startswith(value)):
            raise FileFaultError(
                f"the row that begins in line {start} has a space before a quote, which therefore "
                "quotes nothing; take the space out"
            )


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
        raise FileFaultError(
            f"the row that begins in line {start} cannot be read ({e}): is a quote in it never "
            "closed, or a quote inside a field not doubled?"
        ) from e
    if any("\0" in value for value in values or ()):
        raise FileFaultError(f"line {start} holds a NUL byte: is it a text file at all?")
    return values


def _check_header(names: Sequence[str], where: str) -> None:
    if not any(name.strip() for name in names):
        raise FileFaultError(f"{where} is empty, expected the names of the columns")
    check_names(names, where)
