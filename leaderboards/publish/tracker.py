"""The numbers as one run of a tracker: numbers and configuration, no prompt and no answer."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping

from leaderboards.board.row import Row
from leaderboards.publish.subject import Subject
from ptst_tasks.errors import ConfigError, check_choice, require, said

__all__ = ["TRACKERS", "check_tracker", "log_to", "measures", "settings"]

PROJECT = "ptst"


def measures(subject: Subject) -> dict[str, float]:
    """``set/template/judge/metric`` -> a number, for the adapter and, under ``base/``, for its base."""
    out: dict[str, float] = {}
    for row in subject.rows:
        if row.value is None:
            continue
        name = _name(row)
        out[name] = row.value
        out[f"{name}/n"], out[f"{name}/unscored"] = row.n, row.unscored
        if row.ci_low is not None and row.ci_high is not None:
            out[f"{name}/low"], out[f"{name}/high"] = row.ci_low, row.ci_high
    return out


def _name(row: Row) -> str:
    seed = "" if row.decoding_seed is None else f"seed-{row.decoding_seed}"
    side = "" if row.adapter else "base"
    parts = (side, row.task, row.attack, row.test_template, seed, row.judge, row.metric)
    return "/".join(part.replace("/", "-") for part in parts if part)


def settings(subject: Subject) -> dict[str, str | int]:
    """What tells this adapter from another."""
    row = subject.own[0]
    told = {"adapter": subject.name, "base": subject.base, "train_data": row.train_data,
            "train_template": row.train_template, "seed": row.seed, "defence": row.defence,
            "engine": row.engine, "adapter_digest": row.adapter_digest, "base_digest": row.base_digest,
            "training": row.training, "ptst_version": row.ptst_version}  # fmt: skip
    return {name: value for name, value in told.items() if value not in ("", None)}


def _trackio(name: str, config: Mapping[str, str | int], numbers: Mapping[str, float]) -> None:
    import trackio

    said_by_it = io.StringIO()  # --json - has standard output for itself
    with contextlib.redirect_stdout(said_by_it):
        trackio.init(PROJECT, name=name, config=dict(config), embed=False, auto_log_gpu=False)
        try:
            trackio.log(dict(numbers), step=0)
        finally:
            trackio.finish()


TRACKERS: dict[str, Callable[[str, Mapping[str, str | int], Mapping[str, float]], None]] = {
    "trackio": _trackio,
}
"""Name -> what writes a run there."""


def check_tracker(name: str) -> None:
    """Refuses a tracker that is not known or not installed.

    Raises:
        UnknownNameError: If it is not known.
        MissingExtraError: If it is not installed.
    """
    check_choice(name, tuple(TRACKERS), "tracker")
    require(name, name, who=f"--log-to {name}")


def log_to(name: str, subject: Subject) -> int:
    """Writes the numbers of an adapter and its base as one run; returns how many.

    Raises:
        ConfigError: If the tracker fails.
    """
    numbers = measures(subject)
    try:
        TRACKERS[name](subject.name, settings(subject), numbers)
    except (OSError, ValueError, RuntimeError) as e:
        raise ConfigError(f"--log-to {name}: {said(e)}") from e
    return len(numbers)
