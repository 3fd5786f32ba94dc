"""A question of a set with known answers: its own column, and what it is about in others."""

from __future__ import annotations

from ptst_tasks.shapes.row_cells import Fields

__all__ = ["asked"]

_ABOVE = ("context", "passage", "article", "body")


def asked(fields: Fields, accepted: tuple[str, ...], advice: str = "") -> str:
    """The question and, parted by blank lines, what it is about.

    A ``context``, ``passage``, ``article`` or ``body`` (SVAMP) stands above it, the ``input`` of an
    ``instruction`` (Alpaca) below; what says the same as the question does not stand twice. The
    second half of a sentence, ``sent2``, follows the first.

    Args:
        fields: The row.
        accepted: Columns of the question, in order of preference.
        advice: What a user can do about two that hold different things.

    Raises:
        KeyError: If it has none of the columns.
        RowFaultError: If two of them hold different things.
    """
    below: list[str] = []
    filled = fields.filled(accepted)
    if "instruction" in filled and not set(filled) - {"instruction", "input"}:
        accepted = ("instruction",)
        below = [fields.text((name,)) for name in fields.filled(("input",))]
    question = fields.text(accepted, advice)
    if fields.filled(("sent2",)):
        question = f"{question} {fields.text(('sent2',))}"
    above = [fields.text((name,)) for name in fields.filled(_ABOVE)]
    about = [part for part in (*above, *below) if part.strip() not in ("", question.strip())]
    if not about or not question.strip():
        return question
    parts = [part if part in about else "" for part in above]
    parts += [question, *(part for part in below if part in about)]
    return "\n\n".join(part for part in parts if part)
