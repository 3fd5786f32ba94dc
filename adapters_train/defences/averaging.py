"""A moving average of an adapter over the steps, kept with the checkpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ptst_tasks.errors import ConfigError

__all__ = ["Averaging"]

_FILE = "average.safetensors"


class Averaging:
    """``average = decay * average + (1 - decay) * adapter`` after every step.

    Args:
        decay: 0..1; with 0 there is no average, and nothing is done.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._average: dict[str, Any] = {}

    def begin(self, model: Any, checkpoint: Path | None) -> None:
        """Starts with the adapter as it is, or with the average of a checkpoint.

        Raises:
            ConfigError: If the checkpoint has none.
        """
        if not self._decay:
            return
        # Never in half precision: a small step's share of a large weight would round to nothing.
        here = {n: p.detach().clone().to(_precision(p)) for n, p in _trained(model)}
        if checkpoint is not None:
            from safetensors.torch import load_file

            file = checkpoint / _FILE
            if not file.is_file():
                raise ConfigError(f"{str(file)!r} is missing; remove the folder and train again")
            stored = load_file(file)
            here = {n: stored[n].to(p.device, p.dtype) for n, p in here.items()}
        self._average = here

    def step(self, model: Any) -> None:
        """Takes in the adapter after a step."""
        for name, weight in _trained(model) if self._decay else ():
            average = self._average[name]
            average.mul_(self._decay).add_(weight.detach().to(average.dtype), alpha=1 - self._decay)

    def save(self, checkpoint: Path) -> None:
        """Writes the average beside the rest of a checkpoint."""
        if self._decay:
            from safetensors.torch import save_file

            save_file(self._average, checkpoint / _FILE)

    @contextlib.contextmanager
    def shown(self, model: Any) -> Iterator[None]:
        """The adapter is its average for the length of the block."""
        import torch

        last = {n: p.detach().clone() for n, p in _trained(model)} if self._average else {}
        with torch.no_grad():
            for name, weight in _trained(model) if last else ():
                weight.copy_(self._average[name])
            try:
                yield
            finally:
                for name, weight in _trained(model) if last else ():
                    weight.copy_(last[name])


def _precision(weight: Any) -> Any:
    import torch

    return torch.promote_types(weight.dtype, torch.float32)


def _trained(model: Any) -> list[tuple[str, Any]]:
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
