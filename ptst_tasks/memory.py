"""About how much memory and disk a study needs, from a configuration and the weights' headers.

Nothing is loaded. The figures are sums of what a pass must hold, by the formulas below; libraries,
caches and fragments come on top, so they are right within a factor of two or so, not to the byte.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ptst_tasks.digests import read_json

__all__ = ["Need", "Shape", "lora_parameters", "machine_memory", "measuring", "read_header",
           "shape_of", "training"]  # fmt: skip

_BYTES = {
    "float64": 8,
    "double": 8,
    "float32": 4,
    "float": 4,
    "bfloat16": 2,
    "float16": 2,
    "half": 2,
}
_STORED = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "U8": 1, "I8": 1}
_OF_LIBRARIES = 600 * 2**20
"""Python with torch, transformers and peft, before any weights."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model decides its memory.

    Attributes:
        parameters: How many numbers it has.
        layers, hidden, inner, heads, key_heads, head, vocabulary: Its sizes.
        stored: Bytes of a number as it is on disk.
    """

    parameters: int
    layers: int
    hidden: int
    inner: int
    heads: int
    key_heads: int
    head: int
    vocabulary: int
    stored: int = 2

    def bytes_of(self, dtype: str) -> int:
        """Bytes of a number in memory; ``auto`` keeps what is on disk."""
        return _BYTES.get(dtype, self.stored)


@dataclass(frozen=True, slots=True)
class Need:
    """Memory of one step of a study.

    Attributes:
        what: ``training`` or ``measuring``.
        parts: What of -> bytes.
        hint: The setting that helps.
    """

    what: str
    parts: Mapping[str, int]
    hint: str

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return sum(self.parts.values())

    def words(self) -> str:
        """The figures, and how they were come by."""
        parts = ", ".join(f"{name} {gigabytes(size)}" for name, size in self.parts.items())
        return f"{self.what} about {gigabytes(self.total)} ({parts})"


def gigabytes(size: float) -> str:
    """A number of bytes for a reader."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.0f} MiB"


def read_header(file: Path) -> dict[str, Any]:
    """The tensors of a safetensors file: name -> dtype and shape; nothing else of it is read.

    Raises:
        ValueError: If it is none, or shorter than its header says.
        OSError: If it cannot be read.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        if len(start) < 8:
            raise ValueError(f"it is {size} bytes long")
        (length,) = struct.unpack("<Q", start)
        if length > size - 8:
            raise ValueError("its header is cut off")
        header = json.loads(stream.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    header.pop("__metadata__", None)
    try:
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        whole = 8 + length + int(end)
    except (KeyError, IndexError, TypeError):
        raise ValueError("its header names no tensors") from None
    if whole != size:
        raise ValueError(f"it is {size:,} bytes long, and its header says {whole:,}")
    return header


def shape_of(folder: Path) -> Shape | None:
    """The shape of the model in a folder; None where its configuration does not say it."""
    config = read_json(folder / "config.json") or {}
    inner = config.get("text_config")
    config = {**config, **inner} if isinstance(inner, dict) else config
    try:
        hidden, layers = (
            _first(config, "hidden_size", "n_embd"),
            _first(config, "num_hidden_layers", "n_layer"),
        )
        heads = _first(config, "num_attention_heads", "n_head")
        shape = Shape(
            parameters=0,
            layers=layers,
            hidden=hidden,
            inner=_first(config, "intermediate_size", "n_inner", default=4 * hidden),
            heads=heads,
            key_heads=_first(config, "num_key_value_heads", default=heads),
            head=_first(config, "head_dim", default=hidden // heads),
            vocabulary=_first(config, "vocab_size"),
        )
    except (KeyError, ZeroDivisionError):
        return None
    return _counted(shape, folder, bool(config.get("tie_word_embeddings")))


def _first(config: Mapping[str, Any], *names: str, default: int | None = None) -> int:
    for name in names:
        if isinstance(value := config.get(name), int) and value > 0:
            return value
    if default is None:
        raise KeyError(names[0])
    return default


def _counted(shape: Shape, folder: Path, tied: bool) -> Shape:
    """With the number of parameters: by the weights' headers, else by the configuration."""
    count = size = 0
    for file in folder.glob("*.safetensors"):
        try:
            entries = read_header(file).values()
            for entry in entries:
                numbers = 1
                for part in entry["shape"]:
                    numbers *= int(part)
                count += numbers
                size += numbers * _STORED.get(str(entry["dtype"]), 4)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    if count:
        return replace(shape, parameters=count, stored=max(1, round(size / count)))
    linear = sum(a * b for a, b in _linears(shape))
    embeddings = shape.vocabulary * shape.hidden * (1 if tied else 2)
    return replace(shape, parameters=shape.layers * linear + embeddings)


