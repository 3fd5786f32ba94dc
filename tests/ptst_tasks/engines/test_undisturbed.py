"""A block that asks a model, and what it leaves."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ptst_tasks.engines.undisturbed import base_in, same_draws, undisturbed


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 9,
             "num_attention_heads": 2}  # fmt: skip
    return LlamaForCausalLM(LlamaConfig(**shape)).train()


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_whatever_was_drawn_or_changed_is_as_before_even_when_it_fails(
    model: LlamaForCausalLM,
) -> None:
    model.model.layers[0].eval()
    modes, own = [m.training for m in model.modules()], model.generation_config
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = draw()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)

    def fail() -> None:
        draw()
        assert not any(m.training for m in model.modules())
        assert not torch.is_grad_enabled()
        model.generation_config, model.config.use_cache = None, False
        _ = 1 / 0

    with pytest.raises(ZeroDivisionError), undisturbed(model):
        fail()
    assert draw() == expected
    assert [m.training for m in model.modules()] == modes
    assert model.generation_config is own
    assert model.config.use_cache is True
    assert torch.is_grad_enabled()


def test_draws_alone(model: LlamaForCausalLM) -> None:
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    with same_draws(model):
        torch.rand(5)
        assert model.training
    assert torch.equal(torch.rand(3), expected)


def test_the_base_in_a_peft_model(model: LlamaForCausalLM) -> None:
    from peft import LoraConfig, get_peft_model

    wrapped = get_peft_model(model, LoraConfig(target_modules=["q_proj"]))
    assert base_in(wrapped) is model
    assert base_in(model) is model
