"""A model that is being trained, asked in between, and left as it was: modes, draws, configuration.

What is drawn at random goes on as if nobody had asked; so do dropout, gradient checkpointing and
whatever else goes by a module's mode.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

__all__ = ["base_in", "same_draws", "undisturbed"]

_GPUS = ("cuda", "xpu", "mps", "npu")


def base_in(model: Any) -> Any:
    """The transformers model, of a peft model the one within."""
    inner = getattr(model, "get_base_model", None)
    return inner() if callable(inner) else model


@contextlib.contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """A block that may let a model answer; afterwards it is what it was, also if the block fails.

    Args:
        model: A transformers or peft model.
    """
    import torch

    base = base_in(model)
    modes = [(module, module.training) for module in model.modules()]
    own = getattr(base, "generation_config", None)
    cached = getattr(base.config, "use_cache", None)
    try:
        with same_draws(model), torch.no_grad():
            model.eval()
            yield
    finally:
        for module, mode in modes:  # not `train()`: a module may have been set apart
            module.training = mode
        base.generation_config = own
        if cached is not None:
            base.config.use_cache = cached
        _give_back(model)


@contextlib.contextmanager
def same_draws(model: Any) -> Iterator[None]:
    """A block after which Python, numpy and torch draw as if it had drawn nothing."""
    import numpy as np
    import torch

    kind, places = _devices(model)
    apple = torch.mps.get_rng_state() if kind == "mps" else None  # it knows no numbered devices
    if apple is not None:
        kind, places = "cuda", []
    ours, theirs = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=places, device_type=kind):
            yield
    finally:
        random.setstate(ours)
        np.random.set_state(theirs)
        if apple is not None:
            torch.mps.set_rng_state(apple)


def _devices(model: Any) -> tuple[str, list[int]]:
    """The kind of accelerator that holds the model, and which of them."""
    there = {p.device for p in model.parameters()}
    kind = next((d.type for d in there if d.type in _GPUS), "cuda")
    return kind, sorted({d.index or 0 for d in there if d.type == kind})


def _give_back(model: Any) -> None:
    """Gives the accelerator's memory of keys and values back, which training may need."""
    import torch

    kind, places = _devices(model)
    library: Any = getattr(torch, kind, None)
    if places and hasattr(library, "empty_cache"):
        library.empty_cache()
