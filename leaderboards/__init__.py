"""What is concluded: studies, runs, leaderboards, figures, the regression gate, the `ptst` command.

The front door for notebooks, each name imported when it is first used::

    from leaderboards import check_release, load_study, read_board, run_study, score_runs

    run_study(load_study("demo"), "runs/mine")
    board = read_board("runs/mine")  # a pandas DataFrame
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaderboards.door import (
        check_release,
        draw_board,
        load_study,
        read_board,
        run_study,
        score_runs,
    )
    from leaderboards.gate.decision import Report
    from leaderboards.gate.policy import Policy, load_policy
    from leaderboards.report.write import write_report
    from leaderboards.run.outcome import Outcome
    from leaderboards.run.study import Study

_WHERE = {
    "Outcome": "run.outcome",
    "Policy": "gate.policy",
    "Report": "gate.decision",
    "Study": "run.study",
    "check_release": "door",
    "draw_board": "door",
    "load_policy": "gate.policy",
    "load_study": "door",
    "read_board": "door",
    "run_study": "door",
    "score_runs": "door",
    "write_report": "report.write",
}

__all__ = [
    "Outcome",
    "Policy",
    "Report",
    "Study",
    "check_release",
    "draw_board",
    "load_policy",
    "load_study",
    "read_board",
    "run_study",
    "score_runs",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
