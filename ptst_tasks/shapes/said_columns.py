"""A file whose columns a user has named: each is there, and what is left over is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ptst_tasks.shapes.left_over import column_notes, count_left
from ptst_tasks.shapes.row_cells import Fields, Row, Shape, begin, notes

__all__ = ["SaidColumns"]


@dataclass(frozen=True)
class SaidColumns:
    """A shape of a user's own set, that looks for the columns they named.

    Attributes:
        shape: Reads a row; one with a method ``read(fields)`` has the columns told that it leaves.
        said: Columns that were named, of which no row needs to hold anything.
        lost: Those that no row of the file has.
        seen: Counts of what `notes` tells.
    """

    shape: Shape
    said: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    seen: Counter[str] = field(default_factory=Counter)

    def over(self, rows: Sequence[Mapping[str, Any]]) -> SaidColumns:
        """The shape for a file, with counts of its own."""
        names = {str(key).strip().lower() for row in rows for key in row} if self.said else set()
        lost = tuple(name for name in self.said if name not in names)
        return SaidColumns(begin(self.shape, rows), self.said, lost)

    def __call__(self, row: Mapping[str, Any]) -> Row:
        """Reads a row."""
        if self.lost:
            raise KeyError(", ".join(self.lost))
        read = getattr(self.shape, "read", None)
        if read is None:
            return self.shape(row)
        fields = Fields(row)
        out: Row = read(fields)
        count_left(self.seen, fields)
        return out

    def notes(self) -> tuple[str, ...]:
        """What a reader of the file must know."""
        return (*notes(self.shape), *column_notes(self.seen))
