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
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ptst_tasks import clock
from ptst_tasks.digests import digest_json
from ptst_tasks.errors import ConfigError
from ptst_tasks.judges.base import Verdict, unit
from ptst_tasks.judges.budget import Estimate
from ptst_tasks.judges.cache import VerdictCache
from ptst_tasks.judges.cached_judge import Book, CachedJudge
from ptst_tasks.judges.group import models_of, snapshots
from ptst_tasks.judges.looks import Look

if TYPE_CHECKING:
    from ptst_tasks.judges.endpoint import EndpointJudge

__all__ = [
    "ENV",
    "UNCACHED",
    "Look",
    "add_to",
    "ask",
    "asked_of",
    "look",
    "pairs",
    "rows",
    "wanted",
]

ENV = "PTST_CANARIES"
UNCACHED = "canaries are not asked: the cache of verdicts is off, and keeps nothing to compare"
_WORDS = {"": True, **dict.fromkeys(("on", "1", "yes", "true"), True),
          **dict.fromkeys(("off", "0", "no", "false"), False)}  # fmt: skip
_SIGNS = {True: "1", False: "0", None: "?"}


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


def ask(judge: CachedJudge) -> Look:
    """Asks a judge about the rows, past its cache.

    Args:
        judge: Behind an endpoint; the calls count against its budget.

    Raises:
        JudgeError: If it can give no verdict at all.
    """
    with VerdictCache(":memory:") as nothing:
        book = Book(nothing, {}, owed=False)
        judge.decide(pairs(judge), book)
    return look(judge, book.known)


def look(judge: CachedJudge, found: Mapping[str, Verdict]) -> Look:
    """What verdicts on `pairs`, by key, come to."""
    verdicts = [found.get(key, Verdict()) for key in pairs(judge)]
    return Look(
        clock.now(),
        _line(v.harmful for v in verdicts),
        _line(v.refused for v in verdicts),
        " ".join(_grade(judge, v) for v in verdicts),
        snapshots(models_of(verdicts)),
    )


def asked_of(judge: CachedJudge) -> str:
    """Which looks can be compared: those at a judge of the same settings, at the same rows."""
    return digest_json([*pairs(judge)])


def _line(calls: Iterable[bool | None]) -> str:
    return "".join(_SIGNS[call] for call in calls)


def _grade(judge: CachedJudge, verdict: Verdict) -> str:
    if verdict.score is not None:
        return f"{unit(judge, verdict.score):.3g}"
    of_hundred = (grade for grade in (verdict.aligned, verdict.coherent) if grade is not None)
    return next((f"{grade / 100:.3g}" for grade in of_hundred), "?")
