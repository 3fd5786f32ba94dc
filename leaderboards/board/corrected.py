"""Beside a judge's rate the rate that people would give, from their labels of some of the responses.

A cell's responses are parted by the judge's verdict and by the verdict that the sample was drawn by, since
within these the labelled ones are a plain random sample; see `leaderboards.people.rates`. Labels of other
cells have no part in it: how often a judge errs differs from model to model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leaderboards.board.numbers import Number, Outcomes
from leaderboards.board.row import Row
from leaderboards.people import sheet
from leaderboards.people.rates import (
    METHODS,
    PairStratum,
    Rate,
    Stratum,
    difference,
    labels_alone,
    paired_difference,
    post_stratified,
    ppi,
)
from leaderboards.people.sheet import Label
from ptst_tasks.errors import DataError, UnknownNameError

__all__ = [
    "PEOPLE",
    "Corrected",
    "People",
    "correct",
    "paired",
    "people_rows",
    "place",
    "read_people",
    "rise",
]

PEOPLE: dict[str, Callable[[str], int | None]] = {
    "asr": sheet.harm, "refused": sheet.refusal, "refused_unsafe": sheet.refusal,
}  # fmt: skip
"""Metrics that people's labels speak of -> what a label says of them."""
Calls = tuple[int | None, ...]
"""What several judges call one response."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A judge's number, and people's rate beside it.

    Attributes:
        number: The judge's.
        rate: People's, of all of the cell's responses; None where none of them is labelled.
        unsure: Labels that say nothing.
        drawn: Whether every label is of a sample that `ptst label` drew.
        strata: What the rate is made of.
        calls: Prompt id -> what the judges call the response that part the sample.
        lost: A judge that the sample was drawn by, and of which there is no verdict here: no rate can be
            had then.
    """

    number: Number
    rate: Rate | None
    unsure: int
    drawn: bool
    strata: tuple[Stratum, ...] = ()
    calls: Mapping[str, Calls] = field(default_factory=dict)
    lost: str = ""

    @property
    def row(self) -> Row:
        """The number's row, with people's rate in it."""
        if self.rate is None:
            return self.number.row
        rate = self.rate
        return self.number.row.model_copy(update={
            "people": rate.value, "people_low": rate.low, "people_high": rate.high,
            "labelled": rate.labelled, "people_by": rate.method,
        })  # fmt: skip


def place(number: Number) -> str:
    """How labels name where a number's responses are."""
    return number.home or number.row.cell


def correct(
    numbers: Sequence[Number], labels: Iterable[Label], method: str = METHODS[0]
) -> Iterator[Corrected]:
    """Puts people's rate beside every number that labels can speak of.

    Args:
        numbers: Of one or more runs, with their outcomes.
        labels: One for each labelled response, as `sheet.merge` gives them.
        method: One of `METHODS`.
    """
    yield from _correct(numbers, _by_cell(labels), method)


def _by_cell(labels: Iterable[Label]) -> dict[str, dict[str, Label]]:
    by_cell: dict[str, dict[str, Label]] = {}
    for label in labels:
        by_cell.setdefault(label.cell, {})[label.id] = label
    return by_cell


def _correct(
    numbers: Sequence[Number], by_cell: Mapping[str, Mapping[str, Label]], method: str
) -> Iterator[Corrected]:
    beside = {_key(n): n.outcomes for n in numbers if n.outcomes is not None}
    for number in numbers:
        if number.row.metric in PEOPLE and number.outcomes is not None:
            mine = {i: v for i, v in by_cell.get(place(number), {}).items() if i in number.outcomes}
            yield _corrected(number, mine, beside, method)


class People:
    """What people said of some runs, to be put beside their numbers as these are read.

    Attributes:
        labels: One for each labelled response.
        method: One of `METHODS`.
        notes: What is odd about the labels, a sentence each.
    """

    def __init__(
        self, labels: Sequence[Label], method: str = METHODS[0], notes: Iterable[str] = ()
    ) -> None:
        self.labels, self.method, self.notes = labels, method, list(notes)
        self._by_cell = _by_cell(labels)  # once: numbers come cell by cell
        self._strange = {label.key for label in labels}
        self._lost = ""

    def correct(self, numbers: Sequence[Number]) -> list[Corrected]:
        """People's rates beside every number that labels can speak of."""
        for number in numbers:
            if number.row.metric in PEOPLE and number.outcomes:
                where = place(number)
                self._strange -= {(where, i) for i in number.outcomes}
        found = list(_correct(numbers, self._by_cell, self.method))
        self._lost = next((one.lost for one in found if one.lost), self._lost)
        return found

    def rows(self, numbers: Sequence[Number]) -> list[Row]:
        """All the numbers' rows, with people's rates in those that labels speak of."""
        found = {id(one.number): one.row for one in self.correct(numbers)}
        return [found.get(id(number), number.row) for number in numbers]

    def remarks(self) -> list[str]:
        """The notes, once all runs are read.

        Raises:
            DataError: If no label is of any response that was read.
        """
        lost = len(self._strange)
        if lost == len(self.labels):
            raise DataError(f"none of the {lost} labels of --human is of a response of these runs (by "
                            "cell and id); give the runs that were labelled")  # fmt: skip
        some = [f"{lost} labels are of no response of these runs"] if lost else []
        if any(not label.weight for label in self.labels):
            some.append("some labels are of no sample that `ptst label` drew: people's rates hold if the "
                        "responses were chosen at random among those of one verdict")  # fmt: skip
        if self._lost:
            some.append(f"labels that were drawn by the verdicts of {self._lost} make no rate where it has "
                        "judged nothing: score the run with it")  # fmt: skip
        return [*self.notes, *some]


