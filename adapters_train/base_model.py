"""The base model: its tokenizer at once, its weights when they are first needed, both once."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adapters_train.config import TrainConfig
from ptst_tasks.base_names import local_base
from ptst_tasks.digests import read_json
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.model_files import base_of, check_safetensors
from ptst_tasks.provenance import BaseRecord

__all__ = ["Base"]

_QUIET = (
    "_raise_exceptions_for_gated_repo",
    "_raise_exceptions_for_missing_entries",
    "_raise_exceptions_for_connection_errors",
)


@dataclass
class Base:
    """One base model in memory, for as many adapters as are wanted.

    Attributes:
        name: Folder, hub id, GGUF file or ``packaged:`` model.
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
    def place(self) -> str:
        """Its folder or hub id; a GGUF file or a packaged model is read into a folder first."""
        return local_base(self.name)

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

        how = {"dtype": self.torch_dtype, **self._quantised(), "output_loading_info": True}
        model, told = self._load(AutoModelForCausalLM, **how)
        if missing := sorted(told["missing_keys"]):
            raise _unloadable(
                self.name,
                f"its files lack {len(missing)} of the weights that its config.json asks for, as "
                f"{missing[0]!r}",
            )
        return model

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
    def files(self) -> BaseRecord:
        """Digests of weights, configuration and tokenizer."""
        return base_of(self.folder)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """The tokens that end an answer by its generation_config.json; none where it has none."""
        from transformers.utils import cached_file

        missing = dict.fromkeys(_QUIET, False)
        name, revision = "generation_config.json", self.revision or None
        file = cached_file(self.place, name, revision=revision, **missing)
        ends = (read_json(Path(file)) or {}).get("eos_token_id") if file else None
        return tuple(i for i in (ends if isinstance(ends, list) else [ends]) if type(i) is int)

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
        if Path(self.place).is_dir():
            return Path(self.place)
        from transformers.utils import cached_file

        return Path(cached_file(self.place, "config.json", revision=self.revision or None)).parent

    def _load(self, kind: Any, **kwargs: Any) -> Any:
        if Path(self.place).exists():
            _check_folder(Path(self.place))
        try:
            with _quietly():
                return kind.from_pretrained(self.place, revision=self.revision or None, **kwargs)
        # transformers, tokenizers and safetensors raise whatever they meet in a file.
        except Exception as e:
            reason = said(e) if isinstance(e, KeyError | TypeError) else " ".join(str(e).split())
            raise _unloadable(self.name, reason[:300]) from None

    def _quantised(self) -> dict[str, Any]:
        if not self.load_4bit:
            return {}
        import torch

        if not (torch.cuda.is_available() and importlib.util.find_spec("bitsandbytes")):
            raise ConfigError(
                "load_4bit needs a GPU and bitsandbytes (--load-4bit; pip install bitsandbytes)"
            )
        from transformers import BitsAndBytesConfig

        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=self.torch_dtype,
            bnb_4bit_use_double_quant=True,
        )
        return {"quantization_config": config}


def _unloadable(name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"the base model (--model) {name!r} cannot be loaded: {reason.rstrip('.')}; expected a folder "
        "with config.json, weights and tokenizer, or the id of a model on the hub"
    )


def _check_folder(folder: Path) -> None:
    """Says what a folder of a model lacks, in words that the library does not have."""
    name = str(folder)
    if folder.is_file():
        raise _unloadable(name, "it is a file")
    if not (folder / "config.json").is_file():
        raise _unloadable(name, "it has no config.json")
    if read_json(folder / "config.json") is None:
        raise _unloadable(name, "its config.json is no JSON object")
    tokenizer = ("tokenizer*.json", "*.model", "vocab.*")
    if not any(file for pattern in tokenizer for file in folder.glob(pattern)):
        raise _unloadable(name, "it has no tokenizer (tokenizer.json)")
    for file in sorted(folder.glob("*.safetensors")):
        try:
            check_safetensors(file)
        except ConfigError as e:
            raise _unloadable(name, said(e)) from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Keeps the library's warnings and tables from standing around the one line that matters."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
