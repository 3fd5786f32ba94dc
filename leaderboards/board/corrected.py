"""Beside a judge's rate the rate that people would give, from their labels of some of the responses.

A cell's responses are parted by the verdicts that the sample was drawn by and by the judge's own; see
`leaderboards.board.strata` and `leaderboards.people.rates`. Labels of other cells have no part in it: how
often a judge errs differs from model to model. A label speaks of one reply: where the answer was made anew,
or the verdict that it was drawn by is another now, all of that sheet's labels of the cell are left out, for
those that still fit are no random sample of what is there; without another sheet the cell has no rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from leaderboards.board.numbers import Number, Outcomes
from leaderboards.board.row import Row
from leaderboards.board.strata import drawn_parts, strata_of, stratum
from leaderboards.people import sheet
from leaderboards.people.rates import METHODS, Rate, Stratum, labels_alone, post_stratified, ppi
from leaderboards.people.sheet import Label
from ptst_tasks.judges.known import ABOUT

__all__ = [
    "PEOPLE",
    "Corrected",
    "LeftOut",
    "by_cell",
    "correct",
    "correct_cells",
    "place",
]

PEOPLE: dict[str, Callable[[str], int | None]] = {
    **{m: sheet.harm if about == "harm" else sheet.refusal for m, about in ABOUT.items()},
    "partial": sheet.in_part,
}
"""Metrics that people's labels speak of -> what a label says of them."""
Key = tuple[str, str, str, str]
Labels = Mapping[str, Sequence[Label]]
"""One sheet's labels of one cell, by the prompt's id."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One sheet's labels of a cell that make no rate there.

    Attributes:
        keys: Theirs.
        why: In a sentence.
    """

    keys: frozenset[sheet.Key]
    why: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """A judge's number, and people's rate beside it.

    Attributes:
        number: The judge's.
        rate: People's, of all of the cell's responses; None where none of them is labelled.
        strata: What the rate is made of.
        used: Keys of the labels that it rests on.
        unsure: Of these the ones that say nothing: people were unsure, or of two minds.
        left_out: What sheets of labels have no part in it.
        why: Why labels that fit make no rate; empty where they do, and where there are none.
    """

    number: Number
    rate: Rate | None = None
    strata: tuple[Stratum, ...] = ()
    used: frozenset[sheet.Key] = frozenset()
    unsure: frozenset[sheet.Key] = frozenset()
    left_out: tuple[LeftOut, ...] = ()
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
        labels: Of one sheet.
        method: One of `METHODS`.
    """
    yield from correct_cells(numbers, by_cell([labels]), method)


def by_cell(sheets: Iterable[Iterable[Label]]) -> dict[str, list[Labels]]:
    """Cell -> what each sheet holds of it."""
    found: dict[str, list[Labels]] = {}
    for labels in sheets:
        mine: dict[str, dict[str, list[Label]]] = {}
        for label in labels:
            mine.setdefault(label.cell, {}).setdefault(label.id, []).append(label)
        for cell, some in mine.items():
            found.setdefault(cell, []).append(some)
    return found


def correct_cells(
    numbers: Sequence[Number], cells: Mapping[str, Sequence[Labels]], method: str
) -> Iterator[Corrected]:
    """The same by the labels of each cell, as `by_cell` gives them."""
    beside = {_key(n): n.outcomes for n in numbers if n.outcomes is not None}
    for number in numbers:
        if number.row.metric in PEOPLE and number.outcomes is not None:
            here = (_here(some, number.outcomes) for some in cells.get(place(number), ()))
            mine = [some for some in here if some]
            yield _corrected(number, mine, beside, method) if mine else Corrected(number)


def _here(labels: Labels, outcomes: Outcomes) -> Labels:
    return {i: some for i, some in labels.items() if i in outcomes}


def _key(number: Number) -> Key:
    row = number.row
    return place(number), row.task, row.metric, row.judge


def _corrected(
    number: Number, sheets: Sequence[Labels], beside: Mapping[Key, Outcomes], method: str
) -> Corrected:
    assert number.outcomes is not None
    draws = {judge: _draw(number, judge, beside) for some in sheets for judge in _drew(some)}
    heard = {judge: outcomes for judge, outcomes in draws.items() if outcomes is not None}
    whys = [_why_not(some, number, heard) for some in sheets]
    out = tuple(LeftOut(_keys(s), why) for s, why in zip(sheets, whys, strict=True) if why)
    fit = [some for some, why in zip(sheets, whys, strict=True) if not why]
    if not fit:
        return Corrected(number, left_out=out)
    merged, _ = sheet.merge([[x for labels in some.values() for x in labels] for some in fit])
    says = PEOPLE[number.row.metric]
    said = {label.id: says(label.label) for label in merged}
    parts = drawn_parts(
        number.outcomes, [heard[j] for j in sorted({j for s in fit for j in _drew(s)})]
    )
    strata = strata_of(parts, number.outcomes, said)
    made = Corrected(
        number, None, tuple(strata), frozenset().union(*map(_keys, fit)),
        frozenset(label.key for label in merged if said[label.id] is None), out,
    )  # fmt: skip
    if len(made.unsure) == len(merged):
        return replace(
            made, why=f"people are unsure about all that they saw of cell {place(number)}"
        )
    if method == METHODS[0]:
        return replace(made, rate=post_stratified(strata))
    rates, whys = [], []
    for unsure in (None, 0, 1) if made.unsure else (None,):  # what is unsure may be either
        words = {i: unsure if word is None else word for i, word in said.items()}
        sure = {i: word for i, word in words.items() if word is not None}
        rate, why = _weighted(number.outcomes, sure, parts, method)
        rates += [rate] if rate else []
        whys += [why] if why else []
    if whys:
        return replace(made, why=whys[0])
    low, high = min(rate.low for rate in rates), max(rate.high for rate in rates)
    return replace(made, rate=replace(rates[0], low=low, high=high))


def _keys(labels: Labels) -> frozenset[sheet.Key]:
    return frozenset(label.key for some in labels.values() for label in some)


def _drew(labels: Labels) -> set[str]:
    """The judges by whose verdicts a sheet's labels were drawn."""
    return {by[0] for some in labels.values() for label in some if (by := label.drawn_by)}


