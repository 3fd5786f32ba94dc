"""Questions whose answer is a number, in a file of a user's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ptst_tasks.shapes.questions import asked
from ptst_tasks.shapes.row_cells import Fields, Row, RowFaultError, text

__all__ = ["Numeric", "number"]

_SAID = re.compile(
    r"(?P<sign>[-+]?)[$€£]?(?P<other>[-+]?)"
    r"(?P<digits>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    r"(?P<ten>[eE][-+]?[0-9]{1,3})?\.?"
)
_GOLD = re.compile(
    r"(?:(?s:.*)#### )?-?\$?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)\.?"
)


def number(said: str) -> Decimal | None:
    """The number that a text is, None if it is none: a sign, commas at thousands, $, € or £."""
    found = _SAID.fullmatch(said.strip().replace("−", "-").rstrip("%"))
    if not found or (found["sign"] and found["other"]):
        return None
    digits = found["digits"].replace(",", "") + (found["ten"] or "")
    return Decimal((found["sign"] or found["other"]) + digits)


@dataclass(frozen=True)
class Numeric:
    """A shape whose answer is a number: ``42``, ``1,000``, ``3.5``, or text that ends in ``#### 42``.

    Attributes:
        prompt: Accepted columns of the question; what it is about is joined to it.
        answer: Of the answer.
        category: Of the category; optional.
        guess: What a user can do about two columns of questions that may both be meant.
        which: The same of answers.
        extra: More optional text columns, by our name for them.
    """

    prompt: tuple[str, ...]
    answer: tuple[str, ...]
    category: tuple[str, ...] = ("category",)
    guess: str = ""
    which: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __call__(self, row: Mapping[str, Any]) -> Row:
        """Reads a row."""
        return self.read(Fields(row))

    def read(self, fields: Fields) -> Row:
        """Reads a row whose columns may be taken already in part."""
        try:
            name, value = fields.pick(self.answer, self.which)
        except KeyError as e:
            advice = "; or say which with 'answer_column'" if len(self.answer) > 1 else ""
            raise KeyError(", ".join(self.answer) + advice) from e
        more = {key: fields.optional(accepted) for key, accepted in self.extra}
        category = fields.optional(self.category)
        question = asked(fields, self.prompt, self.guess)
        return {
            "prompt": question,
            "category": category,
            "answer": _answer(value, name),
            **more,
        }


def _answer(value: Any, column: str) -> str:
    said = text(value, column).strip()
    if isinstance(value, float):  # 42.0 of a table with an empty cell, and 1e-05
        said = format(Decimal(said), "f").removesuffix(".0") if said else ""
    if said and not _GOLD.fullmatch(said):
        raise RowFaultError(
            f"has the answer {said[-40:]!r} in {column!r}, expected a number, as '42' or '1,000', alone "
            "or behind '#### ' at the end"
        )
    return said
