"""A CSV of labels, row by row: only columns that are known, those that are needed, and every row whole."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import TextIO

from ptst_tasks.errors import DataError, did_you_mean

__all__ = ["label_rows"]


def label_rows(
    file: TextIO, where: str, known: Sequence[str], needed: Sequence[str], needs: str
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields rows with their line numbers.

    Args:
        file: The CSV.
        where: What a message calls it.
        known: Its columns.
        needed: Those that may not be absent.
        needs: What a message says of them.

    Raises:
        DataError: If a column is unknown, absent or there twice, a row has other fields, or it is no CSV.
    """
    try:
        reader = csv.DictReader(file, strict=True)
        _check_header(reader.fieldnames or [], where, known, needed, needs)
        for row in reader:
            if None in row or None in row.values():
                raise DataError(
                    f"{where}, line {reader.line_num}: not {len(row.keys() - {None})} fields, as its "
                    "header has"
                )
            yield reader.line_num, row
    except csv.Error as e:
        raise DataError(f"{where} cannot be read: behind line {reader.line_num}: {e}") from e


def _check_header(
    header: Sequence[str], where: str, known: Sequence[str], needed: Sequence[str], needs: str
) -> None:
    for name in header:
        if name not in known:
            hint = did_you_mean(name, known)
            raise DataError(
                f"{where}: unknown column {name[:80]!r}; {hint}known: {', '.join(known)}"
            )
    if not set(needed) <= set(header) or len(set(header)) < len(header):
        raise DataError(f"{where}: needs the columns {needs}")
