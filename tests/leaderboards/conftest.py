"""The release that the gate's tests compare with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.leaderboards.gate.gate_data import LLAMA, harm, lm_eval_output


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return lm_eval_output(tmp_path / "old", {LLAMA: harm(400, [7])})
