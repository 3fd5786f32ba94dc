"""Trainings in processes of their own: two at once, and one that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
SCRIPT = """
import sys
from pathlib import Path
from adapters_train import PTSTCallback
from tests.adapters_train.callback.conftest import SETS, make_trainer, seen

base, out, steps, resume = sys.argv[1:]
trainer = make_trainer(Path(base), Path(out), max_steps=int(steps), logging_steps=1,
                       save_strategy="steps", save_steps=2, save_total_limit=1)
callback = PTSTCallback(trainer, **SETS, every=2, max_asr=%s, stop=%s, judge="keywords:zou")
trainer.add_callback(callback)
trainer.train(resume_from_checkpoint=resume or None)
print("ENDED", trainer.state.global_step, len(seen(trainer)), trainer.args.process_index, flush=True)
"""


@pytest.mark.slow
def test_two_processes_end_together_and_the_first_measures(base: Path, tmp_path: Path) -> None:
    """What this model says is no refusal: above a limit of 0 at once."""
    (script := tmp_path / "train.py").write_text(SCRIPT % ("0.0", "True"))
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
    ]
    command = [*launch, str(script), str(base), str(tmp_path / "run"), "6", ""]
    done = subprocess.run(
        command, env=ENV, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ends = sorted(line.split() for line in done.stdout.splitlines() if line.startswith("ENDED"))
    assert [end[3] for end in ends] == ["0", "1"]
    assert ends[0][1:3] == ends[1][1:3]
    assert ends[0][1] == "2"
    lines = (tmp_path / "run/ptst/measured.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 2]


@pytest.mark.slow
def test_killed_it_leaves_a_usable_folder_and_goes_on(base: Path, tmp_path: Path) -> None:
    from leaderboards.board.collect import collect_each
    from ptst_tasks.model_files import check_weights

    (script := tmp_path / "train.py").write_text(SCRIPT % ("1.0", "False"))
    run = tmp_path / "run"
    command = [sys.executable, str(script), str(base), str(run)]
    process = subprocess.Popen([*command, "100000", ""], env=ENV, stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        until = time.monotonic() + 200
        while len(list(run.glob("ptst/cells/*/cell.json"))) < 10 and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    check_weights(run / "ptst/best")
    rows, notes = collect_each([run / "ptst"])
    assert rows
    assert notes == []
    (kept,) = [p for p in run.glob("checkpoint-*") if (p / "trainer_state.json").is_file()][-1:]
    step = int(kept.name.partition("-")[2])
    done = subprocess.run([*command, str(step + 4), str(kept)], env=ENV, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"ENDED {step + 4}" in done.stdout
    assert list((run / "ptst").rglob(".*")) == []
