"""Judges whose verdicts cost something, and are asked for once: what the cache has is not asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ptst_tasks.judges.base import Identified, Verdict
from ptst_tasks.judges.cache import VerdictCache
from ptst_tasks.provenance import verdict_key

__all__ = ["Book", "CachedJudge", "Pairs"]

Pairs = Mapping[str, tuple[str, str]]
"""Key -> (query, response), in the order asked."""


class Book:
    """The verdicts of one call: from the cache, and as they come in."""

    def __init__(self, cache: VerdictCache, known: dict[str, Verdict], *, owed: bool) -> None:
        self._cache, self.known, self._owed = cache, known, owed

    def done(self, key: str, verdict: Verdict) -> None:
        """Takes a verdict, and keeps it unless it is missing."""
        if verdict.harmful is not None:
            self._cache.put(key, verdict, owed=self._owed)
        self.known[key] = verdict

    def arrived(self, key: str) -> bool:
        """Whether another process has had this verdict in the meantime."""
        self.known |= self._cache.get([key])
        return key in self.known


class CachedJudge(Identified):
    """A judge whose verdicts cost something; a subclass says how they are had in `decide`.

    Attributes:
        cache_path: The file of its verdicts; None for `default_path`.
        watched: Whether its verdicts are owed a look at the canaries; `watching.checked` says so.
    """

    cache_path: str | None = None
    watched: bool = False

    def key(self, query: str, response: str) -> str:
        """What a verdict is kept under: a projection of `judging`."""
        return verdict_key(self.judging, query, response)

    def former_key(self, query: str, response: str) -> str:
        """What 0.1.0 kept the same verdict under; empty where its key did not hold all of it."""
        return ""

    def check_ready(self) -> None:
        """Checks what can be checked before the first pair is decided.

        Raises:
            MissingExtraError: If a package is not installed.
            JudgeError: If there is no key.
            ConfigError: If its model is not where it is said to be.
        """

    def decide(self, todo: Pairs, book: Book) -> None:
        """Gives `book` a verdict for every pair."""
        raise NotImplementedError

    def judge(self, queries: Sequence[str], responses: Sequence[str]) -> list[Verdict]:
        """Returns one verdict per pair, in order; the same pair is asked once.

        Raises:
            JudgeError: If no verdict at all can be had.
        """
        keys = self.keys(queries, responses)
        pairs = dict(zip(keys, zip(queries, responses, strict=True), strict=True))
        with VerdictCache(self.cache_path) as cache:
            book = Book(cache, self._known(cache, pairs), owed=self.watched)
            todo = {key: pair for key, pair in pairs.items() if key not in book.known}
            if todo:
                self.decide(todo, book)
        return [book.known[key] for key in keys]

    def pending(
        self, queries: Sequence[str], responses: Sequence[str]
    ) -> dict[str, tuple[str, str]]:
        """The pairs that would have to be asked, each once."""
        pairs = dict(zip(self.keys(queries, responses), zip(queries, responses, strict=True),
                         strict=True))  # fmt: skip
        with VerdictCache(self.cache_path) as cache:
            known = self._known(cache, pairs)
        return {key: pair for key, pair in pairs.items() if key not in known}

    def keys(self, queries: Sequence[str], responses: Sequence[str]) -> list[str]:
        """What the verdicts on these pairs are kept under, in order."""
        if not queries:
            return []  # nothing is asked: weights need not be there
        who = self.judging
        return [verdict_key(who, q, r) for q, r in zip(queries, responses, strict=True)]

    def _known(self, cache: VerdictCache, pairs: Pairs) -> dict[str, Verdict]:
        """What the cache holds of these pairs, under today's keys or those of 0.1.0."""
        known = cache.get(pairs)
        former = {
            old: key
            for key, pair in pairs.items()
            if key not in known and (old := self.former_key(*pair))
        }
        for old, verdict in cache.get(former).items():
            cache.put(former[old], verdict)
            known[former[old]] = verdict
        return known
