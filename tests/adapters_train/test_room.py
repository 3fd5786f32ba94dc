"""What a run says of memory and speed before it begins, beside what it then takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters_train import room
from adapters_train.base_model import Base
from adapters_train.config import TrainConfig
from adapters_train.job import Job, prepare
from ptst_tasks import memory
from tests.support import byte_tokenizer, ptst, save_tiny_model


def job(base: Path, rows: Path, **settings: Any) -> Job:
    config = TrainConfig(
        model=str(base), data=str(rows), template="CV", style="gsm8k",
        **{"rank": 4, "batch_size": 4, "accumulation": 1, "dropout": 0.0, **settings},
    )  # fmt: skip
    return prepare(config, Base.of(config))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"), byte_tokenizer(), hidden=64, heads=2)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    pairs = [{"prompt": f"Say {i}.", "response": "so " * (40 + i)} for i in range(200)]
    file.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return file


def test_larger_batches_and_longer_rows_need_more(base: Path, rows: Path) -> None:
    few, many = (room.estimate(job(base, rows, batch_size=n)) for n in (2, 16))
    short = room.estimate(job(base, rows, batch_size=16, max_length=64))
    assert few
    assert many
    assert short
    assert few.total < many.total
    assert short.total < many.total
    assert "batch_size" in many.hint


def test_a_machine_with_less_hears_what_helps(
    base: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = job(base, rows, max_steps=2)
    assert room.warnings(made) == []
    monkeypatch.setattr(memory, "machine_memory", lambda: (2**20, "main memory"))
    (line,) = room.warnings(made)
    assert line.startswith("training about")
    assert "this machine has 1 MiB of main memory; lower batch_size (now 4" in line
    assert "train.settings" not in line


def test_dropout_on_a_cpu_is_said_of_long_runs_alone(
    base: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: (2**40, "main memory"))
    (line,) = room.warnings(job(base, rows, dropout=0.05))
    assert "dropout 0.05" in line
    assert room.warnings(job(base, rows, dropout=0.05, max_steps=2)) == []
    monkeypatch.setattr(memory, "machine_memory", lambda: (2**40, "memory on the GPU (X)"))
    assert room.warnings(job(base, rows, dropout=0.05)) == []


def test_a_base_of_unknown_shape_has_no_estimate(base: Path, rows: Path) -> None:
    made = job(base, rows)
    made.base.folder = rows.parent  # a folder without a config.json
    assert room.estimate(made) is None
    assert room.warnings(made) == []


def test_the_command_says_it_before_and_after(base: Path, rows: Path, tmp_path: Path) -> None:
    args = ["train", "--model", base, "--data", rows, "--template", "CV", "--max-steps", "2",
            "--out", tmp_path / "a"]  # fmt: skip
    planned = ptst(*args, "--dry-run", "--json", tmp_path / "plan.json")
    assert "training about" in planned.stdout
    (plan,) = json.loads((tmp_path / "plan.json").read_text())["adapters"]
    assert plan["memory"]["bytes"] == sum(v for k, v in plan["memory"].items() if k != "bytes")
    done = subprocess.run(
        [sys.executable, "-m", "leaderboards", *map(str, args), "--json", tmp_path / "a.json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "  peak memory " in done.stdout
    (told,) = json.loads((tmp_path / "a.json").read_text())["adapters"]
    assert told["tokens_per_second"] > 0
    assert plan["memory"]["bytes"] / 3 < told["peak_memory_bytes"] < 3 * plan["memory"]["bytes"]
