"""What a results file, and a cell's record in its place, say of one task: the columns of its rows."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from leaderboards.board.lm_args import (
    deciding_args,
    gen_kwargs,
    model_args,
    sampling_seed,
    was_sampled,
)
from ptst_tasks.errors import DataError
from ptst_tasks.provenance import Generation, columns
from ptst_tasks.record import KEY, TaskRecord
from ptst_tasks.replies import families_in
from ptst_tasks.thinking import SERVED

__all__ = ["cell_facts", "odd", "part", "record_of", "settings_text", "task_facts", "who_judged"]

Json = dict[str, Any]

_LABELS = ("base", "adapter", "train_data", "train_template", "seed", "test_template", "task",
           "training", "defence", "attack", "ptst_version")  # fmt: skip
# What cells of 0.1.0 say beside their digests.
_OLD = ("step", "decoding", "engine", "base_digest", "adapter_digest", "data_fingerprint")


def part(file: Path, data: Mapping[str, Any], *path: str) -> Json:
    """The object at this place; an empty one where nothing is said.

    Raises:
        DataError: If something else stands there.
    """
    found: Any = data
    for at, name in enumerate(path, start=1):
        found = found.get(name) or {}
        if not isinstance(found, dict):
            raise odd(file, ".".join(path[:at]), found)
    return dict(found)


def record_of(file: Path, config: Json) -> TaskRecord:
    """What a task of ours says of itself; empty for another's."""
    return cast(TaskRecord, part(file, config, "metadata", KEY))


def odd(file: Path, name: str, value: Any) -> DataError:
    """What to say of a part that is no object."""
    return DataError(f"{str(file)!r}: {name} is {repr(value)[:80]}, expected an object: damaged; "
                     "evaluate again")  # fmt: skip


def task_facts(file: Path, data: Json, task: str) -> Json:
    """The columns of a task's rows, as its results file says them.

    Raises:
        DataError: If a part of it is no object.
    """
    run, config = part(file, data, "config"), part(file, data, "configs", task)
    ours = record_of(file, config)
    args, engine = model_args(run.get("model_args")), str(run.get("model", ""))
    base = args.get("pretrained") or args.get("model") or data.get("model_name") or "?"
    sha = run.get("model_sha")
    decoding = {**part(file, config, "generation_kwargs"), **gen_kwargs(run.get("gen_kwargs"))}
    answers = config.get("output_type") in (None, "generate_until")
    sampled = answers and was_sampled(engine, decoding)
    dtype = run.get("model_dtype") or args.get("dtype") or ""
    return {
        "base": str(base),
        "adapter": str(args.get("peft") or args.get("lora_local_path") or ""),
        "test_template": str(ours.get("template", "")),
        "attack": str(ours.get("attack") or ""),
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
        "thinking": str(ours.get("thinking", "")),
        "task_version": str(part(file, data, "versions").get(task, "")),
        "ptst_version": str(ours.get("version", "")),
        "lm_eval_version": str(data.get("lm_eval_version", "")),
        "transformers_version": str(data.get("transformers_version", "")),
        "date": _date(data.get("date")),
    }


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and 1 <= value < math.inf and value == int(value)


def settings_text(file: Path, ours: TaskRecord, judge: str) -> str:
    """What the judge's name does not say: metadata.ptst.judge_settings[filter], and a rubric."""
    settings = part(file, ours, "judge_settings")
    return _compact({"settings": settings.get(judge), "rubric": ours.get("rubric")})


def who_judged(file: Path, ours: TaskRecord, judge: str) -> Json:
    """metadata.ptst.judge_weights[filter] and the models that its replies named."""
    weights = part(file, ours, "judge_weights").get(judge)
    models = part(file, ours, "judge_models").get(judge) or ()
    models = models if isinstance(models, (list, tuple, dict)) else (models,)  # model -> verdicts
    return {"judge_weights": str(weights or ""), "judge_model": "+".join(sorted(map(str, models)))}


def _prompting(file: Path, data: Json, config: Json, ours: TaskRecord, task: str) -> Json:
    shots = part(file, data, "n-shot").get(task) or config.get("num_fewshot")
    return {
        "style": ours.get("style"),
        "kind": ours.get("own"),
        "chat_format": ours.get("chat_format"),
        "prefill": ours.get("prefill"),
        "thoughts": _ends_of_thoughts(file, ours) or None,
        "think_end_token": part(file, config, "metadata").get("think_end_token"),
        "solver": part(file, data, "inspect").get("solver"),
        "num_fewshot": shots,
        "fewshot_as_multiturn": data.get("fewshot_as_multiturn") if shots else None,
        "fewshot_seed": part(file, data, "config").get("fewshot_seed") if shots else None,
        "system_instruction": data.get("system_instruction_sha"),
        "chat_template": _sha(ours.get("chat_template")) or data.get("chat_template_sha"),
    }


def _ends_of_thoughts(file: Path, ours: TaskRecord) -> list[str]:
    """By what thoughts were taken off; what every endpoint is read by goes without saying."""
    try:
        ends, usual = {m.close for m in families_in(ours)}, {m.close for m in SERVED}
    except (TypeError, ValueError) as e:
        raise odd(file, f"metadata.{KEY}.markers", ours.get("markers")) from e
    return sorted(ends - usual if usual <= ends else ends)


def cell_facts(file: Path, cell: Mapping[str, Any]) -> Json:
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
    digests = part(file, cell, "digests")
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
