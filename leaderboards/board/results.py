"""Reads what lm_eval writes (``--output_path DIR --log_samples``), with or without our cell.json.

lm_eval writes ``DIR/<model>/results_<date>.json`` and, per task, ``samples_<task>_<date>.jsonl``
with one line per prompt and filter. A filter is a judge of ours. Tasks of ours carry a dict under
``configs[task].metadata["ptst"]``; other tasks are read as well, under their own names.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from leaderboards.board import disk, in_place
from leaderboards.board.lm_args import (
    deciding_args,
    gen_kwargs,
    is_sampled,
    model_args,
    sampling_seed,
)
from leaderboards.board.lm_runs import Run, by_model, newest
from leaderboards.board.numbers import MEANS, Number, Outcomes
from leaderboards.board.row import COLUMNS, Row
from ptst_tasks.digests import digest_json
from ptst_tasks.errors import DataError, one_line
from ptst_tasks.provenance import Generation, columns
from ptst_tasks.record import KEY, TaskRecord

__all__ = ["read_cell", "read_file", "read_folder", "read_results"]

Json = dict[str, Any]
Samples = dict[str, dict[str, Json]]
"""Filter -> prompt id -> {metric: value}."""

_NOT_METRICS = frozenset({"alias", "sample_len", "name", "unscored"})
_IN_SAMPLES = frozenset({"doc", "arguments", "resps", "filtered_resps", "target"})
_VERDICTS = frozenset({"asr", "incoherent"})  # never empty where there is a verdict
_LABELS = ("base", "adapter", "train_data", "train_template", "seed", "test_template", "task",
           "training", "ptst_version")  # fmt: skip
# What cells of 0.1.0 say beside their digests.
_OLD = ("step", "decoding", "engine", "base_digest", "adapter_digest", "data_fingerprint")


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
    cache = _part(file, disk.json_object(file), "config").get("use_cache")
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
    row = {**_cell_facts(record, cell.record), "metric": "", "cell": folder.name,
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
                raise _odd(file, f"results.{task}", metrics)
            numbers += _task(file, data, task, metrics, cell or {})
    return numbers


def _part(file: Path, data: Mapping[str, Any], *path: str) -> Json:
    """The object at this place; an empty one where nothing is said.

    Raises:
        DataError: If something else stands there.
    """
    found: Any = data
    for at, name in enumerate(path, start=1):
        found = found.get(name) or {}
        if not isinstance(found, dict):
            raise _odd(file, ".".join(path[:at]), found)
    return dict(found)


def _record(file: Path, config: Json) -> TaskRecord:
    """What a task of ours says of itself; empty for another's."""
    return cast(TaskRecord, _part(file, config, "metadata", KEY))


def _odd(file: Path, name: str, value: Any) -> DataError:
    return DataError(f"{str(file)!r}: {name} is {repr(value)[:80]}, expected an object: damaged; "
                     "evaluate again")  # fmt: skip


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
    facts = _facts(file, data, task)
    if cell:  # its record says these, or nobody does
        facts |= {"engine_args": "", "decoding_seed": None}
    facts |= _cell_facts(file, cell)
    config = _part(file, data, "configs", task)
    ours = _record(file, config)
    is_ours = KEY in _part(file, config, "metadata")
    beside = disk.samples_of(file, task.replace("/", "_"))  # a name, and no path
    samples = _samples(beside, is_ours) if beside.is_file() else None
    if samples and is_ours and not facts.get("asked"):
        facts["asked"] = digest_json(list(next(iter(samples.values()))))
    asked = _part(file, data, "n-samples", task).get("effective")
    for key, value in sorted(metrics.items()):
        metric, comma, judge = key.partition(",")
        if not comma or metric in _NOT_METRICS or metric.endswith("_stderr"):
            continue
        if isinstance(value, int) and abs(value) > 2**53:
            raise DataError(f"{str(file)!r}: {task}: {key} is beyond every number: damaged")
        row = {**facts, "judge": "" if judge == "none" else judge, "metric": metric,
               "judge_settings": _settings(file, ours, judge),
               **_who_judged(file, ours, judge)}  # fmt: skip
        by_id = _column(samples.get(judge, {}), metric, beside) if samples is not None else None
        if samples is not None and by_id is not None:
            if not (isinstance(asked, int) and asked > len(samples[judge])) and _is_mean(
                config, metric
            ):
                _agree(file, f"{task}: {key}", value, by_id)
            yield from _from_samples(beside, row, by_id, samples[judge], asked)
        elif isinstance(value, (int, float)):
            if not isinstance(asked, int) or asked < 1:
                raise DataError(
                    f"{str(file)!r}: how many prompts {task!r} has is unknown (n-samples)"
                )
            yield from _from_results(file, row, value, metrics.get(f"unscored,{judge}"), asked)


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


