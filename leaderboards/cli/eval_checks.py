"""What ``ptst eval`` finds wrong with its options before a model is loaded.

lm_eval takes a limit of 0 for all rows or none, a device that it does not know for another one,
and finds out that its results cannot be written when they are there. Each check is of one thing.
"""

from __future__ import annotations

import difflib
import glob
import importlib.util
import inspect
import json
import logging
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ptst_tasks.errors import ConfigError, UnknownNameError, did_you_mean, require
from ptst_tasks.files import check_writable
from ptst_tasks.keys import check_no_keys
from ptst_tasks.lm_internals import model_names
from ptst_tasks.options import Options

__all__ = ["check_loading", "check_options", "check_output", "check_samples", "lost", "saved"]

_HF = ("hf", "hf-auto", "huggingface", "ptst-hf")
_BATCH = re.compile(r"auto(:[1-9]\d*(\.\d+)?)?|[1-9]\d*")
_DEVICE = re.compile(r"(cpu|mps(:0)?|(cuda|npu|xpu|hpu)(:\d+)?)")
_SEED_END = 2**32
_OF_LM_EVAL = ("batch_size", "max_batch_size", "device")
"""Flags that lm_eval hands to a model class beside its arguments."""
_NEEDS = {  # model -> package, extra of ptst
    "vllm": ("vllm", "vllm"),
    "ptst-vllm": ("vllm", "vllm"),
    "ptst-openai": ("openai", "judge"),
}
_APIS = ("local-", "openai-")
_FROM_PRETRAINED = (
    "attn_implementation", "cache_dir", "code_revision", "config", "device_map",
    "experts_implementation", "force_download", "ignore_mismatched_sizes", "key_mapping",
    "local_files_only", "low_cpu_mem_usage", "max_memory", "offload_buffers", "offload_folder",
    "output_loading_info", "proxies", "quantization_config", "state_dict", "token", "torch_dtype",
    "use_kernels", "use_safetensors", "variant", "weights_only",
)  # fmt: skip


def check_options(config: Any, given: Mapping[str, Any]) -> None:
    """Checks what needs neither tasks nor a model.

    Args:
        config: lm-eval's record of all options.
        given: Those that were said; `config` has put the model's arguments into its metadata.

    Raises:
        PTSTError: With the first that is wrong.
    """
    _check_keys(config, given)
    Options.check_names(_mapping(given.get("metadata")))
    if config.model not in (known := model_names()):
        raise UnknownNameError("model", config.model, known, where="--model")
    _check_limit(config.limit)
    _check_batches(config)
    _check_seeds(config.seed)
    if config.include_path and not Path(config.include_path).is_dir():
        raise ConfigError(f"--include_path is {config.include_path!r}, which is no folder")
    if config.use_cache:
        raise ConfigError(
            "--use_cache keeps answers without the model that gave them: another adapter would be "
            "given the first one's; leave it out, or use `ptst run`, which asks nothing twice"
        )
    _check_prompts(config)
    _check_reports(config)


def _check_keys(config: Any, given: Mapping[str, Any]) -> None:
    """A key among the options would be written into every results file."""
    check_no_keys(config.model_args, "--model_args", known=("api_key_env",))
    check_no_keys(config.gen_kwargs, "--gen_kwargs", free=("--gen_kwargs",))
    check_no_keys(given.get("metadata"), "--metadata", free=("--metadata.prefill",))


def _mapping(said: Any) -> Mapping[str, Any]:
    if isinstance(said, str):  # in a file: KEY=VALUE,KEY=VALUE, of which the names are looked at
        return {pair.partition("=")[0].strip(): pair for pair in said.split(",")}
    return said or {}


def _check_limit(limit: Any) -> None:
    if limit is None:
        return
    whole = math.isfinite(limit) and limit >= 1 and limit == int(limit)
    if not (whole or 0 < limit < 1):
        raise ConfigError(
            f"--limit is {limit!r}, expected a number of rows from 1 on, or a part of them below 1"
        )


