"""What a cell is a measurement of: where base and adapter are, and what identifies them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ptst_tasks.digests import read_json, weights_digest
from ptst_tasks.errors import ConfigError

__all__ = ["Place", "adapter_digest", "base_digest", "base_folder", "deciding_args", "decoding", "manifest",
           "trained_on"]  # fmt: skip

# Where and how fast; dtype is a digest of its own.
_HARMLESS = frozenset({
    "batch_size", "device", "device_map", "dtype", "enable_prefix_caching", "enforce_eager",
    "gpu_memory_utilization", "max_batch_size", "max_cpu_loras", "max_length", "max_lora_rank",
    "max_loras", "max_model_len", "max_num_batched_tokens", "max_num_seqs", "parallelize",
    "pipeline_parallel_size", "tensor_parallel_size", "use_tqdm_on_load",
})  # fmt: skip

Place = Path | str
"""Where an adapter is: its folder, or its name at an endpoint."""


def manifest(folder: Place | None) -> dict[str, Any]:
    """What was recorded of an adapter; a copy kept along training lies two folders below it."""
    places = (folder, folder.parent.parent) if isinstance(folder, Path) else ()
    return next((m for p in places if (m := read_json(p / "manifest.json"))), {})


def trained_on(config: Mapping[str, Any]) -> str:
    """``gsm8k``, or with examples mixed in ``gsm8k+safety_tuned_llamas``."""
    mixed = (str(spec).partition(":")[0] for spec in config.get("mix") or ())
    return "+".join([str(config.get("data", "")), *mixed])


def decoding(task: Any) -> dict[str, Any]:
    """A task's decoding options; empty for log-likelihoods (lm-eval fills them in all the same)."""
    if task.OUTPUT_TYPE == "multiple_choice":
        return {}
    options: dict[str, Any] = task.config.generation_kwargs
    return options


def base_folder(base: str) -> Path | str:
    """Where a study's base is; the built-in model is made if it is not there.

    Raises:
        ConfigError: If ``organism:`` is not followed by a seed.
    """
    name, colon, seed = base.partition(":")
    if name not in ("organism", "organism-control") or not colon:
        return base
    if not seed.isdigit():
        raise ConfigError(f"base {base!r}: expected a seed, as in 'organism:0'")
    from adapters_train import organism

    with organism.show_progress() as progress:
        return organism.cached(int(seed), name.endswith("control"), progress=progress)


def base_digest(base: Path | str, lm: Any) -> str:
    """What identifies a base: its weights, its commit on the hub, or its name at an endpoint."""
    if lm.served:
        return f"served:{lm.served}/{base}"
    if Path(base).is_dir():
        return weights_digest(Path(base))
    commit = lm.facts()["commit"]
    return f"hub:{commit}" if commit else f"name:{base}"


def deciding_args(engine: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's arguments that may change an answer beyond its last bits (quantization ...).

    Those of an endpoint say how it is asked; what goes into a body is among the prompts' digests.
    """
    return {} if engine == "openai" else {k: v for k, v in args.items() if k not in _HARMLESS}


def adapter_digest(folder: Place, lm: Any) -> str:
    """What identifies an adapter: its weights, or its name at an endpoint."""
    return f"served:{lm.served}/{folder}" if lm.served else weights_digest(Path(folder))
