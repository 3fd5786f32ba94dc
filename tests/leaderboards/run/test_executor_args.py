"""What a study may say about its executor, checked before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboards.run import study_files as study
from leaderboards.run.executor_args import RayArgs, SlurmArgs, read_args
from ptst_tasks.errors import ConfigError


@pytest.mark.parametrize(
    ("executor", "given", "message"),
    [
        ("ray", {"gpu": 1}, "unknown field 'gpu'; did you mean 'gpus'?"),
        ("ray", {"partition": "a"}, "unknown field 'partition'"),
        ("ray", {"cpus": 0}, "cpus: Input should be greater than 0, got 0"),
        ("slurm", {"timeout": 5}, "did you mean 'timeout_min'?"),
        ("slurm", {"cluster": "pbs"}, "cluster: Input should be 'slurm' or 'local', got 'pbs'"),
        ("local", {"gpus": 1}, "gpus given, but executor 'local' has none"),
        ("rya", {}, "executor: Input should be 'local', 'ray' or 'slurm', got 'rya'"),
    ],
)
def test_wrong_arguments_are_one_line(
    tmp_path: Path, executor: str, given: dict[str, Any], message: str
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"base: m\nexecutor: {executor}\nexecutor_args: {given}\n")
    with pytest.raises(ConfigError) as e:
        study.load(str(file))
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_defaults() -> None:
    assert read_args("local", {}) is None
    assert read_args("ray", {}) == RayArgs(cpus=1, gpus=None, retries=3)
    assert read_args("slurm", {"gpus": 0}) == SlurmArgs(gpus=0, cluster="slurm", retries=3)
