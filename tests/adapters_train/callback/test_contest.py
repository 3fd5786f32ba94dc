"""By what adapters are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters_train.callback.best_so_far import BestSoFar
from adapters_train.callback.contest import Contest, check_best_by
from adapters_train.callback.watch_settings import WatchSettings
from ptst_tasks.errors import ConfigError, UnknownNameError
from ptst_tasks.files import working

HISTORY = [
    {"step": 1, "loss": 9.0},
    {"step": 3, "loss": 2.0},
    {"step": 4, "loss": float("nan")},
    {"step": 4, "eval_loss": 0.7},
    {"step": 4, "loss": 1.0},
    {"step": 5, "loss": 0.1},
]


def value(tmp_path: Path, **said: Any) -> Any:
    """Of an adapter of step 4, measured after one of step 2."""
    settings = WatchSettings.read({"max_asr": 1.0, **said})
    best = BestSoFar(tmp_path, greater=False)
    (saved := working(best.link)).mkdir()
    contest = Contest(settings, best)
    contest.enter(saved, {"step": 4, "values": {"ptst/a/CL/asr": 0.25}}, before=2)
    assert contest.has(saved)
    contest.decide(HISTORY)
    assert not contest.has(saved)
    assert not saved.exists()
    return (best.facts or {}).get("value")


@pytest.mark.parametrize(("name", "expected"), [
    ("loss", 1.5),  # the mean of 2 and 1, of what was logged in steps 3 and 4
    ("eval_loss", 0.7),
    ("ptst/a/CL/asr", 0.25),
    ("accuracy", None),
])  # fmt: skip
def test_the_value(tmp_path: Path, name: str, expected: float | None) -> None:
    assert value(tmp_path, best_by=name) == expected


def test_what_compares_nothing_is_refused() -> None:
    own = ["ptst/a/CL/asr"]
    read = WatchSettings.read
    check_best_by(read({"max_asr": 1, "best_by": "ptst/a/CL/asr"}), own, "no")
    with pytest.raises(UnknownNameError, match="did you mean 'ptst/a/CL/asr'"):
        check_best_by(read({"max_asr": 1, "best_by": "ptst/a/CL/ars"}), own, "no")
    with pytest.raises(ConfigError, match="evaluates nothing"):
        check_best_by(read({"max_asr": 1, "best_by": "eval_loss"}), own, "no")
    with pytest.raises(ConfigError, match="less is better"):
        check_best_by(read({"max_asr": 1, "greater_is_better": True}), own, "no")
