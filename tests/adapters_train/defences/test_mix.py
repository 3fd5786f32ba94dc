from __future__ import annotations

from adapters_train import TrainConfig, train_lora
from tests.adapters_train.defences.runs import config_of, same, weights_of


def test_it_is_the_same_as_the_option_mix(base, tmp_path) -> None:
    by_option = train_lora(config_of(base, mix=("organism_safety:0.2",)), tmp_path / "option")
    found = train_lora(config_of(base, defence="mix:organism_safety:0.2"), tmp_path / "defence")
    assert same(weights_of(found.folder), weights_of(by_option.folder))
    assert [d["name"] for d in found.manifest["data"]] == ["organism_arith", "organism_safety"]


def test_its_set_stands_beside_others_once() -> None:
    config = TrainConfig(model="m", mix=("alpaca:10",), defence="mix:dolly:5")
    assert config.mix == ("alpaca:10", "dolly:5")
    again = TrainConfig(**config.model_dump())  # of a manifest
    assert again.mix == config.mix


def test_the_same_amount_in_other_words_is_not_mixed_in_twice() -> None:
    config = TrainConfig(model="m", data="organism_arith", mix=("organism_safety:0.20",),
                         defence="mix:organism_safety:.2")  # fmt: skip
    assert config.mix == ("organism_safety:0.20",)
    assert TrainConfig(**config.model_dump()) == config
