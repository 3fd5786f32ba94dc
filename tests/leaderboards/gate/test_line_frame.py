"""The lines of a check as a DataFrame."""

from __future__ import annotations

from pathlib import Path

import pytest

import leaderboards
from tests.leaderboards.gate.gate_data import lm_eval_output, outcomes


def test_of_helpfulness_a_fall_is_negative_and_what_is_new_has_no_change(tmp_path: Path) -> None:
    task = "gsm8k/chat:llama"
    old = lm_eval_output(tmp_path / "old", {task: {"exact_match": outcomes(400, range(200))}})
    new = lm_eval_output(
        tmp_path / "new",
        {task: {"exact_match": outcomes(400, range(170))},
         "advbench/chat:llama": {"asr": outcomes(30)}},
    )  # fmt: skip
    frame = leaderboards.check_release(old, new).to_frame().set_index("verdict")
    fall = frame.loc["regression"]
    assert fall["change"] == pytest.approx(-30 / 400)
    assert fall["change_low"] < fall["change"] < fall["change_high"] < 0
    assert frame.loc["new", ["baseline", "change", "change_low"]].isna().all()
