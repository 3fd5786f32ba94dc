"""Whether an adapter's matrices fit a base, by name and by shape.

vLLM copies a matrix that is too small into the corner of its buffer and leaves out names it does
not know, without a word: the answers would be those of nobody.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["Fit"]


class Fit:
    """Checks adapters against the layers of one base.

    Args:
        config: The base's transformers configuration; no weight is loaded.
    """

    def __init__(self, config: Any) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        self._shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}

    def check(self, folder: Path) -> None:
        """Looks at every matrix of an adapter.

        Raises:
            ValueError: If one belongs to no layer of the base, or has another size.
            OSError: If there are none.
        """
        from peft.utils import load_peft_weights

        for name, matrix in load_peft_weights(str(folder), device="cpu").items():
            layer, _, kind = name.removeprefix("base_model.model.").rpartition(".lora_")
            if kind not in ("A.weight", "B.weight"):
                raise ValueError(f"vLLM does not run {name!r}, only plain LoRA matrices")
            shape = self._shapes.get(f"{layer}.weight")
            if shape is None:
                raise ValueError(f"it adapts {layer!r}, which this base does not have")
            have, want = (
                (matrix.shape[1], shape[1]) if kind[0] == "A" else (matrix.shape[0], shape[0])
            )
            if have != want:
                raise ValueError(f"{name!r} is made for {have} numbers, this base has {want}")