def _samples(file: Path, ours: bool) -> Samples:
    found: Samples = {}
    for at, data in disk.rows(file):
        try:
            name = str(data["doc"]["id"]) if ours else str(data["doc_id"])
        except (KeyError, TypeError) as e:
            raise DataError(f"{str(file)!r}, line {at}: damaged ({type(e).__name__}); "
                            "evaluate again or delete the file") from e  # fmt: skip
        rows = found.setdefault(str(data.get("filter", "none")), {})
        if name in rows:
            raise DataError(f"{str(file)!r}, line {at}: prompt id {name!r} stands there twice")
        rows[name] = {key: value for key, value in data.items() if key not in _IN_SAMPLES}
    return found


def _column(rows: dict[str, Json], metric: str, where: Path) -> dict[str, int | None] | None:
    """A metric by prompt id; None if it is not in the samples or not 0/1.

    Our tasks say by `unscored` whether an empty value is a missing verdict; where it is none, the
    metric does not apply to the prompt (refusals of safe prompts, on an unsafe one).

    Raises:
        DataError: If a verdict is empty where `unscored` says that there is one.
    """
    if not any(metric in row for row in rows.values()):
        return None
    for name, row in rows.items():  # left out as "does not apply" it would be in no rate
        value = row.get(metric)
        if metric in _VERDICTS and row.get("unscored") == 0 and (value is None or _is_nan(value)):
            raise DataError(
                f"{str(where)!r}: prompt {name!r} has no verdict ({metric} is {value!r}) and says "
                "unscored: 0; expected unscored: 1 for a missing verdict; judge it again"
            )
    values = {name: row.get(metric) for name, row in rows.items()}
    for name, value in values.items():
        if _is_nan(value) or (metric == "asr" and rows[name].get("unscored") == 1):
            values[name] = None
    values = {n: v for n, v in values.items() if v is not None or rows[n].get("unscored", 1)}
    if any(v not in (0, 1, None) for v in values.values()):
        return None
    return {name: None if v is None else int(v) for name, v in values.items()}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _facts(file: Path, data: Json, task: str) -> Json:
    run, config = _part(file, data, "config"), _part(file, data, "configs", task)
    ours = _record(file, config)
    args, engine = model_args(run.get("model_args")), str(run.get("model", ""))
    base = args.get("pretrained") or args.get("model") or data.get("model_name") or "?"
    sha = run.get("model_sha")
    decoding = {**_part(file, config, "generation_kwargs"), **gen_kwargs(run.get("gen_kwargs"))}
    answers = config.get("output_type") in (None, "generate_until")
    sampled = answers and is_sampled(engine, decoding)
    dtype = run.get("model_dtype") or args.get("dtype") or ""
    return {
        "base": str(base),
        "adapter": str(args.get("peft") or args.get("lora_local_path") or ""),
        "test_template": str(ours.get("template", "")),
        "task": str(ours.get("set", task)),
        "base_digest": f"hub:{sha}" if sha else "",
        "data_fingerprint": str(ours.get("data_fingerprint", "")),
        "decoding": _compact({**decoding, "do_sample": sampled, "seed": None}),
        "decoding_seed": sampling_seed(run, decoding) if sampled else None,
        "prompting": _compact(_prompting(file, data, config, ours, task)),
        "engine": engine,
        "engine_args": deciding_args(engine, args),
        "dtype": "" if dtype == "auto" else str(dtype),
        "limit": int(run["limit"]) if _is_count(run.get("limit")) else None,
        "task_version": str(_part(file, data, "versions").get(task, "")),
        "ptst_version": str(ours.get("version", "")),
        "lm_eval_version": str(data.get("lm_eval_version", "")),
        "transformers_version": str(data.get("transformers_version", "")),
        "date": _date(data.get("date")),
    }


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and 1 <= value < math.inf and value == int(value)


