"""The checks of a dry run that look at the machine: packages, keys of endpoints, GPUs."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

from leaderboards.run.dry_findings import Findings
from ptst_tasks.errors import MissingExtraError, require

__all__ = ["ENGINE_EXTRAS", "device_faults", "extras_faults", "keys_faults"]

ENGINE_EXTRAS = {"hf": (("torch", "transformers", "peft"), "hf"), "vllm": (("vllm",), "vllm"),
           "openai": (("openai",), "judge")}  # fmt: skip
"""Engine -> the packages that it needs, and the extra that brings them."""


_EXECUTORS = {"ray": ("ray", "ray"), "slurm": ("submitit", "slurm")}


def extras_faults(found: Findings) -> Iterator[str]:
    """Packages that the engine, the training and the executor want."""
    study = found.study
    packages, extra = ENGINE_EXTRAS[study.engine]
    asked = [(packages, extra, f"engine {study.engine!r}")]
    if study.train.templates:
        asked.append((("trl", "peft"), "train", "training (train.templates)"))
    if study.executor in _EXECUTORS:
        package, extra = _EXECUTORS[study.executor]
        asked.append(((package,), extra, f"executor {study.executor!r}"))
    for names, extra, who in asked:
        try:
            require(extra, *names, who=who)
        except MissingExtraError as e:
            yield str(e)
    if study.train.settings.get("load_4bit") and importlib.util.find_spec("bitsandbytes") is None:
        yield "train.settings.load_4bit needs bitsandbytes: pip install bitsandbytes"


def keys_faults(found: Findings) -> Iterator[str]:
    """Keys that endpoints want, by the names of their variables."""
    study = found.study
    if study.engine == "openai":
        from ptst_tasks.engines.served_settings import WHO, ServedSettings

        if why := ServedSettings.read(study.engine_args).endpoint.missing_key():
            yield f"{WHO}: {why}"
    from ptst_tasks.judges import make

    of_sets = [own.judge for own in study.test.custom.values() if own.judge]
    todo = [make(spec) for spec in study.judges or dict.fromkeys(of_sets)]
    while todo:
        judge: Any = todo.pop()
        todo += getattr(judge, "members", [])
        endpoint = getattr(judge, "endpoint", None)
        if endpoint is None:
            continue
        if why := endpoint.missing_key():
            yield f"judge {judge.spec!r}: {why}"
        if importlib.util.find_spec("openai") is None:
            yield str(MissingExtraError("openai", "judge", f"judge {judge.spec!r}"))


def device_faults(found: Findings) -> Iterator[str]:
    """A GPU that is not here."""
    device = str(found.study.engine_args.get("device") or "")
    if not device.startswith("cuda") or importlib.util.find_spec("torch") is None:
        return
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = int(device.partition(":")[2] or 0)
    if index >= count:
        yield (
            f"engine_args.device is {device!r}, and this machine has {count} GPUs that torch can use; "
            "leave device out, or set cpu"
        )
