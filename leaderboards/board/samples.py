"""Outcomes by prompt id, of the samples that lm_eval logged."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from leaderboards.board import disk
from ptst_tasks.errors import DataError

__all__ = ["Samples", "missing_of", "outcomes_of", "read_samples"]

Json = dict[str, Any]
Samples = dict[str, dict[str, Json]]
"""Filter -> prompt id -> {metric: value}."""


_IN_SAMPLES = frozenset({"doc", "arguments", "resps", "filtered_resps", "target"})
_VERDICTS = frozenset({"asr", "incoherent"})  # never empty where there is a verdict


def missing_of(metric: str) -> str:
    """The metric that says whether this one is missing; every response says if it was cut off."""
    if metric == "truncated":
        return ""
    return "reasoning_unscored" if metric.startswith("reasoning_") else "unscored"


def read_samples(file: Path, ours: bool) -> Samples:
    """Reads a samples file, whose prompts are known by their ids, of other tasks by their numbers.

    Raises:
        DataError: If a line is damaged, or a prompt stands there twice.
    """
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


def outcomes_of(rows: dict[str, Json], metric: str, where: Path) -> dict[str, int | None] | None:
    """A metric by prompt id; None if it is not in the samples or not 0/1.

    Our tasks say by `unscored` whether an empty value is a missing verdict; where it is none, the
    metric does not apply to the prompt (refusals of safe prompts, on an unsafe one).

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
    values = {name: row.get(metric) for name, row in rows.items()}
    for name, value in values.items():
        if _is_nan(value) or (metric == "asr" and rows[name].get("unscored") == 1):
            values[name] = None
    values = {n: v for n, v in values.items() if v is not None or rows[n].get(missing, 1)}
    if any(v not in (0, 1, None) for v in values.values()):
        return None
    return {name: None if v is None else int(v) for name, v in values.items()}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
