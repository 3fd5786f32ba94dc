"""What a row of a user's file holds and nobody reads: counted and told, or refused.

A shape for files to test with keeps a counter and gives it each row once its columns are taken:

    refuse_earlier(fields)       # turns before the question, which a test would not ask
    count_left(self.seen, fields)
    ...
    def notes(self): return column_notes(self.seen)
"""

from __future__ import annotations

from collections import Counter

from ptst_tasks.shapes.row_cells import Fields, RowFaultError, missing, parsed

__all__ = ["column_notes", "count_left", "count_rows", "refuse_earlier"]

_COLUMN = "column "
_MOST, _LONGEST = 12, 40  # columns named in a note, and characters of each


def count_left(seen: Counter[str], fields: Fields) -> None:
    """Counts the filled columns of a row that nobody took."""
    seen.update(f"{_COLUMN}{name}" for name in fields.left())


def column_notes(seen: Counter[str]) -> tuple[str, ...]:
    """One note on the columns that `count_left` counted; none where there are none."""
    columns = [(k.removeprefix(_COLUMN), n) for k, n in seen.items() if k.startswith(_COLUMN)]
    if not columns:
        return ()
    names = ", ".join(f"{_name(name)} ({count_rows(n)})" for name, n in columns[:_MOST])
    more = f" and {len(columns) - _MOST} more" * (len(columns) > _MOST)
    return (f"columns that are not used: {names}{more}",)


def refuse_earlier(fields: Fields) -> None:
    """Refuses a row whose `history` holds turns before its question; a test asks one question.

    Raises:
        RowFaultError: If it does; another history, a text, is a column that nobody reads.
    """
    for name in fields.filled(("history",)):
        turns = parsed(fields.peek(name))
        if isinstance(turns, list | tuple) and any(not missing(turn) for turn in turns):
            raise RowFaultError(
                f"has {len(turns)} earlier turns in the column {name!r}, and a test asks one question "
                "without what was said before; leave the column or such rows out"
            )


def count_rows(n: int) -> str:
    """A count of rows in words."""
    return f"{n:,} row{'s' * (n != 1)}"


def _name(column: str) -> str:
    """A column's name for a line, whatever it is made of."""
    short = column if len(column) <= _LONGEST else f"{column[:_LONGEST]}..."
    return short if short.isprintable() else ascii(short)
