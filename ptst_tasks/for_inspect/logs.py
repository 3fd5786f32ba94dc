"""Logs of inspect_ai, of tasks of ours, as what lm-eval writes: results, and a line per prompt and filter.

What a log cannot say as lm-eval says it is refused on one line. An answer that was not had (an error,
a limit, a filter of the endpoint's) has no line: whoever counts finds a prompt without a verdict.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from ptst_tasks.errors import DataError, MissingExtraError, said
from ptst_tasks.for_inspect.lines import Lines
from ptst_tasks.for_inspect.sent_with import sent_with
from ptst_tasks.record import KEY, TaskRecord

__all__ = ["ForeignError", "Reading", "UnfinishedError", "read"]

Json = dict[str, Any]


class ForeignError(DataError):
    """A log of somebody else's task."""


class UnfinishedError(DataError):
    """A log that ended before its prompts did.

    Attributes:
        task_id: What a log that goes on with it has in common with it.
    """

    task_id = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a log says of one pass over its prompts.

    Attributes:
        model: For a folder's name.
        task: lm-eval's name of the task.
        task_id: Of the log; a log that goes on with another has the same.
        date: For the names of files, ``2026-01-31T12-00-00.000001``.
        results: As in lm-eval's results file.
        lines: As in its samples file.
        notes: What is odd about it.
    """

    model: str
    task: str
    task_id: str
    date: str
    results: Json
    lines: list[Json]
    notes: list[str]


def read(file: Path) -> list[Reading]:
    """Reads a log; one pass for each epoch of answers that are drawn.

    Raises:
        MissingExtraError: If inspect_ai is not installed.
        UnfinishedError: If it was cut off.
        ForeignError: If it is of no task of ours.
        DataError: If it is damaged, or says what no number can be made of.
    """
    log = _opened(file)
    told = (log.eval.metadata or {}).get(KEY)
    if not isinstance(told, Mapping):
        raise ForeignError(f"{str(file)!r} is a log of the task {log.eval.task!r}, which is none of "
                           "ptst's; give logs of ptst/*")  # fmt: skip
    try:
        _check(file, log)
        return [_reading(file, log, told, epoch) for epoch in _epochs(file, log)]
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        if isinstance(e, DataError):
            raise
        raise DataError(f"{str(file)!r} is damaged ({said(e)}); evaluate again") from e


def _opened(file: Path) -> Any:
    try:
        from inspect_ai.log import read_eval_log
    except ImportError as e:
        raise MissingExtraError("inspect_ai", "inspect", f"the log {file.name!r}") from e
    try:
        return read_eval_log(str(file), resolve_attachments="core", exclude_fields=_UNREAD)
    except Exception as e:  # of inspect, zip, JSON and pydantic: all that a damaged file can cause
        raise DataError(
            f"{str(file)!r} cannot be read as a log of inspect ({said(e)[:200]}); copy it again, or "
            "evaluate again"
        ) from e


_UNREAD = {"events", "events_data", "store", "timelines"}


def _check(file: Path, log: Any) -> None:
    """Refuses what no number can be made of.

    Raises:
        DataError: On one line.
    """
    name = str(file)
    if log.status != "success":
        what = {"started": "still running, or was killed", "error": "ended by an error"}
        error = UnfinishedError(
            f"{name!r} is {what.get(log.status, log.status)}, with {len(log.samples or ())} of "
            f"{_asked(log)} prompts; finish it with `inspect eval-retry`"
        )
        error.task_id = log.eval.task_id
        raise error
    if log.invalidated or any(one.invalidation for one in log.samples or ()):
        raise DataError(f"{name!r} was marked as invalid; evaluate again")
    scores = [score for one in log.samples or () for score in (one.scores or {}).values()]
    if edited := sum(bool(score.history) for score in scores):
        raise DataError(f"{name!r}: {edited} scores were edited by hand, and stand there as a judge's; "
                        "score it again (`inspect score --action overwrite`)")  # fmt: skip
    if swapped := sum(bool(one.model_fallbacks) for one in log.samples or ()):
        raise DataError(f"{name!r}: {swapped} answers are another model's (fallback_models); evaluate "
                        "again without")  # fmt: skip
    if not log.samples:
        raise DataError(f"{name!r} holds no samples; evaluate without --no-log-samples")


def _asked(log: Any) -> int:
    """How many prompts were to be asked."""
    ids = log.eval.dataset.sample_ids
    return len(ids) if ids is not None else int(log.eval.dataset.samples or 0)


def _epochs(file: Path, log: Any) -> list[int | None]:
    """The passes that count; None for the only one.

    Raises:
        DataError: If greedy answers were asked for several times.
    """
    epochs = log.eval.config.epochs or 1
    if epochs == 1:
        return [None]
    if not sent_with(log)["do_sample"]:
        raise DataError(f"{str(file)!r} asks each prompt {epochs} times for a greedy answer, and a prompt "
                        "counts once; evaluate with --epochs 1, or with a temperature")  # fmt: skip
    return list(range(1, epochs + 1))


def _reading(file: Path, log: Any, told: Mapping[str, Any], epoch: int | None) -> Reading:
    record = cast(TaskRecord, json.loads(json.dumps(told["config"]["metadata"][KEY])))
    decoding = sent_with(log)
    if epoch is not None:
        decoding["seed"] = epoch
    lines = Lines(str(file), record, decoding.get("until") or ())
    for sample in log.samples:
        if sample.epoch == (epoch or 1):
            lines.add(sample)
    asked = _asked(log)
    config = {**told["config"], "generation_kwargs": decoding}
    config["metadata"] = {**config["metadata"], KEY: record}
    made = lines.finished(asked)
    task, started = told["task"], _started(log)
    base, adapter, engine, args = _who(log, str(told.get("base") or ""))
    results = {
        "results": {task: {"alias": task, **lines.means(asked)}},
        "configs": {task: config},
        "versions": {task: config["metadata"].get("version")},
        "n-shot": {task: 0},
        "higher_is_better": {task: told.get("higher_is_better") or {}},
        "n-samples": {task: {"original": told["rows"], "effective": asked}},
        "config": {"model": engine, "model_args": {"pretrained": base, "peft": adapter, **args},
                   "limit": _limit(log)},
        "system_instruction_sha": _system(log),
        "date": started.timestamp(),
        "lm_eval_version": told.get("lm_eval", ""),
        "inspect": {"log": file.name, "version": (log.eval.packages or {}).get("inspect_ai", ""),
                    "solver": _solver(log)},
    }  # fmt: skip
    date = f"{started:%Y-%m-%dT%H-%M-%S}.{_tail(log, epoch):06d}"
    notes = _notes(log, lines.lost(asked), epoch)
    return Reading(adapter or base, task, log.eval.task_id, date, results, made, notes)


def _started(log: Any) -> datetime:
    return datetime.fromisoformat(str(log.eval.created)).astimezone(UTC)


def _tail(log: Any, epoch: int | None) -> int:
    """Six digits that tell logs of one second apart, and the epochs of one log."""
    from ptst_tasks.digests import digest_json

    return (int(digest_json(log.eval.eval_id)[:12], 16) + (epoch or 0)) % 10**6


def _who(log: Any, told: str) -> tuple[str, str, str, Json]:
    """Base, adapter, engine and its arguments, as inspect's names of models say them."""
    provider, _, name = log.eval.model.partition("/")
    if provider == "openai-api":  # a service stands between
        name = name.partition("/")[2] or name
    base, adapter = name, ""
    if provider == "vllm":
        base, _, adapter = name.partition(":")
    if told and not adapter:
        base, adapter = told, name if name != told else ""
    args = {key: value for key, value in (log.eval.model_args or {}).items() if key != "base_url"}
    if place := _place(log.eval.model_base_url):
        args["base_url"] = place
    return base, adapter, f"inspect-{provider}", args


