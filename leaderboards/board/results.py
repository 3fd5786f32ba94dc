"""Reads what lm_eval writes (``--output_path DIR --log_samples``), with or without our cell.json.

lm_eval writes ``DIR/<model>/results_<date>.json`` and, per task, ``samples_<task>_<date>.jsonl``
with one line per prompt and filter. A filter is a judge of ours. Tasks of ours carry a dict under
``configs[task].metadata["ptst"]``; other tasks are read as well, under their own names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from leaderboards.board import disk, in_place
from leaderboards.board.lm_facts import (
    cell_facts,
    odd,
    part,
    record_of,
    settings_text,
    task_facts,
    who_judged,
)
from leaderboards.board.lm_runs import Run, by_model, newest
from leaderboards.board.numbers import MEANS, OF_SOME, Number, Outcomes
from leaderboards.board.row import COLUMNS, Row
from leaderboards.board.samples import missing_of, outcomes_of, read_samples
from ptst_tasks.digests import digest_json
from ptst_tasks.errors import DataError, one_line
from ptst_tasks.judges.known import ABOUT, kappa_of
from ptst_tasks.record import KEY

__all__ = ["read_cell", "read_file", "read_folder", "read_results"]

Json = dict[str, Any]

_NOT_METRICS = frozenset(
    {"alias", "bypass", "sample_len", "name", "unscored", "reasoning_unscored"}
)
_GRADES = frozenset({"aligned", "coherent"})


def read_folder(folder: Path) -> tuple[list[Number], list[str]]:
    """Reads every results file below `folder`; of one number measured twice the newest counts.

    Returns:
        The numbers, and notes about what was passed over.

    Raises:
        DataError: If there is none, or one is damaged.
    """
    files = disk.results_files(folder)
    if not files:
        raise DataError(
            f"{str(folder)!r} holds neither cells/*/cell.json nor results_*.json; was lm_eval run "
            "with --output_path?"
        )
    runs: list[Run] = []
    notes: dict[str, None] = {}
    for file in files:
        numbers, said = read_file(file)
        runs += by_model(file, numbers)
        notes |= dict.fromkeys(said)
    numbers, said = newest(runs)
    return numbers, [*notes, *said]


def read_file(file: Path) -> tuple[list[Number], list[str]]:
    """Reads one results file as `read_results` does, with notes.

    Raises:
        DataError: If a file is damaged, with its line.
    """
    cache = part(file, disk.json_object(file), "config").get("use_cache")
    note = (f"{file.name}: lm_eval ran with --use_cache {str(cache)!r}, whose keys do not hold the "
            "model: answers may be replayed from another adapter's cache")  # fmt: skip
    return read_results(file), [note] if cache else []


def read_cell(folder: Path) -> list[Number]:
    """Reads one cell of a run; a cell without results is a row with an error.

    Raises:
        DataError: If it is damaged, with the file and the line.
    """
    cell = disk.read_cell_files(folder)
    if cell.results:
        return read_results(cell.results, cell.record)
    record = folder / "cell.json"
    row = {**cell_facts(record, cell.record), "metric": "", "cell": folder.name,
           "error": cell.error}  # fmt: skip
    return [Number(_row(record, {"base": "?", "task": "?", **row}))]


def read_results(file: Path, cell: Mapping[str, Any] | None = None) -> list[Number]:
    """Reads one results file and the samples that were logged with it.

    Args:
        file: ``results_<date>.json``.
        cell: Identity that overrides what the file says.

    Raises:
        DataError: If a file is damaged, with its line.
    """
    in_place.settle(file)
    data = disk.json_object(file)
    if not isinstance(data.get("results"), dict) or not isinstance(data.get("configs"), dict):
        raise DataError(f"{str(file)!r} is no results file of lm_eval: no results and configs")
    numbers: list[Number] = []
    for task, metrics in sorted(data["results"].items()):
        if task in data["configs"]:  # a group has results of its own and no config
            if not isinstance(metrics, dict):
                raise odd(file, f"results.{task}", metrics)
            numbers += _task(file, data, task, metrics, cell or {})
    return numbers


def _row(file: Path, values: Json) -> Row:
    """A row of what a file says.

    Raises:
        DataError: If a column cannot hold it.
    """
    try:
        return Row.model_validate(values)
    except ValidationError as e:
        raise DataError(f"{str(file)!r}: {one_line(e, COLUMNS)}") from e


def _task(
    file: Path, data: Json, task: str, metrics: Json, cell: Mapping[str, Any]
) -> Iterator[Number]:
    facts = task_facts(file, data, task)
    if cell:  # its record says these, or nobody does
        facts |= {"engine_args": "", "decoding_seed": None}
    facts |= cell_facts(file, cell)
    config = part(file, data, "configs", task)
    ours = record_of(file, config)
    is_ours = KEY in part(file, config, "metadata")
    beside = disk.samples_of(file, task.replace("/", "_"))  # a name, and no path
    samples, replies = read_samples(beside, is_ours) if beside.is_file() else (None, None)
    home = disk.home_of(file, task)
    if samples and is_ours and not facts.get("asked"):
        facts["asked"] = digest_json(list(next(iter(samples.values()))))
    asked = part(file, data, "n-samples", task).get("effective")
    for key, value in sorted(metrics.items()):
        metric, comma, judge = key.partition(",")
        if not comma or metric in _NOT_METRICS or metric.endswith("_stderr"):
            continue
        if isinstance(value, int) and abs(value) > 2**53:
            raise DataError(f"{str(file)!r}: {task}: {key} is beyond every number: damaged")
        who = who_judged(file, ours, judge)
        row = {**facts, "judge": "" if judge == "none" else judge, "metric": metric,
               "judge_settings": settings_text(file, ours, judge), **who,
               "judge_kappa": _kappa(judge, metric, who["judge_weights"])}  # fmt: skip
        if metric in OF_SOME and samples is None:
            raise _unsaid(file, task, metric)
        if samples is not None and metric in _GRADES:
            yield replace(
                _graded(beside, row, samples.get(judge, {}), asked), home=home, replies=replies
            )
            continue
        by_id = outcomes_of(samples.get(judge, {}), metric, beside) if samples is not None else None
        if samples is not None and by_id is not None:
            if not (isinstance(asked, int) and asked > len(samples[judge])) and _is_mean(
                config, metric
            ):
                _agree(file, f"{task}: {key}", value, by_id)
            for number in _from_samples(beside, row, by_id, samples[judge], asked):
                yield replace(number, home=home, replies=replies)
        elif isinstance(value, (int, float)):
            if not isinstance(asked, int) or asked < 1:
                raise DataError(
                    f"{str(file)!r}: how many prompts {task!r} has is unknown (n-samples)"
                )
            missing = metrics.get(f"{missing_of(metric)},{judge}")
            if metric == "score" and samples is not None:
                missing = _lacking(samples.get(judge, {}), asked)
            yield from _from_results(file, row, value, missing, asked)


def _unsaid(file: Path, task: str, metric: str) -> DataError:
    return DataError(f"{str(file)!r}: {task}: {metric} is of some of the answers, and the samples that say "
                     "of which are missing; run lm_eval with --log_samples")  # fmt: skip


def _graded(file: Path, row: Json, rows: dict[str, Json], asked: Any) -> Number:
    """A mean of grades, which some answers with a verdict do not have: one that refuses is not graded."""
    known = [v for one in rows.values() if (v := one.get(row["metric"])) is not None]
    lost = max(asked - len(rows), 0) if isinstance(asked, int) else 0
    missing = sum(one.get("unscored") == 1 for one in rows.values()) + lost
    mean = {"value": sum(known) / len(known)} if known else {}
    return Number(_row(file, {**row, **mean, "n": len(known), "unscored": missing}))


def _lacking(rows: dict[str, Json], asked: int) -> float:
    """Share of the prompts without a score: a judge may give one where it is unsure of its verdict."""
    return (asked - sum(row.get("score") is not None for row in rows.values())) / asked


def _kappa(judge: str, metric: str, weights: str) -> float | None:
    about = ABOUT.get(metric)
    return kappa_of(judge, about, weights) if about else None


def _is_mean(config: Json, metric: str) -> bool:
    """Whether a value is a mean over prompts, as all are whose task does not say otherwise."""
    listed = config.get("metric_list")
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and entry.get("metric") == metric:
            return entry.get("aggregation") in (None, "mean", "nanmean") or "ptst" in str(entry)
    return True


def _agree(file: Path, name: str, value: Any, by_id: Outcomes) -> None:
    """Refuses a value that its own samples contradict; which of the two is right nobody knows.

    Raises:
        DataError: If they differ.
    """
    known = [v for v in by_id.values() if v is not None]
    if not isinstance(value, (int, float)) or not known:
        return
    mean = sum(known) / len(known)
    if not abs(value - mean) <= 1e-6:
        raise DataError(
            f"{str(file)!r}: {name} is {value:g}, and its samples say {mean:g} ({sum(known)} of "
            f"{len(known)}); expected the same; one of the files was changed: evaluate again"
        )


def _from_samples(
    file: Path, row: Json, by_id: Outcomes, rows: dict[str, Json], asked: Any
) -> Iterator[Number]:
    known = [v for v in by_id.values() if v is not None]
    lost = asked - len(rows) if isinstance(asked, int) else 0  # a lost line is a missing verdict
    unscored = len(by_id) - len(known) + max(lost, 0)
    if not known and not unscored:
        return  # this judge does not measure this
    yield Number(_rate(file, row, sum(known), len(known), unscored), by_id)


def _from_results(
    file: Path, row: Json, value: float, missing: Any, asked: int
) -> Iterator[Number]:
    if isinstance(missing, (int, float)) and not 0 <= missing <= 1:
        raise DataError(f"{str(file)!r}: unscored of {row['task']!r} is {missing!r}, expected a rate "
                        "of 0..1")  # fmt: skip
    unscored = round(missing * asked) if isinstance(missing, (int, float)) else 0
    if math.isnan(value) or unscored >= asked:
        if unscored:
            yield Number(_rate(file, row, 0, 0, asked))
        return
    number = Number(_row(file, {**row, "value": value, "n": asked - unscored,
                                "unscored": unscored}))  # fmt: skip
    if row["metric"] in MEANS:
        yield number
        return
    try:
        yield Number(_rate(file, row, number.count, asked - unscored, unscored))
    except DataError:  # no rate (a mean of scores): the gate will say so if it is asked to test it
        yield number


def _rate(file: Path, row: Json, count: int, n: int, unscored: int) -> Row:
    from leaderboards.board.stats import wilson

    measured: Json = {"n": n, "unscored": unscored}
    if n:
        low, high = wilson(count, n)
        measured |= {"value": count / n, "ci_low": float(low), "ci_high": float(high)}
    return _row(file, {**row, **measured})
