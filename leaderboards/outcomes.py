"""Reads one side of a comparison: a leaderboard CSV, a run folder, or what lm_eval wrote.

Whatever it was, it becomes `Number`s: a row of the leaderboard and, where samples were logged,
the outcome of every prompt. Prompts are known by their ids; their texts and the answers are read
past and never kept.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaderboards import csvio
from leaderboards.csvio import Row
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError, did_you_mean

__all__ = ["Number", "Outcomes", "Side", "read_side", "select", "sidecar", "write_baseline"]

Outcomes = Mapping[str, int | None]
"""Prompt id -> 1, 0, or None where there is no verdict (which is never a 0)."""

_SIGNS = {1: "1", 0: "0", None: "?"}
_VALUES: dict[str, int | None] = {sign: value for value, sign in _SIGNS.items()}


@dataclass(frozen=True)
class Number:
    """One measured number.

    Attributes:
        row: As it stands in a leaderboard.
        outcomes: By prompt id; None where no samples were logged or the metric is not 0/1.
    """

    row: Row
    outcomes: Outcomes | None = None

    @property
    def count(self) -> int:
        """Prompts with outcome 1.

        Raises:
            DataError: If the value is no rate of 0/1 outcomes.
        """
        count = (self.row.value or 0.0) * self.row.n
        off = abs(count - round(count))  # six decimals leave half a millionth per prompt
        if not 0 <= round(count) <= self.row.n or off > 0.01 + self.row.n * 1e-6:
            raise DataError(
                f"{self.row.metric!r} of {self.row.task!r} is {self.row.value} over {self.row.n} "
                "prompts: not a share of yes/no outcomes, so the gate cannot test it; take it out "
                "of the policy"
            )
        return round(count)


@dataclass(frozen=True)
class Side:
    """All numbers of one side, and what was odd about reading them."""

    where: str
    numbers: tuple[Number, ...]
    notes: tuple[str, ...] = field(default=())


def read_side(path: str | os.PathLike[str]) -> Side:
    """Reads a leaderboard CSV, a run folder, one of its cells, or lm_eval's folder or results file.

    Raises:
        DataNotFoundError: If there is nothing there.
        DataError: If what is there is damaged, with the file and the line.
    """
    file = Path(path)
    if not file.exists():
        raise DataNotFoundError(
            f"{str(path)!r} does not exist; give a leaderboard CSV, a run folder or the output "
            "folder of lm_eval"
        )
    if file.suffix == ".csv":
        return Side(str(path), tuple(_with_outcomes(csvio.read(file), sidecar(file))))
    from leaderboards import disk
    from leaderboards.lm_output import read_cell, read_folder, read_results

    notes: list[str] = []
    if file.is_file():
        numbers = read_results(file)
    elif cells := disk.cell_folders(file):
        numbers = [n for cell in cells for n in read_cell(cell)]
    elif (file / "cell.json").is_file():
        numbers = read_cell(file)
    else:
        numbers, notes = read_folder(file)
    if not numbers:
        raise DataError(f"{str(path)!r} holds no measured number; was anything evaluated?")
    return Side(str(path), tuple(numbers), tuple(notes))


def select(side: Side, wanted: Iterable[str]) -> Side:
    """Keeps the numbers whose columns say what `wanted` says (``adapter=out/a``).

    Raises:
        ConfigError: If a condition is malformed or nothing is left.
    """
    conditions = [_condition(text) for text in wanted]
    kept = tuple(
        number
        for number in side.numbers
        if all(csvio.text(number.row, column) == value for column, value in conditions)
    )
    if not kept:
        shown = ", ".join(f"{column}={value!r}" for column, value in conditions)
        raise ConfigError(f"{side.where!r} has no row with {shown}")
    return Side(side.where, kept, side.notes)


def _condition(text: str) -> tuple[str, str]:
    column, sign, value = text.partition("=")
    if not sign or column not in csvio.COLUMNS:
        hint = did_you_mean(column, csvio.COLUMNS)
        raise ConfigError(f"condition {text!r} is not COLUMN=VALUE; {hint}columns: "
                          + ", ".join(csvio.IDENTITY))  # fmt: skip
    return column, value


def sidecar(baseline: str | os.PathLike[str]) -> Path:
    """Where a baseline keeps its outcomes by prompt id: ``x.csv`` -> ``x.outcomes.jsonl``."""
    return Path(baseline).with_suffix(".outcomes.jsonl")


def write_baseline(side: Side, path: str | os.PathLike[str]) -> None:
    """Writes a side as a leaderboard CSV and, beside it, its outcomes by prompt id.

    With the outcomes a later check pairs prompt with prompt, which needs far fewer of them than
    two bare rates do. Ids and 0/1 only: nothing harmful is committed with it.
    """
    csvio.write((number.row for number in side.numbers), path)
    numbers = sorted(side.numbers, key=lambda number: csvio.sort_key(number.row))
    lines = [_line(n.row, n.outcomes) for n in numbers if n.outcomes is not None]
    if lines:
        sidecar(path).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    else:
        sidecar(path).unlink(missing_ok=True)  # an old one would belong to other numbers


def _line(row: Row, outcomes: Outcomes) -> str:
    ids = sorted(outcomes)
    signs = "".join(_SIGNS[outcomes[i]] for i in ids)
    key = {name: csvio.text(row, name) for name in csvio.IDENTITY}
    return json.dumps({**key, "outcomes": signs, "ids": ids}, ensure_ascii=False)


def _with_outcomes(rows: list[Row], file: Path) -> list[Number]:
    found = _read_sidecar(file) if file.is_file() else {}
    numbers = [Number(row, found.get(csvio.sort_key(row))) for row in rows]
    for number in numbers:
        _same(number, file)
    return numbers


def _read_sidecar(file: Path) -> dict[tuple[str, ...], Outcomes]:
    found: dict[tuple[str, ...], Outcomes] = {}
    for at, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            data: dict[str, Any] = json.loads(line)
            row = Row.model_validate({name: data[name] for name in csvio.IDENTITY})
            values = [_VALUES[sign] for sign in data["outcomes"]]
            found[csvio.sort_key(row)] = dict(zip(data["ids"], values, strict=True))
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise DataError(f"{str(file)!r}, line {at}: damaged; write it again with "
                            "--update-baseline or delete it") from e  # fmt: skip
    return found


def _same(number: Number, file: Path) -> None:
    """Refuses outcomes that are not those of the row (one file committed without the other)."""
    if number.outcomes is None:
        return
    seen, row = Counter(number.outcomes.values()), number.row
    if (seen[0] + seen[1], seen[1]) != (row.n, number.count):
        raise DataError(
            f"{str(file)!r} does not belong to the leaderboard beside it: {row.metric} of "
            f"{row.task} is {seen[1]} of {seen[0] + seen[1]} there and {number.count} of {row.n} "
            "in the leaderboard; write both again with --update-baseline, or delete it"
        )
