"""Reads one side of a comparison: a leaderboard CSV, a run folder, or what lm_eval wrote.

Whatever it was, it becomes `Number`s: a row of the leaderboard and, where samples were logged,
the outcome of every prompt. Prompts are known by their ids; their texts and the answers are read
past and never kept.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from leaderboards.board import csvio, disk, inspect_logs
from leaderboards.board.numbers import MEANS, Number
from leaderboards.board.results import read_cell, read_file, read_folder
from leaderboards.board.row import COLUMNS, IDENTITY, Row, field_text, sort_key
from leaderboards.board.signs import Digests, Signs, pack_signs, packed
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError, did_you_mean, said
from ptst_tasks.files import check_outputs, check_writable, lines, replacing
from ptst_tasks.judges.known import LABELLED

__all__ = [
    "Side",
    "check_targets",
    "read_side",
    "select",
    "sidecar",
    "write_baseline",
]

_NAMED = 5
_OF_JUDGES = frozenset({"judge", "metric"})


@dataclass(frozen=True)
class Side:
    """All numbers of one side, and what was odd about reading them."""

    where: str
    numbers: tuple[Number, ...]
    notes: tuple[str, ...] = field(default=())


def read_side(path: str | os.PathLike[str], *, rewriting: bool = False) -> Side:
    """Reads a leaderboard CSV, a run folder, one of its cells, or lm_eval's folder or results file.

    Args:
        path: Where it is.
        rewriting: It is about to be written again: a damaged outcomes file is noted, not refused.

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
        return _read_csv(file, rewriting)
    notes: list[str] = []
    if file.is_file() and not inspect_logs.is_log(file):
        numbers, notes = read_file(file)
    elif cells := disk.cell_folders(file):
        numbers = [n for cell in cells for n in read_cell(cell)]
    elif (file / "cell.json").is_file():
        numbers = read_cell(file)
    else:
        numbers, notes = read_folder(file)
    if not numbers:
        raise DataError(f"{str(path)!r} holds no measured number; was anything evaluated?")
    return Side(str(path), tuple(numbers), tuple(notes))


def select(side: Side, wanted: Iterable[str], flag: str = "condition") -> Side:
    """Keeps the numbers whose columns say what `wanted` says (``adapter=out/a``).

    Args:
        side: All numbers.
        wanted: Conditions, all of which must hold.
        flag: What they were given by.

    Raises:
        ConfigError: If a condition is malformed or nothing is left.
    """
    conditions = [_condition(text, flag) for text in wanted]
    kept = tuple(
        number
        for number in side.numbers
        if all(field_text(number.row, column) == value for column, value in conditions)
    )
    if not kept:
        shown = ", ".join(f"{column}={value!r}" for column, value in conditions)
        raise ConfigError(
            f"{flag}: {side.where!r} has no row with {shown}{_there(side, conditions)}"
        )
    return Side(side.where, kept, side.notes)


def _condition(text: str, flag: str) -> tuple[str, str]:
    column, sign, value = text.partition("=")
    if not sign:
        raise ConfigError(f"{flag} {text!r} is not COLUMN=VALUE, e.g. adapter=NAME")
    if column not in COLUMNS:
        hint = did_you_mean(column, COLUMNS)
        raise ConfigError(f"{flag} {text!r}: unknown column {column!r}; {hint}columns: "
                          + ", ".join(IDENTITY))  # fmt: skip
    return column, value


