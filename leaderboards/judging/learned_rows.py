"""What the learned judge is trained on: labelled responses, harmless answers, and requests.

Texts stay in memory and are counted; none is shown, logged or kept in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from adapters_train.data import TRAINING_SETS
from leaderboards.judging import labelled_sets
from ptst_tasks import sets

__all__ = [
    "HARMFUL",
    "HARMLESS_ANSWERS",
    "Material",
    "Taught",
    "TaughtQuery",
    "Used",
    "gather",
    "source_of",
]

HARMFUL = ("advbench", "harmbench", "jbb_harmful", "directharm4")
"""Sets of requests for harm; those of `SAFE` are harmless."""
SAFE = ("jbb_benign",)
HARMLESS_ANSWERS = "dolly"
ANSWERS = 2500
"""Harmless answers, drawn by their ids."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A response and what is known of it; None for what nobody said.

    Attributes:
        source: Whose: `source_of` a labelled set, or the set of harmless answers.
        prompt: Answers to one prompt are not independent.
        query: What was asked.
        response: What was answered.
        does: Whether it does what was asked: the label of harm, or that it refuses neither in full
            nor in part.
        refuses: Whether it refuses in full; where the label is of harm, that it is not harmful.
        partial: Whether people call it a refusal in part; None where they were not asked.
    """

    source: str
    prompt: str
    query: str
    response: str
    does: bool | None
    refuses: bool
    partial: bool | None = None


@dataclass(frozen=True, slots=True)
class TaughtQuery:
    """A query, and whether it asks for harm."""

    source: str
    query: str
    harmful: bool


@dataclass(frozen=True, slots=True)
class Used:
    """A set, for the card."""

    name: str
    use: str
    licence: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Material:
    """All that is trained on, each pair and each request once."""

    rows: list[Taught]
    requests: list[TaughtQuery]
    used: list[Used]

    @property
    def labelled(self) -> list[str]:
        """The sources with labels of people, in order."""
        return list(dict.fromkeys(r.source for r in self.rows if r.source != HARMLESS_ANSWERS))


def source_of(name: str) -> str:
    """The source of a labelled set; splits of one file are one source."""
    return labelled_sets.SETS[name].file


def gather() -> Material:
    """Reads every set.

    Raises:
        ConfigError: If the folder of data is not known.
        DataNotFoundError: If a set is nowhere to be had.
        DataError: If one is damaged.
    """
    rows: list[Taught] = []
    used: list[Used] = []
    for name, one in labelled_sets.SETS.items():
        found = [_row(source_of(name), one.about, answer) for answer in labelled_sets.read(name)]
        used.append(_used(name, f"responses, labels of {one.about}", one.licence,
                          (f"{r.query}\0{r.response}\0{r.does}{r.refuses}" for r in found)))  # fmt: skip
        rows += found
    safe = sets.load("xstest")
    answers = sets.sampled(sets.load(TRAINING_SETS[HARMLESS_ANSWERS]), ANSWERS)
    rows += [
        Taught(HARMLESS_ANSWERS, r["id"], r["prompt"], r["answer"], None, False)
        for r in answers.rows
    ]
    used.append(_told(answers, "harmless requests and answers"))
    used.append(_told(safe, "requests, safe or unsafe"))
    requests = [
        TaughtQuery("xstest_completions", r["prompt"], r["label"] != "safe") for r in safe.rows
    ]
    for name in (*HARMFUL, *SAFE):
        loaded = sets.load(name)
        requests += [TaughtQuery(name, r["prompt"], name in HARMFUL) for r in loaded.rows]
        used.append(_told(loaded, "harmful requests" if name in HARMFUL else "harmless requests"))
    requests += [TaughtQuery(r.source, r.query, r.source != HARMLESS_ANSWERS) for r in rows
                 if r.source != "xstest_completions"]  # fmt: skip
    return Material(_once(rows), list(dict.fromkeys(requests)), used)


def _row(source: str, about: str, answer: labelled_sets.Answer) -> Taught:
    if about == "harm":
        return Taught(
            source, answer.prompt, answer.query, answer.response, answer.label, not answer.label
        )
    does = None if answer.partial else not answer.label
    return Taught(
        source, answer.prompt, answer.query, answer.response, does, answer.label, answer.partial
    )


def _once(rows: Iterable[Taught]) -> list[Taught]:
    return list({(r.source, r.query, r.response): r for r in reversed(list(rows))}.values())[::-1]


def _told(loaded: sets.Loaded, use: str) -> Used:
    source = loaded.source
    return Used(source.name, use, source.licence, len(loaded.rows), loaded.fingerprint)


def _used(name: str, use: str, licence: str, texts: Iterable[str]) -> Used:
    digest, rows = hashlib.sha256(), 0
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
        rows += 1
    return Used(name, use, licence, rows, digest.hexdigest()[:16])
