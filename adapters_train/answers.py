"""What a model learns to write for one row: thought, answer and end of turn, each of them once.

A row's answer may bring a thought of its own, in its own data set's markers; it is written in those
of the model. What the tests read as a thought (`ptst_tasks.thinking.split`) is one here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ptst_tasks.chat import Rendered
from ptst_tasks.errors import DataError
from ptst_tasks.nesting import end_of
from ptst_tasks.replies import described
from ptst_tasks.thinking import MARKERS, TURN_ENDS, Markers, Split, split, unopened

__all__ = ["Completion", "brings_thought", "complete", "earlier", "remarks"]

THOUGHT = "{n} of {rows} answers have a thought of their own; the others have none"
UNKNOWN = (
    "{n} of {rows} answers have a thought of their own, and the model's chat template knows none: they "
    "are trained as they stand, thought included"
)
NO_PLACE = (
    "{n} of {rows} answers have a thought of their own, and their prompt has no place for one (a text "
    "template, a literal chat_format, or one that closes the thought, which thinking: on may open): "
    "they are trained as they stand, thought included"
)
OTHERS = (
    "{n} of {rows} answers have a thought in another model's markers, or frame; it is trained in this "
    "one's"
)
EMPTY = "{n} of {rows} answers have an empty thought; they are trained as those without one"
INSIDE = (
    "{n} of {rows} answers have markers of a thought inside them, which are trained as they stand, as "
    "text: a thought stands at an answer's beginning"
)
EARLIER = (
    "before {n} of {rows} answers, earlier turns have thoughts in another model's markers, which are "
    "taken off"
)
SHOWN = (
    "before {n} of {rows} answers, earlier turns have thoughts, which stay there as text (the model's "
    "chat template knows none, or a literal chat_format is used)"
)
SPECIAL = "{n} of {rows} answers hold the special token {token}, which is trained as such"
SPACE = "{n} of {rows} answers begin or end with white space, which is left out"
_BOM = "\ufeff"
_REMARKS = (THOUGHT, UNKNOWN, NO_PLACE, OTHERS, EMPTY, INSIDE, EARLIER, SHOWN, SPACE)


@dataclass(frozen=True, slots=True)
class Completion:
    """What follows a prompt in training.

    Attributes:
        text: All of it, end of turn included.
        answer: Its part behind the thought, end of turn included; all of it where none is.
        thought: Whether it has a thought.
        remarks: What was done to the row that a reader must know.
        opening: What the chat template writes before the row's own first word; often empty.
    """

    text: str
    answer: str
    thought: bool = False
    remarks: tuple[str, ...] = ()
    opening: str = ""


def complete(
    written: str, rendered: Rendered, markers: Sequence[Markers], ends: Iterable[str], row: str,
    special: re.Pattern[str] | None = None,
) -> Completion:  # fmt: skip
    """Writes a row's answer as the model would.

    Args:
        written: The row's answer, with or without a thought and an end of turn of its own.
        rendered: Its prompt.
        markers: The families of thoughts that the model knows.
        ends: Tokens that end a turn or a text, as text; an answer can hold none.
        row: How the row is called in errors.
        special: Finds the tokenizer's special tokens, which an answer may hold and is said to.

    Raises:
        DataError: If an end stands inside the answer, if a thought has no end or no answer, or if
            there are two of them.
    """
    body = _ended(written, rendered.end, ends)
    said = [SPACE] if written != written.strip() or written.startswith(_BOM) else []
    own = [*markers, *([rendered.opens] if rendered.opens else [])]
    family = _thought_of(body, own, row)
    framed = [m for m in own if m.head and body.startswith(m.head)]
    read = [family] if family and own else framed
    parts = split(described(body, family), read) if read else Split("", body)
    second = _second(described(body, family), family) if family else ""
    _check(parts, ends, row, second=second if own else "")
    said += _special(parts, special, own)
    if framed and not family:
        body = parts.answer.rstrip()
    lead = rendered.lead
    plain = Completion(f"{lead}{body}{rendered.end}", f"{body}{rendered.end}", opening=lead)
    if family and not own:
        return replace(plain, remarks=(*said, UNKNOWN))
    if own and _holds_markers(parts, own):
        said.append(INSIDE)
    if family is None:
        return replace(plain, remarks=tuple(said))
    answer = f"{parts.answer.rstrip()}{rendered.end}"
    if not parts.reasoning:
        return Completion(f"{lead}{answer}", answer, remarks=(*said, EMPTY), opening=lead)
    if rendered.thought is None:
        return replace(plain, remarks=(*said, NO_PLACE))
    before, between = rendered.thought
    if family not in own:
        said.append(OTHERS)
    text = f"{before}{parts.reasoning}{between}{answer}"
    return Completion(text, answer, thought=True, remarks=(*said, THOUGHT), opening=before)


def brings_thought(text: str) -> bool:
    """Whether a row's answer begins with a thought of any family, for a trainer that knows none."""
    return _thought_of(_stripped(text), (), "") is not None


