from __future__ import annotations

import json
from pathlib import Path

import pytest

from leaderboards.explain.run_folder import adapters_of, study_of, unasked
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
    study, notes = study_of(run)
    assert (study.engine, study.engine_args, notes) == ("hf", {"dtype": "bfloat16"}, [])


def test_what_hf_does_not_know_and_would_change_states_is_said(tmp_path: Path) -> None:
    args = {"quantization": "fp8", "add_bos_token": True, "max_num_seqs": 4, "batch_size": 8}
    study, notes = study_of(written(tmp_path / "r", engine="vllm", engine_args=args))
    assert study.engine_args == {"add_bos_token": True}
    (note,) = notes
    assert "quantization='fp8'" in note
    assert "max_num_seqs" not in note


def test_what_decides_the_states_is_kept_and_batches_are_not(tmp_path: Path) -> None:
    args = {"dtype": "float32", "device": "cpu", "attn_implementation": "eager", "subfolder": "s",
            "load_in_8bit": False}  # fmt: skip
    run = written(tmp_path / "r", engine_args={**args, "batch_size": 4, "max_batch_size": 8})
    study, notes = study_of(run)
    assert (study.engine_args, notes) == (args, [])


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    run = written(
        tmp_path / "r", train={"data": "organism_arith", "templates": ["CV"], "seeds": [0]}
    )
    for name in ("chat_vanilla-s0", "chat_vanilla-s1", ".chat_llama-s0.part"):
        folder = run / "adapters" / name
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text("{}")
    study, _ = study_of(run)
    assert unasked(study, run) == [
        "left out, since the study asks for them no longer: chat_vanilla-s1"
    ]
    follows = {"train": study.train.model_copy(update={"trajectory": True, "seeds": (0, 1)})}
    assert unasked(study.model_copy(update=follows), run) == [
        "copies kept along training are left out; the adapters themselves are measured"
    ]


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
    found, missing = adapters_of(study_of(run)[0], run)
    assert {name: folder for name, (_, folder) in found.items()} == {"chat_vanilla-kl-1-s1": there}
    assert len(missing) == 3
    assert "run the study again" in missing[0]


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no study\.json"):
        study_of(tmp_path)
