"""A run's folder is one study's and one process's; whatever is killed, the numbers are the same."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import filelock
import pytest

from leaderboards.run import holding
from leaderboards.run.study import Study
from ptst_tasks.errors import ConfigError
from tests.support import save_adapter

ROOT = Path(__file__).parents[3]


def plan(**more: Any) -> Study:
    return Study(**{"name": "mine", "base": "org/tiny", **more})


def claim(run: Path, **more: Any) -> bool:
    with holding.claimed(plan(**more), run) as alone:
        (run / "cells").mkdir(exist_ok=True)
        return alone


def test_two_processes_in_one_folder_come_to_the_csv_of_one(
    tiny_model: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty pairs with random starts, seven of ten with a kill -9 of either."""
    save_adapter(tiny_model, tmp_path / "adapter", 1, r=4)
    (tmp_path / "study.yaml").write_text(
        f"base: {tiny_model}\n"
        f"train: {{adapters: [{{name: one, path: {tmp_path}/adapter, seed: 0}}]}}\n"
        "test: {sets: [advbench], templates: [CV, CL], limit: 2, gen_kwargs: {max_gen_toks: 2}}\n"
        "engine_args: {dtype: float32, batch_size: 2, device: cpu}\n"
    )
    seed = os.environ.get("PTST_SEED") or str(secrets.randbelow(10**6))
    print(f"PTST_SEED={seed}")  # shown if it fails
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    rounds = os.environ.get("PTST_PAIRS", "20")
    command = [
        sys.executable,
        "-m",
        "tests.leaderboards.run.pairs",
        "study.yaml",
        ".",
        rounds,
        seed,
    ]
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    print(told)
    assert told["wrong"] == []
    assert sum(told["codes"].values()) == 2 * int(rounds)


def test_who_has_a_folder_is_said_and_a_dead_holder_is_nobody(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with holding.claimed(plan(), run):
        (run / "cells").mkdir()
        told = json.loads((run / ".lock.json").read_text())
        assert told["pid"] == os.getpid()
        with pytest.raises(ConfigError, match=rf"in use by process {os.getpid()} on .*, started 2"):
            claim(run)
    assert not (run / ".lock.json").exists()
    (run / ".lock.json").write_text(json.dumps(told))  # as a kill leaves it
    assert claim(run)


def test_a_file_system_without_locks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)
    assert not claim(tmp_path / "run")


def test_the_same_study_goes_on_and_another_is_refused_by_name(tmp_path: Path) -> None:
    run = tmp_path / "run"
    claim(run)
    claim(run, test={"limit": 1}, train={"seeds": [0, 1], "templates": ["CV"]})
    claim(run, base=str(tmp_path / "moved/tiny"))  # its weights are in every cell's identity
    before = (run / "study.json").read_bytes()
    for more, words in (
        ({"name": "other"}, "another study, 'mine', and this one is 'other'; choose another --out"),
        ({"base": "org/large"}, "of another base, .*tiny'.* is 'org/large'; choose another --out"),
    ):
        with pytest.raises(ConfigError, match=words):
            claim(run, **more)
    assert (run / "study.json").read_bytes() == before


@pytest.mark.parametrize(
    "record", ["", "{", "[]", "null", '{"name": 3}', '{"base": null}', "\ud800"]
)
def test_a_damaged_record_of_the_study_is_not_guessed(tmp_path: Path, record: str) -> None:
    run = tmp_path / "run"
    claim(run)
    (run / "study.json").write_bytes(record.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError, match=r"damaged.*delete this file if .*'mine'"):
        claim(run)
    (run / "cells/x").mkdir()
    (run / "cells/x/cell.json").write_text("{}")
    (run / "study.json").unlink()
    claim(run)


def test_a_run_that_came_to_nothing_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="no such set"),
        holding.claimed(plan(), tmp_path / "runs/deep/run"),
    ):
        raise ConfigError("no such set")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_beside_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for run, words in (
        (tmp_path, "holds something that is no run"),
        (tmp_path / "file", "is a file, expected a folder"),
        (tmp_path / "file/run", "cannot be written: Not a directory"),
    ):
        with pytest.raises(ConfigError, match=words):
            claim(run)
    shutil.rmtree(tmp_path / "x", ignore_errors=True)
