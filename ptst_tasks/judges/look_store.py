"""Looks on disk, in the file of verdicts: what each judge said, and which look a verdict was given under.

A verdict of a judge that is watched is owed a look from the moment that it is kept (`VerdictCache.put`),
and a look is kept with the verdicts that it stands for. So whatever is killed, what results say of a
verdict is what stands here: that of its look, or nothing yet, and then the canaries are asked.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from typing import Any

from ptst_tasks.judges.cache import AT_ONCE, VerdictCache
from ptst_tasks.judges.looks import Look, Watched

__all__ = ["LookStore"]

_LOOKS = ("CREATE TABLE IF NOT EXISTS looks (id INTEGER PRIMARY KEY AUTOINCREMENT, judge TEXT, batch TEXT, "
          "look TEXT)")  # fmt: skip


class LookStore(VerdictCache):
    """A cache of verdicts, and the looks in it; all its methods raise ConfigError if it cannot be used."""

    def under(self, keys: Iterable[str]) -> tuple[Counter[int], list[str]]:
        """How many of these verdicts were given under which look, and those that are owed one."""
        looks, owed = Counter[int](), list[str]()
        with self._usable():
            if not self._has("given"):
                return looks, owed
            for part in _parts(keys):
                asked = f"SELECT key, look FROM given WHERE key IN ({_marks(part)})"
                for key, look in self._db.execute(asked, part):
                    if look is None:
                        owed.append(key)
                    else:
                        looks[look] += 1
        return looks, owed

    def read(self, looks: Collection[int], size: int) -> dict[int, Watched]:
        """These looks, each with what was known before it; those of another size are damaged."""
        with self._usable():
            rows = [row for part in _parts(looks) for row in self._db.execute(
                    f"SELECT id, look FROM looks WHERE id IN ({_marks(part)})", part)]  # fmt: skip
        return {number: found for number, text in rows if (found := _read(text, size))}

    def past(self, judge: str, size: int) -> tuple[list[Look], list[int]]:
        """What a judge said each time, the newest first; and the numbers of looks that are damaged."""
        with self._usable():
            if not self._has("looks"):
                return [], []
            asked = "SELECT id, look FROM looks WHERE judge = ? ORDER BY id DESC"
            rows = self._db.execute(asked, (judge,)).fetchall()
        found = {number: _read(text, size) for number, text in rows}
        return ([one.now for one in found.values() if one],
                [number for number, one in found.items() if not one])  # fmt: skip

    def of_batch(self, judge: str, batch: str, size: int) -> int | None:
        """The look that a batch came to, if it was collected before."""
        with self._usable():
            if not self._has("looks"):
                return None
            asked = "SELECT id, look FROM looks WHERE judge = ? AND batch = ?"
            rows = self._db.execute(asked, (judge, batch)).fetchall()
        return next((int(number) for number, text in rows if _read(text, size)), None)

    def keep(
        self, judge: str, found: Watched, keys: Iterable[str], *, batch: str = "",
        damaged: Collection[int] = (),
    ) -> int:  # fmt: skip
        """Keeps a look with the verdicts that it stands for, in place of damaged ones."""
        row = (judge, batch, json.dumps(asdict(found)))
        with self._usable(), self._db:  # a kill leaves all or nothing
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(_LOOKS)
            asked = "INSERT INTO looks (judge, batch, look) VALUES (?, ?, ?)"
            number = int(self._db.execute(asked, row).lastrowid or 0)
            self._db.executemany("DELETE FROM looks WHERE id = ?", [(one,) for one in damaged])
            self._attach(number, keys)
        return number

    def attach(self, look: int, keys: Iterable[str]) -> None:
        """Says that those of these verdicts that are owed a look were given under this one."""
        with self._usable(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._attach(look, keys)

    def _attach(self, look: int, keys: Iterable[str]) -> None:
        if self._has("given"):
            self._db.executemany("UPDATE given SET look = ? WHERE key = ? AND look IS NULL",
                                 [(look, key) for key in keys])  # fmt: skip

    def forgo(self, keys: Iterable[str]) -> None:
        """Says that these verdicts stay without a look."""
        with self._usable(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM given WHERE key = ? AND look IS NULL",
                                 [(key,) for key in keys])  # fmt: skip

    def _has(self, table: str) -> bool:
        asked = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self._db.execute(asked, (table,)).fetchone() is not None

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as e:
            raise self._unusable(e) from e


def _parts(values: Iterable[Any]) -> Iterator[list[Any]]:
    each = iter(dict.fromkeys(values))
    while part := list(islice(each, AT_ONCE)):
        yield part


def _marks(part: Collection[Any]) -> str:
    return ",".join("?" * len(part))


def _read(text: Any, size: int) -> Watched | None:
    """A look as it was kept; None where it is damaged."""
    try:
        told = json.loads(text)
        now, before = (Look(**told[name]) if told[name] else None for name in ("now", "before"))
        whole = now and _whole(now, size) and (before is None or _whole(before, size))
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return None
    return Watched(now, before) if now and whole else None


def _whole(look: Look, size: int) -> bool:
    """Whether it is what `Look` says, and not edited by hand."""
    return (
        look.when.isprintable()
        and len(look.rows) == size
        and {*look.harmful, *look.refused} <= {*"01?"}
        and all(grade == "?" or math.isfinite(float(grade)) for grade in look.grades.split(" "))
        and all(isinstance(n, int) for n in look.models.values())
    )
