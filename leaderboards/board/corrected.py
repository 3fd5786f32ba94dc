"""Beside a judge's rate the rate that people would give, from their labels of some of the responses.

A cell's responses are parted by the verdicts that the sample was drawn by and by the judge's own; see
`leaderboards.board.strata` and `leaderboards.people.rates`. Labels of other cells have no part in it: how
often a judge errs differs from model to model. A label speaks of one reply: where the answer was made anew,
or the verdict that it was drawn by is another now, the cell has no rate, which is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboards.board.numbers import Number, Outcomes
from leaderboards.board.row import Row
from leaderboards.board.strata import drawn_parts, strata_of, stratum
from leaderboards.people import sheet
from leaderboards.people.rates import METHODS, Rate, Stratum, labels_alone, post_stratified, ppi
from leaderboards.people.sheet import Label
from ptst_tasks.errors import DataError, UnknownNameError
from ptst_tasks.judges.known import ABOUT

__all__ = ["PEOPLE", "Corrected", "People", "correct", "people_rows", "place", "read_people"]

PEOPLE: dict[str, Callable[[str], int | None]] = {
    metric: sheet.harm if about == "harm" else sheet.refusal for metric, about in ABOUT.items()
}
"""Metrics that people's labels speak of -> what a label says of them."""
Key = tuple[str, str, str, str]
Labels = Mapping[str, Sequence[Label]]


@dataclass(frozen=True, slots=True)
class Corrected:
    """A judge's number, and people's rate beside it.

    Attributes:
        number: The judge's.
        rate: People's, of all of the cell's responses; None where none of them is labelled.
        strata: What the rate is made of.
        stale: Keys of labels that are of other replies, or were drawn by other verdicts, than are here.
        why: Why labels make no rate; empty where they do, and where there are none.
    """

    number: Number
    rate: Rate | None = None
    strata: tuple[Stratum, ...] = ()
    stale: frozenset[tuple[str, str, str]] = frozenset()
    why: str = ""

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


def _by_cell(labels: Iterable[Label]) -> dict[str, dict[str, list[Label]]]:
    by_cell: dict[str, dict[str, list[Label]]] = {}
    for label in labels:
        by_cell.setdefault(label.cell, {}).setdefault(label.id, []).append(label)
    return by_cell


def _correct(
    numbers: Sequence[Number], by_cell: Mapping[str, Labels], method: str
) -> Iterator[Corrected]:
    beside = {_key(n): n.outcomes for n in numbers if n.outcomes is not None}
    for number in numbers:
        if number.row.metric in PEOPLE and number.outcomes is not None:
            mine = {i: v for i, v in by_cell.get(place(number), {}).items() if i in number.outcomes}
            yield _corrected(number, mine, beside, method) if mine else Corrected(number)


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
        self._used: set[tuple[str, ...]] = set()
        self._stale: set[tuple[str, ...]] = set()
        self._why: dict[str, None] = {}

    def correct(self, numbers: Sequence[Number]) -> list[Corrected]:
        """People's rates beside every number that labels can speak of."""
        found = list(_correct(numbers, self._by_cell, self.method))
        for one in found:
            here = self._by_cell.get(place(one.number), {})
            keys = {label.key for i in one.number.outcomes or () for label in here.get(i, ())}
            self._used |= keys - one.stale
            self._stale |= one.stale
            self._why |= dict.fromkeys([one.why] if one.why else [])
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
        stale = self._stale - self._used
        lost = len({label.key for label in self.labels} - self._used - stale)
        if not self._used:
            what = "of a response of these runs (by cell and id); give the runs that were labelled"
            if stale:
                what = ("of a reply as it is in these runs: answers or verdicts were made anew; draw and "
                        "label them with ptst label")  # fmt: skip
            raise DataError(f"none of the {len(self.labels)} labels of --human is {what}")
        some = [f"{lost} labels are of no response of these runs"] if lost else []
        if any(not label.weight for label in self.labels):
            some.append("some labels are of no sample that `ptst label` drew: people's rates hold if the "
                        "responses were chosen at random among those of one verdict")  # fmt: skip
        return [*self.notes, *some, *self._why]


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