def read_people(sheets: Iterable[Path], method: str = "") -> People:
    """Reads people's sheets; where they disagree on a response it counts as unsure.

    Args:
        sheets: Their files.
        method: One of `METHODS`; empty for the first.

    Raises:
        PTSTError: If a sheet cannot be read, or there is no such method.
    """
    method = method or METHODS[0]
    if method not in METHODS:
        raise UnknownNameError("way to a rate", method, METHODS)
    read = [sheet.read(file) for file in sheets]
    labels, disputed = sheet.merge(read)
    notes = (
        [f"people disagree on {len(disputed)} responses, which count as unsure"] if disputed else []
    )
    return People(labels, method, notes)


def people_rows(rows: Iterable[Row]) -> list[Row]:
    """People's rates as rows of their own, for a table beside the judge's."""
    return [
        row.model_copy(update={
            "judge": f"people, {row.people_by} by {row.judge}", "value": row.people,
            "ci_low": row.people_low, "ci_high": row.people_high,
        })
        for row in rows if row.people is not None
    ]  # fmt: skip


def _key(number: Number) -> tuple[str, str, str, str]:
    row = number.row
    return place(number), row.task, row.metric, row.judge


def _corrected(
    number: Number,
    labels: Mapping[str, Label],
    beside: Mapping[tuple[str, str, str, str], Outcomes],
    method: str,
) -> Corrected:
    says = PEOPLE[number.row.metric]
    sure = {i: said for i, label in labels.items() if (said := says(label.label)) is not None}
    drawn = all(label.weight for label in labels.values())
    if not sure:
        return Corrected(number, None, len(labels), drawn)
    others: list[Outcomes] = []
    for judge in sorted({sheet.judge_of(label.stratum) for label in labels.values()} - {""}):
        task, where = number.row.task, place(number)
        found = [beside[key] for m in PEOPLE if (key := (where, task, m, judge)) in beside]
        if not found:
            return Corrected(number, None, len(labels) - len(sure), drawn, lost=judge)
        others += found
    calls = {i: (v, *(o.get(i) for o in others)) for i, v in (number.outcomes or {}).items()}
    parts: dict[Calls, list[str]] = {}
    for i, call in calls.items():
        parts.setdefault(call, []).append(i)
    strata = {
        call: Stratum(len(ids), sum(i in sure for i in ids), sum(sure.get(i, 0) for i in ids))
        for call, ids in parts.items()
    }
    if method == METHODS[0]:
        rate: Rate | None = post_stratified(strata.values())
    else:
        rate = _weighted(number, sure, {i: strata[calls[i]] for i in sure}, method)
    return Corrected(number, rate, len(labels) - len(sure), drawn, tuple(strata.values()), calls)


def _weighted(
    number: Number, sure: Mapping[str, int], strata: Mapping[str, Stratum], method: str
) -> Rate | None:
    """A label stands for its stratum's responses by its labels, whoever drew them."""
    assert number.outcomes is not None
    weights = {i: s.size / s.labelled for i, s in strata.items()}
    ids, size = list(weights), len(number.outcomes)
    said, weighed = [sure[i] for i in ids], list(weights.values())
    if method == METHODS[2]:
        return labels_alone(said, weighed, size)
    if len(ids) < 2:
        return None
    verdicts = [number.outcomes[i] or 0 for i in ids]
    rest = [v or 0 for i, v in number.outcomes.items() if i not in sure]
    return ppi(said, verdicts, rest, weighed)


def rise(
    first: Corrected, second: Corrected, labels: Sequence[Label], confidence: float = 0.95
) -> Rate:
    """How much higher people's rate of the second is.

    By the prompts whose two responses are labelled, if these are half of the labels or more; else by
    both rates, as if of different prompts.

    Raises:
        ValueError: If either has no label.
    """
    if not first.rate or not second.rate:
        raise ValueError("no labels")
    found = paired(first, second, labels, confidence)
    if found and 2 * found.labelled >= min(first.rate.labelled, second.rate.labelled):
        return found
    return difference(first.strata, second.strata, confidence)


def paired(
    first: Corrected, second: Corrected, labels: Iterable[Label], confidence: float = 0.95
) -> Rate | None:
    """How much higher people's rate of the second is, by prompts whose two responses are labelled.

    None where there are fewer than two such prompts.
    """
    one, two = first.number, second.number
    says = PEOPLE[one.row.metric]
    said = {label.key: says(label.label) for label in labels}
    parts: dict[tuple[Calls, Calls], list[int]] = {}
    shared = 0
    for i in first.calls.keys() & second.calls.keys():
        part = parts.setdefault((first.calls[i], second.calls[i]), [0, 0, 0, 0])
        part[0] += 1
        a, b = said.get((place(one), i)), said.get((place(two), i))
        if a is not None and b is not None:
            shared += 1
            part[1 if b > a else 2 if a > b else 3] += 1
    if shared < 2:
        return None
    return paired_difference((PairStratum(*part) for part in parts.values()), confidence)
