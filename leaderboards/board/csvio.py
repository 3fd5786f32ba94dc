r"""The leaderboard CSV: tidy, one row per measured number, the same bytes from the same runs.

UTF-8, LF, comma, a header, rows sorted by their identity. Rates are 0..1 with six decimals; an
empty field is "none". `n` counts the prompts that have a verdict (the denominator of `value`),
`unscored` those that have none, so n + unscored prompts were asked. A cell that failed is a row
with an `error` and no `value`.

Every Unicode text is written and read back unchanged; only `error` is made one line. A cell that a
spreadsheet would run (it begins with ``=``, ``+``, ``-``, ``@``, and is no number) has an apostrophe
in front; a cell with half characters (lone surrogates) or control characters, line ends included,
is an apostrophe and a JSON string (``'"a\ud800b"``). A cell that looks like one of these already
has one apostrophe more. All other cells, and those of files without escapes, are what they say.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ptst_tasks.errors import DataError, DataNotFoundError, did_you_mean, one_line, said
from ptst_tasks.files import write_text

__all__ = [
    "COLUMNS",
    "IDENTITY",
    "REQUIRED",
    "Row",
    "cell",
    "conditions",
    "dumps",
    "read",
    "sort_key",
    "text",
    "uncell",
    "write",
]


Count = Annotated[int, Field(ge=0, le=10**9)]
Whole = Annotated[int, Field(ge=-(10**18), le=2**64)]  # a seed may be any number of 64 bits


class Row(BaseModel):
    """One measured number.

    Attributes:
        base: The base model, as it was named to the harness.
        adapter: The adapter, empty for the model before fine-tuning.
        train_data: Data set the adapter was trained on.
        train_template: Template it was trained under, ``chat:vanilla``; empty before fine-tuning.
        seed: Training seed.
        test_template: Template of the test prompts, ``chat:llama``; empty for other tasks.
        task: The set, ``advbench``; for tasks that are not ours the harness's task name.
        judge: Who judged: the harness's filter (``keywords:zou``, ``strict-match``), or empty.
        metric: ``asr``, ``refused``, ``incoherent``, ``exact_match``, ...
        value: Mean over the `n` scored prompts; None where nothing could be measured.
        ci_low: Lower end of the 95 % Wilson interval of a rate.
        ci_high: Upper end of it.
        n: Prompts with a verdict.
        unscored: Prompts without one.
        base_digest: Digest of the base model's weights, with its kind: ``sha256:...``, ``hub:...``.
        base_files: Digest of the base's configuration, generation defaults, tokenizer and chat template.
        adapter_digest: Digest of the adapter's weights.
        adapter_config: Digest of its configuration (rank, alpha, targets).
        training: Digest of how it was trained, but for the seed: adapters that share it are seeds of
            one training.
        data_fingerprint: Digest of all rows of the set.
        limit: Only the first so many were asked; None for all, or where nobody noted it.
        asked: Digest of the ids of the rows that were asked.
        prompts: Digest of the prompts' token ids.
        task_version: Of the task's definition.
        scoring: Digest of the task's metrics and answer filters.
        judge_settings: Rubric and settings of the judge, where its name does not say all.
        judge_weights: Digest of a local judge's weights.
        judge_model: The judge's model, as its own replies name it.
        decoding: Decoding options as the engine used them, compact JSON.
        decoding_seed: Seed of the sampling; None where answers are greedy.
        prompting: What else shaped the prompts (style, chat format, few-shot, ...), compact JSON.
        engine: The engine, or the harness's model class.
        engine_args: Its arguments that may change an answer, compact JSON.
        dtype: Of the weights in memory.
        versions: Of the packages that can change an answer, compact JSON.
        step: For a copy of an adapter kept along training, after how many steps.
        cell: Digest of the cell in its run folder.
        ptst_version: Version of this package at the time of the run.
        lm_eval_version: Version of the harness.
        transformers_version: Version of transformers.
        date: Of the run, UTC, ``2025-01-31T12:00:00Z``.
        error: Why there is no value, one line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    adapter: str = ""
    train_data: str = ""
    train_template: str = ""
    seed: Whole | None = None
    test_template: str = ""
    task: str
    judge: str = ""
    metric: str
    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n: Count = 0
    unscored: Count = 0
    base_digest: str = ""
    base_files: str = ""
    adapter_digest: str = ""
    adapter_config: str = ""
    training: str = ""
    data_fingerprint: str = ""
    limit: Whole | None = None
    asked: str = ""
    prompts: str = ""
    task_version: str = ""
    scoring: str = ""
    judge_settings: str = ""
    judge_weights: str = ""
    judge_model: str = ""
    decoding: str = ""
    decoding_seed: Whole | None = None
    prompting: str = ""
    engine: str = ""
    engine_args: str = ""
    dtype: str = ""
    versions: str = ""
    step: Whole | None = None
    cell: str = ""
    ptst_version: str = ""
    lm_eval_version: str = ""
    transformers_version: str = ""
    date: str = ""
    error: str = ""

    @field_validator(
        "seed", "step", "limit", "decoding_seed", "value", "ci_low", "ci_high", mode="before"
    )
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("value", "ci_low", "ci_high")
    @classmethod
    def _finite(cls, value: float | None) -> float | None:
        if value is not None and not math.isfinite(value):
            raise ValueError("must be a finite number, or empty where there is none")
        return value

    @field_validator("task")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value:
            raise ValueError("is empty; expected the name of a set")
        return value

    @model_validator(mode="after")
    def _coherent(self) -> Row:
        for name in _RATES if self.metric in _SHARES else ():
            rate = getattr(self, name)
            if rate is not None and not 0 <= rate <= 1:
                raise ValueError(f"{name} of {self.metric} is {rate:g}, expected a rate of 0..1")
        if self.value is not None and self.n == 0:
            raise ValueError("a value over n = 0 prompts")
        if self.value is None and self.n > 0:
            raise ValueError(f"no value, although n = {self.n}")
        # Pydantic gives every object a set of its own of the fields that were given: two thirds of
        # a row's memory, which nobody reads.
        object.__setattr__(self, "__pydantic_fields_set__", _ALL)
        return self