def _place(url: str | None) -> str:
    """Host and path; the port says nothing about the model, and inspect takes a free one."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url or "")
        return f"http://{parts.hostname}{parts.path}" if parts.hostname else ""
    except ValueError:
        return "?"


def _limit(log: Any) -> int | None:
    limit = log.eval.config.limit
    return limit if isinstance(limit, int) else None


def _system(log: Any) -> str:
    """Digest of a system message that inspect itself put before every prompt."""
    from ptst_tasks.digests import digest_json

    text = log.eval.model_generate_config.merge(log.plan.config).system_message
    return digest_json(text)[:16] if text else ""


def _solver(log: Any) -> Any:
    """What was done beside asking once; nothing for `generate` as it is."""
    steps = [{"solver": s.solver, **({"params": s.params_passed} if s.params_passed else {})}
             for s in log.plan.steps]  # fmt: skip
    return None if steps == [{"solver": "generate"}] else steps


def _notes(log: Any, lost: int, epoch: int | None) -> list[str]:
    notes = []
    if lost:
        notes.append(f"{lost} prompts have no answer (an error, a limit or a filter of the "
                     "endpoint's); they count as unscored")  # fmt: skip
    if _solver(log) is not None:
        names = ", ".join(s.solver for s in log.plan.steps)
        notes.append(f"asked through {names}, not by `generate` alone; prompts need not be "
                     "the template's")  # fmt: skip
    if _system(log):
        notes.append("--system-message stood before every prompt")
    seed = sent_with(log).get("seed")
    if epoch is not None and seed is not None:
        notes.append(f"every epoch was asked with the seed {seed}; a server that heeds it draws the same "
                     "answers again")  # fmt: skip
    return notes
