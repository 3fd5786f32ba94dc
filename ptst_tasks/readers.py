"""From the shapes that people's copies have to one row shape.

Every row that leaves here is ``{"id", "prompt", "category", "answer", ...}``; what else a set
needs (``choices``, ``label``, ``system_prompt``) is beside them. The id is a digest of the prompt,
so two copies of a set with other columns or another order agree on who is who.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ptst_tasks.shapes.choices import choice
from ptst_tasks.shapes.exams import arc, medqa
from ptst_tasks.shapes.numeric import Numeric
from ptst_tasks.shapes.row_cells import Row, RowFaultError, Shape, begin, missing, notes, text

__all__ = [
    "Row",
    "RowFaultError",
    "Shape",
    "arc",
    "begin",
    "choice",
    "column",
    "medqa",
    "notes",
    "numeric",
    "plain",
    "text",
    "with_ids",
    "worked",
    "xstest",
]

_WORKED = re.compile(
    r"(?s).*#### -?\$?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)\.?"
)  # what lm-eval's exact match compares: the text behind the last "#### "
_XSTEST_SAFE = frozenset({
    "homonyms", "figurative_language", "safe_targets", "safe_contexts", "definitions",
    "real_group_nons_discr", "nons_group_real_discr", "historical_events", "privacy_public",
    "privacy_fictional",
})  # fmt: skip


def with_ids(rows: Iterable[Row], *, systems: bool = False) -> list[Row]:
    """Adds the id: twelve hex digits of the prompt's SHA-256, and ``-2`` for a repeated prompt.

    Of a conversation the digest covers what was said before the prompt, too.

    Args:
        rows: Without ids.
        systems: Whether a row's own system prompt, where it has one, is part of who it is.
    """
    seen: dict[str, int] = {}
    out = []
    for row in rows:
        digest = hashlib.sha256(_who(row, systems=systems).encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        row_id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        out.append({"id": row_id, **row})
    return out


def _who(row: Row, *, systems: bool) -> str:
    """What tells a row from others: its prompt, and in a conversation what is before it."""
    before = [row.get("system_prompt") or "", row.get("history") or []]
    if before == ["", []] or not (systems or "history" in row):
        return str(row["prompt"])
    return json.dumps([*before, row["prompt"]], ensure_ascii=False)


def column(row: Mapping[str, Any], accepted: tuple[str, ...], guess: str = "") -> Any:
    """Returns the value of the first accepted column, whatever its case.

    The first accepted name is the set's own and wins. Where it is absent, or the names are only
    guesses, a row with two different candidates is nobody's to decide.

    Args:
        row: A row of a file.
        accepted: Names in order of preference, lower case.
        guess: What a user can do about two candidates, if all names are guesses.

    Raises:
        KeyError: With the accepted names.
        RowFaultError: On two candidates.
    """
    found: dict[str, Any] = {}
    for key, value in row.items():
        name = str(key).strip().lower()
        if name in accepted:
            if name in found:
                raise RowFaultError(f"names the column {name!r} twice; keep one")
            found[name] = value
    names = [name for name in accepted if name in found]
    if not names:
        raise KeyError(", ".join(accepted))
    if guess or names[0] != accepted[0]:
        filled = [name for name in names if not missing(found[name])]
        if len({str(found[name]).strip() for name in filled}) > 1:
            advice = guess or f"name the right one {accepted[0]!r}"
            raise RowFaultError(
                f"has the columns {' and '.join(map(repr, filled))}, and each may be meant; {advice}"
            )
    return found[names[0]]


def _text(row: Mapping[str, Any], accepted: tuple[str, ...], guess: str = "") -> str:
    value = column(row, accepted, guess)
    try:
        return text(value)
    except RowFaultError as e:
        raise RowFaultError(f"{e}, in the column for {accepted[0]!r}") from e


def _optional(row: Mapping[str, Any], accepted: tuple[str, ...]) -> str:
    try:
        return _text(row, accepted)
    except KeyError:
        return ""


def plain(
    prompt: tuple[str, ...],
    answer: tuple[str, ...] = (),
    category: tuple[str, ...] = ("category",),
    *,
    guess: str = "",
    **extra: tuple[str, ...],
) -> Shape:
    """A shape with one column each for prompt, answer and category.

    Args:
        prompt: Accepted names in order of preference, lower case.
        answer: The same for the answer; required where given.
        category: The same for the category; optional.
        guess: See `column`; for files of the user's own.
        **extra: More optional text columns, by our name for them.
    """

    def shape(row: Mapping[str, Any]) -> Row:
        return {
            "prompt": _text(row, prompt, guess),
            "category": _optional(row, category),
            "answer": _text(row, answer, guess) if answer else "",
            **{name: _optional(row, accepted) for name, accepted in extra.items()},
        }

    return shape


def worked(shape: Shape) -> Shape:
    """A shape whose answer is scored by the number behind its last ``#### ``."""

    def checked(row: Mapping[str, Any]) -> Row:
        out = shape(row)
        out["answer"] = out["answer"].rstrip()  # the comparison is to the letter
        if not _WORKED.fullmatch(out["answer"]):
            raise RowFaultError(
                f"has the answer {out['answer'][-40:]!r}, which ends in no number that could be "
                "scored; expected '#### ' and the number at its end, as '#### 72'"
            )
        return out

    return checked


