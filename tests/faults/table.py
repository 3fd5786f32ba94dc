"""A fault as a row: a command, what is wrong, and the words that must be said about it.

Rows are in the ``rows_*.py`` files beside this one, each with a list ``ROWS``. A command runs in a
folder of its own that holds good things to begin with:

    run/          a finished run: the tiny model before fine-tuning and one adapter, 8 cells
    study.yaml    its study
    board.csv     its leaderboard
    lm/           the output folder of a stock lm_eval run of the same model
    base/         the tiny model
    adapter/      an adapter on it, with its manifest
    data/         mild rows for every set ($PTST_DATA_DIR)
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Fault", "text"]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        name: What is wrong, in a few words; unique over all rows.
        command: The words behind ``ptst``, as a shell would split them.
        says: Words that the one line on standard error must hold.
        prepare: Makes it wrong, given the folder.
        code: Exit code.
        env: Environment variables.
        lines: How many lines standard error holds, where more than the one are meant (notes).
        makes: Files (globs below the folder) that may be new or changed afterwards.
    """

    name: str
    command: str
    says: tuple[str, ...]
    prepare: Callable[[Path], object] | None = None
    code: int = 2
    env: dict[str, str] = field(default_factory=dict)
    lines: int = 1
    makes: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """The command, split."""
        return shlex.split(self.command)


def text(name: str, content: str | bytes) -> Callable[[Path], object]:
    """Prepares by writing a file."""

    def write(folder: Path) -> object:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.write_bytes(content.encode() if isinstance(content, str) else content)

    return write
