"""Questions with options: as columns, a list, or key and value; answers as letter, number or text.

A label is the letter of an option's place (or the file's own letter, in upper case), so copies of
a set that differ in their keys ask alike. An option that holds nothing is left out and keeps its
letter from the others: the text ``None`` is an option, a null is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ptst_tasks.shapes.option_answers import Said, decide, ways_of
from ptst_tasks.shapes.option_forms import Offered, flat, read_options
from ptst_tasks.shapes.questions import asked
from ptst_tasks.shapes.row_cells import Fields, Row, RowFaultError, text

__all__ = ["ANSWERS", "QUESTIONS", "Choice", "choice"]

QUESTIONS = ("question", "prompt", "query", "sent1", "stem", "problem", "ctx", "goal", "instruction",
             "input", "text")  # fmt: skip
ANSWERS = ("answer_idx", "answer_index", "answerkey", "answer_key", "correct_option", "cop", "label",
           "answer", "correct_answer", "target", "output", "completion", "response")  # fmt: skip


def choice(
    prompt: tuple[str, ...] = QUESTIONS,
    answer: tuple[str, ...] = ANSWERS,
    category: tuple[str, ...] = ("category", "subject", "meta_info", "subject_name"),
    options: tuple[str, ...] = (),
    *,
    guess: str = "",
    scored: bool = False,
    **extra: tuple[str, ...],
) -> Choice:
    """A shape for questions with options, in any of the forms that people's files have.

    Offered are columns (``A`` ``B`` ``C``; ``option_a`` or ``opa``; ``ending0``; ``choice1``), or
    under ``choices``, ``options``, ``endings`` or ``candidates`` a list of texts, an object
    ``{"A": ...}``, a list of ``{"key": "A", "value": ...}`` or ``{"text": [...], "label": [...]}``.
    The answer is a letter in either case, a key, the option's text, or a number. Whether numbers
    are keys or texts, or count from 0 or from 1, is decided for each column by all rows of the
    file together, so use `row_cells.begin` (as `sets.load` does); see `option_answers`.

    Args:
        prompt: Accepted columns of the question, in order of preference, lower case.
        answer: The same for the answer. Where one that names an option (``answer_idx``) stands
            beside one with its text, they must agree.
        category: The same for the category; optional.
        options: Columns of the options, where they are none of the usual: one with all of them, or
            one for each, in order.
        guess: What a user can do about two columns that may both be meant.
        scored: Whether a model's own words are compared with the options: two that say the same are
            refused.
        **extra: More optional text columns, by our name for them.

    What a question is about stands above it, see `questions.asked`.

    Returns:
        A shape whose rows have ``prompt``, ``category``, ``answer`` (the option's text),
        ``choices`` (texts), ``labels`` (letters) and ``label`` (index of the answer).
    """
    return Choice(prompt, answer, category, options, guess, tuple(extra.items()), scored)


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
        scored: Whether a model's own words are compared with the options.
        ways: Column -> how its answers may be meant, by all that is known of the file.
    """

    prompt: tuple[str, ...]
    answer: tuple[str, ...]
    category: tuple[str, ...]
    options: tuple[str, ...] = ()
    guess: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    scored: bool = False
    ways: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def over(self, rows: Sequence[Mapping[str, Any]]) -> Choice:
        """The shape for a file: how the answers of a column are meant is what fits every row."""
        seen = []
        for row in rows:
            fields = Fields(row)
            try:
                seen.append((read_options(fields, self.options), self._said(fields)))
            except (RowFaultError, KeyError):
                continue  # reading the row will say so
        return replace(self, ways=ways_of(seen))

    def __call__(self, row: Mapping[str, Any]) -> Row:
        """Reads a row."""
        return self.read(Fields(row))

    def read(self, fields: Fields) -> Row:
        """Reads a row whose columns may be taken already in part."""
        try:
            options = read_options(fields, self.options)
        except KeyError as e:
            raise self._unsaid(str(e.args[0]), "choices_column", self.options) from e
        said = self._said(fields)
        more = {name: fields.optional(accepted) for name, accepted in self.extra}
        category = fields.optional(self.category)
        question = asked(fields, self.prompt, self.guess)
        at = decide(options, said, self.ways)
        if self.scored:
            _check_distinct(options)
        kept = [i for i, value in enumerate(options.texts) if value]
        return {
            "prompt": question,
            "category": category,
            "answer": options.texts[at],
            "choices": [options.texts[i] for i in kept],
            "labels": [options.labels[i] for i in kept],
            "label": kept.index(at),
            **more,
        }

    def _said(self, fields: Fields) -> Said:
        filled = fields.filled(self.answer)
        if not filled:
            if any(name in fields.names() for name in self.answer):
                raise RowFaultError("has no answer, expected the letter of one of its options")
            usual = self.answer if len(self.answer) == 1 else ()
            raise self._unsaid(", ".join(self.answer), "answer_column", usual)
        said = [(name, fields.take(name)) for name in filled]
        for name, answer in said:
            text(answer, name)  # a list is no answer
        return said

    def _unsaid(self, expected: str, option: str, said: tuple[str, ...]) -> KeyError:
        """What is missing; of a set of a user's own also how to say where it is."""
        return KeyError(
            f"{expected}; or say which with {option!r}" if self.scored and not said else expected
        )


def _check_distinct(options: Offered) -> None:
    seen: dict[str, str] = {}
    for label, value in zip(options.labels, options.texts, strict=True):
        if value and (first := seen.setdefault(flat(value), label)) != label:
            raise RowFaultError(
                f"has two options that say the same, {first} and {label}: {value[:60]!r}; an answer in "
                "words could be either: change one, or leave the row out"
            )
