"""Questions with options: as columns, a list, or key and value; answers as letter, number or text.

A label is the letter of an option's place (or the file's own letter, in upper case), so copies of
a set that differ in their keys ask alike. An option that holds nothing is left out and keeps its
letter from the others: the text ``None`` is an option, a null is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ptst_tasks.shapes.option_forms import Offered, read_options
from ptst_tasks.shapes.row_cells import Fields, Row, RowFaultError, missing, text

__all__ = ["ANSWERS", "QUESTIONS", "Choice", "choice"]

QUESTIONS = ("question", "prompt", "query", "sent1", "stem", "problem", "ctx", "goal", "instruction",
             "input", "text")  # fmt: skip
ANSWERS = ("answer_idx", "answer_index", "answerkey", "answer_key", "correct_option", "cop", "label",
           "answer", "correct_answer", "target", "output", "completion", "response")  # fmt: skip
_BY_KEY = frozenset(ANSWERS[:7])  # columns that name an option; a text may stand beside them
_CONTEXT = ("context", "passage", "article")
_WAYS = frozenset({"text", "0", "1"})
"""How an answer that is a number may be meant: an option's text, or its place from 0 or from 1."""


def choice(
    prompt: tuple[str, ...] = QUESTIONS,
    answer: tuple[str, ...] = ANSWERS,
    category: tuple[str, ...] = ("category", "subject", "meta_info", "subject_name"),
    options: tuple[str, ...] = (),
    *,
    guess: str = "",
    **extra: tuple[str, ...],
) -> Choice:
    """A shape for questions with options, in any of the forms that people's files have.

    Offered are columns (``A`` ``B`` ``C``; ``option_a`` or ``opa``; ``ending0``; ``choice1``), or
    under ``choices``, ``options``, ``endings`` or ``candidates`` a list of texts, an object
    ``{"A": ...}``, a list of ``{"key": "A", "value": ...}`` or ``{"text": [...], "label": [...]}``.
    The answer is a letter in either case, a key, the option's text, or a number. Whether numbers
    count from 0 or from 1 is decided by all rows of the file together, so use `row_cells.begin` (as
    `sets.load` does); a file that fits both ways is refused.

    Args:
        prompt: Accepted columns of the question, in order of preference, lower case.
        answer: The same for the answer. Where one that names an option (``answer_idx``) stands
            beside one with its text, they must agree.
        category: The same for the category; optional.
        options: Columns of the options, where they are none of the usual: one with all of them, or
            one for each, in order.
        guess: What a user can do about two columns that may both be meant.
        **extra: More optional text columns, by our name for them.

    What a question is about (``context``, ``passage``, ``article``) stands above it.

    Returns:
        A shape whose rows have ``prompt``, ``category``, ``answer`` (the option's text),
        ``choices`` (texts), ``labels`` (letters) and ``label`` (index of the answer).
    """
    return Choice(prompt, answer, category, options, guess, tuple(extra.items()))


