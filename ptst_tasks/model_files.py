"""What identifies a model's folder: digests of every file that can change an answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ptst_tasks.digests import digest_json, read_json, weights_digest
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.provenance import Adapter, BaseRecord

__all__ = ["ADAPTER_WEIGHTS", "GGUF_MARKER", "adapter_of", "base_at", "base_of", "check_safetensors",
           "check_weights", "files_digest", "json_file_digest", "path_digest",
           "tokenizer_digest"]  # fmt: skip

ADAPTER_WEIGHTS = "adapter_model.safetensors"
"""As peft names an adapter's weights."""
GGUF_MARKER = "gguf.json"
"""In a folder that was made of a GGUF file: which one, and what its weights then were."""

_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.*", "merges.txt", "*.model", "chat_template.*", "chat_templates/*", "processor_config.json",
)  # fmt: skip

# Whose value changes nothing: where a folder was, and who wrote the file.
_NAMES = frozenset({"_name_or_path", "transformers_version", "_from_model_config"})
_SETS = frozenset({"target_modules", "modules_to_save", "exclude_modules", "target_parameters"})
_PATTERNS = frozenset({"alpha_pattern", "rank_pattern"})  # the first that matches a layer wins
_ADAPTER_NAMES = frozenset({"base_model_name_or_path", "inference_mode", "revision"})


def base_at(place: str | Path, commit: str | None, subfolder: str = "") -> BaseRecord:
    """What identifies a base: its folder's files, its commit on the hub, or no more than its name.

    Args:
        place: Its folder, or its name on the hub.
        commit: Of the hub; None where that is not known.
        subfolder: Where in the folder it is.

    Raises:
        ConfigError: If there are no weights in the folder.
        OSError: If a file cannot be read.
    """
    if Path(place).is_dir():
        return base_of(Path(place, subfolder))
    return BaseRecord(weights=f"hub:{commit}" if commit else f"name:{place}")


def base_of(folder: Path) -> BaseRecord:
    """What identifies the base in a folder.

    Raises:
        ConfigError: If there are no weights.
        OSError: If a file cannot be read.
    """
    return BaseRecord(
        weights=_weights_of(folder),
        config=_with_rest(folder, json_file_digest(folder / "config.json", _NAMES)),
        generation_config=json_file_digest(folder / "generation_config.json", _NAMES),
        tokenizer=tokenizer_digest(folder),
    )


def _weights_of(folder: Path) -> str:
    """Digest of a base's weights: ``gguf:`` and the file's own, of a folder that was made of one."""
    weights, made = weights_digest(folder), read_json(folder / GGUF_MARKER) or {}
    if (
        made.get("kind") != "gguf" or made.get("weights") != weights
    ):  # changed since is another model
        return weights
    return f"gguf:{made['sha256']}" + (f"/{made['version']}" if made["version"] != 1 else "")


def tokenizer_digest(folder: Path) -> str:
    """Digest of a tokenizer's files with the chat template; an empty string for none."""
    return files_digest(folder, _TOKENIZER)


def adapter_of(folder: Path, step: int | None = None) -> Adapter:
    """What identifies the adapter in a folder.

    Raises:
        ConfigError: If there are no weights.
        OSError: If a file cannot be read.
    """
    config = json_file_digest(folder / "adapter_config.json", _ADAPTER_NAMES)
    return Adapter(weights_digest(folder), _with_rest(folder, config), step)


def check_weights(folder: Path) -> None:
    """Makes sure that an adapter's files are there and whole; reads no tensor.

    Raises:
        ConfigError: Naming the file that is missing or damaged.
    """
    file = folder / "adapter_config.json"
    if not file.is_file():
        raise ConfigError(f"{str(file)!r} is missing; expected an adapter as peft saves it")
    config = read_json(file)
    if config is None or not isinstance(config.get("peft_type"), str):
        raise ConfigError(f"{str(file)!r} is damaged: it is no JSON object with a peft_type")
    old, new = folder / "adapter_model.bin", folder / ADAPTER_WEIGHTS
    if new.is_file() or not old.is_file():
        check_safetensors(new)


def check_safetensors(file: Path) -> None:
    """Makes sure that a safetensors file holds all that its header promises; reads the header.

    Raises:
        ConfigError: If it is missing, cut or no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np"):
            pass
    except FileNotFoundError:
        raise ConfigError(f"{str(file)!r} is missing") from None
    except (SafetensorError, OSError) as e:
        raise ConfigError(f"{str(file)!r} is damaged: {said(e)}") from None


def _with_rest(folder: Path, config: str) -> str:
    """A configuration's digest with that of what else decides which numbers are loaded, and how.

    Code of the model's own, the index of sharded weights, and weights of the older format beside
    the newer: which of the two is loaded is the library's choice.
    """
    old = ("*.bin",) if any(folder.glob("*.safetensors")) else ()
    rest = files_digest(folder, ("*.py", "*.index.json", *old))
    return digest_json([config, rest]) if rest else config


def json_file_digest(file: Path, without: Iterable[str] = ()) -> str:
    """Digest of a JSON object's values, whatever their order; of the bytes if it is none.

    Returns:
        An empty string where there is no such file.
    """
    if not file.is_file():
        return ""
    raw = file.read_bytes()
    try:
        value: Any = json.loads(raw)
    except (ValueError, RecursionError):
        return hashlib.sha256(raw).hexdigest()
    if isinstance(value, dict):
        value = {k: _plain(k, v) for k, v in value.items() if k not in frozenset(without)}
    return digest_json(value)


def _plain(name: str, value: Any) -> Any:
    """A value in one form: peft writes sets in another order every time, and reads patterns in theirs."""
    if name in _SETS and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return sorted(value)
    return list(value.items()) if name in _PATTERNS and isinstance(value, dict) else value


def files_digest(folder: Path, patterns: Iterable[str]) -> str:
    """Digest of names and contents of the files that match; an empty string for none."""
    found = {file for pattern in patterns for file in folder.glob(pattern) if file.is_file()}
    told = [f"{file.relative_to(folder).as_posix()} {_sha(file)}" for file in sorted(found)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest() if told else ""


def path_digest(path: Path) -> str:
    """Digest of a file's contents, or of everything in a folder."""
    return _sha(path) if path.is_file() else files_digest(path, ("**/*",))


def _sha(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
