"""Verdicts on disk: SQLite, one row per (judging, query, response), many processes at once.

Texts are not kept, only their digest. A verdict is committed the moment it is there, so a killed
run loses none that it has had. A missing verdict is not kept: the next run asks again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ptst_tasks.errors import ConfigError, said
from ptst_tasks.judges.base import Verdict

__all__ = ["VerdictCache", "default_path"]

ENV = "PTST_JUDGE_CACHE"

_TABLE = "CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT) WITHOUT ROWID"
_BATCHES = "CREATE TABLE IF NOT EXISTS batches (key TEXT PRIMARY KEY, id TEXT) WITHOUT ROWID"
_GIVEN = "CREATE TABLE IF NOT EXISTS given (key TEXT PRIMARY KEY, look INTEGER) WITHOUT ROWID"
AT_ONCE = 500  # SQLite's oldest limit of parameters is 999


def default_path() -> str:
    """``$PTST_JUDGE_CACHE`` (``off`` for none), or ``~/.cache/ptst/judge.sqlite``."""
    if asked := os.environ.get(ENV):
        return ":memory:" if asked == "off" else asked
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return str(Path(base) / "ptst" / "judge.sqlite")


class VerdictCache:
    """One connection to a cache; a context manager.

    Args:
        path: The file; None for `default_path`.

    Raises:
        ConfigError: If it cannot be opened.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = path or default_path()
        try:
            if self.path != ":memory:":
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            # Autocommit; the lock is waited for, since another process holds it only for one row.
            self._db = sqlite3.connect(
                self.path, timeout=60, isolation_level=None, check_same_thread=False
            )
            self._prepare()
        except (OSError, sqlite3.Error) as e:
            raise self._unusable(e) from e

    def _prepare(self) -> None:
        try:
            self._db.execute("PRAGMA busy_timeout=60000")
            self._refuse_strangers()
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")  # safe against kill -9
            self._db.execute(_TABLE)
            self._db.execute(_BATCHES)
        except sqlite3.Error:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._db.close()

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM verdicts").fetchone()[0])

    def get(self, keys: Iterable[str]) -> dict[str, Verdict]:
        """Returns what is known of these keys.

        Raises:
            ConfigError: If the file cannot be read, or holds something else.
        """
        asked = list(dict.fromkeys(keys))
        found: dict[str, Verdict] = {}
        for start in range(0, len(asked), AT_ONCE):
            part = asked[start : start + AT_ONCE]
            marks = ",".join("?" * len(part))
            try:
                rows = self._db.execute(f"SELECT * FROM verdicts WHERE key IN ({marks})", part)
                found |= {key: _stored(text) for key, text in rows}
            except (sqlite3.Error, ValueError, TypeError, RecursionError) as e:
                raise self._unusable(e) from e
        return found

    def check_writable(self) -> None:
        """Tries whether a verdict could be kept, before one is paid for.

        Raises:
            ConfigError: If not.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("ROLLBACK")
        except sqlite3.Error as e:
            raise self._unusable(e) from e

    def _refuse_strangers(self) -> None:
        """Leaves another program's database alone."""
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master")}
        if tables and "verdicts" not in tables:
            raise sqlite3.DatabaseError("it is a database of another program")

    def put(self, key: str, verdict: Verdict, *, owed: bool = False) -> None:
        """Keeps a verdict, which is `owed` a look if its judge is watched; the first of two stays.

        Raises:
            ConfigError: If the file cannot be written (a full disk).
        """
        row = (key, json.dumps(verdict.as_dict()))
        try:
            with self._db:  # a kill leaves no verdict without its mark
                self._db.execute("BEGIN IMMEDIATE")
                new = self._db.execute("INSERT OR IGNORE INTO verdicts VALUES (?, ?)", row).rowcount
                if owed and new:
                    self._db.execute(_GIVEN)
                    self._db.execute("INSERT OR REPLACE INTO given VALUES (?, NULL)", (key,))
        except sqlite3.Error as e:
            raise self._unusable(e) from e

    def submitted(self, keys: Iterable[str]) -> dict[str, str]:
        """The batches, by key, that were sent for these and are not collected yet.

        Raises:
            ConfigError: If the file cannot be read.
        """
        try:
            sent = dict(self._db.execute("SELECT key, id FROM batches"))
        except sqlite3.Error as e:
            raise self._unusable(e) from e
        return {key: sent[key] for key in keys if key in sent}

    def note_batch(self, keys: Iterable[str], batch_id: str) -> None:
        """Remembers what a batch was sent for.

        Raises:
            ConfigError: If the file cannot be written.
        """
        self._all_or_none("INSERT OR REPLACE INTO batches VALUES (?, ?)",
                          [(key, batch_id) for key in keys])  # fmt: skip

    def forget_batch(self, keys: Iterable[str], batch_id: str) -> None:
        """The batch is over: these may be sent again if they have no verdict.

        Raises:
            ConfigError: If the file cannot be written.
        """
        self._all_or_none("DELETE FROM batches WHERE key = ? AND id = ?",
                          [(key, batch_id) for key in keys])  # fmt: skip

    def _all_or_none(self, command: str, rows: Sequence[tuple[str, str]]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(command, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as e:
            raise self._unusable(e) from e

    def _unusable(self, why: Exception) -> ConfigError:
        return ConfigError(
            f"judge cache {self.path!r} cannot be used ({_words(why)}); set ${ENV}, or --cache of "
            "ptst score, to another file"
        )


def _words(why: Exception) -> str:
    return said(why) if isinstance(why, OSError) else " ".join(str(why).split())


def _stored(text: str) -> Verdict:
    """A verdict as it was kept.

    Raises:
        ValueError: If it is none.
        TypeError: Likewise.
    """
    verdict = Verdict.from_dict(json.loads(text))
    if (
        not all(
            isinstance(v, int | float | None)
            for v in (verdict.score, verdict.aligned, verdict.coherent)
        )
        or not all(
            isinstance(v, bool | None) for v in (verdict.harmful, verdict.refused, verdict.code)
        )
        or not all(isinstance(v, str) for v in (verdict.reason, verdict.raw, verdict.model))
    ):
        raise TypeError("a row holds no verdict")
    return verdict
