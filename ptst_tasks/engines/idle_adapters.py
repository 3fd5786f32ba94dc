"""Whether an adapter changes anything, and whether it is meant to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ptst_tasks.digests import read_json

__all__ = ["idle_lora", "meant_idle", "saved_copies", "trained"]

_MEANT = "scale:0"
"""The defence whose adapter changes nothing: the base, as the lower end of a scale."""


def trained(folder: str | Path) -> dict[str, Any]:
    """The manifest of an adapter; a copy kept along training has it two folders above."""
    place = Path(folder)
    where = place.parent.parent if place.parent.name == "steps" else place
    return read_json(where / "manifest.json") or {}


def meant_idle(folder: str | Path) -> bool:
    """Whether an adapter's own record says that it is the base at strength 0."""
    config = trained(folder).get("config")
    return isinstance(config, Mapping) and config.get("defence") == _MEANT


def idle_lora(config: Any, weights: Mapping[str, Any]) -> str:
    """Why no LoRA pair of an adapter changes anything; empty if one does, or if it has none."""
    layers: dict[str, dict[str, bool]] = {}
    for name, matrix in weights.items():
        layer, _, kind = name.rpartition(".lora_")
        if layer:
            half = kind.removeprefix("embedding_")[:1]
            layers.setdefault(layer, {})[half] = bool(matrix.any())
    pairs = [halves for halves in layers.values() if {"A", "B"} <= halves.keys()]
    if not pairs:
        return ""
    strengths = [
        getattr(config, "lora_alpha", 1),
        *(getattr(config, "alpha_pattern", None) or {}).values(),
    ]
    if not any(strengths):
        return "changes nothing: its lora_alpha is 0"
    if not any(halves["A"] and halves["B"] for halves in pairs):
        half = "lora_B" if not any(halves["B"] for halves in pairs) else "lora_A or lora_B"
        return f"changes nothing: every {half} matrix is zero, so it is untrained"
    return ""


def saved_copies(weights: Mapping[str, Any]) -> list[str]:
    """Names of weights beside LoRA's that an adapter brings (``modules_to_save``)."""
    return [name for name in weights if ".lora_" not in name]
