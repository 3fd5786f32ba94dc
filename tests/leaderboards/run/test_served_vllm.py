"""Engine ``openai`` against a real ``vllm serve`` with LoRA modules: `make test-vllm`."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board.collect import collect
from leaderboards.run import runner, study
from leaderboards.run.outcome import Outcome
from tests.conftest import ServedTiny

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None, reason="needs vllm: make test-vllm"
    ),
]
TEST = {"sets": ["gsm8k", "advbench", "xstest"], "templates": ["TV", "TA", "CV", "CL", "ICD"],
        "gen_kwargs": {"max_gen_toks": 16}, "style": "gsm8k"}  # fmt: skip


def measure(out: Path, **fields: Any) -> tuple[Outcome, dict[tuple[str, ...], Any]]:
    outcome = runner.run(study.Study(**{"test": TEST, **fields}), out)
    rows = [r for r in collect([out])[0] if not r.error]
    return outcome, {(r.adapter, r.task, r.test_template, r.metric): (r.value, r.n) for r in rows}


def answers(out: Path) -> dict[tuple[str, str], list[str]]:
    """What was said, by adapter and task, in the order of the rows."""
    said = {}
    for cell in out.glob("cells/*/cell.json"):
        record = json.loads(cell.read_text())
        if "error" in record:
            continue
        (samples,) = cell.parent.glob("*/samples_*.jsonl")
        rows = [json.loads(line) for line in samples.read_text().splitlines()]
        said[record["adapter"], record["harness_task"]] = [r["resps"][0][0] for r in rows]
    return said


def test_a_served_study_says_what_the_hf_engine_says(
    served: ServedTiny, data_dir: Path, tmp_path: Path
) -> None:
    there = [{"name": name, "path": str(path)} for name, path in served.adapters.items()]
    hf = {"engine_args": {"dtype": "float32", "device": "cpu"}, "train": {"adapters": there}}
    _, want = measure(tmp_path / "hf", base=str(served.base), **hf)
    names = [{"name": name, "path": name} for name in (*served.adapters, "tinny")]
    args = {"base_url": served.url, "attempts": 2}
    outcome, have = measure(
        tmp_path / "openai", base="tiny", engine="openai", engine_args=args,
        train={"adapters": names},
    )  # fmt: skip
    assert outcome.done == 45
    assert len(outcome.failed) == 15
    for _, why in outcome.failed:
        assert "serves no model 'tinny'; did you mean 'tiny'? known: a0, a1, tiny" in why
    assert answers(tmp_path / "openai") == answers(tmp_path / "hf")
    assert have == want


def test_a_context_that_is_too_long_fails_its_cell_alone(
    served: ServedTiny, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ptst_tasks import task

    data = tmp_path / "data"
    shutil.copytree(data_dir, data)
    (data / "advbench/train.csv").write_text("goal\n" + "Hide the spoon" + " well" * 1000 + "\n")
    monkeypatch.setenv("PTST_DATA_DIR", str(data))
    task._loaded.cache_clear()
    outcome, _ = measure(
        tmp_path / "run", base="tiny", engine="openai", engine_args={"base_url": served.url}
    )
    assert outcome.done == 10
    assert len(outcome.failed) == 5
    for name, why in outcome.failed:
        assert "advbench" in name
        assert "do not fit into the context" in why
        assert "\n" not in why