COLUMNS: tuple[str, ...] = tuple(Row.model_fields)
_ALL = set(COLUMNS)
REQUIRED = COLUMNS[: COLUMNS.index("unscored") + 1]
IDENTITY = (*COLUMNS[: COLUMNS.index("metric") + 1], "decoding_seed")
_MEASURED = frozenset({"value", "ci_low", "ci_high", "n", "unscored", "date", "error"})
_RATES = ("value", "ci_low", "ci_high")
_SHARES = frozenset({"asr", "refused", "refused_safe", "refused_unsafe", "incoherent",
                     "exact_match", "acc"})  # fmt: skip
_NUMERIC = frozenset({*_RATES, "n", "unscored", "seed"})
_RUNS = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20]|'+\"")
_SIGNED = re.compile(r"[+-][0-9]+(\.[0-9]+)?")
_NO_TEXT = re.compile("[\x00-\x1f\ud800-\udfff]")
_LONGEST = csv.field_size_limit()
_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


def sort_key(row: Row) -> tuple[str, ...]:
    """Orders rows by identity; seeds by number, none first."""
    values = (getattr(row, name) for name in IDENTITY)
    return tuple(
        f"{v:+021d}" if isinstance(v, int) else v or "" for v in values
    )  # fixed width: seed 2 before 10