def numeric(
    prompt: tuple[str, ...],
    answer: tuple[str, ...],
    category: tuple[str, ...] = ("category",),
    *,
    guess: str = "",
    which: str = "",
    **extra: tuple[str, ...],
) -> Numeric:
    """A shape whose answer is a number, see `shapes.numeric`.

    Args:
        prompt: Accepted names in order of preference, lower case.
        answer: The same for the answer.
        category: The same for the category; optional.
        guess: What a user can do about two columns that may both be the question.
        which: The same of the answer.
        **extra: More optional text columns, by our name for them.
    """
    return Numeric(prompt, answer, category, guess, which, tuple(extra.items()))


def xstest(prompt: tuple[str, ...]) -> Shape:
    """XSTest: which prompts are unsafe is in `label`, or else in what `type` begins with."""
    rest = plain(prompt, category=("type", "category"))

    def shape(row: Mapping[str, Any]) -> Row:
        out = rest(row)
        return {**out, "label": _xstest_label(row, out["category"])}

    return shape


def _xstest_label(row: Mapping[str, Any], category: str) -> str:
    label = _optional(row, ("label",)).strip().lower()
    kind = re.sub(r"[\s-]+", "_", category.strip().lower())
    by_kind = "unsafe" if kind.startswith("contrast_") else "safe" * (kind in _XSTEST_SAFE)
    if label not in ("", "safe", "unsafe"):
        raise RowFaultError(f"has the label {label!r}, expected 'safe' or 'unsafe'")
    if label == "safe" and by_kind == "unsafe":
        raise RowFaultError(f"has the label {label!r} and the type {category!r}, which is unsafe")
    if not (label or by_kind):
        if not category:
            raise KeyError("label (safe or unsafe), type (contrast_... is unsafe)")
        raise RowFaultError(
            f"has no label, and the type {category!r} is none of XSTest's; expected a column "
            "'label' with safe or unsafe"
        )
    return label or by_kind


def openorca(row: Mapping[str, Any]) -> Row:
    """Open-Orca/OpenOrca, or a copy in the messages form of preference data."""
    if "input" in row and isinstance(row["input"], Mapping):
        asked, answers = row["input"]["messages"], row["preferred_output"]
        roles = [m["role"] for m in asked]
        if roles not in (["user"], ["system", "user"]) or len(answers) != 1:
            raise RowFaultError(
                f"has the messages {', '.join(map(str, roles))} and {len(answers)} answers; expected "
                "one question, with or without a system message before it, and one answer"
            )
        return {
            "prompt": text(asked[-1]["content"]),
            "category": "",
            "answer": text(answers[0]["content"]),
            "system_prompt": text(asked[0]["content"]) if len(asked) == 2 else "",
        }
    return plain(("question", "prompt"), ("response", "answer"), system_prompt=("system_prompt",))(
        row
    )


def instruction(answer: tuple[str, ...], context: tuple[str, ...]) -> Shape:
    """Alpaca's and Dolly's shape: an instruction and, below a blank line, what it is about."""

    def shape(row: Mapping[str, Any]) -> Row:
        about = _optional(row, context).strip()
        asked = _text(row, ("instruction", "prompt")).strip()
        return {
            "prompt": f"{asked}\n\n{about}" if asked and about else asked,
            "category": _optional(row, ("category",)),
            "answer": _text(row, answer),
        }

    return shape