def _why_not(labels: Labels, number: Number, heard: Mapping[str, Outcomes]) -> str:
    """Why a sheet makes no rate of a number; empty if it does."""
    if unheard := sorted(_drew(labels) - heard.keys()):
        return (f"labels that were drawn by the verdicts of {unheard[0]} make no rate where these are not: "
                "give a run that it has judged, whole")  # fmt: skip
    of_replies = any(label.reply for some in labels.values() for label in some)
    if of_replies and number.replies is None:
        return (f"labels are of replies, and cell {place(number)} comes without digests of them (a "
                "leaderboard from before they were kept): give its run, or write it again")  # fmt: skip
    wrong = [x for some in labels.values() for x in some if not _fits(x, number, heard)]
    if wrong:  # nobody knows which of the others are other ones, too: what fits is no random sample
        return (f"{len(wrong)} labels of cell {place(number)} are of answers or verdicts that were made "
                "anew, so the sample is none of what is there: draw and label it again")  # fmt: skip
    return ""


def _draw(number: Number, judge: str, beside: Mapping[Key, Outcomes]) -> Outcomes | None:
    """A judge's verdicts that `ptst label` draws by: of harm, or of refusals where prompts are safe."""
    where, task, *_ = _key(number)
    found = [beside[key] for m in ABOUT if (key := (where, task, m, judge)) in beside]
    if (where, task, "asr", judge) in beside:
        return found[0]
    return {i: verdict for outcomes in found for i, verdict in outcomes.items()} if found else None


def _fits(label: Label, number: Number, draws: Mapping[str, Outcomes]) -> bool:
    """Whether a label is of the reply that is here, and was drawn by the verdict that it has here."""
    known = (number.replies or {}).get(label.id)  # a leaderboard keeps the beginning of a digest
    if label.reply and not (known and label.reply.startswith(known)):
        return False
    by = label.drawn_by
    return by is None or draws[by[0]].get(label.id) == by[1]


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
    found = ppi(words, verdicts, rest, weighed)
    if found.low == found.high:  # its normal approximation sees no spread
        return None, f"{method} has no interval where labels show no spread: take post-stratified"
    return found, ""