def _check_batches(config: Any) -> None:
    if not _BATCH.fullmatch(str(config.batch_size)):
        raise ConfigError(
            f"--batch_size is {config.batch_size!r}, expected a number from 1 on, auto, or auto:N"
        )
    if config.max_batch_size is not None and config.max_batch_size < 1:
        raise ConfigError(f"--max_batch_size is {config.max_batch_size!r}, expected 1 or more")


def _check_seeds(seeds: Any) -> None:
    for seed in seeds or ():
        if seed is not None and not 0 <= seed < _SEED_END:
            raise ConfigError(f"--seed holds {seed!r}, expected numbers from 0 to {_SEED_END - 1}")


def _check_prompts(config: Any) -> None:
    if config.system_instruction:
        raise ConfigError("--system_instruction would change the prompt template; leave it out")
    name = config.apply_chat_template
    if isinstance(name, str) and name.lower() != "true":
        raise ConfigError(
            f"--apply_chat_template is {name!r}: ptst tasks use the tokenizer's own template, "
            "whatever it is called; write the flag alone"
        )


def _check_reports(config: Any) -> None:
    if config.check_integrity:
        raise ConfigError(
            "--check_integrity runs the tests of lm_eval's own repository, which is not here; "
            "`ptst validate` checks tasks"
        )
    level = config.verbosity
    if level is not None and level.upper() not in logging.getLevelNamesMapping():
        raise ConfigError(f"--verbosity is {level!r}, expected DEBUG, INFO, WARNING or ERROR")
    for flag, package in (("wandb_args", "wandb"), ("trackio_args", "trackio")):
        if getattr(config, flag) and importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"--{flag} needs {package}, which is not installed: pip install {package}"
            )


def check_samples(samples: Any, tasks: Mapping[str, Any]) -> None:
    """Checks ``--samples``: rows by their places, for each task by its name.

    Raises:
        ConfigError: If it is another thing, or a task has no such row.
        UnknownNameError: If a task is none of those that were asked for.
    """
    if samples is None:
        return
    shape = "a JSON object, or a file of one, such as '{\"TASK\": [0, 1]}'"
    if not isinstance(samples, dict):
        raise ConfigError(f"--samples is {samples!r:.80}, expected {shape}")
    for name, places in samples.items():
        if name not in tasks:
            raise UnknownNameError("task", str(name), tasks, where="--samples")
        if not isinstance(places, list) or not all(type(place) is int for place in places):
            raise ConfigError(f"--samples: {name} is {places!r:.80}, expected {shape}")
        rows = len(tasks[name].eval_docs)
        if not places or min(places) < 0 or max(places) >= rows:
            raise ConfigError(
                f"--samples: {name} is {places!r:.80}, expected some of 0 to {rows - 1}"
            )


def check_loading(config: Any, given: Mapping[str, Any]) -> None:
    """Checks whether the model can be loaded, without its weights.

    Raises:
        PTSTError: If a package, the model's name or an argument is missing or wrong.
    """
    model, args = config.model, config.model_args
    if needed := _NEEDS.get(model):
        require(needed[1], needed[0], who=f"--model {model}")
    if model.startswith(_APIS) and importlib.util.find_spec("tenacity") is None:
        raise ConfigError(f"--model {model} needs lm_eval's own extra: pip install 'lm_eval[api]'")
    if (model in _HF or "vllm" in model) and args.get("pretrained") in (None, ""):
        raise ConfigError(
            f"--model {model} needs --model_args pretrained=FOLDER, or a name on the hub"
        )
    for name in _OF_LM_EVAL:
        if name in args:
            raise ConfigError(f"--model_args holds {name!r}; write --{name} {args[name]}")
    if model in _HF:
        _check_names(model, args)
        _check_dtype(args.get("dtype", "auto"))
        length = args.get("max_length")
        if length is not None and not (type(length) is int and length >= 1):
            raise ConfigError(f"--model_args: max_length is {length!r}, expected tokens from 1 on")
        if given.get("device"):
            _check_device(given["device"])


