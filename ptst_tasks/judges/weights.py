"""Who a local guard is: the contents of its folder, or its commit on the hub. Never its path."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from ptst_tasks.digests import digest_json, weights_digest
from ptst_tasks.errors import ConfigError

__all__ = ["folder_digest", "hub_commit"]

# What a folder holds beside weights is taken to decide verdicts, except what is known not to.
_KINDS = frozenset({".json", ".jinja", ".model", ".txt", ".tiktoken", ".py"})
_IDLE = re.compile(
    r".*\.index\.json|trainer_state\.json|manifest\.json|all_results\.json|(train|eval)_results\.json|"
    r"(licen[cs]e|notice|use_policy|readme|requirements).*",
    re.I,
)
# Where a file was made and with what; nothing reads them for an answer.
_LABELS = frozenset(
    {"_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "tokenizer_file",
     "base_model_name_or_path"}
)  # fmt: skip


def folder_digest(folder: Path) -> str:
    """SHA-256 of a model's weights, configuration and tokenizer with the chat template.

    The same files in another folder have the same digest; of an adapter the base counts too.

    Raises:
        ConfigError: If the folder holds no weights, or an adapter of a base that is not here.
    """
    parts: dict[str, Any] = {"weights": _weights(folder.resolve(), _state(folder))}
    files = [f for f in folder.iterdir() if f.suffix in _KINDS and not _IDLE.fullmatch(f.name)]
    files += folder.glob("additional_chat_templates/*.jinja")
    for file in sorted(files):
        parts[str(file.relative_to(folder))] = _content(file)
    if (adapter := folder / "adapter_config.json").is_file():
        parts["base"] = _base(adapter)
    return digest_json(parts)


def hub_commit(model: str, revision: str = "") -> str:
    """The commit that is in the hub's cache on this machine; empty if none is."""
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(model, "config.json", revision=revision or None)
    except ValueError:  # no hub id
        return ""
    return Path(found).parent.name if isinstance(found, str) else ""


def _state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    files = [*folder.glob("*.safetensors"), *folder.glob("*.bin")]
    return tuple(sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files))


@functools.lru_cache(maxsize=16)
def _weights(folder: Path, state: tuple[tuple[str, int, int], ...]) -> str:
    """Once in a process: inline, every task has a judge of its own. `state` tells files apart."""
    return weights_digest(folder)


def _content(file: Path) -> str:
    data = file.read_bytes()
    try:
        value = json.loads(data) if file.suffix == ".json" else None
    except ValueError:
        value = None
    if isinstance(value, dict):
        return digest_json({k: v for k, v in value.items() if k not in _LABELS})
    return hashlib.sha256(data).hexdigest()


def _base(config: Path) -> str:
    """Who the model under an adapter is."""
    try:
        name = str(json.loads(config.read_bytes())["base_model_name_or_path"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{str(config)!r} names no base; merge the adapter into it") from None
    if Path(name).is_dir():
        return folder_digest(Path(name))
    if commit := hub_commit(name):
        return f"hub:{commit}"
    raise ConfigError(
        f"{str(config)!r} names the base {name!r}, which is neither a folder nor in the hub's cache "
        "here; load it once, or merge the adapter into it"
    )
