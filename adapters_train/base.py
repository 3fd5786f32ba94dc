"""The base model: its tokenizer at once, its weights when they are first needed, both once."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adapters_train.config import TrainConfig
from ptst_tasks.errors import ConfigError
from ptst_tasks.model_files import base_of
from ptst_tasks.provenance import Base as Identity

__all__ = ["Base"]


@dataclass
class Base:
    """One base model in memory, for as many adapters as are wanted.

    Attributes:
        name: Folder or hub id.
        revision: Revision on the hub; empty for the newest.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        load_4bit: Quantise to 4 bits on loading.

    Raises:
        ConfigError: From the properties, if there is no such model or it cannot be loaded.
    """

    name: str
    revision: str = ""
    dtype: str = "auto"
    load_4bit: bool = False

    @classmethod
    def of(cls, config: TrainConfig) -> Base:
        """The base that a run asks for."""
        return cls(config.model, config.revision, config.dtype, config.load_4bit)

    @property
    def key(self) -> tuple[str, str, str, bool]:
        """What makes two bases the same."""
        return self.name, self.revision, self.dtype, self.load_4bit

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, as the harness loads it."""
        from transformers import AutoTokenizer

        return self._load(AutoTokenizer)

    @cached_property
    def torch_dtype(self) -> Any:
        """The weights' type in memory."""
        import torch

        if self.dtype != "auto":
            return getattr(torch, self.dtype)
        half = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if half else torch.float32

    @cached_property
    def model(self) -> Any:
        """The model, in training's precision, on the CPU until a trainer moves it."""
        from transformers import AutoModelForCausalLM

        return self._load(AutoModelForCausalLM, dtype=self.torch_dtype, **self._quantised())

    def snapshot(self) -> Callable[[], None]:
        """Returns a function that undoes what a trainer does to the model beside its adapter."""
        model, before = self.model, self.model.__dict__.get("forward")

        def restore() -> None:
            model.__dict__.pop("forward", None)  # trl's, which computes the loss in the head
            if before is not None:
                model.forward = before
            model.eval()

        return restore

    @cached_property
    def files(self) -> Identity:
        """Digests of weights, configuration and tokenizer."""
        return base_of(self.folder)

    @property
    def weights(self) -> str:
        """Digest of the weights' files."""
        return self.files.weights

    @property
    def commit(self) -> str:
        """The hub's commit, or an empty string for a folder."""
        return str(getattr(self.model.config, "_commit_hash", None) or "")

    @cached_property
    def folder(self) -> Path:
        """Where the files are on this machine."""
        if Path(self.name).is_dir():
            return Path(self.name)
        from transformers.utils import cached_file

        return Path(cached_file(self.name, "config.json", revision=self.revision or None)).parent

    def _load(self, kind: Any, **kwargs: Any) -> Any:
        try:
            return kind.from_pretrained(self.name, revision=self.revision or None, **kwargs)
        except (OSError, ValueError, KeyError) as e:
            reason = " ".join(str(e).split())[:300]
            raise ConfigError(
                f"the base model {self.name!r} cannot be loaded: {reason}; expected a folder with "
                "config.json, weights and tokenizer, or the id of a model on the hub"
            ) from None

    def _quantised(self) -> dict[str, Any]:
        if not self.load_4bit:
            return {}
        import torch

        if not (torch.cuda.is_available() and importlib.util.find_spec("bitsandbytes")):
            raise ConfigError("load_4bit needs a GPU and bitsandbytes (pip install bitsandbytes)")
        from transformers import BitsAndBytesConfig

        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=self.torch_dtype,
            bnb_4bit_use_double_quant=True,
        )
        return {"quantization_config": config}
