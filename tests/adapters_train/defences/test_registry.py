from __future__ import annotations

import pytest

from adapters_train import TrainConfig, train_lora
from adapters_train.config import SettingError
from adapters_train.defences import DEFENCES, PLAIN, described, named
from adapters_train.folder import RunFolder
from adapters_train.job import prepare
from ptst_tasks.errors import ConfigError, PTSTError, UnknownNameError
from tests.adapters_train.defences.runs import config_of, same, weights_of


@pytest.mark.parametrize(
    ("said", "spec"),
    [
        ("none", "none"),
        ("kl", "kl:1"),
        ("kl:0.10", "kl:0.1"),
        ("kl:1e-1", "kl:0.1"),
        ("ema:.5", "ema:0.5"),
        ("scale:1.0", "scale:1"),
        ("scale:-0", "scale:0"),
        ("mix", "mix:safety_tuned_llamas:1epoch"),
        ("mix:0.1", "mix:safety_tuned_llamas:0.1"),
        ("mix:organism_safety:50", "mix:organism_safety:50"),
        ("mix:organism_safety:0.10", "mix:organism_safety:0.1"),
        ("mix:organism_safety:50.0", "mix:organism_safety:50"),
        ("mix:organism_safety:1.0epochs", "mix:organism_safety:1epoch"),
        ("mix:organism_safety:0.5epoch", "mix:organism_safety:0.5epoch"),
        ("inoculation", "inoculation:comply"),
        ("constrained", "constrained:1"),
        ("safe_lora", "safe_lora:0.35"),
    ],
)
def test_a_name_has_one_form(said: str, spec: str) -> None:
    assert named(said).spec == spec
    assert named(spec).spec == spec


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("kl:-1", r"defence 'kl' has '-1', expected the weight .*from 0 to 1e\+06, as kl:1"),
        ("kl:nan", "expected the weight"),
        ("kl:inf", "expected the weight"),
        ("kl:much", "expected the weight"),
        ("ema:1", "from 0 and below 1"),
        ("ema:0.9999999999999", "from 0 and below 1"),  # which is written as 1
        ("scale:1.01", "from 0 to 1"),
        ("safe_lora:2", "from -1 to 1"),
        ("constrained:", None),
        ("none:1", "takes no parameter, and has '1'"),
        ("mix:safety_tuned_llamas:lots", "defence 'mix': "),
    ],
)
def test_a_parameter_that_is_none(said: str, words: str | None) -> None:
    if words is None:
        assert named(said).spec == "constrained:1"
        return
    with pytest.raises(ConfigError, match=words):
        named(said)


def test_a_near_miss_is_named() -> None:
    with pytest.raises(
        UnknownNameError, match="unknown defence 'safelora'; did you mean 'safe_lora'"
    ):
        named("safelora:0.3")


def test_the_table_says_what_each_does_and_where_it_is_from() -> None:
    rows = described()
    assert len(rows) == len(DEFENCES)
    assert all(about and (source or spec == PLAIN) for spec, about, source in rows)
    assert all(named(spec).spec for spec, _, _ in rows)


def test_a_config_has_the_one_form_and_says_what_is_wrong_by_its_field() -> None:
    assert TrainConfig(model="m", defence="kl:0.10").defence == "kl:0.1"
    with pytest.raises(SettingError, match="defence 'kl' has 'x'") as caught:
        TrainConfig(model="m", defence="kl:x")
    assert caught.value.field == "defence"


@pytest.mark.parametrize("spec", ["kl:0", "constrained:0", "ema:0", "scale:1", "safe_lora:-1"])
def test_at_its_limit_it_is_plain_training_weight_for_weight(
    base, plain, unaligned, tmp_path, spec
) -> None:
    more = {"unaligned": str(unaligned)} if spec.startswith("safe_lora") else {}
    found = train_lora(config_of(base, defence=spec, save_every=2, **more), tmp_path / "a")
    assert named(spec).is_plain
    assert same(weights_of(found.folder), weights_of(plain.folder))
    assert found.losses == plain.losses
    for copy in sorted((plain.folder / "steps").iterdir()):
        assert same(weights_of(found.folder / "steps" / copy.name), weights_of(copy))


@pytest.mark.parametrize("spec", ["kl", "constrained", "ema:0.5", "scale:0.5", "inoculation"])
def test_with_its_usual_parameter_it_is_another_adapter(base, plain, tmp_path, spec) -> None:
    found = train_lora(config_of(base, defence=spec), tmp_path / "a")
    assert not same(weights_of(found.folder), weights_of(plain.folder))
    assert found.manifest["config"]["defence"] == named(spec).spec
    assert found.manifest["defence"]["source"] == named(spec).source


def test_each_is_a_run_of_its_own(base, unaligned, tmp_path) -> None:
    from adapters_train.base_model import Base

    specs = ["none", "kl", "kl:2", "constrained", "ema:0.5", "scale:0.5", "safe_lora", "inoculation",
             "mix:organism_safety:0.1"]  # fmt: skip
    jobs = {
        spec: prepare(config_of(base, defence=spec, **(
            {"unaligned": str(unaligned)} if spec == "safe_lora" else {})), Base(str(base)))
        for spec in specs
    }  # fmt: skip
    identities = [str(sorted(job.identity.items(), key=str)) for job in jobs.values()]
    assert len(set(identities)) == len(specs)
    folder = RunFolder(tmp_path / "a")
    train_lora(jobs["kl"].config, folder.out)
    with pytest.raises(ConfigError, match="defence was 'kl:1', now 'kl:2'"):
        train_lora(jobs["kl:2"].config, folder.out)


def test_a_record_of_before_defences_is_plain_training(base, plain) -> None:
    """A finished adapter of an earlier version is not trained again."""
    import json

    file = plain.folder / "manifest.json"
    old = json.loads(file.read_text())
    kept = json.dumps(old)
    for name in ("defence", "unaligned"):
        del old["config"][name]
    del old["inputs"]["unaligned_weights"]
    file.write_text(json.dumps(old))
    try:
        again = train_lora(config_of(base, save_every=2), plain.folder)
        assert again.manifest["finished"] == plain.manifest["finished"]
    finally:
        file.write_text(kept)


@pytest.mark.parametrize("spec", ["constrained", "kl", "ema", "scale", "safe_lora"])
def test_an_api_that_trains_knows_none_of_them(spec: str) -> None:
    from adapters_train.unused import refuse_unused

    more = {"unaligned": "x"} if spec == "safe_lora" else {}
    config = TrainConfig(model="gpt", backend="openai", defence=spec, **more)
    given = {"defence", "backend", *more}
    with pytest.raises(PTSTError, match=r"--defence.* nothing with backend openai"):
        refuse_unused(config, given, {}, many=False)


@pytest.mark.parametrize("spec", ["mix", "inoculation"])
def test_what_is_in_the_rows_goes_to_an_api_as_well(spec: str) -> None:
    from adapters_train.unused import refuse_unused

    config = TrainConfig(model="gpt", backend="openai", defence=spec)
    refuse_unused(config, {"defence", "backend"}, {}, many=False)
