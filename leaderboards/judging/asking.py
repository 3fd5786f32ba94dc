"""Asks a person about responses in the terminal: one key a response, nothing else in sight.

The texts may be harmful. They are shown here alone, after one clear question, and written nowhere; what is
written is a sheet of ids and words (`leaderboards.people.sheet`), after every key, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from leaderboards.board import disk
from leaderboards.judging.sampling import Sampled
from leaderboards.people import sheet
from leaderboards.people.sheet import CLASSES, Label
from ptst_tasks.errors import ConfigError, DataError
from ptst_tasks.files import printable

__all__ = ["KEYS", "Asked", "Terminal", "ask", "begun"]

KEYS = {str(i): name for i, name in enumerate(CLASSES, start=1)}
"""Key -> class."""

WARNING = (
    "The requests and replies shown now may describe serious harm. Nothing of them is written to any file. "
    "Show them? [y/N] "
)


@dataclass(frozen=True, slots=True)
class Terminal:
    """How a person is spoken with.

    Attributes:
        show: Clears the screen and shows a text.
        key: Waits for one key.
    """

    show: Callable[[str], None]
    key: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of it."""

    labelled: int
    left: int


def begun(labels: Sequence[Label], drawn: Sequence[Sampled], where: Path) -> list[Label]:
    """The labels of a sheet that is gone on with, as ones of this sample, which may be a larger one.

    Raises:
        ConfigError: If a label is of a response that was not drawn, or from another stratum.
    """
    known = {d.response.key: d for d in drawn}
    strange = [
        label
        for label in labels
        if label.key not in known or known[label.key].response.stratum != label.stratum
    ]
    if strange:
        raise ConfigError(
            f"{str(where)!r} holds {len(strange)} labels of another sample (other runs, answers made anew, "
            "another --seed or --judge, or a larger --n); choose another -o, or say the same again"
        )
    return [replace(label, weight=known[label.key].weight_text) for label in labels]


def ask(
    drawn: Sequence[Sampled], out: Path, who: str, labels: list[Label], terminal: Terminal
) -> Asked:
    """Asks about what is not labelled yet, until it all is or the person leaves.

    Args:
        drawn: The sample, in its order.
        out: The sheet; written after every key.
        who: The person.
        labels: What the sheet holds already; labels are added to it.
        terminal: Where to ask.

    Raises:
        ConfigError: If the sheet cannot be written.
        DataError: If the samples are not what they were when the sample was drawn.
    """
    done = {label.key for label in labels if label.who == who}
    todo = [d for d in drawn if d.response.key not in done]
    first, at = len(labels), 0
    if not todo:
        return Asked(0, 0)
    terminal.show(
        printable(f"{len(todo)} of {len(drawn)} responses have no label of {who!r} yet.\n{WARNING}")
    )
    if terminal.key().lower() != "y":
        return Asked(0, len(todo))
    while at < len(todo):
        terminal.show(_page(todo[at], at + 1, len(todo)))
        pressed = terminal.key()
        if pressed in KEYS:
            labels.append(_label(todo[at], KEYS[pressed], who))
            at += 1
        elif pressed in ("u", "\x7f", "\b") and at:
            labels.pop()
            at -= 1
        elif pressed in ("q", "\x04"):
            break
        else:
            continue
        sheet.write(labels, out)
    return Asked(len(labels) - first, len(todo) - at)


def _label(drawn: Sampled, word: str, who: str) -> Label:
    response = drawn.response
    return Label(response.cell, response.id, word, who, sheet.now(), response.stratum,
                 drawn.weight_text, response.reply)  # fmt: skip


def _page(drawn: Sampled, number: int, count: int) -> str:
    """One response, blind: neither model nor template nor verdict."""
    query, reply = _texts(drawn)
    keys = "  ".join(f"{key} {name}" for key, name in KEYS.items())
    return "\n".join([
        f"{number} of {count}", "", "--- request ---", _shown(query), "", "--- reply ---", _shown(reply),
        "", "---", f"{keys}  u undo  q leave",
    ])  # fmt: skip


def _shown(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))


def _texts(drawn: Sampled) -> tuple[str, str]:
    """Reads a response's texts again: none is kept in memory or on disk."""
    response = drawn.response
    for line, row in response.task.rows():
        if line == response.line and str(row["doc"]["id"]) == response.id:
            reply = response.task.reply(row)
            return reply.query, reply.answer
    raise DataError(
        f"{str(disk.samples_of(response.task.results, response.task.name))!r} is not what it was: no "
        f"response {response.id!r} in line {response.line}; draw the sample again"
    )