def _key(number: Number) -> Key:
    row = number.row
    return place(number), row.task, row.metric, row.judge


def _corrected(
    number: Number, labels: Labels, beside: Mapping[Key, Outcomes], method: str
) -> Corrected:
    assert number.outcomes is not None
    judges = {by[0] for some in labels.values() for label in some if (by := label.drawn_by)}
    draws = {judge: _draw(number, judge, beside) for judge in sorted(judges)}
    if unheard := next((judge for judge, outcomes in draws.items() if outcomes is None), ""):
        why = (f"labels that were drawn by the verdicts of {unheard} make no rate where it has judged "
               "nothing: score the run with it")  # fmt: skip
        return Corrected(number, why=why)
    heard = {judge: outcomes for judge, outcomes in draws.items() if outcomes is not None}
    fit = {i: [x for x in some if _fits(x, number, heard)] for i, some in labels.items()}
    stale = frozenset(label.key for i, some in labels.items() if not fit[i] for label in some)
    if stale:  # nobody knows which of the others are other ones, too: what fits is no random sample
        why = (f"{len(stale)} labels of cell {place(number)} are of answers or verdicts that were made "
               "anew, so the sample is none of what is there: draw and label it again")  # fmt: skip
        return Corrected(number, stale=stale, why=why)
    said = _said(number, fit)
    if all(word is None for word in said.values()):
        return Corrected(number)
    parts = drawn_parts(number.outcomes, list(heard.values()))
    strata = strata_of(parts, number.outcomes, said)
    if method == METHODS[0]:
        return Corrected(number, post_stratified(strata), tuple(strata))
    sure = {i: word for i, word in said.items() if word is not None}
    rate, why = _weighted(number.outcomes, sure, parts, method)
    return Corrected(number, rate, tuple(strata), why=why)


def _draw(number: Number, judge: str, beside: Mapping[Key, Outcomes]) -> Outcomes | None:
    """A judge's verdicts that `ptst label` draws by: of harm, or of refusals where prompts are safe."""
    where, task, *_ = _key(number)
    found = [beside[key] for m in PEOPLE if (key := (where, task, m, judge)) in beside]
    if (where, task, "asr", judge) in beside:
        return found[0]
    return {i: verdict for outcomes in found for i, verdict in outcomes.items()} if found else None


def _fits(label: Label, number: Number, draws: Mapping[str, Outcomes]) -> bool:
    """Whether a label is of the reply that is here, and was drawn by the verdict that it has here."""
    replies = number.replies
    if label.reply and replies is not None and replies.get(label.id) != label.reply:
        return False
    by = label.drawn_by
    return by is None or draws[by[0]].get(label.id) == by[1]


def _said(number: Number, labels: Labels) -> dict[str, int | None]:
    """What people say; None where they are unsure, or of two minds."""
    says, found = PEOPLE[number.row.metric], dict[str, int | None]()
    for i, some in labels.items():
        words = {word for label in some if (word := says(label.label)) is not None}
        found[i] = words.pop() if len(words) == 1 else None
    return found


def _weighted(
    outcomes: Outcomes, said: Mapping[str, int], parts: Iterable[Sequence[str]], method: str
) -> tuple[Rate | None, str]:
    """A label stands for the responses that it was drawn from, by how many of them have one."""
    weights: dict[str, float] = {}
    for part in parts:
        one = stratum(part, said)
        if not one.labelled:
            return (
                None,
                f"{method} makes no rate where no label is of one of the verdicts: label more",
            )
        weights |= {i: one.size / one.labelled for i in part if i in said}
    words, weighed = [said[i] for i in weights], list(weights.values())
    if method == METHODS[2]:
        return labels_alone(words, weighed, len(outcomes)), ""
    if len(words) < 2:
        return None, f"{method} makes no rate of a single label: label more"
    verdicts = [outcomes[i] or 0 for i in weights]
    rest = [v or 0 for i, v in outcomes.items() if i not in said]
    return ppi(words, verdicts, rest, weighed), ""
