"""A judge's record: how far it agrees with people on a set that they labelled.

Intervals are of prompts, not of responses: prompts are drawn anew with all their responses (the bootstrap's
percentiles), since what a judge makes of one answer it makes of the next to the same question.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from leaderboards.judging.agreement import kappa
from leaderboards.judging.labelled_sets import About, Answer
from ptst_tasks.judges.base import Judge, Verdict

__all__ = ["COLUMNS", "Record", "Span", "measure", "record"]

Counts = npt.NDArray[np.float64]
BATCH = 256
DRAWN = 1999


@dataclass(frozen=True, slots=True)
class Span:
    """A figure with its 95 % interval; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """How far a judge agrees with people; shares are 0..1, kappa -1..1, and higher is better.

    Attributes:
        judge: Its spec.
        set_name: The set.
        about: Harm or refusal.
        n: Responses with a verdict.
        unscored: Responses without one.
        prompts: Different prompts.
        kappa: Cohen's.
        tpr: Of what people call harmful (or refused), the share that the judge calls so.
        tnr: Of the rest, the share that it calls not so.
        accuracy: Share of equal calls.
        f1: Of the harmful (refused).
        floor_accuracy: Of a judge that calls all harmful (refused).
        floor_f1: Likewise.
        partial: Of refusals in part, the share that it calls refusals.
        people_same: Share on which two people agree.
        people_kappa: Their kappa.
    """

    judge: str
    set_name: str
    about: About
    n: int
    unscored: int
    prompts: int
    kappa: Span
    tpr: Span
    tnr: Span
    accuracy: float | None
    f1: float | None
    floor_accuracy: float
    floor_f1: float
    partial: float | None
    people_same: float | None
    people_kappa: float | None

    def cells(self) -> list[str]:
        """A line of the CSV, by `COLUMNS`."""
        out = []
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            some = [value.value, value.low, value.high] if isinstance(value, Span) else [value]
            out += [
                "" if v is None else f"{v:.4f}" if isinstance(v, float) else str(v) for v in some
            ]
        return out


COLUMNS = tuple(
    name + end
    for name in (f.name for f in fields(Record))
    for end in (("", "_low", "_high") if name in ("kappa", "tpr", "tnr") else ("",))
)


def measure(
    judge: Judge, set_name: str, about: About, answers: Sequence[Answer]
) -> tuple[Record, float]:
    """Asks a judge about a set.

    Returns:
        Its record, and how many responses it judged in a second.

    Raises:
        JudgeError: If it can give no verdict at all.
    """
    began, found = time.perf_counter(), list[Verdict]()
    for at in range(0, len(answers), BATCH):
        some = answers[at : at + BATCH]
        found += judge.judge([a.query for a in some], [a.response for a in some])
    seconds = time.perf_counter() - began
    said = [v.harmful if about == "harm" else v.refused for v in found]
    return record(judge.spec, set_name, about, answers, said), len(answers) / seconds


def record(
    judge: str, set_name: str, about: About, answers: Sequence[Answer], said: Sequence[bool | None]
) -> Record:
    """What a judge's calls come to.

    Args:
        judge: Its spec.
        set_name: The set.
        about: Harm or refusal.
        answers: The set's.
        said: What the judge calls each; None for no verdict.
    """
    scored = [(a, call) for a, call in zip(answers, said, strict=True) if call is not None]
    counts = _counts(scored)
    whole = counts.sum(axis=0)
    partial = [(call, a.weight) for a, call in scored if a.partial]
    two = [a.people for a in answers if a.people]
    ones = sum(a.weight for a in answers if a.label) / sum(a.weight for a in answers)
    return Record(
        judge, set_name, about, len(scored), len(answers) - len(scored),
        len({a.prompt for a in answers}), _interval(counts, _kappa), _interval(counts, _tpr),
        _interval(counts, _tnr),
        _value(_accuracy(*whole)), _value(_f1(*whole)), ones, 2 * ones / (1 + ones),
        _mean(partial), _mean((a == b, 1.0) for a, b in two), kappa(two)[0] if two else None,
    )  # fmt: skip


def _counts(scored: Sequence[tuple[Answer, bool]]) -> Counts:
    """Prompt by prompt: right yes, missed yes, wrong yes, right no."""
    at: dict[str, int] = {}
    for answer, _ in scored:
        at.setdefault(answer.prompt, len(at))
    out = np.zeros((max(len(at), 1), 4))
    for answer, call in scored:
        place = (0 if call else 1) if answer.label else (2 if call else 3)
        out[at[answer.prompt], place] += answer.weight
    return out


def _interval(counts: Counts, figure: Any) -> Span:
    value = _value(figure(*counts.sum(axis=0)))
    if value is None or len(counts) < 2:
        return Span(value)

    n = len(counts)
    times = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=DRAWN)
    drawn = figure(*(times @ counts).T)
    low, high = np.nanquantile(drawn, [0.025, 0.975])  # some draws hold no harm, or nothing else
    return Span(value, float(low), float(high))


def _tpr(hit: Any, miss: Any, false: Any, right: Any) -> Any:
    return _share(hit, hit + miss)


def _tnr(hit: Any, miss: Any, false: Any, right: Any) -> Any:
    return _share(right, right + false)


def _accuracy(hit: Any, miss: Any, false: Any, right: Any) -> Any:
    return _share(hit + right, hit + miss + false + right)


def _f1(hit: Any, miss: Any, false: Any, right: Any) -> Any:
    return _share(2 * hit, 2 * hit + miss + false)


def _kappa(hit: Any, miss: Any, false: Any, right: Any) -> Any:
    """Cohen (1960); 0 where the judge says always the same, none where people do."""
    n = hit + miss + false + right
    chance = _share((hit + miss) * (hit + false) + (false + right) * (miss + right), n * n)
    found = _share(_share(hit + right, n) - chance, 1 - chance)
    return np.where((hit + miss == 0) | (false + right == 0), np.nan, found)


def _share(part: Any, whole: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole == 0, np.nan, np.divide(part, whole))


def _value(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: Iterable[tuple[bool, float]]) -> float | None:
    some = list(values)
    return sum(w for yes, w in some if yes) / sum(w for _, w in some) if some else None
