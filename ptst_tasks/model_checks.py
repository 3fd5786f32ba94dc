"""Looks at a tokenizer, a base, an adapter or a served model before any weights are loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ptst_tasks.base_names import local_base
from ptst_tasks.errors import ConfigError
from ptst_tasks.model_files import base_of

__all__ = ["check_adapter", "check_base", "check_served", "load_tokenizer", "model_config"]


def load_tokenizer(name: str, *, revision: str = "", trust_remote_code: bool = False) -> Any:
    """Loads a tokenizer by folder or hub name.

    Args:
        name: Which.
        revision: On the hub; empty for the newest.
        trust_remote_code: Run code of the model's own.

    Raises:
        ConfigError: In one line, if it cannot be had.
    """
    from transformers import AutoTokenizer

    own, place = {"trust_remote_code": True} if trust_remote_code else {}, local_base(name)
    try:
        return AutoTokenizer.from_pretrained(place, revision=revision or None, **own)
    except (
        Exception
    ) as e:  # transformers raises OSError, ValueError, KeyError, ... for a bad folder
        raise ConfigError(f"the tokenizer {name!r} cannot be loaded: {_why(name, e)}") from e


def _why(name: str, error: Exception) -> str:
    """Why something of the hub's or a folder's cannot be had; a wrong path comes first."""
    reason = " ".join(str(error).split())[:160]
    if Path(name).is_file():
        return f"it is a file, expected a folder or a name on the hub ({reason})"
    return reason if Path(name).exists() else f"it is no folder here, and the hub says: {reason}"


def check_base(name: str, model_args: Mapping[str, Any]) -> None:
    """Looks at a base without loading it: a configuration, and files of weights.

    Raises:
        ConfigError: If it has none.
    """
    model_config(name, model_args)
    folder = Path(name)
    if not folder.is_dir() or "subfolder" in model_args:
        return
    if not any(f.suffix in _WEIGHTS for f in folder.iterdir()):
        raise ConfigError(f"the base {name!r} holds no weights ({', '.join(sorted(_WEIGHTS))})")


_WEIGHTS = frozenset({".safetensors", ".bin", ".gguf", ".pt", ".pth"})


def check_adapter(folder: str, model_args: Mapping[str, Any], *, plain: bool) -> None:
    """Looks at an adapter and its base before either is loaded.

    Args:
        folder: The adapter's, or its id on the hub.
        model_args: Of lm-eval's model class.
        plain: Whether only plain LoRA can be run (vLLM).

    Raises:
        ConfigError: If the adapter cannot be this base's.
    """
    from ptst_tasks.engines.fit import Fit, UnfitError, check_copies, check_origin

    base = local_base(str(model_args.get("pretrained", "")))
    config = model_config(base, model_args)
    try:
        Fit(config).check(folder, shared=False, plain=plain)
        check_copies(folder, Path(base))
    except UnfitError as e:
        raise ConfigError(f"the adapter {folder!r} {e}") from e
    commit = getattr(config, "_commit_hash", None) or ""
    place = Path(base)
    check_origin(folder, lambda: base_of(place).weights if place.is_dir() else f"hub:{commit}")


def model_config(name: str, model_args: Mapping[str, Any], what: str = "the base") -> Any:
    """The configuration of a model, in a folder or on the hub.

    Raises:
        ConfigError: In one line, if it cannot be had.
    """
    from transformers import AutoConfig

    own = {
        k: model_args[k] for k in ("revision", "trust_remote_code", "gguf_file") if k in model_args
    }
    place = local_base(name)
    try:
        return AutoConfig.from_pretrained(place, **own)
    except Exception as e:  # OSError, ValueError, KeyError, ... for a folder that is none
        raise ConfigError(f"{what} {name!r} cannot be read: {_why(name, e)}") from e


def check_served(model_args: Mapping[str, Any], thinking: Iterable[str] = ()) -> None:
    """Reads the settings of a served model.

    Args:
        model_args: Of the engine's model class.
        thinking: What its chat template is to be told: ``auto``, ``on`` or ``off``.

    Raises:
        ConfigError: If one is wrong, or the endpoint cannot be told.
    """
    from ptst_tasks.engines.served_settings import ServedSettings
    from ptst_tasks.engines.served_thoughts import switched

    own = ("pretrained", "journal")
    settings = ServedSettings.read({k: v for k, v in model_args.items() if k not in own})
    for state in thinking:
        switched(state, settings)
