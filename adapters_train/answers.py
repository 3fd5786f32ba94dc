"""What a model learns to write for one row: thought, answer and end of turn, each of them once.

A row's answer may bring a thought of its own, in its own data set's markers; it is written in those
of the model. What the tests read as a thought (`ptst_tasks.thinking.split`) is one here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ptst_tasks.chat import Rendered
from ptst_tasks.errors import DataError
from ptst_tasks.replies import described
from ptst_tasks.thinking import MARKERS, Markers, Split, split

__all__ = ["Completion", "complete", "earlier", "remarks"]

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
    "{n} of {rows} answers have a thought in another model's markers; it is trained in this one's"
)
EMPTY = "{n} of {rows} answers have an empty thought; they are trained as those without one"
INSIDE = (
    "{n} of {rows} answers have markers of a thought inside them; they are trained as they stand, and "
    "at test all before the end of such a thought is taken off"
)
EARLIER = (
    "before {n} of {rows} answers, earlier turns have thoughts in another model's markers, which are "
    "taken off"
)
SPACE = "{n} of {rows} answers begin or end with white space, which is left out"
_REMARKS = (THOUGHT, UNKNOWN, NO_PLACE, OTHERS, EMPTY, INSIDE, EARLIER, SPACE)


@dataclass(frozen=True, slots=True)
class Completion:
    """What follows a prompt in training.

    Attributes:
        text: All of it, end of turn included.
        answer: Its part behind the thought, end of turn included; all of it where none is.
        thought: Whether it has a thought.
        remarks: What was done to the row that a reader must know.
    """

    text: str
    answer: str
    thought: bool = False
    remarks: tuple[str, ...] = ()


def complete(
    written: str, rendered: Rendered, markers: Sequence[Markers], ends: Iterable[str], row: str
) -> Completion:
    """Writes a row's answer as the model would.

    Args:
        written: The row's answer, with or without a thought and an end of turn of its own.
        rendered: Its prompt.
        markers: The families of thoughts that the model knows.
        ends: Tokens that end a turn or a text, as text; an answer can hold none.
        row: How the row is called in errors.

    Raises:
        DataError: If an end stands inside the answer, or a thought has no end or no answer.
    """
    body = _ended(written, rendered.end, ends)
    said = [SPACE] if written != written.strip() else []
    own = [*markers, *([rendered.opens] if rendered.opens else [])]
    family = _thought_of(body, own, rendered.opens, row)
    framed = [m for m in own if m.head and body.startswith(m.head)]
    read = [family] if family and own else framed
    parts = split(described(body, family), read) if read else Split("", body)
    for end in ends:
        if end in parts.reasoning or end in parts.answer:
            raise DataError(
                f"{row} has the end of turn {end!r} inside its answer; remove it from the data, the "
                "trainer adds it"
            )
    if not parts.answer.strip():
        found = "a thought and no answer behind it" if parts.reasoning else "no answer"
        raise DataError(f"{row} has {found}; add one, or leave the row out")
    if framed and not family:
        body = parts.answer.rstrip()
    plain = Completion(f"{rendered.lead}{body}{rendered.end}", f"{body}{rendered.end}")
    if family is None:
        inside = any(m.close in body for m in own)
        return replace(plain, remarks=(*said, INSIDE) if inside else tuple(said))
    if not own:
        return replace(plain, remarks=(*said, UNKNOWN))
    answer = f"{parts.answer.rstrip()}{rendered.end}"
    if not parts.reasoning:
        return Completion(f"{rendered.lead}{answer}", answer, remarks=(*said, EMPTY))
    if rendered.thought is None:
        return replace(plain, remarks=(*said, NO_PLACE))
    before, between = rendered.thought
    if family not in own:
        said.append(OTHERS)
    text = f"{before}{parts.reasoning}{between}{answer}"
    return Completion(text, answer, thought=True, remarks=(*said, THOUGHT))


def earlier(
    history: Sequence[tuple[str, str]], markers: Sequence[Markers], row: str
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Earlier turns, without thoughts in another model's markers; and what was done.

    Thoughts in the model's own are the chat template's to keep or to take out; others it would take
    for text.

    Raises:
        DataError: If an earlier thought has no end.
    """
    turns = []
    for asked, answered in history:
        family = _thought_of(answered.strip(), markers, None, row) if markers else None
        foreign = family is not None and family not in markers
        if family and foreign:
            answered = split(described(answered, family), [family]).answer
        turns.append((asked, answered))
    return tuple(turns), (EARLIER,) if tuple(turns) != tuple(history) else ()


def remarks(counts: Mapping[str, int], rows: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What was done to rows, for a manifest.

    Args:
        counts: Remark, or note of the chat template, and how many rows have it.
        rows: How many rows there are.

    Returns:
        What the chat template did to every row; and what was done to some, counted. The first says
        how training went, the second what its rows were, which another sample of them changes.
    """
    notes = {k: n for k, n in counts.items() if k not in _REMARKS}
    some = [f"for {n} of {rows} answers: {k}" for k, n in notes.items() if n < rows]
    # That all rows think is nothing to say.
    told = [k for k in _REMARKS if counts.get(k) and (k != THOUGHT or counts[k] < rows)]
    counted = [k.format(n=counts[k], rows=rows) for k in told]
    return tuple(k for k, n in notes.items() if n == rows), (*some, *counted)


def _ended(written: str, end: str, ends: Iterable[str]) -> str:
    """An answer without the end that data made for another trainer may have."""
    body = written.strip()
    for word in (end, *ends):
        if word:
            body = body.removesuffix(word).rstrip()
    return body


def _thought_of(
    body: str, own: Sequence[Markers], opens: Markers | None, row: str
) -> Markers | None:
    """The family of the thought that an answer begins with; the model's own are looked for first."""
    # A family whose opening is plain words (Apriel's) is none for the other models.
    others = [m for m in MARKERS if m not in own and not m.open.strip()[:1].isalpha()]
    for family in (*own, *others):
        opening = family.open.strip()
        if opening and body.startswith(opening):
            if family.close not in body:
                raise DataError(
                    f"{row} begins a thought with {opening!r} that has no {family.close!r}: it was "
                    "cut off, and has no answer; mend the row, or leave it out"
                )
            return family
    for family in own:  # where the row was made, the opening marker was the prompt's
        before, closed, _ = body.partition(family.close)
        if closed and (family == opens or family.open.strip() not in before):
            return family
    return None
