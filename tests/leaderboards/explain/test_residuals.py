"""Hidden states beside those that transformers gives of itself, and with stock peft."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from leaderboards.explain.directions import Sums
from leaderboards.explain.residuals import last_states
from ptst_tasks.engines.hf import HFEngine
from ptst_tasks.errors import EngineError
from tests.support import save_adapter

PROMPTS = [[5, 6, 7, 8, 9, 10, 11], [5, 6], [9, 8, 7], [4, 4, 4, 4, 4]]


def by_hand(model, prompts) -> np.ndarray:
    """Of each prompt alone, shortest first; behind the last layer only after the norm."""
    out = []
    for ids in sorted(prompts, key=len):
        with torch.no_grad():
            states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
        out.append(torch.stack([s[0, -1] for s in states[1:]]).numpy())
    return np.stack(out)


def normed(model, states: np.ndarray) -> np.ndarray:
    """The last layer's states behind the model's last norm, as transformers shows them."""
    out = states.copy()
    with torch.no_grad():
        out[:, -1] = model.model.norm(torch.tensor(states[:, -1])).numpy()
    return out


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_states_are_those_of_each_prompt_alone(tiny_model, batch) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    found = np.concatenate(list(last_states(model, PROMPTS, batch)))
    assert found.shape[:2] == (4, model.config.num_hidden_layers)
    np.testing.assert_allclose(normed(model, found), by_hand(model, PROMPTS), atol=2e-5)


def test_an_adapter_is_in_them_while_it_is_switched_on(tiny_model, tmp_path) -> None:
    folder = save_adapter(tiny_model, tmp_path / "a", 3, r=4, lora_alpha=16)
    engine = HFEngine(
        pretrained=str(tiny_model), adapters={"a": folder}, device="cpu", dtype="float32"
    )
    plain = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    wanted = by_hand(plain, PROMPTS)
    stock = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_model), folder
    ).eval()
    inner = stock.get_base_model()
    adapted = by_hand(inner, PROMPTS)
    assert np.abs(adapted - wanted).max() > 1e-3
    with engine.adapter("a", ""):
        found = np.concatenate(list(last_states(engine.model, PROMPTS, 2)))
    np.testing.assert_allclose(normed(inner, found), adapted, atol=2e-5)
    again = np.concatenate(list(last_states(engine.model, PROMPTS, 2)))
    np.testing.assert_allclose(normed(plain, again), wanted, atol=2e-5)
    engine.close()


def test_states_of_a_bfloat16_model_are_added_up_in_more_bits(tiny_model) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16).eval()
    found = np.concatenate(list(last_states(model, PROMPTS, 1)))
    assert found.dtype == np.float32
    with torch.no_grad():
        hidden = model(torch.tensor([PROMPTS[1]]), output_hidden_states=True).hidden_states
    assert hidden[1].dtype == torch.bfloat16
    np.testing.assert_array_equal(found[0, 0], hidden[1][0, -1].float().numpy())
    sums = Sums()
    for _ in range(1000):  # in bfloat16 a sum of ones stops at 256
        sums.add(np.ones((1, 2, 3), np.float32))
    assert sums.mean.tolist() == [[1.0] * 3] * 2


def test_no_hook_is_left(tiny_model) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    list(last_states(model, PROMPTS, 2))
    assert not any(module._forward_hooks for module in model.modules())


def test_states_that_are_no_numbers_are_said_with_their_layer(tiny_model) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight.fill_(float("inf"))
    with pytest.raises(EngineError, match=r"behind layer 2 are no numbers in torch\.float32"):
        list(last_states(model, PROMPTS, 2))


def test_layers_that_cannot_be_found_are_said() -> None:
    net = torch.nn.Linear(2, 2)
    config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(num_hidden_layers=3))
    with pytest.raises(EngineError, match="keeps its 3 layers where they cannot be found"):
        next(last_states(SimpleNamespace(config=config, get_decoder=lambda: net), [[1]], 1))
