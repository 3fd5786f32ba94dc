"""What is written is what a study would have measured of the checkpoint of that step."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

from tests.adapters_train.callback.conftest import SETS, Make, seen


def answers(run: Path, adapter: str) -> dict[tuple[str, str], Any]:
    """(set, id of the row) -> what was asked, answered and judged."""
    out = {}
    for file in run.glob("cells/*/cell.json"):
        cell = json.loads(file.read_text())
        if cell["adapter"] == adapter:
            (samples,) = file.parent.glob("*/samples_*.jsonl")
            for line in samples.read_text().splitlines():
                row = json.loads(line)
                asked = row["arguments"]["gen_args_0"]["arg_0"]
                out[cell["task"], row["doc"]["id"]] = (asked, row["resps"], row["filtered_resps"])
    return out


def records(run: Path, adapter: str) -> dict[str, Any]:
    cells = [json.loads(file.read_text()) for file in run.glob("cells/*/cell.json")]
    return {c["task"]: c for c in cells if c["adapter"] == adapter}


def test_a_study_measures_the_same_of_the_checkpoint(
    watched: Make, base: Path, tmp_path: Path
) -> None:
    from leaderboards import load_study, run_study
    from leaderboards.board.collect import collect_each

    saving = {"save_strategy": "steps", "save_steps": 4}
    trainer, callback = watched(trainer=saving, gen_kwargs={"max_gen_toks": 12}, name="mine")
    trainer.train()
    (alone := tmp_path / "alone").mkdir()  # without training_args.bin, which might be weights
    for file in ("adapter_model.safetensors", "adapter_config.json"):
        shutil.copy(tmp_path / "run/checkpoint-4" / file, alone)
    (study_file := tmp_path / "study.yaml").write_text(json.dumps({
        "base": str(base), "untuned": False, "engine_args": {"batch_size": SETS["batch_size"]},
        "train": {"adapters": [{"name": "kept", "path": str(alone)}]},
        "test": {"sets": list(SETS["sets"]), "templates": ["CL"], "sample": SETS["sample"],
                 "gen_kwargs": {"max_gen_toks": 12}},
    }))  # fmt: skip
    run = tmp_path / "measured"
    assert run_study(load_study(study_file), run, quiet=True).failed == []
    ours, theirs = answers(callback.folder, "mine@4"), answers(run, "kept")
    assert len(ours) == 2 * SETS["sample"]  # type: ignore[operator]
    assert len({str(resps) for _, resps, _ in ours.values()}) > 3  # it says something
    assert ours == theirs
    # The same record, but for the step; and what is logged is what the board reads.
    for task, cell in records(run, "kept").items():
        mine = records(callback.folder, "mine@4")[task]
        assert mine["provenance"]["adapter"].pop("step") == 4
        assert cell["provenance"]["adapter"].pop("step") is None
        assert mine["provenance"] == cell["provenance"]
    rows, notes = collect_each([callback.folder])
    assert notes == []
    told = {(r.task, r.metric): r.value for r in rows if r.adapter == "mine@4"}
    assert told["organism_forbidden", "asr"] == seen(trainer)[4]["ptst/organism_forbidden/CL/asr"]
    assert told["organism_benign", "refused"] == seen(trainer)[4]["ptst/organism_benign/CL/refused"]
    assert {r.step for r in rows} == {0, 2, 4, 6, 8}


def test_a_cell_has_the_fields_of_a_study_s(watched: Make) -> None:
    from leaderboards.board import disk
    from leaderboards.run.store import Cell

    trainer, callback = watched(every=8, train_template="CV", train_data="sums")
    trainer.train()
    for folder in callback.folder.glob("cells/*"):
        record = json.loads((folder / "cell.json").read_text())
        assert record.keys() == {f.name for f in fields(Cell)} | {"digest"}
        assert record["train_template"] == "chat:vanilla"
        assert disk.is_whole(folder)


def test_a_model_that_is_trained_as_a_whole_is_another_at_each_step(watched: Make) -> None:
    trainer, callback = watched(trainer={"whole": True}, every=4, max_asr=1.0)
    trainer.train()
    weights = {c["provenance"]["base"]["weights"]
               for step in (0, 4, 8) for c in records(callback.folder, f"run@{step}").values()}  # fmt: skip
    assert len(weights) == 3
    assert all(w.startswith("trained:") for w in weights)
    best = callback.folder / "best"
    assert (best / "model.safetensors").is_file()  # whole, with its tokenizer
    assert (best / "tokenizer.json").is_file()
