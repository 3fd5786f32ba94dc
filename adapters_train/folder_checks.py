"""What is wrong with a folder that a run left: torn checkpoints, changed weights, another run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters_train.config import ADDED
from ptst_tasks.digests import read_json, weights_digest
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.model_files import check_weights

__all__ = ["MANIFEST", "WHOLE", "check_same", "file_digests", "run_damage", "torn"]

MANIFEST = "manifest.json"
WHOLE = "whole.json"


def file_digests(folder: Path) -> dict[str, str]:
    """Digests of a checkpoint's files, but for those that other processes of the run write."""
    found = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name != WHOLE and not file.name.startswith("rng_state_"):
            with file.open("rb") as stream:
                found[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


def torn(checkpoint: Path) -> str:
    """What is wrong with a checkpoint that was marked whole; empty for nothing."""
    told = read_json(checkpoint / WHOLE)
    if told is None:
        return f"{str(checkpoint / WHOLE)!r} is damaged"
    try:
        if not isinstance(files := told.get("files"), Mapping):  # of 0.2 and before
            check_weights(checkpoint)
            files = {}
        here = file_digests(checkpoint)
    except (ConfigError, OSError) as e:
        return said(e)
    bad = [name for name, digest in files.items() if here.get(name) != digest]
    return f"{str(checkpoint / bad[0])!r} is damaged" if bad else ""


def run_damage(folder: Path, manifest: Mapping[str, Any]) -> str:
    """What is wrong with a finished run; empty for nothing, and for those of the API."""
    if manifest.get("kind") == "openai":
        return ""
    adapter, losses = manifest.get("adapter"), manifest.get("losses")
    if not (
        isinstance(adapter, Mapping)
        and isinstance(losses, list)
        and losses
        and all(isinstance(r, list) and len(r) == 3 and _number(r[1]) for r in losses)
    ):
        return f"{str(folder / MANIFEST)!r} is damaged"  # fmt: skip
    try:
        check_weights(folder)
        if adapter.get("weights") == weights_digest(folder):
            return ""
    except (ConfigError, OSError) as e:
        return said(e)
    return f"the weights in {str(folder)!r} are not those that its {MANIFEST} names"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_same(folder: Path, record: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Makes sure that a folder is of this very run.

    Raises:
        ConfigError: If it is of another, or of none.
    """
    if not all(isinstance(record.get(part), Mapping) for part in ("config", "inputs")):
        raise ConfigError(
            f"{str(folder)!r} exists and holds no run of ptst train; choose a new folder"
        )
    found = {**ADDED, **record["config"], **record["inputs"]}
    # 0.1.0 recorded fewer inputs; those that it did record must agree.
    known = wanted.keys() if "base_config" in found else wanted.keys() & found.keys()
    # Where files lie changes nothing once digests of what is in them agree.
    digests = "base_weights" in found and found.get("token_ids") == wanted.get("token_ids")
    where = {"model", "data", "templates", "unaligned"} if digests else set()
    keys = [k for k in wanted if k in known and k not in where and found.get(k) != wanted[k]]
    if keys:
        told = "; ".join(f"{k} was {found.get(k)!r}, now {wanted[k]!r}" for k in keys[:3])
        raise ConfigError(
            f"{str(folder)!r} holds another run ({told}); choose a new folder or remove that one"
        )
