from __future__ import annotations

import json
from pathlib import Path

import pytest

from leaderboards.explain.run_folder import adapters_of, study_of
from leaderboards.run.study import Study
from ptst_tasks.errors import ConfigError


def written(folder: Path, **said) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(
        **{"base": "organism:0", "test": {"sets": ["advbench"], "templates": ["CV"]}, **said}
    )
    (folder / "study.json").write_text(json.dumps(study.model_dump(mode="json")))
    return folder


def test_a_study_of_vllm_is_explained_by_hf_with_what_both_know(tmp_path: Path) -> None:
    run = written(
        tmp_path / "r",
        engine="vllm",
        engine_args={"dtype": "bfloat16", "gpu_memory_utilization": 0.5},
    )
    study = study_of(run)
    assert (study.engine, study.engine_args) == ("hf", {"dtype": "bfloat16"})


def test_what_decides_the_states_is_kept_and_batches_are_not(tmp_path: Path) -> None:
    run = written(
        tmp_path / "r", engine_args={"dtype": "float32", "batch_size": 4, "device": "cpu"}
    )
    assert study_of(run).engine_args == {"dtype": "float32", "device": "cpu"}


def test_adapters_are_where_a_run_puts_them(tmp_path: Path) -> None:
    train = {
        "data": "organism_arith",
        "templates": ["CV"],
        "seeds": [0, 1],
        "defences": ["none", "kl"],
    }
    run = written(tmp_path / "r", train=train)
    there = run / "adapters/chat_vanilla-kl-1-s1"
    there.mkdir(parents=True)
    (there / "adapter_config.json").write_text("{}")
    found, missing = adapters_of(study_of(run), run)
    assert {name: folder for name, (_, folder) in found.items()} == {"chat_vanilla-kl-1-s1": there}
    assert len(missing) == 3
    assert "run the study again" in missing[0]


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no study\.json"):
        study_of(tmp_path)
