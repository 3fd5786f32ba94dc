"""Adapters that cannot be used, each with what is said of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import byte_tokenizer, save_adapter, save_tiny_model

Edit = Callable[[dict[str, Any]], Any]


def edited(source: Path, folder: Path, edit: Edit | None = None, **config: Any) -> Path:
    """A copy of an adapter with other weights, or another configuration."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(source, folder)
    if edit:
        weights = load_file(folder / "adapter_model.safetensors")
        save_file(edit(weights) or weights, folder / "adapter_model.safetensors")
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    return folder


def first(weights: dict[str, Any]) -> str:
    return min(weights)


def with_value(value: float) -> Edit:
    def edit(weights: dict[str, Any]) -> None:
        weights[first(weights)][0, 0] = value

    return edit


def broken(base: Path, root: Path) -> dict[Path, str]:
    """Folder -> what is said. All but the first few have names and shapes that look right."""
    good = save_adapter(base, root / "good", 5, r=4)
    narrow = save_tiny_model(root / "narrow", byte_tokenizer(), hidden=16, heads=1)
    (root / "empty").mkdir()
    torn = edited(good, root / "torn")
    (torn / "adapter_model.safetensors").write_bytes(b"torn")
    return {
        root / "nowhere": "is not there",
        root / "empty": "adapter_config.json' is missing",
        torn: "cannot be read as one",
        save_adapter(narrow, root / "other", 0): r"is made for \d+ numbers, this base has \d+",
        edited(good, root / "rank", r=8): r"is \(4, \d+\), its adapter_config.json and this base make",
        edited(good, root / "deep", lambda w: {k.replace("rs.1", "rs.7"): v for k, v in w.items()}):
            "adapts 'model.layers.7",
        edited(good, root / "lacks", lambda w: {k: w[k] for k in w if k != first(w)}): "it lacks",
        edited(good, root / "more", target_modules=["q_proj"]): "does not ask for",
        edited(good, root / "none", target_modules=["nothing"]): "not found in the base model",
        edited(good, root / "nan", with_value(float("nan"))): "holds NaN or infinite values",
        edited(good, root / "inf", with_value(float("inf"))): "holds NaN or infinite values",
        save_adapter(base, root / "idle", 0, r=4, init_lora_weights=True): "changes nothing",
        save_adapter(base, root / "bias", 0, r=4, bias="all"): "bias='all'",
        edited(good, root / "pissa", init_lora_weights="pissa"): "init_lora_weights='pissa'",
    }  # fmt: skip
