"""docs/inspect.md: its blocks run as they stand, with the real inspect_ai and an endpoint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs inspect_ai: make test-inspect")

from ptst_tasks.generate import INSPECT_TASKS
from tests.loopback import Loopback, Reply
from tests.ptst_tasks.for_inspect.answers import fifty, reply_to
from tests.test_docs import BLOCKS, PAGES

pytestmark = pytest.mark.inspect


class Said(Loopback):
    """Answers chat completions by what it was asked."""

    def answer(self, path: str, head: dict[str, str], body: Any) -> Reply:
        said = reply_to(body["messages"])
        whole = "</think>" in said or "<think>" not in said  # else there is no verdict
        message = {"role": "assistant", "content": said if whole else "I cannot say."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return Reply({"id": "1", "object": "chat.completion", "created": 0, "model": "m",
                      "choices": [choice], "usage": usage})  # fmt: skip


def _run(block: str, folder: Path, **env: str) -> str:
    here = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **env}
    done = subprocess.run(
        ["bash", "-euc", block], cwd=folder, env=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    return done.stdout + done.stderr


def test_the_blocks(tmp_path: Path) -> None:
    data = fifty(tmp_path / "data")
    block = re.sub(r"\bMODEL\b", "openai-api/local/m", BLOCKS["inspect_eval"])
    with Said() as server:
        env = {"LOCAL_BASE_URL": server.url, "LOCAL_API_KEY": "none", "PTST_DATA_DIR": str(data)}
        out = _run(block, tmp_path, **env)
        logs = sorted((tmp_path / "logs").glob("*advbench*.eval"))
        again = re.sub(r"\bLOG\b", f"logs/{logs[0].name}", BLOCKS["inspect_score"])
        _run(again, tmp_path, **env)
    assert "rows written to board.csv" in out
    board = (tmp_path / "board.csv").read_text()
    assert "keywords:xstest,asr" in board
    assert "gsm8k,paper,exact_match" in board
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_what_the_register_asks_is_where_the_page_says() -> None:
    assert INSPECT_TASKS.name in PAGES["inspect"]
    assert "@task(" in INSPECT_TASKS.read_text(encoding="utf-8")