def _settings(file: Path, ours: TaskRecord, judge: str) -> str:
    """What the judge's name does not say: metadata.ptst.judge_settings[filter], and a rubric."""
    settings = _part(file, ours, "judge_settings")
    return _compact({"settings": settings.get(judge), "rubric": ours.get("rubric")})


def _who_judged(file: Path, ours: TaskRecord, judge: str) -> Json:
    """metadata.ptst.judge_weights[filter] and the models that its replies named."""
    weights = _part(file, ours, "judge_weights").get(judge)
    models = _part(file, ours, "judge_models").get(judge) or ()
    models = models if isinstance(models, (list, tuple)) else (models,)
    return {"judge_weights": str(weights or ""), "judge_model": "+".join(sorted(map(str, models)))}


def _prompting(file: Path, data: Json, config: Json, ours: TaskRecord, task: str) -> Json:
    shots = _part(file, data, "n-shot").get(task) or config.get("num_fewshot")
    return {
        "style": ours.get("style"),
        "chat_format": ours.get("chat_format"),
        "prefill": ours.get("prefill"),
        "num_fewshot": shots,
        "fewshot_as_multiturn": data.get("fewshot_as_multiturn") if shots else None,
        "fewshot_seed": _part(file, data, "config").get("fewshot_seed") if shots else None,
        "system_instruction": data.get("system_instruction_sha"),
        "chat_template": _sha(ours.get("chat_template")) or data.get("chat_template_sha"),
    }


def _cell_facts(file: Path, cell: Mapping[str, Any]) -> Json:
    """What cell.json says in place of the results file."""
    facts = {name: cell[name] for name in _LABELS if cell.get(name) is not None}
    facts |= _recorded(file, cell)
    if cell.get("digest"):
        facts["cell"] = cell["digest"]
    return {k: _compact(v) if isinstance(v, dict) else v for k, v in facts.items()}


def _recorded(file: Path, cell: Mapping[str, Any]) -> Json:
    """The provenance columns; cells of 0.1.0 have digests of a few facts alone."""
    if made := cell.get("provenance"):
        try:
            return {k: v for k, v in columns(Generation.from_dict(made)).items() if v is not None}
        except (TypeError, ValueError, AttributeError, KeyError) as e:
            raise DataError(
                f"cell {cell.get('digest')!r}: its record of provenance is damaged: {e}"
            ) from e
    facts = {name: cell[name] for name in _OLD if cell.get(name) is not None}
    digests = _part(file, cell, "digests")
    for name, key in (("base_digest", "base"), ("adapter_digest", "adapter"),
                      ("data_fingerprint", "data"), ("limit", "limit"), ("dtype", "dtype"),
                      ("prompts", "prompts"), ("engine_args", "engine_args")):  # fmt: skip
        if digests.get(key):
            facts[name] = digests[key]
    return facts


def _compact(data: Mapping[str, Any]) -> str:
    """Sorted compact JSON of what is set; empty for nothing."""
    kept = {key: value for key, value in data.items() if value not in (None, "", 0, {})}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), default=str) if kept else ""


def _sha(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16] if value else ""


def _date(seconds: Any) -> str:
    if not isinstance(seconds, (int, float)):
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # no time that there is
        return ""
