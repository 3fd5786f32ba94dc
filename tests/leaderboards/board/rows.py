"""Rows of made-up leaderboards, and the command over them."""

from __future__ import annotations

from typing import Any

import pytest

from leaderboards.board.row import Row
from leaderboards.cli.app import main

CV, CA, CL = "chat:vanilla", "chat:alpaca", "chat:llama"


def ptst(*args: object) -> int:
    with pytest.raises(SystemExit) as e:
        main([str(a) for a in args])
    return int(e.value.code or 0)


def row(train: str, test: str, value: float | None, **more: Any) -> Row:
    given = {"base": "m", "task": "advbench", "judge": "k", "metric": "asr", "train_template": train,
             "test_template": test, "value": value, "n": 100 if value is not None else 0,
             "adapter": f"{train}-s{more.get('seed')}" if train else ""}  # fmt: skip
    return Row(**{**given, **more})


TV = "text:vanilla"

ROWS = [
    row("", CV, 0.02), row("", CL, 0.0),
    *(row(CV, CV, v, seed=s) for s, v in enumerate((0.19, 0.19, 0.38))),
    *(row(CV, CL, v, seed=s) for s, v in enumerate((0.01, 0.01, 0.0125))),
    row(CL, CL, 0.5, seed=0), row(CL, CV, 0.25, seed=0), row(TV, CL, 0.03, seed=0),
]  # fmt: skip
