"""Trainings of a few steps on the random base, for the tests of defences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from adapters_train import TrainConfig

__all__ = ["changed_base", "config_of", "same", "weights_of"]


def config_of(base: Path, **more: Any) -> TrainConfig:
    """Six steps with accumulation and dropout, so that whatever draws numbers would be noticed."""
    small = {"rows": 96, "max_steps": 6, "batch_size": 4, "accumulation": 2, "lr": 1e-2}
    return TrainConfig(
        **{"model": str(base), "data": "organism_arith", "dropout": 0.1, **small, **more}
    )


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The matrices of a finished adapter."""
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two adapters are equal to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def changed_base(base: Path, folder: Path, *, shards: str = "50GB", noise: float = 0.05) -> Path:
    """The base with noise in every matrix: what it might have been before its alignment."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    torch.manual_seed(1)
    for weight in model.parameters():
        weight.data += noise * torch.randn_like(weight)
    model.save_pretrained(folder, max_shard_size=shards)
    return folder
