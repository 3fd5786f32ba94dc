"""One cell of a row: found by its column's name, and read as text or refused.

What a file holds is what is asked and trained on, to the letter. So nothing is printed as Python
would print it: a list, an object or an infinite number where text is expected is a fault, and
``true`` is written as JSON writes it, whatever the file's type.
"""

from __future__ import annotations

import ast
import io
import json
import math
import re
import tokenize
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

__all__ = [
    "Fields",
    "Row",
    "RowFaultError",
    "Shape",
    "TextRow",
    "begin",
    "is_printed_list",
    "missing",
    "notes",
    "parsed",
    "plain_value",
    "text",
]

Row = dict[str, Any]
Shape = Callable[[Mapping[str, Any]], Row]
"""Turns one row of a file into ours.

A KeyError says which column is missing, a `RowFaultError` what is wrong with the row. A shape may
have a method ``over(rows)``, see `begin`.
"""


class TextRow(dict[str, Any]):
    """A row of a csv: every cell is a text, whatever was written into it."""


_WRITTEN_OUT = 20
"""Zeros up to which a number is written in digits alone."""
_SOMETHING = frozenset({str, int, bool, list, dict})
_NOTHING = frozenset({"NAType", "NaTType"})
"""Types of pandas that stand for no value; comparing one with anything is no answer."""


class RowFaultError(ValueError):
    """What is wrong with one row; whoever has the file adds its name and the row's number."""


def begin(shape: Shape, rows: Sequence[Mapping[str, Any]]) -> Shape:
    """Lets a shape see the whole file before it reads the first row.

    Whether ``answer: 2`` is the second option or the third only the other rows tell. Such a shape
    has a method ``over(rows)``, which returns the shape for this file.
    """
    over = getattr(shape, "over", None)
    found: Shape = over(rows) if over else shape
    return found


def notes(shape: Shape) -> tuple[str, ...]:
    """What a shape that has read a file has to say about it: what was not used, and how often."""
    said = getattr(shape, "notes", None)
    return tuple(said()) if said else ()


def plain_value(value: Any) -> Any:
    """A scalar of numpy as Python's own, with the digits of its width; anything else as it is."""
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        if type(value).__name__ in ("float16", "float32"):
            return float(str(value))
        return value.item()
    return value


def missing(value: Any) -> bool:
    """Whether a cell holds nothing: null, NaN or no characters. 0 and false are values."""
    if type(value) in _SOMETHING:  # most cells, and there are millions
        return isinstance(value, str) and not value
    value = plain_value(value)
    if value is None or type(value).__name__ in _NOTHING:
        return True
    return (isinstance(value, str) and not value) or (
        isinstance(value, float) and math.isnan(value)
    )


def _holds_none(value: Any) -> bool:
    return isinstance(value, list | tuple | dict) and not value


def text(value: Any, column: str = "") -> str:
    """One cell as text: nothing at all (null, NaN) is an empty one.

    Text stays as it is; a number has the fewest digits that say it (``1.0`` stays ``1.0``); true
    and false are ``true`` and ``false``.

    Args:
        value: The cell.
        column: Its column, for the message.

    Raises:
        RowFaultError: If it is no text, no number and no truth value.
    """
    if type(value) is str and value.isascii():
        return value
    value, where = plain_value(value), f", in the column {column!r}" if column else ""
    if missing(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float | Decimal):
        kind = "list" if type(value).__name__ in ("ndarray", "tuple") else type(value).__name__
        raise RowFaultError(f"has a {kind} where text is expected{where}")
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise RowFaultError(f"has the number {value} where text is expected{where}")
    out = format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, float) and "e" in out and abs(int(out.partition("e")[2])) <= _WRITTEN_OUT:
        out = format(Decimal(out), "f")  # nobody writes 0.00001 as Python prints it
    if not out.isascii():
        try:
            out.encode()
        except UnicodeEncodeError as e:
            raise RowFaultError(
                f"holds half a character, {out[e.start]!r}{where}; save it anew"
            ) from e
    return out


