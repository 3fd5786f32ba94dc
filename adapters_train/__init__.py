"""Making adapters: LoRA under a named prompt template, OpenAI fine-tuning, the built-in model.

The names below are the package's own, each imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters_train.base_model import Base
    from adapters_train.callback import PTSTCallback
    from adapters_train.config import TrainConfig, load_config
    from adapters_train.job import Job, prepare
    from adapters_train.lora import TrainResult, train_lora
    from adapters_train.many import grid, train_many
    from adapters_train.openai_api import fine_tune
    from adapters_train.organism import build as build_organism

_WHERE = {
    "Base": "base_model:Base",
    "Job": "job:Job",
    "PTSTCallback": "callback:PTSTCallback",
    "TrainConfig": "config:TrainConfig",
    "TrainResult": "lora:TrainResult",
    "build_organism": "organism:build",
    "fine_tune": "openai_api:fine_tune",
    "grid": "many:grid",
    "load_config": "config:load_config",
    "prepare": "job:prepare",
    "train_lora": "lora:train_lora",
    "train_many": "many:train_many",
}

__all__ = [
    "Base",
    "Job",
    "PTSTCallback",
    "TrainConfig",
    "TrainResult",
    "build_organism",
    "fine_tune",
    "grid",
    "load_config",
    "prepare",
    "train_lora",
    "train_many",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
