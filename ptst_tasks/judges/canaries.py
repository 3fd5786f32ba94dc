"""Watches a judge behind an endpoint: fifty mild rows of our own, asked anew with every paid run.

A provider may change the model behind a name. Then earlier rates and new ones are of two judges, and
nothing says so: verdicts in the cache are the old one's. So the same rows are asked every time, past the
cache, and compared with the last time. The rows (``canaries.json``) are about biscuits and board games:
ten requests, each refused, talked out of, helped with in part, helped with in full, and answered with
nonsense. What a judge should say of them is not asked; that it says the same is.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptst_tasks import clock
from ptst_tasks.digests import digest_json
from ptst_tasks.errors import ConfigError
from ptst_tasks.judges.base import Verdict
from ptst_tasks.judges.budget import Estimate
from ptst_tasks.judges.cache import Book, CachedJudge, VerdictCache
from ptst_tasks.judges.group import models_of, snapshots

if TYPE_CHECKING:
    from ptst_tasks.judges.endpoint import EndpointJudge

__all__ = ["ENV", "UNCACHED", "Look", "Watched", "add_to", "pairs", "rows", "wanted", "watch",
           "watch_batch"]  # fmt: skip

ENV = "PTST_CANARIES"
UNCACHED = "canaries are not asked: the cache of verdicts is off, and keeps nothing to compare"
WAVERS = 2
"""Rows of fifty that a judge which stayed itself may turn: its server samples, or adds in another order."""
_TABLE = "CREATE TABLE IF NOT EXISTS canaries (key TEXT PRIMARY KEY, look TEXT) WITHOUT ROWID"
_WORDS = {"": True, **dict.fromkeys(("on", "1", "yes", "true"), True),
          **dict.fromkeys(("off", "0", "no", "false"), False)}  # fmt: skip
_SIGNS = {True: "1", False: "0", None: "?"}


@dataclass(frozen=True, slots=True)
class Look:
    """What a judge said of the rows at one time.

    Attributes:
        when: UTC, ``2026-01-31T12:00:00Z``; of a batch, when it was collected.
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
        before: What it said last of each row; None if it was never asked, or the cache is off.
    """

    now: Look
    before: Look | None = None

    @property
    def changed(self) -> int:
        """Rows that are called something else now; those without a verdict on either side are not."""
        return sum(differs for differs in self._rows if differs is not None)

    @property
    def compared(self) -> int:
        """Rows with a verdict now and before."""
        return sum(differs is not None for differs in self._rows)

    @property
    def _rows(self) -> list[bool | None]:
        if not self.before:
            return []
        old, new = self.before, self.now
        return [
            _differ(*calls)
            for calls in zip(old.harmful, new.harmful, old.refused, new.refused, strict=True)
        ]

    @property
    def remark(self) -> str:
        """What to say of it; empty where nothing changed and all can be compared."""
        if not self.before:
            return ""
        old, new = ("+".join(look.models) for look in (self.before, self.now))
        moved, lost = bool(old and new and old != new), len(rows()) - self.compared
        said = {
            f"{self.changed} of {self.compared} canaries are called something else": self.changed,
            f"its replies name {new} in place of {old}": moved,
            f"{lost} of {len(rows())} canaries have no verdict to compare": lost,
        }
        if not any(said.values()):
            return ""
        what = " and ".join(words for words, so in said.items() if so)
        return f"{what} since {self.before.when}: {self._means(moved)}"

    def _means(self, moved: bool) -> str:
        if moved or self.changed > WAVERS:
            return "rates from before may be another judge's"
        if self.changed:
            return "so few a judge may turn by itself"
        return "whether it changed is not known"

    def told(self) -> dict[str, Any]:
        """As it stands in results files."""
        told: dict[str, Any] = asdict(self.now)
        if self.before:
            told |= {"since": self.before.when, "changed": self.changed, "compared": self.compared}
        return told


def _differ(harm_before: str, harm: str, refused_before: str, refused: str) -> bool | None:
    """Whether a row is called something else; None where there is nothing to compare."""
    pairs = [
        (a, b) for a, b in ((harm_before, harm), (refused_before, refused)) if "?" not in (a, b)
    ]
    return any(a != b for a, b in pairs) if pairs else None


def _kept(before: Look, now: Look) -> Look:
    """What is known from now on: a row without a verdict this time stays what it was called last."""
    harmful, refused = (
        "".join(old if new == "?" else new for old, new in zip(*calls, strict=True))
        for calls in ((before.harmful, now.harmful), (before.refused, now.refused))
    )
    return Look(now.when, harmful, refused, now.models or before.models)


@cache
def rows() -> tuple[tuple[str, str], ...]:
    """The rows: request and reply."""
    text = Path(__file__).with_name("canaries.json").read_text(encoding="utf-8")
    return tuple((query, response) for query, response in json.loads(text))


def pairs(judge: CachedJudge) -> dict[str, tuple[str, str]]:
    """The rows as a judge is asked about them, by the keys that it has for them."""
    return {judge.key(query, response): (query, response) for query, response in rows()}


def add_to(estimate: Estimate, judge: EndpointJudge) -> int:
    """Adds the rows to what a judge has still to be asked; returns how many they are."""
    judge.estimate(pairs(judge), estimate)
    return len(rows())


def wanted() -> bool:
    """Whether the environment leaves canaries on.

    Raises:
        ConfigError: If it says neither.
    """
    given = os.environ.get(ENV, "")
    if given.lower() not in _WORDS:
        raise ConfigError(f"{ENV} is {given!r}, expected one of {', '.join(filter(None, _WORDS))}")
    return _WORDS[given.lower()]


def watch(judge: CachedJudge) -> Watched:
    """Asks a judge about the rows, and keeps what it says for the next time.

    Args:
        judge: Behind an endpoint; the calls count against its budget.

    Raises:
        JudgeError: If it can give no verdict at all.
        ConfigError: If the cache cannot be used.
    """
    with VerdictCache(":memory:") as nothing:
        book = Book(nothing, {})
        judge.decide(pairs(judge), book)
    return _watched(judge, book.known)


def watch_batch(judge: CachedJudge, batch_id: str, found: Mapping[str, Verdict]) -> Watched:
    """Takes what a batch says of the rows for a look; collected again, it is the same as before.

    Args:
        judge: Who was asked.
        batch_id: The batch.
        found: Its verdicts on `pairs`, by key.

    Raises:
        ConfigError: If the cache cannot be used.
    """
    return _watched(judge, found, batch_id)


def _watched(judge: CachedJudge, found: Mapping[str, Verdict], batch_id: str = "") -> Watched:
    keys = list(pairs(judge))
    verdicts = [found.get(key, Verdict()) for key in keys]
    now = Look(clock.now(), _line(v.harmful for v in verdicts), _line(v.refused for v in verdicts),
               snapshots(models_of(verdicts)))  # fmt: skip
    key = digest_json([keys, len(rows())])
    with _Looks(judge.cache_path) as kept:
        return kept.exchange(key, now, digest_json([key, batch_id]) if batch_id else "")


class _Looks(VerdictCache):
    """What each judge said last of each row, in a table of the cache of verdicts."""

    def exchange(self, key: str, now: Look, batch: str = "") -> Watched:
        """Compares with what was known of a judge, and keeps what is known now.

        Args:
            key: Of the judge.
            now: What it says.
            batch: Of the judge and the batch that says it; what that came to once, it comes to again.

        Raises:
            ConfigError: If the file cannot be read or written.
        """
        try:
            self._db.execute(_TABLE)
            with self._db:  # of two processes one comes first, and a kill leaves all or nothing
                self._db.execute("BEGIN IMMEDIATE")
                if batch and (known := self._of_batch(batch)):
                    return known
                before = self._get(key)
                self._put(key, asdict(_kept(before, now) if before else now))
                found = Watched(now, before)
                if batch:
                    self._put(batch, asdict(found))
        except sqlite3.Error as e:
            raise self._unusable(e) from e
        return found

    def _of_batch(self, batch: str) -> Watched | None:
        try:
            told = json.loads(self._text(batch))
            now, before = (_read(json.dumps(told[name])) for name in ("now", "before"))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        return Watched(now, before) if now else None

    def _get(self, key: str) -> Look | None:
        return _read(self._text(key))

    def _text(self, key: str) -> str:
        row = self._db.execute("SELECT look FROM canaries WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def _put(self, key: str, look: Mapping[str, Any]) -> None:
        row = (key, json.dumps(look))
        self._db.execute("INSERT OR REPLACE INTO canaries VALUES (?, ?)", row)


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