def parsed(value: Any) -> Any:
    """A list or object, also where a table without such cells holds it as JSON or Python text.

    A text that can be taken in two ways stays a text: a key that stands twice, or texts without a
    comma between them, as numpy prints a list (Python would read two of them as one).
    """
    if type(value).__name__ == "ndarray":
        value = value.tolist()
    if not isinstance(value, str) or value.strip()[:1] not in ("[", "{"):
        return value
    for read in (_json, _literal):
        try:
            found = read(value.strip())
        except (
            ValueError,
            SyntaxError,
            RecursionError,
            MemoryError,
            TypeError,
            tokenize.TokenError,
        ):
            continue
        if isinstance(found, list | dict):
            return found
    return value


def _json(said: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    return json.loads(said, object_pairs_hook=once)


def _literal(said: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a backslash that no Python would have printed
        tree = ast.parse(said, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            if len(set(keys)) < len(keys):
                raise ValueError("a key stands twice")
    before = 0
    for token in tokenize.generate_tokens(io.StringIO(said).readline):
        if token.type == before == tokenize.STRING:
            raise ValueError("texts without a comma between them")
        before = before if token.type == tokenize.NL else token.type
    return ast.literal_eval(tree)


def is_printed_list(said: str) -> bool:
    """Whether a text as a whole is a list of texts as Python or numpy prints it."""
    said = said.strip()
    if not said.startswith(("[", "array([")) or not said.endswith(("]", ")")):
        return False
    found = parsed(said)
    texts = isinstance(found, list) and found and all(isinstance(part, str) for part in found)
    return bool(texts) or bool(_NUMPY_LIST.fullmatch(said))


_QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_NUMPY_LIST = re.compile(
    rf"(?s)\[{_QUOTED}(?:\s+{_QUOTED})*\s*\]|array\(\[{_QUOTED}(?:,\s*{_QUOTED})*\].*\)"
)


class Fields:
    """The columns of one row, whatever the case of their names, and which of them were taken.

    Attributes:
        row: The row.
        taken: Names of the columns that were read; what is left over can be told.
    """

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.row = row
        self.taken: set[str] = set()
        self._values: dict[str, Any] = {}
        self._twice: set[str] = set()
        for key, value in row.items():
            name = str(key).strip().lower()
            if name in self._values:
                self._twice.add(name)
            self._values[name] = value

    def names(self) -> list[str]:
        """The columns' names in lower case, in their order."""
        return list(self._values)

    def filled(self, accepted: Iterable[str]) -> list[str]:
        """Which of these columns hold something, and have not been taken yet."""
        return [
            name
            for name in accepted
            if name in self._values and name not in self.taken and not missing(self._values[name])
        ]

    def peek(self, name: str) -> Any:
        """The value of one column, without taking it."""
        return plain_value(self._values[name])

    def left(self) -> list[str]:
        """Filled columns that nobody took; an empty list holds nothing."""
        left = self.filled(name for name in self._values if name)
        return [name for name in left if not _holds_none(self._values[name])]

    def take(self, name: str) -> Any:
        """The value of one column.

        Raises:
            RowFaultError: If the row names it twice.
        """
        if name in self._twice:
            raise RowFaultError(f"names the column {name!r} twice; keep one")
        self.taken.add(name)
        return plain_value(self._values[name])

    def pick(self, accepted: Sequence[str], advice: str = "") -> tuple[str, Any]:
        """The first of these columns that holds something: its name and value.

        Args:
            accepted: Names in order of preference, lower case.
            advice: What a user can do if two of them hold different things.

        Raises:
            KeyError: If the row has none of them.
            RowFaultError: If two of them hold different things.
        """
        filled = self.filled(accepted)
        here = filled or [n for n in accepted if n in self._values and n not in self.taken]
        if not here:
            raise KeyError(", ".join(accepted))
        if len(filled) > 1 and len({str(self._values[name]).strip() for name in filled}) > 1:
            raise RowFaultError(
                f"has the columns {' and '.join(map(repr, filled))}, and each may be meant; "
                f"{advice or f'name the right one {accepted[0]!r}'}"
            )
        self.taken.update(filled[1:])  # they say the same
        return here[0], self.take(here[0])

    def text(self, accepted: Sequence[str], advice: str = "") -> str:
        """The same as text; empty where none of the columns holds anything."""
        name, value = self.pick(accepted, advice)
        return text(value, name)

    def optional(self, accepted: Sequence[str], advice: str = "") -> str:
        """The same, empty also where the row has none of the columns."""
        return self.text(accepted, advice) if self.filled(accepted) else ""
