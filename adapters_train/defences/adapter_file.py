"""Reads and rewrites the matrices of an adapter that was just trained."""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from ptst_tasks.files import replacing
from ptst_tasks.model_files import ADAPTER_WEIGHTS

__all__ = ["adapted", "change", "is_b", "pairs", "read"]

_PREFIX = "base_model.model."


def read(adapter: Path) -> dict[str, Any]:
    """Matrices by peft's names."""
    from safetensors.torch import load_file

    return dict(load_file(adapter / ADAPTER_WEIGHTS))


def change(adapter: Path, how: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Rewrites the matrices; the file is the old one or the new one, and no third."""
    from safetensors.torch import save_file

    with replacing(adapter / ADAPTER_WEIGHTS) as aside:
        save_file(how(read(adapter)), aside, metadata={"format": "pt"})


def is_b(name: str) -> bool:
    """Whether a matrix is the second of its pair, which begins as zeros."""
    return ".lora_B." in name or ".lora_embedding_B" in name


def adapted(model: Any, targets: Container[str]) -> list[str]:
    """Layers of a base that get a pair, for the targets of a `TrainConfig`."""
    import torch

    head = model.get_output_embeddings()
    return [
        name
        for name, layer in model.named_modules()
        if (isinstance(layer, torch.nn.Linear) or type(layer).__name__ == "Conv1D")
        and layer is not head
        and (targets == "all-linear" or name.rpartition(".")[2] in targets)
    ]


def pairs(weights: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Layer of the base -> names of its two matrices, of the plain pairs."""
    found = {}
    for name in sorted(weights):
        layer, b, tail = name.partition(".lora_B.")
        if b:
            found[layer.removeprefix(_PREFIX)] = (f"{layer}.lora_A.{tail}", name)
    return found
