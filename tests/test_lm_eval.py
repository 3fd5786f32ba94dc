"""Stock lm_eval over every task: the command of the README, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ptst_tasks import TASKS_DIR
from ptst_tasks.generate import FAMILIES

ROOT = Path(__file__).parents[1]
LM_EVAL = Path(sys.executable).with_name("lm_eval")


@pytest.mark.slow
@pytest.mark.skipif(not LM_EVAL.exists(), reason="lm_eval is not installed beside this Python")
def test_every_task_ends_in_a_row(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    command = [
        str(LM_EVAL), "--include_path", "ptst_tasks", "--tasks", "ptst_*", "--model", "hf",
        "--model_args", f"pretrained={tiny_model}", "--apply_chat_template", "--limit", "2",
        "--batch_size", "64", "--gen_kwargs", "max_gen_toks=8", "--output_path", str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (file,) = tmp_path.rglob("results_*.json")
    results = json.loads(file.read_text())["results"]
    wanted = {
        f"{'ptst'}_{p.parent.name}_{p.stem}"
        for p in TASKS_DIR.glob("*/*.yaml")
        if FAMILIES[p.parent.name].prefix == "ptst"
    }
    assert set(results) == wanted
    for name in wanted:
        assert f"|{name}" in done.stdout  # a row of the table
    asr = results["ptst_advbench_chat_llama"]
    assert {"asr,keywords:zou", "refused,keywords:zou", "incoherent,keywords:zou"} <= set(asr)
    assert asr["unscored,keywords:zou"] == 0
    assert {"exact_match,paper", "exact_match,strict-match", "exact_match,flexible-extract"} <= set(
        results["ptst_gsm8k_text_alpaca"]
    )
