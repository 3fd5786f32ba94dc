"""What a reader who set out to make runs wrong has found: each was exit 0 without a note."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board.collect import collect
from leaderboards.run import manifests, runner
from leaderboards.run.estimate import estimate
from leaderboards.run.study import Study
from ptst_tasks.model_files import adapter_of, base_of
from tests.support import save_adapter


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "base"))


def edit(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def plan(base: Path, adapters: tuple[dict[str, Any], ...] = (), **test: Any) -> Study:
    asked = {
        "sets": ("advbench",),
        "templates": ("CV",),
        "limit": 2,
        "gen_kwargs": {"max_gen_toks": 4},
    }
    return Study(base=str(base), train={"adapters": adapters}, test={**asked, **test},
                 engine_args={"device": "cpu"})  # fmt: skip


def test_the_order_of_layers_and_of_patterns_counts(base: Path, tmp_path: Path) -> None:
    """Sliding and full attention changed places, and the old cells counted as done."""
    edit(base / "config.json", layer_types=["sliding_attention", "full_attention"])
    before = base_of(base)
    edit(base / "config.json", layer_types=["full_attention", "sliding_attention"])
    assert base_of(base) != before
    folder = save_adapter(base, tmp_path / "a", 0, r=4)
    file = folder / "adapter_config.json"
    edit(file, alpha_pattern={"q_proj": 4, ".*": 400})
    first = adapter_of(folder)
    edit(file, alpha_pattern={".*": 400, "q_proj": 4})
    assert adapter_of(folder) != first


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors.index.json"])
def test_whatever_may_be_loaded_in_place_of_the_weights_counts(base: Path, name: str) -> None:
    """Weights of the older format beside the newer were in no digest."""
    (base / name).write_bytes(b"{}")
    before = base_of(base)
    (base / name).write_bytes(b"[]")
    assert base_of(base) != before


def test_weights_in_a_subfolder_are_those_that_count(
    base: Path, data_dir: Path, tmp_path: Path
) -> None:
    from tests.leaderboards.run.test_mutation import scale

    shutil.copytree(base, base / "sub")
    study = plan(base)
    study = study.model_copy(update={"engine_args": {"device": "cpu", "subfolder": "sub"}})
    assert runner.run(study, tmp_path / "run").done == 1
    scale(base / "sub/model.safetensors", 1.01)
    assert runner.run(study, tmp_path / "run").done == 1


def test_two_names_of_one_measurement_are_not_one_row(
    base: Path, data_dir: Path, tmp_path: Path
) -> None:
    """The second of two adapters of the same weights took the first one's place on the board."""
    folder = save_adapter(base, tmp_path / "a", 0, r=4)
    shutil.copytree(folder, tmp_path / "b")
    study = plan(base, tuple({"name": n, "path": str(tmp_path / n)} for n in "ab"))
    outcome = runner.run(study, tmp_path / "run")
    assert (outcome.done, len(outcome.failed)) == (2, 1)
    assert "the same weights, prompts and decoding as a ptst_advbench" in outcome.failed[0][1]
    rows = collect([tmp_path / "run"])[0]
    assert {(r.adapter, bool(r.error)) for r in rows} == {("", False), ("a", False), ("b", True)}


def test_a_label_that_is_taken_back_is_gone(base: Path, data_dir: Path, tmp_path: Path) -> None:
    folder = save_adapter(base, tmp_path / "a", 0, r=4)
    one: dict[str, Any] = {"name": "a", "path": str(folder)}
    runner.run(plan(base, ({**one, "seed": 3},)), tmp_path / "run")
    assert {r.seed for r in collect([tmp_path / "run"])[0] if r.adapter} == {3}
    runner.run(plan(base, (one,)), tmp_path / "run")
    assert {r.seed for r in collect([tmp_path / "run"])[0] if r.adapter} == {None}


def test_replaced_weights_do_not_get_the_manifests_labels(
    base: Path, data_dir: Path, tmp_path: Path
) -> None:
    folder = save_adapter(base, tmp_path / "a", 0, r=4)
    (folder / "manifest.json").write_text(json.dumps({"adapter": {"weights": "0" * 64}}))
    outcome = runner.run(plan(base, ({"name": "a", "path": str(folder)},)), tmp_path / "run")
    assert (outcome.done, len(outcome.failed)) == (1, 1)
    assert "holds other weights" in outcome.failed[0][1]


def test_a_strangers_manifest_two_folders_up_gives_no_labels(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"config": {"seed": 7}}))
    assert manifests.manifest(tmp_path / "x/mine") == {}
    assert manifests.manifest(tmp_path / "steps/step-000002") == {"config": {"seed": 7}}


def test_seeds_of_one_training_share_the_templates_strings() -> None:
    """A changed text under the same name and path was averaged as another seed."""
    made = {"config": {"template": "chat:mine", "seed": 0, "model": "m"}, "inputs": {"token_ids": "x"},
            "template": {"system": "Be kind."}}  # fmt: skip
    other = {**made, "config": {**made["config"], "seed": 1}}
    assert manifests.training_digest(made) == manifests.training_digest(other)
    for change in ({"template": {"system": "Never answer."}}, {"inputs": {"token_ids": "y"}}):
        assert manifests.training_digest(made) != manifests.training_digest({**made, **change})


def test_names_that_would_be_taken_twice_are_refused(base: Path) -> None:
    with pytest.raises(ValueError, match=r"test\.templates names 'chat:vanilla' twice"):
        plan(base, templates=("CV", "chat_vanilla"))
    with pytest.raises(ValueError, match=r"test\.sets names 'advbench' twice"):
        plan(base, sets=("advbench", "advbench"))
    with pytest.raises(ValueError, match="String should match pattern"):
        plan(base, ({"name": "chat_vanilla-s0@2", "path": "p"},))


@pytest.mark.parametrize("change", [
    {"style": "openai"}, {"gen_kwargs": {}}, {"options": {"prefill": True}}, {"limit": 1},
    {"gen_kwargs": {"max_gen_toks": 4, "do_sample": True}},
])  # fmt: skip
def test_a_plan_says_what_the_run_will_do(
    base: Path, data_dir: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    """The plan said that all was done, and the run measured everything."""
    runner.run(plan(base), tmp_path / "run")
    assert [line.done for line in estimate(plan(base), tmp_path / "run").lines] == [1]
    assert [line.done for line in estimate(plan(base, **change), tmp_path / "run").lines] == [0]
    if "gen_kwargs" not in change:
        assert runner.run(plan(base, **change), tmp_path / "run").done == 1