def _check_names(model: str, args: Mapping[str, Any]) -> None:
    """A name that is nearly one of the class's is a slip; others are for transformers to judge."""
    from lm_eval.models.huggingface import HFLM

    known = {*inspect.signature(HFLM.__init__).parameters, *_FROM_PRETRAINED} - {"self", "kwargs"}
    if model == "ptst-hf":
        known |= {"journal"}
    for name in args:
        if name not in known and difflib.get_close_matches(name, known, n=1, cutoff=0.8):
            near = did_you_mean(name, sorted(known))
            raise ConfigError(
                f"--model_args holds {name!r}, which --model {model} does not take; {near}"
            )


def _check_dtype(dtype: Any) -> None:
    import torch

    if dtype != "auto" and not isinstance(getattr(torch, str(dtype), None), torch.dtype):
        raise ConfigError(
            f"--model_args: dtype is {dtype!r}, expected auto, float32, bfloat16, float16 or another "
            "of torch's"
        )


def _check_device(device: str) -> None:
    """Of a device that it does not know lm_eval takes another without a word."""
    import torch

    if not _DEVICE.fullmatch(device):
        raise ConfigError(f"--device is {device!r}, expected cpu, cuda, cuda:N or mps")
    kind, _, place = device.partition(":")
    if kind == "cuda" and int(place or 0) >= torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise ConfigError(
            f"--device is {device!r}, and torch sees {there or 'no'} CUDA devices here"
        )


def check_output(output: str | None) -> None:
    """Tries whether ``--output_path`` can be written to.

    Raises:
        ConfigError: If it cannot.
    """
    if not output:
        return
    path = Path(output)
    if path.suffix == ".json":  # lm-eval would write NAME_DATE.json, which no reader of ours finds
        raise ConfigError(
            f"--output_path {output!r} is a name in .json, under which ptst would not find the "
            "samples again; name a folder"
        )
    try:
        is_file = path.exists() and not path.is_dir()
    except OSError as e:
        raise ConfigError(f"--output_path {output[:80]!r} cannot be written: {e.strerror}") from e
    if is_file:
        raise ConfigError(f"--output_path {output!r} is a file, expected a folder")
    check_writable(path / "results.json", "--output_path")


def saved(output: str | None) -> frozenset[Path]:
    """Files of results that are where ``--output_path`` says."""
    if not output:
        return frozenset()
    path = Path(output)
    if path.suffix == ".json":
        return frozenset(path.parent.glob(f"{glob.escape(path.stem)}_*.json"))
    return frozenset(path.glob("*/results_*.json"))


def lost(output: str | None, before: frozenset[Path], *, samples: bool) -> str:
    """What lm_eval was to save and did not, of which it says a word at most.

    Args:
        output: ``--output_path``.
        before: What `saved` gave before it ran.
        samples: Whether samples were to be saved, too.

    Returns:
        What is missing, in a few words; empty if nothing is.
    """
    if not output or not _writes():
        return ""
    for file in saved(output) - before:
        try:
            tasks = json.loads(file.read_bytes())["configs"]
        except (OSError, ValueError):
            continue
        date = file.stem.rpartition("_")[2]
        files = {task: file.with_name(f"samples_{task}_{date}.jsonl") for task in tasks}
        cut = [task for task, kept in files.items() if samples and not _is_whole(kept)]
        return f"the samples of {', '.join(cut)}" if cut else ""
    return "the results"


def _is_whole(file: Path) -> bool:
    return file.is_file() and file.read_bytes().endswith(b"\n")


def _writes() -> bool:
    """Whether this process is the one that writes, among those of ``accelerate`` or torchrun."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK"))
