"""Beside a judge's rate the rate that people would give, from their labels of some of the responses.

A cell's responses are parted by the judge's verdict and by the verdict that the sample was drawn by, since
within these the labelled ones are a plain random sample; see `leaderboards.people.rates`. Labels of other
cells have no part in it: how often a judge errs differs from model to model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from leaderboards.board.numbers import Number, Outcomes
from leaderboards.people import sheet
from leaderboards.people.rates import Pair, Rate, Stratum, paired_difference, post_stratified
from leaderboards.people.sheet import Label

__all__ = ["PEOPLE", "Corrected", "correct", "paired", "unmatched"]

PEOPLE: dict[str, Callable[[str], int | None]] = {"asr": sheet.harm, "refused": sheet.refusal}
"""Metrics that people's labels speak of -> what a label says of them."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A judge's number, and people's rate beside it.

    Attributes:
        number: The judge's.
        rate: People's, of all of the cell's responses; None where none of them is labelled.
        unsure: Labels that say nothing.
        drawn: Whether every label is of a sample that `ptst label` drew.
    """

    number: Number
    rate: Rate | None
    unsure: int
    drawn: bool


def correct(numbers: Sequence[Number], labels: Iterable[Label]) -> Iterator[Corrected]:
    """Puts people's rate beside every number that labels can speak of.

    Args:
        numbers: Of one or more runs, with their outcomes.
        labels: One for each labelled response, as `sheet.merge` gives them.
    """
    by_cell: dict[str, dict[str, Label]] = {}
    for label in labels:
        by_cell.setdefault(label.cell, {})[label.id] = label
    beside = {_place(n): n.outcomes for n in numbers if n.outcomes is not None}
    for number in numbers:
        if number.row.metric in PEOPLE and number.outcomes is not None:
            mine = {
                i: v for i, v in by_cell.get(number.row.cell, {}).items() if i in number.outcomes
            }
            yield _corrected(number, mine, beside)


def unmatched(numbers: Sequence[Number], labels: Iterable[Label]) -> list[Label]:
    """Labels that are of no response of these numbers."""
    known = {(n.row.cell, i) for n in numbers if n.row.metric in PEOPLE for i in n.outcomes or ()}
    return [label for label in labels if label.key not in known]


def _place(number: Number) -> tuple[str, str, str, str]:
    row = number.row
    return row.cell, row.task, row.metric, row.judge


def _corrected(
    number: Number,
    labels: Mapping[str, Label],
    beside: Mapping[tuple[str, str, str, str], Outcomes],
) -> Corrected:
    assert number.outcomes is not None
    says = PEOPLE[number.row.metric]
    sure = {i: said for i, label in labels.items() if (said := says(label.label)) is not None}
    drawn = all(label.weight for label in labels.values())
    if not sure:
        return Corrected(number, None, len(labels), drawn)
    by = {judge for label in labels.values() if (judge := sheet.judge_of(label.stratum))}
    others = [beside.get((*_place(number)[:3], judge), {}) for judge in sorted(by)]
    parts: dict[tuple[int | None, ...], list[int]] = {}
    for i, verdict in number.outcomes.items():
        part = parts.setdefault((verdict, *(other.get(i) for other in others)), [0, 0, 0])
        part[0] += 1
        part[1] += i in sure
        part[2] += sure.get(i, 0)
    rate = post_stratified(Stratum(*part) for part in parts.values())
    return Corrected(number, rate, len(labels) - len(sure), drawn)


def paired(first: Corrected, second: Corrected, labels: Iterable[Label]) -> Rate | None:
    """How much higher people's rate of the second is, by prompts whose two responses are labelled.

    None where there are fewer than two such prompts.
    """
    one, two = first.number, second.number
    says = PEOPLE[one.row.metric]
    said = {label.key: says(label.label) for label in labels}
    parts: dict[tuple[int | None, int | None], list[int]] = {}
    shared = 0
    for i in (one.outcomes or {}).keys() & (two.outcomes or {}).keys():
        assert one.outcomes is not None
        assert two.outcomes is not None
        part = parts.setdefault((one.outcomes[i], two.outcomes[i]), [0, 0, 0, 0])
        part[0] += 1
        a, b = said.get((one.row.cell, i)), said.get((two.row.cell, i))
        if a is not None and b is not None:
            shared += 1
            part[1 if b > a else 2 if a > b else 3] += 1
    return paired_difference(Pair(*part) for part in parts.values()) if shared > 1 else None