@dataclass(frozen=True)
class Choice:
    """See `choice`.

    Attributes:
        prompt: Accepted columns of the question.
        answer: Of the answer.
        category: Of the category.
        options: Of the options; empty for the usual ones.
        guess: Advice on two candidates.
        extra: More columns, by our name for them.
        ways: How answers that are numbers may be meant, by all that is known of the file.
    """

    prompt: tuple[str, ...]
    answer: tuple[str, ...]
    category: tuple[str, ...]
    options: tuple[str, ...] = ()
    guess: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ways: frozenset[str] = _WAYS

    def over(self, rows: Sequence[Mapping[str, Any]]) -> Choice:
        """The shape for a file: how its numbers are meant is what fits every row."""
        ways = self.ways
        for row in rows:
            try:
                fields = Fields(row)
                options, said = read_options(fields, self.options), self._said(fields)
            except (RowFaultError, KeyError):
                continue  # reading the row will say so
            for _, answer in said:
                if (number := _number(answer)) is not None and not options.by_key(answer):
                    fits = {w for w, at in options.places(number).items() if options.is_there(at)}
                    ways &= fits or ways
        return replace(self, ways=ways)

    def __call__(self, row: Mapping[str, Any]) -> Row:
        """Reads a row."""
        return self.read(Fields(row))

    def read(self, fields: Fields) -> Row:
        """Reads a row whose columns may be taken already in part."""
        options = read_options(fields, self.options)
        question = fields.text(self.prompt, self.guess)
        if "sent2" in fields.filled(("sent2",)):
            question = f"{question} {fields.text(('sent2',))}"
        if about := fields.optional(_CONTEXT):
            question = f"{about}\n\n{question}"
        said = self._said(fields)
        at = _decide(options, said, self.ways)
        kept = [i for i, value in enumerate(options.texts) if value]
        return {
            "prompt": question,
            "category": fields.optional(self.category),
            "answer": options.texts[at],
            "choices": [options.texts[i] for i in kept],
            "labels": [options.labels[i] for i in kept],
            "label": kept.index(at),
            **{name: fields.optional(accepted) for name, accepted in self.extra},
        }

    def _said(self, fields: Fields) -> list[tuple[str, Any]]:
        filled = fields.filled(self.answer)
        if not filled:
            if any(name in fields.names() for name in self.answer):
                raise RowFaultError("has no answer, expected the letter of one of its options")
            raise KeyError(", ".join(self.answer))
        said = [(name, fields.take(name)) for name in filled]
        for name, answer in said:
            text(answer, name)  # a list is no answer
        return said


def _number(answer: Any) -> int | None:
    """An answer that is a whole number, however it is written."""
    if isinstance(answer, bool) or missing(answer):
        return None
    if isinstance(answer, float):
        return int(answer) if answer.is_integer() else None
    said = str(answer).strip() if isinstance(answer, int | str) else ""
    return int(said) if re.fullmatch(r"-?\d{1,4}", said, re.ASCII) else None


def _decide(options: Offered, said: list[tuple[str, Any]], ways: frozenset[str]) -> int:
    """The place of the answer; what stands beside it must mean the same."""
    name, answer = said[0]
    at = _place(options, name, answer, ways)
    for beside, value in said[1:]:
        meant = {*options.by_text(value), *options.by_letter(value), *options.by_key(value)}
        number = _number(value)
        if number is not None:
            meant |= set(options.places(number).values())
        if at not in meant:
            raise RowFaultError(
                f"has the answer {answer!r} in {name!r}, and {text(value, beside)[:60]!r} in "
                f"{beside!r} is not that option"
            )
    return at


def _place(options: Offered, name: str, answer: Any, ways: frozenset[str]) -> int:
    found = options.by_key(answer)
    if not found and (number := _number(answer)) is not None:
        return _counted(options, number, ways)
    if not found:
        named, same = options.by_letter(answer), options.by_text(answer)
        if named and same and named != same and name not in _BY_KEY:
            raise RowFaultError(
                f"has the answer {text(answer)!r}, the letter of one option and the text of another; "
                "put letters into a column 'answer_idx'"
            )
        found = named or same
    if len(found) != 1:
        many = "which several options are" if found else f"expected one of {options.told()}"
        raise RowFaultError(f"has the answer {text(answer, name)[:60]!r}, {many}")
    return _kept(options, found[0], answer)


def _counted(options: Offered, number: int, ways: frozenset[str]) -> int:
    fits = {at for w, at in options.places(number).items() if w in ways and options.is_there(at)}
    if len(fits) == 1:
        return _kept(options, fits.pop(), number)
    if fits:
        raise RowFaultError(
            f"has the answer {number}, and no row tells whether options are counted from 0, from 1, "
            "or named by their text; write letters in a column 'answer_idx'"
        )
    if not ways and options.is_there(number):
        raise RowFaultError(
            f"has the answer {number}, and the rows together can be counted neither from 0 nor from "
            "1, nor are all answers texts of options; write letters in a column 'answer_idx'"
        )
    raise RowFaultError(f"has the answer {number}, expected one of {options.told()}")


def _kept(options: Offered, at: int, answer: Any) -> int:
    if not options.texts[at]:
        raise RowFaultError(
            f"has the answer {text(answer)!r}, and that option is empty; expected one of {options.told()}"
        )
    return at