def conditions(row: Row) -> tuple[str, ...]:
    """Everything that a row says but what was measured, and when: two of these are one number."""
    return tuple(text(row, name) for name in COLUMNS if name not in _MEASURED)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows by identity, and those of one identity by everything else; the order of a file."""
    out: list[Row] = []
    for _, same in itertools.groupby(sorted(rows, key=sort_key), key=sort_key):
        first, *more = same
        out += sorted([first, *more], key=conditions) if more else [first]
    return out


def dumps(rows: Iterable[Row]) -> str:
    """Returns the file's text.

    Raises:
        DataError: If two rows are one number.
    """
    ordered = in_order(rows)
    _no_twins(ordered, "the rows to write")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(ordered))
    return out.getvalue()


def _cells(rows: Iterable[Row]) -> Iterator[list[str]]:
    once: dict[str, str] = {}  # a digest that stands in 100,000 rows is looked at once
    for row in rows:
        line = []
        for name in COLUMNS:
            value = text(row, name)
            if value not in once:
                once[value] = _checked(cell(value), name, row)
            line.append(once[value])
        yield line


def _checked(value: str, name: str, row: Row) -> str:
    if len(value) <= _LONGEST:
        return value
    if name == "error":
        return value[: _LONGEST // 2] + "..."
    raise DataError(f"column {name!r} of a row of {row.task[:80]!r} is {len(value):,} characters long; "
                    f"expected {_LONGEST:,} at most, as no reader takes more")  # fmt: skip


def cell(value: str) -> str:
    """A text as a cell: what a spreadsheet would run, and what is no text, is escaped."""
    if _NO_TEXT.search(value):
        quoted = json.dumps(value, ensure_ascii=False)
        return "'" + quoted.encode("utf-8", "backslashreplace").decode()
    return f"'{value}" if _RUNS.match(value) and not _SIGNED.fullmatch(value) else value


def uncell(value: str) -> str:
    """The text of a cell."""
    if not value.startswith("'") or not _RUNS.match(value):
        return value
    if value[1] != '"':
        return value[1:]
    try:
        found = json.loads(value[1:])
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, str) else value


def write(rows: Iterable[Row], path: str | os.PathLike[str]) -> None:
    """Writes the file whole or not at all.

    Raises:
        DataError: If two rows are one number.
        ConfigError: If it cannot be written.
    """
    write_text(Path(path), dumps(rows), what="leaderboard")


def read(path: str | os.PathLike[str]) -> list[Row]:
    """Reads and validates a leaderboard CSV; provenance columns may be absent.

    Raises:
        DataNotFoundError: If there is no such file.
        DataError: If a column or a row is wrong; the message names the line.
    """
    where = str(path)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = _parse(file, where)
    except FileNotFoundError as e:
        raise DataNotFoundError(f"leaderboard {where!r} does not exist") from e
    except OSError as e:
        raise DataError(f"leaderboard {where!r} cannot be read: {e.strerror or said(e)}") from e
    except UnicodeDecodeError as e:
        raise DataError(
            f"leaderboard {where!r} is not UTF-8 (byte {e.object[e.start]:#04x}); save it as UTF-8"
        ) from e
    _no_twins(rows, repr(where))
    return rows


def _parse(file: Iterable[str], where: str) -> list[Row]:
    lines = csv.reader(file, strict=True)
    records = _records(lines, where)
    header = next(records, [])
    _check_header(header, where)
    rows = []
    once: dict[str, str] = {}  # a digest that stands in 100,000 rows is kept in memory once
    numbers: dict[str, str | float] = {}
    numeric = [at for at, name in enumerate(header) if name in _NUMERIC]
    for fields in records:
        if len(fields) != len(header):
            raise DataError(
                f"leaderboard {where!r}, line {lines.line_num}: {len(fields)} fields, the header "
                f"has {len(header)}"
            )
        values: list[str | float] = [
            once[f] if f in once else once.setdefault(f, uncell(f)) for f in fields
        ]
        for at in numeric:
            values[at] = numbers.setdefault(fields[at], _number(fields[at]))
        try:
            rows.append(Row.model_validate(dict(zip(header, values, strict=True))))
        except ValidationError as e:
            raise DataError(f"leaderboard {where!r}, line {lines.line_num}: {_why(e)}") from e
    return rows


def _why(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return one_line(error, COLUMNS) if first["loc"] else first["msg"].removeprefix("Value error, ")


def _records(lines: Any, where: str) -> Iterator[list[str]]:
    try:
        yield from lines
    except csv.Error as e:
        why = f"a field has more than {_LONGEST:,} characters" if "limit" in str(e) else str(e)
        raise DataError(f"leaderboard {where!r}, line {lines.line_num}: not CSV: {why}") from e


def _number(field: str) -> str | float:
    """A number, so that equal ones share an object; what is none stays for the model to refuse."""
    if not _DECIMAL.fullmatch(field):
        return field
    return float(field) if "." in field else int(field)


def _check_header(header: Sequence[str], where: str) -> None:
    if not header:
        raise DataError(f"leaderboard {where!r} is empty; its header is {','.join(REQUIRED)},...")
    for name in header:
        if name not in COLUMNS:
            hint = did_you_mean(name, COLUMNS)
            raise DataError(
                f"leaderboard {where!r}: unknown column {name!r}; {hint}known: {', '.join(COLUMNS)}"
            )
    missing = [name for name in REQUIRED if name not in header]
    twice = [name for name in header if header.count(name) > 1]
    if missing or twice:
        what = (
            f"column {missing[0]!r} is missing" if missing else f"{twice[0]!r} stands there twice"
        )
        raise DataError(f"leaderboard {where!r}: {what}; the header is {','.join(REQUIRED)},...")


def _no_twins(rows: Sequence[Row], where: str) -> None:
    first: dict[tuple[str, ...], Row] = {}
    more: dict[tuple[str, ...], set[tuple[str, ...]]] = {}  # of the few that share an identity
    for row in rows:
        key = sort_key(row)
        if key not in first:
            first[key] = row
            continue
        seen = more.setdefault(key, {conditions(first[key])})
        if conditions(row) in seen:
            name = ", ".join(f"{c}={getattr(row, c)!r}" for c in IDENTITY if getattr(row, c))
            raise DataError(f"{where}: two rows for {name}; keep one")
        seen.add(conditions(row))


def text(row: Row, name: str) -> str:
    """One field as text; an error on one line."""
    value = getattr(row, name)
    if value is None:
        return ""
    if name in _RATES:
        return f"{value + 0.0:.6f}".replace("-0.000000", "0.000000")
    return " ".join(value.split()) if name == "error" else str(value)