def _linears(shape: Shape) -> list[tuple[int, int]]:
    """Inputs and outputs of the linear maps of a layer (Llama's)."""
    queries, keys = shape.heads * shape.head, shape.key_heads * shape.head
    return [(shape.hidden, queries), (shape.hidden, keys), (shape.hidden, keys),
            (queries, shape.hidden), (shape.hidden, shape.inner), (shape.hidden, shape.inner),
            (shape.inner, shape.hidden)]  # fmt: skip


def lora_parameters(shape: Shape, rank: int) -> int:
    """Numbers of a LoRA adapter on all linear maps."""
    return shape.layers * rank * sum(a + b for a, b in _linears(shape))


def training(
    shape: Shape, *, tokens: int, rows: int, rank: int, dtype: str, load_4bit: bool = False,
    checkpointing: bool = False,
) -> Need:  # fmt: skip
    """Memory of a training step.

    What a layer keeps for the backward pass is, per token, about 14 times the hidden size (norms,
    queries, keys, values, residuals, LoRA's inputs in float32) and 5 times the inner size, and the
    attention's scores where no kernel does without them; the logits stand in float32, with their
    gradient and the softmax. With checkpointing a layer keeps its input, and one of them the rest.

    Args:
        shape: Of the base.
        tokens: Of the longest row.
        rows: Of a batch.
        rank: LoRA's.
        dtype: The weights' in memory.
        load_4bit: Whether the base is quantised.
        checkpointing: Whether activations are computed twice.
    """
    size, batch = shape.bytes_of(dtype), tokens * rows
    layer = batch * (14 * shape.hidden + 5 * shape.inner + shape.heads * tokens) * size
    if size < 4:
        # Each of the seven maps keeps its input in float32 and once more in half precision; and half as
        # much again was seen on the CPU (SmolLM2 through trl: 3.5 MB a token of a batch, not 2.1).
        layer = int(1.5 * (layer + batch * 6 * (6 * shape.hidden + shape.inner)))
    kept = shape.layers * layer
    if checkpointing:
        kept = shape.layers * batch * shape.hidden * size + layer
    weights = int(shape.parameters * (0.55 if load_4bit else size))
    lora = lora_parameters(shape, rank) * (4 + 4 + 8)  # weight, gradient, Adam's two
    parts = {"weights": weights, "adapter and optimiser": lora, "activations": kept,
             "logits": 3 * batch * shape.vocabulary * 4, "libraries": _OF_LIBRARIES}  # fmt: skip
    helps = [f"train.settings.batch_size (now {rows}; raise accumulation as much)"]
    helps += [] if checkpointing else ["train.settings.gradient_checkpointing: true"]
    helps += [] if load_4bit else ["train.settings.load_4bit: true (on a GPU)"]
    return Need("training", parts, "lower " + ", or set ".join(helps))


def measuring(shape: Shape, *, tokens: int, rows: int, dtype: str, adapters: int = 0) -> Need:
    """Memory of generating: weights, the keys and values of a batch, and one layer's work.

    Args:
        shape: Of the base.
        tokens: Prompt and answer of the longest row.
        rows: Of a batch.
        dtype: The weights' in memory.
        adapters: Bytes of all adapters.
    """
    size, batch = shape.bytes_of(dtype), tokens * rows
    cache = 2 * batch * shape.layers * shape.key_heads * shape.head * size
    work = batch * (4 * shape.hidden + 3 * shape.inner) * size + rows * shape.vocabulary * 8
    parts = {"weights": shape.parameters * size, "keys and values": cache, "work": work}
    parts |= {"adapters": adapters} if adapters else {}
    parts["libraries"] = _OF_LIBRARIES
    return Need("measuring", parts, f"lower engine_args.batch_size (now {rows})")


def machine_memory(device: str = "") -> tuple[int, str]:
    """Bytes that this machine has for a model, and of what: the first GPU's, or the main memory.

    Args:
        device: As a study asks for it; empty for a GPU where there is one.
    """
    if not device.startswith("cpu") and (gpu := _gpu()):
        return gpu
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(pages, _cgroup()), "main memory"


def _gpu() -> tuple[int, str] | None:
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    found = torch.cuda.get_device_properties(0)
    return int(found.total_memory), f"memory on the GPU ({found.name})"


def _cgroup() -> int:
    """A container's limit."""
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return int(Path(name).read_text())
        except (OSError, ValueError):  # "max" for none
            continue
    return 1 << 62
