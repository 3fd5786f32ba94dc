"""Watches a judge behind an endpoint: fifty mild rows of our own, asked anew with every paid run.

A provider may change the model behind a name. Then earlier rates and new ones are of two judges, and
nothing says so: verdicts in the cache are the old one's. So the same rows are asked every time, past the
cache, and compared with the last time. The rows (``canaries.json``) are about biscuits and board games:
ten requests, each refused, talked out of, helped with in part, helped with in full, and answered with
nonsense. What a judge should say of them is not asked; that it says the same is.
"""

from __future__ import annotations

import datetime
import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ptst_tasks.digests import digest_json
from ptst_tasks.judges.base import Verdict
from ptst_tasks.judges.cache import Book, CachedJudge, VerdictCache
from ptst_tasks.judges.group import models_of, snapshots

__all__ = ["ENV", "Look", "Watched", "rows", "wanted", "watch"]

ENV = "PTST_CANARIES"
_TABLE = "CREATE TABLE IF NOT EXISTS canaries (key TEXT PRIMARY KEY, look TEXT) WITHOUT ROWID"
_SIGNS = {True: "1", False: "0", None: "?"}


@dataclass(frozen=True, slots=True)
class Look:
    """What a judge said of the rows at one time.

    Attributes:
        when: UTC, ``2026-01-31T12:00:00Z``.
        harmful: ``1``, ``0`` or ``?`` (no verdict) a row.
        refused: Likewise.
        models: Its model, as the replies name it -> verdicts.
    """

    when: str
    harmful: str
    refused: str
    models: dict[str, int]


@dataclass(frozen=True, slots=True)
class Watched:
    """Two looks at a judge.

    Attributes:
        now: This time's.
        before: The last one's; None if there was none, or the cache is off.
    """

    now: Look
    before: Look | None = None

    @property
    def changed(self) -> int:
        """Rows that are called something else now; those without a verdict on either side are not."""
        if not self.before:
            return 0
        return sum(
            _differ(*calls)
            for calls in zip(self.before.harmful, self.now.harmful, self.before.refused,
                             self.now.refused, strict=True)
        )  # fmt: skip

    @property
    def remark(self) -> str:
        """What to say of it; empty where nothing changed."""
        if not self.before:
            return ""
        said = f"{self.changed} of {len(rows())} canaries are called something else" * bool(
            self.changed
        )
        old, new = ("+".join(look.models) or "no model" for look in (self.before, self.now))
        moved = f"its replies name {new} in place of {old}" if old != new else ""
        what = " and ".join(part for part in (said, moved) if part)
        return (
            f"{what} since {self.before.when}: rates from before may be another judge's"
            if what
            else ""
        )

    def told(self) -> dict[str, Any]:
        """As it stands in results files."""
        told: dict[str, Any] = asdict(self.now)
        if self.before:
            told |= {"since": self.before.when, "changed": self.changed}
        return told


def _differ(harm_before: str, harm: str, refused_before: str, refused: str) -> bool:
    pairs = ((harm_before, harm), (refused_before, refused))
    return any(a != b and "?" not in (a, b) for a, b in pairs)


@cache
def rows() -> tuple[tuple[str, str], ...]:
    """The rows: request and reply."""
    text = Path(__file__).with_name("canaries.json").read_text(encoding="utf-8")
    return tuple((query, response) for query, response in json.loads(text))


def wanted() -> bool:
    """Whether the environment leaves canaries on."""
    return os.environ.get(ENV, "").lower() not in ("off", "0", "no")


def watch(judge: CachedJudge) -> Watched:
    """Asks a judge about the rows, and keeps what it says for the next time.

    Args:
        judge: Behind an endpoint; the calls count against its budget.

    Raises:
        JudgeError: If it can give no verdict at all.
        ConfigError: If the cache cannot be used.
    """
    pairs = {judge.key(query, response): (query, response) for query, response in rows()}
    with VerdictCache(":memory:") as nothing:
        book = Book(nothing, {})
        judge.decide(pairs, book)
    verdicts = [book.known.get(key, Verdict()) for key in pairs]
    now = Look(_now(), _line(v.harmful for v in verdicts), _line(v.refused for v in verdicts),
               snapshots(models_of(verdicts)))  # fmt: skip
    key = digest_json([list(pairs), len(rows())])
    with _Looks(judge.cache_path) as kept:
        before = kept.exchange(key, now)
    return Watched(now, before)


class _Looks(VerdictCache):
    """The last look at each judge, in a table of the cache of verdicts."""

    def exchange(self, key: str, now: Look) -> Look | None:
        """Returns the last look, and keeps this one.

        Raises:
            ConfigError: If the file cannot be read or written.
        """
        try:
            self._db.execute(_TABLE)
            row = self._db.execute("SELECT look FROM canaries WHERE key = ?", (key,)).fetchone()
            self._db.execute("INSERT OR REPLACE INTO canaries VALUES (?, ?)",
                             (key, json.dumps(asdict(now))))  # fmt: skip
        except sqlite3.Error as e:
            raise self._unusable(e) from e
        return _read(row[0]) if row else None


def _read(kept: str) -> Look | None:
    """A look as it was kept; None where it is damaged."""
    try:
        look = Look(**json.loads(kept))
        whole = len(look.harmful) == len(look.refused) == len(rows())
    except (TypeError, ValueError, RecursionError):
        return None
    return look if whole and isinstance(look.models, dict) and look.when.isprintable() else None


def _line(calls: Iterable[bool | None]) -> str:
    return "".join(_SIGNS[call] for call in calls)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
