"""What people said of some runs: their sheets, the rates that come of them, and what is odd about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from leaderboards.board.corrected import Corrected, LeftOut, by_cell, correct_cells
from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from leaderboards.people import sheet
from leaderboards.people.rates import METHODS
from leaderboards.people.sheet import Label
from ptst_tasks.errors import DataError, UnknownNameError

__all__ = ["People", "people_rows", "read_people"]


class People:
    """What people said of some runs, to be put beside their numbers as these are read.

    Args:
        sheets: The labels, sheet by sheet.
        method: One of `METHODS`.
    """

    def __init__(self, sheets: Sequence[Sequence[Label]], method: str = METHODS[0]) -> None:
        self.labels = [label for labels in sheets for label in labels]
        self.method = method
        self._cells = by_cell(sheets)  # once: numbers come cell by cell
        self._used: set[sheet.Key] = set()
        self._unsure: set[sheet.Key] = set()
        self._left_out: dict[LeftOut, None] = {}
        self._why: dict[str, None] = {}

    def correct(self, numbers: Sequence[Number]) -> list[Corrected]:
        """People's rates beside every number that labels can speak of."""
        found = list(correct_cells(numbers, self._cells, self.method))
        for one in found:
            self._used |= one.used
            self._unsure |= one.unsure
            self._left_out |= dict.fromkeys(one.left_out)
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
        out = [one for one in self._left_out if not one.keys & self._used]
        whys = dict.fromkeys(one.why for one in out)
        lost = {label.key for label in self.labels} - self._used
        lost -= {key for one in self._left_out for key in one.keys}
        if not self._used:
            what = (
                "is of a response of these runs (by cell and id); give the runs that were labelled"
            )
            if out:
                more = f" (and {len(whys) - 1} cells or sheets more)" if len(whys) > 1 else ""
                what = f"counts: {next(iter(whys))}{more}"
            raise DataError(f"none of the {len(self.labels)} labels of --human {what}")
        some = [f"{len(lost)} labels are of no response of these runs"] if lost else []
        if self._unsure:
            unsure, seen = ({key[:2] for key in keys} for keys in (self._unsure, self._used))
            some.append(f"people are unsure or of two minds about {len(unsure)} of the {len(seen)} "
                        "responses that they looked at: their rates may be as if all of "
                        "these were harmful (or refused), or none")  # fmt: skip
        if any(not label.weight for label in self.labels):
            some.append("some labels are of no sample that `ptst label` drew: people's rates hold if the "
                        "responses were chosen at random among those of one verdict")  # fmt: skip
        if any(not label.reply for label in self.labels):
            some.append(
                "some labels name no reply: they are taken to be of the replies that are here"
            )
        return [*some, *whys, *self._why]


def read_people(sheets: Iterable[Path], method: str = "") -> People:
    """Reads people's sheets; where they disagree on a response it may be either.

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
    sheet.merge(read)  # whoever says two things of one response is told now
    return People(read, method)


def people_rows(rows: Iterable[Row]) -> list[Row]:
    """People's rates as rows of their own, for a table beside the judge's."""
    return [
        row.model_copy(update={
            "judge": f"people, {row.people_by} by {row.judge}", "value": row.people,
            "ci_low": row.people_low, "ci_high": row.people_high,
        })
        for row in rows if row.people is not None
    ]  # fmt: skip
