from __future__ import annotations

from pathlib import Path

import pytest

from adapters_train import train_lora
from adapters_train.base_model import Base
from adapters_train.derived import can_derive
from adapters_train.job import prepare
from adapters_train.lora import train_job
from ptst_tasks.digests import weights_digest
from tests.adapters_train.defences.conftest import plain, unaligned  # noqa: F401
from tests.adapters_train.defences.runs import config_of, same, weights_of


@pytest.mark.parametrize("spec", ["scale:0.5", "safe_lora:1"])
def test_made_of_the_plain_adapter_it_is_the_one_that_training_makes(
    base, plain, unaligned, tmp_path, monkeypatch, spec  # noqa: F811
) -> None:  # fmt: skip
    more = {"unaligned": str(unaligned)} if spec.startswith("safe_lora") else {}
    config = config_of(base, defence=spec, save_every=2, **more)
    trained = train_lora(config, tmp_path / "trained")
    job = prepare(config, Base(str(base)))
    monkeypatch.setattr("adapters_train.lora.make_trainer", None)  # nothing is trained
    made = train_job(job, tmp_path / "made", plain=plain.folder)
    assert same(weights_of(made.folder), weights_of(trained.folder))
    for copy in sorted((trained.folder / "steps").iterdir()):
        assert same(weights_of(made.folder / "steps" / copy.name), weights_of(copy))
    for name in ("config", "inputs", "adapter", "defence", "losses", "steps"):
        assert made.manifest[name] == trained.manifest[name]
    assert made.manifest["made_of"] == weights_digest(plain.folder)
    assert sorted(p.name for p in made.folder.iterdir()) == sorted(
        p.name for p in trained.folder.iterdir()
    )
    again = train_job(job, tmp_path / "made")  # and it is this very run
    assert again.manifest == made.manifest


@pytest.mark.parametrize(
    ("spec", "more"),
    [("kl", {}), ("scale:0.5", {"seed": 1}), ("scale:0.5", {"lr": 1e-3}), ("scale:0.5", {"save_every": 3})],
)  # fmt: skip
def test_another_training_is_not_what_it_is_made_of(base, plain, spec, more) -> None:  # noqa: F811
    config = config_of(base, **{"defence": spec, "save_every": 2, **more})
    assert not can_derive(prepare(config, Base(str(base))), plain.folder)


def test_a_damaged_plain_adapter_is_not_used(base, plain, tmp_path: Path) -> None:  # noqa: F811
    import shutil

    folder = shutil.copytree(plain.folder, tmp_path / "damaged")
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    job = prepare(config_of(base, defence="scale:0.5", save_every=2), Base(str(base)))
    assert can_derive(job, plain.folder)
    assert not can_derive(job, folder)
    assert not can_derive(job, tmp_path / "nothing")


def test_copies_along_training_that_are_damaged_or_gone_are_not_used(base, plain, tmp_path) -> None:  # noqa: F811
    import shutil

    job = prepare(config_of(base, defence="scale:0.5", save_every=2), Base(str(base)))
    for i, harm in enumerate([lambda f: f.write_bytes(f.read_bytes()[:-8]), Path.unlink]):
        folder = shutil.copytree(plain.folder, tmp_path / f"plain-{i}")
        harm(folder / "steps/step-000004/adapter_model.safetensors")
        assert not can_derive(job, folder)
        made = train_job(job, tmp_path / f"made-{i}", plain=folder)
        assert len(list((made.folder / "steps").iterdir())) == 3