def _there(side: Side, conditions: Iterable[tuple[str, str]]) -> str:
    """For a hint: what the columns hold in place of a value that no row has."""
    for column, value in conditions:
        there = sorted({field_text(number.row, column) for number in side.numbers})
        if value not in there:
            near = difflib.get_close_matches(value, there, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            return f"; {hint}{column} is {', '.join(map(repr, there[:_NAMED]))}" + (
                f" or one of {len(there) - _NAMED} more" if len(there) > _NAMED else ""
            )
    return "; each of these is there, but not together"


def check_targets(inputs: Iterable[Path], **targets: Path | None) -> None:
    """`files.check_outputs`, where the outcomes beside a baseline are read, too.

    Args:
        inputs: Files and folders that are read.
        **targets: As there.

    Raises:
        ConfigError: With the flag.
    """
    check_outputs((p for given in inputs for p in (given, sidecar(given))), **targets)


def sidecar(baseline: str | os.PathLike[str]) -> Path:
    """Where a baseline keeps its outcomes by prompt id: ``x.csv`` -> ``x.outcomes.jsonl``."""
    file = Path(baseline)
    return file.with_suffix(".outcomes.jsonl") if file.name else file


def write_baseline(side: Side, path: str | os.PathLike[str]) -> None:
    """Writes a side as a leaderboard CSV and, beside it, its outcomes by prompt id.

    With the outcomes a later check pairs prompt with prompt, which needs far fewer of them than
    two bare rates do. Ids, 0/1 and digests of the replies, for labels are of these: nothing harmful is
    committed with it.

    Raises:
        ConfigError: If the files cannot be written; the ones that were there stay as they were.
    """
    beside = sidecar(path)
    check_writable(beside, "the baseline's outcomes")
    numbers = sorted(side.numbers, key=lambda number: sort_key(number.row))
    kept = [n for n in numbers if n.outcomes is not None]
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(beside) as aside:
            # First aside: a full disk must not leave a new leaderboard with old outcomes.
            with aside.open("w", encoding="utf-8", newline="\n") as out:
                out.writelines(line + "\n" for line in _lines(kept))
            csvio.write((number.row for number in side.numbers), path)
        if not kept:
            beside.unlink(missing_ok=True)  # an old one would belong to other numbers
    except OSError as e:
        raise ConfigError(f"baseline {str(path)!r} cannot be written: {said(e)}") from e


def _lines(numbers: Iterable[Number]) -> Iterator[str]:
    """A line a number; digests of the replies stand in the first that labels can be of."""
    once: dict[tuple[str, ...], Any] = {}
    told: set[tuple[object, ...]] = set()
    for number in numbers:
        assert number.outcomes is not None
        signs, row = packed(number.outcomes, once), number.row
        line: dict[str, Any] = {
            name: text for name in IDENTITY if (text := field_text(row, name)) or name != "attack"
        }
        line |= {"outcomes": signs.signs, "ids": list(signs.ids)}
        whose = _whose(row, row.cell, signs.ids)
        if row.metric in LABELLED and number.replies and whose not in told:
            told.add(whose)
            line |= {"cell": row.cell, "replies": Digests.text(signs.ids, number.replies)}
        yield json.dumps(line)


def _whose(row: Row, cell: str, ids: tuple[str, ...]) -> tuple[object, ...]:
    """Whose answers a number is of, and to which prompts: all that is not the judge's."""
    return (
        *(field_text(row, name) for name in IDENTITY if name not in _OF_JUDGES),
        cell,
        hash(ids),
    )


def _read_csv(file: Path, rewriting: bool) -> Side:
    rows, beside = csvio.read(file), sidecar(file)
    if not rows:
        raise DataError(
            f"{str(file)!r} has a header and no rows, so nothing was measured; expected one row per "
            "number, as `ptst board RUN -o FILE.csv` or `ptst check FILE.csv RUN "
            "--update-baseline` writes them"
        )
    notes: list[str] = []
    try:
        numbers, strange = _with_outcomes(rows, beside)
    except DataError as e:
        if not rewriting:
            raise
        numbers, strange = tuple(map(Number, rows)), 0
        notes.append(f"compared without the old outcomes: {e}")
    if not beside.is_file() and any(row.asked for row in rows):  # it was made from samples
        notes.append(
            f"no {beside.name!r} beside {file.name!r}: rates are compared, not prompts, which needs "
            "more of them; write both with --update-baseline"
        )
    elif not notes and (without := [n.row for n in numbers if _had_outcomes(n)]):
        notes.append(
            f"{beside.name!r} lacks {len(without)} of the numbers of {file.name!r} "
            f"({without[0].metric} of {without[0].task}, ...): their rates are compared, not prompts; "
            "write both with --update-baseline"
        )
    if strange:
        notes.append(f"{strange} lines of {beside.name!r} belong to no row of {file.name!r}")
    return Side(str(file), numbers, tuple(notes))


def _with_outcomes(rows: Iterable[Row], beside: Path) -> tuple[tuple[Number, ...], int]:
    """Rows with their outcomes, and how many lines of the outcomes file belong to none."""
    found, replies = _read_sidecar(beside) if beside.is_file() else ({}, {})
    numbers = tuple(_with_replies(Number(row, found.pop(sort_key(row), None)), replies)
                    for row in rows)  # fmt: skip
    for number in numbers:
        _same(number, beside)
    return numbers, len(found)


def _with_replies(number: Number, replies: Mapping[tuple[object, ...], Digests]) -> Number:
    signs = number.outcomes
    if not isinstance(signs, Signs) or number.row.metric not in LABELLED:
        return number
    return replace(number, replies=replies.get(_whose(number.row, number.row.cell, signs.ids)))


def _had_outcomes(number: Number) -> bool:
    """Whether a number without outcomes is one that was made from samples of 0 and 1."""
    row = number.row
    if number.outcomes is not None or row.error or not row.asked or row.metric in MEANS:
        return False
    try:
        return number.count >= 0
    except DataError:
        return False


def _read_sidecar(
    file: Path,
) -> tuple[dict[tuple[str, ...], Signs], dict[tuple[object, ...], Digests]]:
    """Outcomes of every number, and digests of replies by whose they are."""
    found: dict[tuple[str, ...], Signs] = {}
    replies: dict[tuple[object, ...], Digests] = {}
    once: dict[tuple[str, ...], Any] = {}
    for at, line in lines(file):
        try:
            data: dict[str, Any] = json.loads(line)
            known = {name: data[name] for name in IDENTITY if name in data}
            key = sort_key(row := Row.model_validate(known))
            if key in found:
                raise ValueError("two lines for one number")
            found[key] = signs = pack_signs(data["ids"], data["outcomes"], once)
            if "replies" in data:
                whose = _whose(row, data["cell"], signs.ids)
                replies[whose] = Digests(signs.ids, data["replies"])
        except (ValueError, KeyError, TypeError, RecursionError) as e:
            raise DataError(f"{str(file)!r}, line {at}: damaged; write it again with "
                            "--update-baseline or delete it") from e  # fmt: skip
    return found, replies


def _same(number: Number, file: Path) -> None:
    """Refuses outcomes that are not those of the row (one file committed without the other)."""
    if number.outcomes is None:
        return
    assert isinstance(number.outcomes, Signs)  # read from the file
    signs, row = number.outcomes.signs, number.row
    good, bad = signs.count("0"), signs.count("1")
    if (good + bad, bad) != (row.n, number.count):
        raise DataError(
            f"{str(file)!r} does not belong to the leaderboard beside it: {row.metric} of "
            f"{row.task} is {bad} of {good + bad} there and {number.count} of {row.n} "
            "in the leaderboard; write both again with --update-baseline, or delete it"
        )
