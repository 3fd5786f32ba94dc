"""lm-eval model classes that hold one base model and many adapters, and how to get one.

A study asks for ``hf``, ``vllm`` or ``openai``; ``ptst eval --model`` knows them as ``ptst-hf``,
``ptst-vllm`` and ``ptst-openai``. Their libraries are imported when one is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from ptst_tasks.base_names import local_base
from ptst_tasks.engines.fit import check_origin
from ptst_tasks.engines.protocol import Engine
from ptst_tasks.errors import ConfigError

__all__ = ["ENGINES", "Engine", "check_origin", "open_engine", "register"]

ENGINES = {
    "hf": "ptst_tasks.engines.hf:HFEngine",
    "vllm": "ptst_tasks.engines.vllm:VLLMEngine",
    "openai": "ptst_tasks.engines.served:ServedEngine",
}
_NEEDS = {"hf": ("peft", "hf"), "vllm": ("vllm", "vllm"), "openai": ("openai", "judge")}


if TYPE_CHECKING:  # each has what a study asks of an engine
    from ptst_tasks.engines.hf import HFEngine
    from ptst_tasks.engines.served import ServedEngine
    from ptst_tasks.engines.vllm import VLLMEngine

    _CHECKED: tuple[type[Engine], ...] = (HFEngine, VLLMEngine, ServedEngine)


def open_engine(kind: str, base: str, **args: Any) -> Engine:
    """Starts an engine.

    Args:
        kind: ``hf``, ``vllm`` or ``openai``.
        base: Folder or hub id of the base; for ``openai`` the endpoint's name for it.
        **args: Of the engine's class.

    Raises:
        ConfigError: If its library is not installed, or an argument is none of the engine's.
    """
    module, extra = _NEEDS[kind]
    if importlib.util.find_spec(module) is None:
        raise ConfigError(f"engine {kind!r} needs an extra: pip install 'ptst[{extra}]'")
    place, _, name = ENGINES[kind].partition(":")
    base = base if kind == "openai" else local_base(base)
    engine: Engine = getattr(importlib.import_module(place), name)(base, **args)
    return engine


def register() -> None:
    """Tells lm-eval of the engines' names, without importing them."""
    from ptst_tasks.lm_internals import register_models

    register_models({f"ptst-{kind}": target for kind, target in ENGINES.items()})
