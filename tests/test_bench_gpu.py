"""`python -m tests.bench gpu` runs all its parts on a CPU, and no part takes the others with it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests import bench
from tests.gpu.report import Part, Report, run_parts

TABLES = ["Memory", "Training", "Generation", "Greedy answers, GPU and CPU",
          "Table 1 of the paper, projected"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of libraries, in another size than their own tests have
def test_every_part_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.delenv("PTST_DATA_DIR", raising=False)
    monkeypatch.setattr(
        "sys.argv", ["bench", "gpu", "--tiny", "--out", str(tmp_path), "--commit", "c0"]
    )
    bench.main()
    made = json.loads((tmp_path / "gpu.json").read_text())
    assert made["faults"] == []
    assert made["head"]["commit"] == "c0"
    assert list(made["tables"]) == TABLES
    assert all(made["tables"].values())
    assert {row["way"] for row in made["tables"]["Training"]} == {"ptst train", "bare trl"}
    for row in made["tables"]["Greedy answers, GPU and CPU"]:
        assert row["equal"] == row["answers"]  # here both are the CPU
    page = (tmp_path / "gpu.md").read_text()
    assert all(f"## {title}" in page for title in TABLES)
    assert "no GPU here" in page


def test_a_folder_without_models_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "gpu", "--models", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        bench.main()
    assert "holds no *.gguf" in capsys.readouterr().err


def report(folder: Path) -> Report:
    return Report({"device": "none"}, folder)


def test_a_part_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    import torch

    from ptst_tasks.errors import ConfigError

    def fails(error: BaseException) -> Any:
        def run(rows: list[Any]) -> None:
            rows.append({"before": "kept"})
            raise error

        return run

    def sleeps(rows: list[Any]) -> None:
        time.sleep(5)

    parts = [
        Part("A", "memory", 9, fails(torch.OutOfMemoryError("CUDA out of memory. Tried\nmore"))),
        Part("A", "ours", 9, fails(ConfigError("out of memory with batch_size 8"))),
        Part("A", "bug", 9, fails(ValueError("what"))),
        Part("B", "long", 0.1, sleeps),
        Part("B", "unbegun", 4000, sleeps),
        Part("B", "last", 9, lambda rows: rows.append({"n": 1234, "x": 0.5})),
    ]
    seen, freed = report(tmp_path), []
    run_parts(parts, seen, time.monotonic() + 60, lambda: freed.append(1))
    assert seen.tables == {"A": [{"before": "kept"}] * 3, "B": [{"n": 1234, "x": 0.5}]}
    assert [line.partition(":")[0] for line in seen.said] == [
        "memory",
        "ours",
        "bug",
        "long",
        "unbegun",
    ]
    assert seen.said[0] == "memory: out of memory: CUDA out of memory. Tried"
    assert seen.said[2] == "bug: failed, ValueError: what"
    assert "left out" in seen.said[4]
    assert seen.faults == ["bug"]
    assert len(freed) == 5
    assert "| 1,234 | 0.5 |" in (tmp_path / "gpu.md").read_text()