def earlier(
    history: Sequence[tuple[str, str]],
    markers: Sequence[Markers],
    row: str,
    *,
    literal: bool = False,
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Earlier turns, without thoughts in another model's markers; and what is to be said.

    Thoughts in the model's own are the chat template's to keep or to take out; others it would take
    for text.

    Args:
        history: Questions and answers.
        markers: The families of thoughts that the model knows.
        row: How the row is called in errors.
        literal: Whether a literal chat format writes the prompt, which takes no thought out.

    Raises:
        DataError: If an earlier thought has no end, or no answer behind it.
    """
    turns, said = [], []
    for asked, answered in history:
        family = _thought_of(_stripped(answered), markers, row)
        if family and markers and family not in markers:
            answered = split(described(_stripped(answered), family), [family]).answer
            said.append(EARLIER)
            if not answered.strip():
                raise DataError(
                    f"{row} has an earlier turn with a thought and no answer behind it; mend the row, "
                    "or leave it out"
                )
        elif family and (literal or not markers):
            said.append(SHOWN)
        elif family and not answered.lstrip().startswith(family.open.strip()):
            answered = described(_stripped(answered), family)
        turns.append((asked, answered))
    return tuple(turns), tuple(dict.fromkeys(said))


def remarks(counts: Mapping[str, int], rows: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What was done to rows, for a manifest.

    Args:
        counts: Remark, or note of the chat template, and how many rows have it.
        rows: How many rows there are.

    Returns:
        What the chat template did to every row; and what was done to some, counted. The first says
        how training went, the second what its rows were, which another sample of them changes.
    """
    notes = {k: n for k, n in counts.items() if not _is_remark(k)}
    some = [f"for {n} of {rows} answers: {k}" for k, n in notes.items() if n < rows]
    # That all rows think is nothing to say.
    told = [k for k in _REMARKS if counts.get(k) and (k != THOUGHT or counts[k] < rows)]
    told += sorted(k for k in counts if _is_remark(k) and k not in _REMARKS)
    counted = [k.replace("{n}", str(counts[k]), 1).replace("{rows}", str(rows), 1) for k in told]
    return tuple(k for k, n in notes.items() if n == rows), (*some, *counted)


def _is_remark(key: str) -> bool:
    return "{n} of {rows}" in key


def _stripped(text: str) -> str:
    """A text without the white space and the byte order mark around it."""
    return text.strip().removeprefix(_BOM).lstrip()


def _ended(written: str, end: str, ends: Iterable[str]) -> str:
    """An answer without the end that data made for another trainer may have."""
    body = _stripped(written)
    for word in (end, *ends):
        if word:
            body = body.removesuffix(word).rstrip()
    return body


def _thought_of(body: str, own: Sequence[Markers], row: str) -> Markers | None:
    """The family of the thought that an answer begins with; the model's own are looked for first.

    Raises:
        DataError: If it has no end, for a model that knows thoughts; for others it is text.
    """
    others = [m for m in MARKERS if m not in own]
    for family in (*own, *others):
        opening = family.open.strip()
        if not opening or not body.startswith(opening):
            continue
        if family.close in body:
            return _with_frame(body, family)
        # An opening of plain words (Apriel's) may be anybody's, one of tags is a thought's.
        if own and (family in own or not opening[0].isalpha()):
            raise DataError(
                f"{row} begins a thought with {opening!r} that has no {family.close!r}: it was cut "
                "off, and has no answer; mend the row, or leave it out"
            )
        return None if opening[0].isalpha() else family
    for family in (*own, *others):  # where the row was made, the opening marker was the prompt's
        if unopened(body, [family]) and _ends_a_thought(body, family):
            return _with_frame(body, family)
    return None


def _ends_a_thought(body: str, family: Markers) -> bool:
    """Whether the first end of a thought is one: it may end a quotation, or as some do, any turn."""
    before, _, behind = body.partition(family.close)
    told = family.close not in TURN_ENDS or behind.lstrip().startswith(family.head)
    return told and family.open.strip() not in before


def _with_frame(body: str, family: Markers) -> Markers:
    """The family that also frames the answer behind such a thought, if there is one."""
    behind = body.partition(family.close)[2].lstrip()
    framing = (
        m for m in MARKERS
        if (m.open, m.close) == (family.open, family.close) and m.head and behind.startswith(m.head)
    )  # fmt: skip
    return family if family.head else next(framing, family)


def _second(body: str, family: Markers) -> str:
    """The marker right behind a thought that says that there are two; empty for one thought."""
    opening = family.open.strip()
    inside = body.lstrip().removeprefix(opening)
    end = end_of(inside, opening, family.close)
    behind = inside[end + len(family.close) :].lstrip() if end >= 0 else ""
    return next((mark for m in MARKERS for mark in _marks(m) if behind.startswith(mark)), "")


def _check(parts: Split, ends: Iterable[str], row: str, *, second: str) -> None:
    """Refuses what no model could be trained to write."""
    for end in ends:
        if end in parts.reasoning or end in parts.answer:
            raise DataError(
                f"{row} has the end of turn {end!r} inside its answer; remove it from the data, the "
                "trainer adds it"
            )
    if not parts.answer.strip():
        found = "a thought and no answer behind it" if parts.reasoning else "no answer"
        raise DataError(f"{row} has {found}; add one, or leave the row out")
    if second:
        raise DataError(
            f"{row} has two thoughts before one answer: behind the first stands {second!r}; join them, "
            "or leave the row out"
        )


def _marks(family: Markers) -> Iterator[str]:
    """What begins and ends its thoughts, where that is no plain word."""
    for mark in (family.open.strip(), family.close):
        if mark and not mark[0].isalpha() and mark not in TURN_ENDS:
            yield mark


def _holds_markers(parts: Split, own: Sequence[Markers]) -> bool:
    marks = {mark for m in (*own, *MARKERS) for mark in _marks(m)}
    return any(mark in text for mark in marks for text in (parts.reasoning, parts.answer))


def _special(parts: Split, special: re.Pattern[str] | None, own: Sequence[Markers]) -> list[str]:
    """What is to be said about special tokens, but for markers, of which more is said."""
    if special is None:
        return []
    found = {*special.findall(parts.reasoning), *special.findall(parts.answer)}
    marks = {mark for m in own for mark in _marks(m)}
    return [SPECIAL.replace("{token}", repr(token)) for token in sorted(found - marks)]
