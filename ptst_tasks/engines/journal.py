"""Answers on disk as they come, so that a killed pass of generation loses one batch at most.

One line per batch: a digest of everything that decides the answers, and the answers. A last line
that is torn, and any that cannot be read, counts as not there: its prompts are asked again.
Batches are the same whether or not a pass was interrupted, so the answers are, too.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ptst_tasks.files import replacing

__all__ = ["Journal", "batch_key"]


def batch_key(*parts: Any) -> str:
    """Digest of what decides a batch: the model, the token ids, the decoding."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Journal:
    """An append-only file of answered batches.

    Args:
        file: Where it is, or None to keep nothing.

    Attributes:
        junk: How many lines could not be read, but for one that a kill has torn.

    Raises:
        OSError: If the file is there and cannot be read.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, list[str]] = {}
        self._used: set[str] = set()
        self.junk = 0
        if file and file.exists():
            self._known, self.junk = _read(file)

    def get(self, key: str, rows: int | None = None) -> list[str] | None:
        """Returns the answers of a batch, if they are there; `rows` of them, if it is said."""
        answers = self._known.get(key)
        fits = answers is not None and rows in (None, len(answers))
        if fits:
            self._used.add(key)
        return answers if fits else None

    def put(self, key: str, answers: Sequence[str]) -> None:
        """Adds a batch; it is on disk when this returns."""
        self._write(key, answers, sync=True)

    def add(self, key: str, answers: Sequence[str]) -> None:
        """Adds answers that `get` finds from now on, without waiting for the disk.

        They survive a killed process, not a power cut. For many small answers that arrive at
        once, where a wait for each would hold up the rest.
        """
        self._known[key] = list(answers)
        self._write(key, answers, sync=False)

    def begin(self) -> None:
        """From here on `settle` counts what is used."""
        self._used = set()

    def settle(self) -> None:
        """Drops the answers that were used or added since `begin`: their cells are whole.

        Others stay: they are of another decoding seed, or of a study that was edited meanwhile, and
        may have been paid for.
        """
        if self._file is None or not self._file.exists():
            return
        # From the file: what `put` wrote before `begin`, for a task that failed, is not in memory.
        rest = {key: kept for key, kept in _read(self._file)[0].items() if key not in self._used}
        if not rest:
            self._file.unlink()
            return
        with replacing(self._file) as aside, aside.open("w", encoding="ascii", newline="\n") as out:
            out.writelines(json.dumps([key, answers]) + "\n" for key, answers in rest.items())

    def _write(self, key: str, answers: Sequence[str], *, sync: bool) -> None:
        self._used.add(key)
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="ascii", newline="\n") as out:
            # ASCII holds any character, also half of one (a lone surrogate).
            out.write(json.dumps([key, list(answers)]) + "\n")
            if sync:
                out.flush()
                os.fsync(out.fileno())


def _read(file: Path) -> tuple[dict[str, list[str]], int]:
    raw = file.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    if len(whole) < len(raw):  # torn by a kill: the next line must not be appended to it
        with file.open("r+b") as out:
            out.truncate(len(whole))
    # A line ends with a newline alone: answers may hold others of Unicode's (U+2028, U+0085).
    found = [_line(line) for line in whole.split(b"\n") if line.strip()]
    good = [one for one in found if one is not None]
    return dict(good), len(found) - len(good)


def _line(raw: bytes) -> tuple[str, list[str]] | None:
    """Reads a line; None if it is none of ours."""
    try:
        key, answers = json.loads(raw)
    except (ValueError, TypeError, RecursionError):
        return None
    fits = isinstance(key, str) and isinstance(answers, list)
    return (key, answers) if fits and all(isinstance(a, str) for a in answers) else None
