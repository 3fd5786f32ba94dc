"""The release that the gate's tests compare with, and a small real run."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.run import runner
from leaderboards.run.study import Study
from tests.leaderboards.gate.gate_data import LLAMA, harm, lm_eval_output


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return lm_eval_output(tmp_path / "old", {LLAMA: harm(400, [7])})


@pytest.fixture(scope="session")
def small_run(tiny_model: Path, data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two sets under two templates by a tiny model; tests read it and write nothing there."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PTST_DATA_DIR", str(data_root))
    folder = tmp_path_factory.mktemp("run") / "r"
    study = Study(
        base=str(tiny_model), engine_args={"dtype": "float32", "device": "cpu", "batch_size": 8},
        test={"sets": ["advbench", "xstest"], "templates": ["CV", "CL"], "gen_kwargs": {"max_gen_toks": 4}},
    )  # fmt: skip
    assert runner.run(study, folder).failed == []
    patch.undo()
    return folder
