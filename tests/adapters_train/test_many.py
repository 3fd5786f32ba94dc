"""Many adapters from one base, each as if it were trained alone."""

from __future__ import annotations

import pytest

from adapters_train import TrainConfig, grid, train_lora, train_many
from ptst_tasks.errors import ConfigError


def config_of(base, **more):
    """A run of a few milliseconds a step; a high rate, so that few steps move the weights."""
    small = {"rows": 96, "max_steps": 4, "batch_size": 4, "accumulation": 1, "lr": 1e-2}
    return TrainConfig(**{"model": str(base), "data": "organism_arith", **small, **more})


def test_each_of_many_is_the_one_trained_alone(base, tmp_path):
    config = config_of(base, dropout=0.1)
    runs = grid(config, ["chat:vanilla", "text:alpaca"], [0, 1], tmp_path / "many")
    many = {r.folder.name: r for r in train_many(runs)}
    assert list(many) == ["chat_vanilla-s0", "chat_vanilla-s1", "text_alpaca-s0", "text_alpaca-s1"]
    assert len({r.digest for r in many.values()}) == 4
    last = config_of(base, dropout=0.1, template="text:alpaca", seed=1)
    alone = train_lora(last, tmp_path / "alone")
    assert alone.digest == many["text_alpaca-s1"].digest
    assert alone.losses == many["text_alpaca-s1"].losses


def test_many_wants_one_base_and_no_cell_twice(base, tmp_path):
    one, other = config_of(base), config_of(tmp_path)
    with pytest.raises(ConfigError, match="runs of one base"):
        train_many([(one, tmp_path / "a"), (other, tmp_path / "b")])
    with pytest.raises(ConfigError, match="asked for twice"):
        grid(one, ["chat:vanilla"], [0, 0], tmp_path)
