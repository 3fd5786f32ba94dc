"""Files of a user's own: whatever common shape the rows have, read to train on or to test with.

Where the columns are not said they are found by their names. A row with two that may both be meant
is refused. What is read otherwise than a column as it stands, and every filled column that nobody
reads, is told in the file's notes with the count of its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ptst_tasks.shapes.choices import QUESTIONS, Choice, choice
from ptst_tasks.shapes.conversations import (
    COLUMNS,
    Conversation,
    is_conversation,
    read_conversation,
    with_thought,
)
from ptst_tasks.shapes.exams import with_letter
from ptst_tasks.shapes.left_over import column_notes, count_left, count_rows, refuse_earlier
from ptst_tasks.shapes.option_forms import has_options
from ptst_tasks.shapes.row_cells import (
    Fields,
    Row,
    RowFaultError,
    TextRow,
    is_printed_list,
    text,
)
from ptst_tasks.shapes.row_talks import (
    SYSTEM,
    WHICH,
    earlier_turns,
    find_conversation,
    only_question,
    system_prompt,
)

__all__ = ["OwnPrompts", "OwnTraining"]

_PROMPT = ("prompt", "question", "instruction", "input", "query")
_ANSWER = ("answer", "completion", "response", "output", "target")
_THOUGHT = ("reasoning_content", "thinking")


@dataclass(frozen=True)
class OwnTraining:
    """A shape for files to train on; see `notes` once a file is read.

    Its rows have ``prompt``, ``category``, ``answer`` and ``system_prompt``; those of a conversation
    ``history`` too: earlier questions and answers, in pairs, and ``untrained``, the turns (from 0)
    whose answers are not to be learnt, if there are any.

    Attributes:
        prompt: The column of prompts, or of messages; empty to find it.
        answer: The column of answers; empty to find it.
        options: How questions with options are read.
        column: Where other rows of the file have the prompt, if they do not agree on one.
        seen: Counts of what `notes` tells.
    """

    prompt: str = ""
    answer: str = ""
    options: Choice = field(default_factory=lambda: choice(guess=WHICH))
    column: str = ""
    seen: Counter[str] = field(default_factory=Counter)

    def over(self, rows: Sequence[Mapping[str, Any]]) -> OwnTraining:
        """The shape for a file, with counts of its own."""
        options = self.options if self.prompt or self.answer else self.options.over(rows)
        column = "" if self.prompt else _odd_column(rows, _PROMPT)
        return replace(self, options=options, column=column, seen=Counter())

    def __call__(self, row: Mapping[str, Any]) -> Row:
        """Reads a row."""
        fields = Fields(row)
        _check_column(fields, self.column, _PROMPT)
        out = self._read(fields)
        count_left(self.seen, fields)
        return out

    def notes(self) -> tuple[str, ...]:
        """What a reader of the file must know."""
        return _notes(self.seen)

    def _read(self, fields: Fields) -> Row:
        talk = find_conversation(
            fields, (self.prompt,) if self.prompt else _PROMPT, self.answer, _ANSWER
        )
        if talk:
            return self._talk(fields, talk)
        said = self.prompt or self.answer
        exam = _exam(fields)
        if not said and has_options(exam) and exam.filled(QUESTIONS):
            doc = with_letter(self.options.read(exam))
            fields.taken |= exam.taken
            self.seen["options"] += 1
            prompt, answer, category = doc["prompt"], doc["answer"], doc["category"]
        else:
            prompt, answer = self._plain(fields)
            category = _category(fields)
        out = {
            "prompt": prompt,
            "category": category,
            "answer": answer,
            "system_prompt": fields.optional(SYSTEM, WHICH),
        }
        history = earlier_turns(fields)
        return {**out, "history": history} if history else out

    def _plain(self, fields: Fields) -> tuple[str, str]:
        answer = _prose(fields, (self.answer,)) if self.answer else ""
        prompt = (
            _prose(fields, (self.prompt,)) if self.prompt else _with_context(fields, _PROMPT, WHICH)
        )
        answer = answer if self.answer else _prose(fields, _ANSWER, WHICH)
        thoughts = {name: fields.text((name,)) for name in fields.filled(_THOUGHT)}
        where = f"in {' and '.join(map(repr, thoughts)) or 'the answer'}"
        return prompt, with_thought(answer, list(thoughts.values()), where)

    def _talk(self, fields: Fields, talk: Conversation) -> Row:
        turns = talk.turns or ((talk.asked, ""),)
        self.seen["unanswered"] += bool(talk.turns and talk.asked)
        self.seen["untrained"] += bool(talk.untrained)
        if len(talk.untrained) == len(turns):
            raise RowFaultError("marks every answer as not to be trained on; leave the row out")
        marked = {"untrained": list(talk.untrained)} if talk.untrained else {}
        return {
            "prompt": turns[-1][0],
            "category": _category(fields),
            "answer": turns[-1][1],
            "system_prompt": system_prompt(fields, talk),
            "history": [list(turn) for turn in turns[:-1]],
            **marked,
        }


@dataclass(frozen=True)
class OwnPrompts:
    """A shape for files of prompts to test with; see `notes` once a file is read.

    Its rows have ``prompt``, ``category``, an empty ``answer`` and, in a file where any brings one,
    ``system_prompt``. Take it where `readers.plain` would be taken for a file of known columns.

    Attributes:
        prompt: Accepted columns of the prompt, or of messages: one that is said, or several to
            find it by.
        category: Accepted columns of the category; optional.
        guess: What a user can do about two columns that may both be meant.
        system: Accepted columns of the row's own system prompt.
        bring: Whether rows of the file bring one: then every row has the key, for a table.
        column: Where other rows of the file have the prompt, if they do not agree on one.
        seen: Counts of what `notes` tells.
    """

    prompt: tuple[str, ...]
    category: tuple[str, ...] = ("category",)
    guess: str = ""
    system: tuple[str, ...] = SYSTEM
    bring: bool = False
    column: str = ""
    seen: Counter[str] = field(default_factory=Counter)

    def over(self, rows: Sequence[Mapping[str, Any]]) -> OwnPrompts:
        """The shape for a file, with counts of its own."""
        bring = any(
            fields.filled(self.system)
            or any(is_conversation(fields.peek(n)) for n in fields.filled((*COLUMNS, *self.prompt)))
            for fields in map(Fields, rows)
        )
        column = _odd_column(rows, self.prompt)
        return replace(self, bring=bring, column=column, seen=Counter())

    def __call__(self, row: Mapping[str, Any]) -> Row:
        """Reads a row."""
        fields = Fields(row)
        _check_column(fields, self.column, self.prompt)
        said = self.prompt if len(self.prompt) == 1 else ()
        if talk := find_conversation(fields, said or self.prompt):
            prompt = only_question(talk)
            self.seen["answered"] += bool(talk.turns)
            system = system_prompt(fields, talk, self.system)
        else:
            prompt = (
                _prose(fields, said) if said else _with_context(fields, self.prompt, self.guess)
            )
            system = fields.optional(self.system, self.guess)
        self.seen["system"] += bool(system)
        out = {"prompt": prompt, "category": _category(fields, self.category), "answer": ""}
        refuse_earlier(fields)
        count_left(self.seen, fields)
        return {**out, "system_prompt": system} if system or self.bring else out

    def notes(self) -> tuple[str, ...]:
        """What a reader of the file must know."""
        return _notes(self.seen)


def _odd_column(rows: Sequence[Mapping[str, Any]], accepted: tuple[str, ...]) -> str:
    """Where the first row has its prompt, if no column is that of every row; else nothing."""
    first, common = "", None
    for row in rows:
        if used := _prompt_columns(Fields(row), accepted):
            first = first or used[0]
            common = set(used) if common is None else common & set(used)
            if not common:
                return first
    return ""


def _check_column(fields: Fields, column: str, accepted: tuple[str, ...]) -> None:
    used = _prompt_columns(fields, accepted) if column else []
    if used and column not in used:
        raise RowFaultError(
            f"has its prompt in {used[0]!r}, and other rows have theirs in {column!r}; a file has one "
            f"column of prompts: {WHICH}"
        )


def _prompt_columns(fields: Fields, accepted: tuple[str, ...]) -> list[str]:
    """Which columns of a row may be its prompt, if it is no conversation; takes nothing."""
    if any(is_conversation(fields.peek(n)) for n in fields.filled((*COLUMNS, *accepted))):
        return []
    filled = fields.filled(accepted)
    return ["instruction"] if _is_instruction(filled) else filled


def _is_instruction(filled: list[str]) -> bool:
    return "instruction" in filled and not set(filled) - {"instruction", "input"}


def _exam(fields: Fields) -> Fields:
    """The row without columns that are options of an exam only where somebody says so.

    Answers to choose a better one from are called `candidates`, or a and b.
    """
    odd = {"candidates"} | (set() if "c" in fields.names() else {"a", "b"})
    if not odd.intersection(fields.names()):
        return fields
    return Fields({k: v for k, v in fields.row.items() if str(k).strip().lower() not in odd})


def _category(fields: Fields, accepted: tuple[str, ...] = ("category",)) -> str:
    """The category, which nobody needs: a list or an object is told as a column that is not used."""
    plain = [n for n in accepted if n in fields.filled(accepted) and _is_scalar(fields.peek(n))]
    return fields.optional(plain)


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, list | tuple | dict) and type(value).__name__ != "ndarray"


def _prose(fields: Fields, accepted: tuple[str, ...], advice: str = "") -> str:
    """A text that is asked or trained on; in a csv, no list that was printed into its cell."""
    name, value = fields.pick(accepted, advice)
    said = text(value, name)
    if isinstance(fields.row, TextRow) and is_printed_list(said):
        raise RowFaultError(
            f"has a list as Python prints it in the column {name!r}, where text is expected; take it "
            "apart, or write the rows as JSON lines if it is meant to the letter"
        )
    return said


def _with_context(fields: Fields, accepted: tuple[str, ...], advice: str) -> str:
    """The prompt and, below a blank line, what it is about, as Alpaca's and Dolly's rows have it."""
    if not any(name in fields.names() for name in accepted):
        for name in fields.filled(COLUMNS):
            read_conversation(fields.peek(name), name)  # says what is wrong with it
        raise KeyError(", ".join((*accepted, *COLUMNS)))
    about = []
    filled = fields.filled(accepted)
    if _is_instruction(filled):
        accepted = ("instruction",)
        about = [_prose(fields, (name,)).strip() for name in fields.filled(("input",))]
    prompt = _prose(fields, accepted, advice)
    about += [_prose(fields, (name,)).strip() for name in fields.filled(("context",))]
    about = [part for part in about if part and part != prompt.strip()]
    return "\n\n".join([prompt.strip(), *about]) if about and prompt.strip() else prompt


def _notes(seen: Counter[str]) -> tuple[str, ...]:
    told = (f"{text}: {count_rows(seen[key])}" for key, text in _TOLD.items() if seen[key])
    return (*told, *column_notes(seen))


_TOLD = {
    "unanswered": "a last question that nobody answers is left out of the conversation",
    "untrained": "answers that are marked as not to be trained on (weight 0) are only shown",
    "options": "options stand below the question with their letters, and the answer is a letter",
    "answered": "the answers of the file are not used, for the model gives its own",
    "system": "a system prompt of the row's own, for templates with {system_prompt}; others leave it out",
}
"""What is counted -> how it is told."""
