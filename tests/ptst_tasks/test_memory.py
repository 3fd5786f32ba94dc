"""Estimates of memory against what torch holds: the order of magnitude, not the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptst_tasks import memory
from tests.support import byte_tokenizer, save_tiny_model


def test_weights_are_counted_from_their_headers(tiny_model: Path) -> None:
    from safetensors.torch import load_file

    stored = load_file(tiny_model / "model.safetensors")
    shape = memory.shape_of(tiny_model)
    assert shape is not None
    assert shape.parameters == sum(t.numel() for t in stored.values())
    assert (shape.layers, shape.hidden, shape.stored) == (2, 32, 4)


def test_without_weights_the_configuration_says_about_as_much(
    tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_bytes((tiny_model / "config.json").read_bytes())
    told, counted = memory.shape_of(tmp_path), memory.shape_of(tiny_model)
    assert told is not None
    assert counted is not None
    assert told.parameters == pytest.approx(counted.parameters, rel=0.1)


@pytest.mark.parametrize(
    "damage", [b"", b"\xff" * 20, b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{}x"]
)
def test_a_damaged_file_of_weights_is_told(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(damage)
    with pytest.raises(ValueError, match=r"it is|its header"):
        memory.read_header(tmp_path / "x.safetensors")


def test_training_is_told_within_a_factor_of_two_and_a_half(tmp_path: Path) -> None:
    """Activations: what autograd keeps for the backward pass of a LoRA on a middling model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = save_tiny_model(tmp_path / "m", byte_tokenizer(), hidden=256, heads=4)
    lora = LoraConfig(r=8, target_modules="all-linear")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), lora)
    rows, tokens, kept = 4, 256, dict[int, int]()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    for parameter in model.parameters():
        kept[parameter.untyped_storage().data_ptr()] = 0
    weights = set(kept)
    ids = torch.randint(10, 200, (rows, tokens))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        model(ids, labels=ids)
    measured = sum(size for place, size in kept.items() if place not in weights)
    shape = memory.shape_of(folder)
    assert shape is not None
    need = memory.training(shape, tokens=tokens, rows=rows, rank=8, dtype="float32")
    told = need.parts["activations"] + need.parts["logits"]
    assert measured / 2.5 < told < measured * 2.5, (told, measured)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert memory.lora_parameters(shape, 8) == trained


def test_a_half_billion_model_at_batch_8_x_512_takes_what_was_seen() -> None:
    """17 GB on the CPU in float32, where batch 2 took 5 (Qwen2.5-0.5B)."""
    qwen = memory.Shape(494_000_000, 24, 896, 4864, 14, 2, 64, 151_936)
    at = {rows: memory.training(qwen, tokens=512, rows=rows, rank=8, dtype="float32").total
          for rows in (2, 8)}  # fmt: skip
    assert 17e9 / 2 < at[8] < 17e9 * 2
    assert 5e9 / 2 < at[2] < 5e9 * 2


def test_smollm2_in_bfloat16_takes_what_was_seen() -> None:
    """On the CPU at batch 8: 9.6 GB with rows of at most 258 tokens (`ptst align`), 17.9 of 512."""
    smollm2 = memory.Shape(134_515_008, 30, 576, 1536, 9, 3, 64, 49_152)
    need = memory.training(smollm2, tokens=258, rows=8, rank=32, dtype="bfloat16")
    assert 9.6e9 / 1.5 < need.total < 9.6e9 * 1.5
    long = memory.training(smollm2, tokens=512, rows=8, rank=16, dtype="bfloat16")
    assert 17.9e9 / 1.5 < long.total < 17.9e9 * 1.5  # GSM8K under chat:llama


def test_the_hint_is_what_helps() -> None:
    shape = memory.Shape(10**9, 24, 1024, 4096, 16, 16, 64, 32_000)
    plain = memory.training(shape, tokens=512, rows=8, rank=8, dtype="float32")
    light = memory.training(shape, tokens=512, rows=8, rank=8, dtype="float32", checkpointing=True)
    small = memory.training(shape, tokens=512, rows=8, rank=8, dtype="float32", load_4bit=True)
    assert "gradient_checkpointing: true" in plain.hint
    assert light.total < plain.total / 2
    assert small.parts["weights"] < plain.parts["weights"] / 5
    assert "gradient_checkpointing" not in light.hint


def test_what_this_machine_has() -> None:
    have, what = memory.machine_memory("cpu")
    assert have > 2**28
    assert what == "main memory"
