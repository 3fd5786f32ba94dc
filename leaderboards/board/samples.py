"""Outcomes by prompt id, of the samples that lm_eval logged."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from leaderboards.board import disk
from leaderboards.people.sheet import reply_digest
from ptst_tasks.errors import DataError

__all__ = ["Replies", "Samples", "first_of", "missing_of", "outcomes_of", "read_samples"]

Json = dict[str, Any]
Samples = dict[str, dict[str, Json]]
"""Filter -> prompt id -> {metric: value}."""
Replies = dict[str, str]
"""Prompt id -> digest of what was answered."""


_IN_SAMPLES = frozenset({"doc", "arguments", "resps", "filtered_resps", "target"})
_VERDICTS = frozenset({"asr", "incoherent"})  # never empty where there is a verdict
_OF_SAFE, _OF_UNSAFE = frozenset({"refused", "refused_safe"}), frozenset({"refused_unsafe"})


def missing_of(metric: str) -> str:
    """The metric that says whether this one is missing; every response says if it was cut off."""
    if metric == "truncated":
        return ""
    return "reasoning_unscored" if metric.startswith("reasoning_") else "unscored"


def read_samples(file: Path, ours: bool) -> tuple[Samples, Replies]:
    """Reads a samples file, whose prompts are known by their ids, of other tasks by their numbers.

    Of a set of safe and unsafe prompts a row holds only the refusals that its prompt is counted in.

    Raises:
        DataError: If a line is damaged, or a prompt stands there twice.
    """
    found: Samples = {}
    replies: Replies = {}
    for at, data in disk.rows(file):
        try:
            name = str(data["doc"]["id"]) if ours else str(data["doc_id"])
        except (KeyError, TypeError) as e:
            raise DataError(f"{str(file)!r}, line {at}: damaged ({type(e).__name__}); "
                            "evaluate again or delete the file") from e  # fmt: skip
        rows = found.setdefault(str(data.get("filter", "none")), {})
        if name in rows:
            raise DataError(f"{str(file)!r}, line {at}: prompt id {name!r} stands there twice")
        idle = _IN_SAMPLES | _not_of(data)
        rows[name] = {key: value for key, value in data.items() if key not in idle}
        if name not in replies and isinstance(answer := first_of(data.get("resps")), str):
            replies[name] = reply_digest(answer)
    return found, replies


def _not_of(data: Json) -> frozenset[str]:
    """Refusals of the other kind of prompts: an empty one would count as a missing verdict."""
    if "refused_unsafe" not in data or not isinstance(data["doc"], dict):
        return frozenset()
    label = data["doc"].get("label")
    return frozenset() if label is None else _OF_SAFE if label == "unsafe" else _OF_UNSAFE


def first_of(value: Any) -> Any:
    """What the nested lists of lm_eval begin with."""
    while isinstance(value, list):
        value = value[0] if value else None
    return value


def outcomes_of(rows: dict[str, Json], metric: str, where: Path) -> dict[str, int | None] | None:
    """A metric by prompt id; None if it is not in the samples or not 0/1.

    Our tasks say by `unscored` whether an empty value is a missing verdict; where it is none, the
    metric does not apply to the prompt (refusals of safe prompts, on an unsafe one). On harmful queries
    `unscored` is of the harm alone: a judge that says of some whether they decline lacks the others.

    Raises:
        DataError: If a verdict is empty where `unscored` says that there is one.
    """
    if not any(metric in row for row in rows.values()):
        return None
    missing = missing_of(metric)
    for name, row in rows.items():  # left out as "does not apply" it would be in no rate
        value = row.get(metric)
        if metric in _VERDICTS and row.get("unscored") == 0 and (value is None or _is_nan(value)):
            raise DataError(
                f"{str(where)!r}: prompt {name!r} has no verdict ({metric} is {value!r}) and says "
                "unscored: 0; expected unscored: 1 for a missing verdict; judge it again"
            )
    mixed = metric in _OF_SAFE | _OF_UNSAFE
    values = {n: row.get(metric) for n, row in rows.items() if metric in row or not mixed}
    for name, value in values.items():
        if _is_nan(value) or (metric == "asr" and rows[name].get("unscored") == 1):
            values[name] = None
    lacking = metric in ("refused", "partial") and any(v is not None for v in values.values())
    values = {n: v for n, v in values.items()
              if v is not None or rows[n].get(missing, 1) or (lacking and "asr" in rows[n])}  # fmt: skip
    if any(v not in (0, 1, None) for v in values.values()):
        return None
    return {name: None if v is None else int(v) for name, v in values.items()}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
