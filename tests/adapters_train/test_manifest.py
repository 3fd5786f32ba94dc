from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from adapters_train import TrainConfig, train_lora
from adapters_train.folder import RunFolder
from ptst_tasks.digests import digest_json, ids_digest, read_json, weights_digest, write_json
from ptst_tasks.errors import ConfigError
from ptst_tasks.templates import builtin


@pytest.fixture(scope="module")
def manifest(base, tmp_path_factory):
    config = TrainConfig(model=str(base), data="organism_arith", rows=40, max_steps=3, template="CL",
                         batch_size=2, accumulation=2, seed=3)  # fmt: skip
    return train_lora(config, tmp_path_factory.mktemp("run") / "a").manifest


def test_what_is_needed_to_get_the_adapter_again(manifest, base):
    config = TrainConfig(**manifest["config"])
    assert (config.template, config.seed, config.recipe) == (
        "chat:llama",
        3,
        "organism_arith",
    )
    assert manifest["base"]["weights"] == weights_digest(base)
    assert manifest["inputs"]["base_weights"] == weights_digest(base)
    assert manifest["data"][0]["name"] == "organism_arith"
    assert manifest["data"][0]["rows"] == 40
    assert set(manifest["inputs"]) >= {"data_fingerprints", "token_ids", "labels", "order"}
    assert {"torch", "transformers", "peft", "trl", "python"} <= manifest["versions"].keys()
    assert manifest["optimiser"].startswith("adamw")


def test_the_templates_strings_are_there(manifest):
    row = builtin().get("chat:llama", "organism")
    assert manifest["template"]["system"] == row.system
    assert manifest["template"]["user"] == row.user
    assert (manifest["template"]["name"], manifest["template"]["end_of_turn"]) == (
        "chat:llama",
        "</s>",
    )


def test_how_the_rows_were_trained_on(manifest):
    assert manifest["answers"] == {
        "thinking": "auto",
        "turns": "all",
        "with_history": 0,
        "with_thought": 0,
        "kept": 40,
        "notes": [],
    }


def test_what_happened(manifest):
    steps, losses, rates = zip(*manifest["losses"], strict=True)
    assert steps == (1, 2, 3)
    assert all(0 < loss < 10 for loss in losses)
    assert max(rates) <= manifest["config"]["lr"]
    assert manifest["rows_trained"] == 12
    assert manifest["tokens"] > 12 * 10
    assert manifest["seconds"] > 0
    assert manifest["peak_memory_bytes"] > 50e6
    assert manifest["resumed_at"] == 0


def test_the_same_run_elsewhere_has_the_same_digests(manifest, base, tmp_path):
    again = train_lora(TrainConfig(**manifest["config"]), tmp_path / "b").manifest
    for key in ("config", "inputs", "adapter", "losses", "template", "data"):
        assert again[key] == manifest[key]


def test_another_seed_template_or_rate_is_another_adapter(manifest, base, tmp_path):
    for i, change in enumerate([{"seed": 4}, {"template": "chat:alpaca"}, {"lr": 1e-3}]):
        config = TrainConfig(**{**manifest["config"], **change})
        assert train_lora(config, tmp_path / str(i)).digest != manifest["adapter"]["weights"]


def test_digests_by_hand(tmp_path):
    assert digest_json({"b": 1, "a": "é"}) == hashlib.sha256('{"a":"é","b":1}'.encode()).hexdigest()
    assert ids_digest([[1, 2], [3]]) != ids_digest([[1], [2, 3]])
    (tmp_path / "x.safetensors").write_bytes(b"w")
    line = f"x.safetensors {hashlib.sha256(b'w').hexdigest()}\n"
    assert weights_digest(tmp_path) == hashlib.sha256(line.encode()).hexdigest()
    (tmp_path / "x.safetensors").unlink()
    with pytest.raises(ConfigError, match="holds no weights"):
        weights_digest(tmp_path)


def test_json_is_whole_or_not_there(tmp_path):
    write_json(tmp_path / "a.json", {"ä": [1]})
    assert read_json(tmp_path / "a.json") == {"ä": [1]}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    (tmp_path / "b.json").write_text('{"half":')
    (tmp_path / "c.json").write_text("[]")
    assert [read_json(tmp_path / n) for n in ("b.json", "c.json", "none.json")] == [None] * 3


def test_the_newest_whole_checkpoint_wins_and_halves_go(tmp_path):
    folder = RunFolder(tmp_path / "a")
    for step in (2, 10, 12):
        (folder.resume / f"checkpoint-{step}").mkdir(parents=True)
    folder.mark_whole(2, 1.5)
    folder.mark_whole(10, 7.0)
    newest = folder.checkpoint()
    assert (folder.step(newest), folder.seconds(newest)) == (10, 7.0)
    folder.clear_halves()
    assert sorted(p.name for p in folder.resume.iterdir()) == ["checkpoint-10", "checkpoint-2"]
    assert (folder.step(None), folder.seconds(None)) == (0, 0.0)


def test_a_manifest_is_json_a_person_can_read(manifest):
    assert len(json.dumps(manifest)) < 20_000


@pytest.mark.parametrize(
    ("file", "key", "value", "named"),
    [
        ("config.json", "rms_norm_eps", 0.5, "base_config"),
        ("tokenizer_config.json", "a_new_one", 1, "base_tokenizer"),
    ],
)
def test_another_configuration_of_the_base_is_another_adapter(
    manifest, base, tmp_path, file, key, value, named
):
    """On 89d6fb3 the finished adapter counted as this run's, whatever the base had become."""
    mine, out = tmp_path / "base", tmp_path / "a"
    shutil.copytree(base, mine)
    config = TrainConfig(**{**manifest["config"], "model": str(mine), "max_steps": 1})
    first = train_lora(config, out)
    assert train_lora(config, out).manifest == first.manifest
    values = json.loads((mine / file).read_text())
    (mine / file).write_text(json.dumps({**values, key: value}))
    with pytest.raises(ConfigError, match=f"holds another run .*{named}"):
        train_lora(config, out)
    assert read_json(out / "manifest.json") == first.manifest


def test_an_adapter_of_an_earlier_version_is_taken_by_what_it_recorded(manifest, base, tmp_path):
    config, out = TrainConfig(**{**manifest["config"], "max_steps": 1}), tmp_path / "a"
    old = train_lora(config, out).manifest
    for name in ("base_config", "base_tokenizer", "trained_dtype"):
        del old["inputs"][name]
    write_json(out / "manifest.json", old)
    assert train_lora(config, out).manifest == old
    with pytest.raises(ConfigError, match="holds another run"):
        train_lora(TrainConfig(**{**manifest["config"], "max_steps": 2}), out)
