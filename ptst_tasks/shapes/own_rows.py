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
from ptst_tasks.shapes.row_cells import Fields, Row, RowFaultError
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
        seen: Counts of what `notes` tells.
    """

    prompt: str = ""
    answer: str = ""
    options: Choice = field(default_factory=lambda: choice(guess=WHICH))
    seen: Counter[str] = field(default_factory=Counter)

    def over(self, rows: Sequence[Mapping[str, Any]]) -> OwnTraining:
        """The shape for a file, with counts of its own."""
        options = self.options if self.prompt or self.answer else self.options.over(rows)
        return replace(self, options=options, seen=Counter())

    def __call__(self, row: Mapping[str, Any]) -> Row:
        """Reads a row."""
        fields = Fields(row)
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
        if not said and has_options(fields) and fields.filled(QUESTIONS):
            doc = with_letter(self.options.read(fields))
            self.seen["options"] += 1
            prompt, answer, category = doc["prompt"], doc["answer"], doc["category"]
        else:
            prompt, answer = self._plain(fields)
            category = fields.optional(("category",))
        out = {
            "prompt": prompt,
            "category": category,
            "answer": answer,
            "system_prompt": fields.optional(SYSTEM, WHICH),
        }
        history = earlier_turns(fields)
        return {**out, "history": history} if history else out

    def _plain(self, fields: Fields) -> tuple[str, str]:
        answer = fields.text((self.answer,)) if self.answer else ""
        prompt = (
            fields.text((self.prompt,)) if self.prompt else _with_context(fields, _PROMPT, WHICH)
        )
        answer = answer if self.answer else fields.text(_ANSWER, WHICH)
        thoughts = {name: fields.text((name,)) for name in fields.filled(_THOUGHT)}
        where = f"in {' and '.join(map(repr, thoughts))}"
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
            "category": fields.optional(("category",)),
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
        seen: Counts of what `notes` tells.
    """

    prompt: tuple[str, ...]
    category: tuple[str, ...] = ("category",)
    guess: str = ""
    system: tuple[str, ...] = SYSTEM
    bring: bool = False
    seen: Counter[str] = field(default_factory=Counter)

    def over(self, rows: Sequence[Mapping[str, Any]]) -> OwnPrompts:
        """The shape for a file, with counts of its own."""
        bring = any(
            fields.filled(self.system)
            or any(is_conversation(fields.peek(n)) for n in fields.filled((*COLUMNS, *self.prompt)))
            for fields in map(Fields, rows)
        )
        return replace(self, bring=bring, seen=Counter())

    def __call__(self, row: Mapping[str, Any]) -> Row:
        """Reads a row."""
        fields = Fields(row)
        said = self.prompt if len(self.prompt) == 1 else ()
        if talk := find_conversation(fields, said or self.prompt):
            prompt = only_question(talk)
            self.seen["answered"] += bool(talk.turns)
            system = system_prompt(fields, talk, self.system)
        else:
            prompt = fields.text(said) if said else _with_context(fields, self.prompt, self.guess)
            system = fields.optional(self.system, self.guess)
        self.seen["system"] += bool(system)
        out = {"prompt": prompt, "category": fields.optional(self.category), "answer": ""}
        refuse_earlier(fields)
        count_left(self.seen, fields)
        return {**out, "system_prompt": system} if system or self.bring else out

    def notes(self) -> tuple[str, ...]:
        """What a reader of the file must know."""
        return _notes(self.seen)


def _with_context(fields: Fields, accepted: tuple[str, ...], advice: str) -> str:
    """The prompt and, below a blank line, what it is about, as Alpaca's and Dolly's rows have it."""
    if not any(name in fields.names() for name in accepted):
        for name in fields.filled(COLUMNS):
            read_conversation(fields.peek(name), name)  # says what is wrong with it
        raise KeyError(", ".join((*accepted, *COLUMNS)))
    about = []
    filled = fields.filled(accepted)
    if "instruction" in filled and not set(filled) - {"instruction", "input"}:
        accepted = ("instruction",)
        about = [fields.text((name,)).strip() for name in fields.filled(("input",))]
    prompt = fields.text(accepted, advice)
    about += [fields.text((name,)).strip() for name in fields.filled(("context",))]
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
