"""What was recorded of an adapter when it was trained, and whether its weights are still those."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters_train.config import ADDED
from leaderboards.board import disk
from ptst_tasks.digests import digest_json, read_json
from ptst_tasks.errors import ConfigError, DataError
from ptst_tasks.provenance import (
    FREE_SETTINGS,
    Adapter,
)

__all__ = ["Place", "check_weights", "checked_manifest", "manifest", "trained_on",
           "training_digest"]  # fmt: skip

Place = Path | str
"""Where an adapter is: its folder, or its name at an endpoint."""


def manifest(folder: Place | None) -> dict[str, Any]:
    """What was recorded of an adapter; a copy kept along training lies two folders below it."""
    return (read_json(_manifest_file(folder)) or {}) if isinstance(folder, Path) else {}


def checked_manifest(folder: Place | None) -> dict[str, Any]:
    """The same, where nothing may be taken for "nothing is known" that is damage.

    Raises:
        ConfigError: If there is one that cannot be read, or has other types than ours have.
    """
    if not isinstance(folder, Path) or not os.path.lexists(_manifest_file(folder)):
        return {}
    file = _manifest_file(folder)
    try:
        made = disk.json_object(file)
    except DataError as e:
        raise ConfigError(f"{e}: damaged; {_MEND}") from e
    for name in ("config", "inputs", "adapter"):
        if not isinstance(made.get(name, {}), dict):
            raise ConfigError(f"{str(file)!r}: {name} is {repr(made[name])[:80]}; {_MEND}")
    config = made.get("config") or {}
    for name, kind in _TYPES.items():
        value = config.get(name)
        if value is not None and not isinstance(value, kind):
            raise ConfigError(f"{str(file)!r}: config.{name} is {repr(value)[:80]}; {_MEND}")
    return made


_MEND = "train it again, or remove the manifest and say its labels in the study"
_TYPES: dict[str, type] = {"template": str, "seed": int, "data": str, "mix": list}


def _manifest_file(folder: Path) -> Path:
    copied = folder.parent.name == "steps"
    return (folder.parent.parent if copied else folder) / "manifest.json"


def check_weights(folder: Path, found: Adapter) -> None:
    """Refuses weights that are not those of the manifest beside them, whose labels they would get.

    Raises:
        ConfigError: If somebody replaced them.
    """
    made = (read_json(folder / "manifest.json") or {}).get("adapter")
    told = made.get("weights") if isinstance(made, Mapping) else None
    if told and told != found.weights:
        raise ConfigError(
            f"{str(folder)!r} holds other weights ({found.weights[:12]}) than its manifest.json names "
            f"({str(told)[:12]}); {_MEND}"
        )


def training_digest(manifest: Mapping[str, Any]) -> str:
    """Digest of how an adapter was trained, but for the seed and what the seed draws."""
    config, inputs = manifest.get("config") or {}, manifest.get("inputs") or {}
    if not config:
        return ""
    free = {
        "seed",
        "model",
        "revision",
        "unaligned",
        *FREE_SETTINGS,
    }  # files count by what they hold
    # A record that lacks a setting of later versions is of the same training as one with its default.
    added = {k for k, v in ADDED.items() if config.get(k) == v}
    settings = {k: v for k, v in config.items() if k not in free | added}
    drawn = () if config.get("rows") else ("data_fingerprints", "token_ids", "labels")
    kept = ("base_weights", "base_config", "base_tokenizer", "trained_dtype", "step_rows", *drawn)
    kept += ("unaligned_weights",) if inputs.get("unaligned_weights") else ()
    record = [settings, {k: inputs.get(k) for k in kept}, manifest.get("template")]
    return digest_json(record)[:20]


def trained_on(config: Mapping[str, Any]) -> str:
    """``gsm8k``, or with examples mixed in ``gsm8k+safety_tuned_llamas``."""
    mixed = (str(spec).partition(":")[0] for spec in config.get("mix") or ())
    return "+".join([str(config.get("data", "")), *mixed])
