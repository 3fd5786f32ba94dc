"""What an lm_eval output says of its engine: arguments that decide answers, and the sampling.

Stock model classes cut a prompt that is longer than `max_length`, so there a length decides; the
classes of this package refuse such a prompt (`ptst_tasks.engines.engine_args.LAYOUT`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ptst_tasks.engines.engine_args import LAYOUT

__all__ = ["deciding_args", "gen_kwargs", "model_args", "sampling_seed", "was_sampled"]

Json = dict[str, Any]

_NAMES = frozenset({"pretrained", "peft", "lora_local_path", "model"})  # columns of their own
_LENGTHS = frozenset({"max_length", "max_model_len"})
_CALLS = frozenset(
    {"ca_cert_path", "max_retries", "num_concurrent", "timeout", "verify_certificate"}
)
_SECRET = frozenset({"api_key", "auth_token", "header", "token", "use_auth_token"})
_WORDS: dict[str, Any] = {"true": True, "false": False, "none": None}
_OF_DO_SAMPLE = frozenset({"", "hf", "hf-auto", "huggingface", "vllm", "openai"})


def model_args(args: Any) -> Json:
    """`config.model_args`, which lm_eval writes as it was given: a mapping or ``a=1,b=2``."""
    if isinstance(args, Mapping):
        return {str(key): value for key, value in args.items()}
    pairs = (part.partition("=") for part in str(args or "").split(","))
    return {key.strip(): value.strip() for key, _, value in pairs if key.strip()}


def gen_kwargs(args: Any) -> Json:
    """`config.gen_kwargs`, likewise; numbers and yes or no as what they are."""
    if isinstance(args, Mapping):
        return dict(args)
    return {key: _plain(value) for key, value in model_args(args).items()}


def deciding_args(engine: str, args: Mapping[str, Any]) -> str:
    """Arguments of an engine that may change an answer, compact JSON; empty for none.

    Args:
        engine: lm_eval's name of the model class.
        args: As `model_args` reads them.
    """
    if engine == "ptst-openai":  # they say how an endpoint is asked; bodies show in the prompts
        return ""
    ours = engine.startswith("ptst-")
    free = _NAMES | _CALLS | _SECRET | (LAYOUT if ours else LAYOUT - _LENGTHS)
    kept = {key: _place(key, _plain(value)) for key, value in args.items() if key not in free}
    kept = {key: value for key, value in kept.items() if value not in (None, "")}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), default=str) if kept else ""


def was_sampled(engine: str, options: Mapping[str, Any]) -> bool:
    """Whether answers are drawn at random.

    Classes for endpoints send the temperature whatever `do_sample` says; the others go by
    `do_sample`, and by the temperature where it is not set.
    """
    do_sample = options.get("do_sample")
    if engine.removeprefix("ptst-") in _OF_DO_SAMPLE and do_sample is not None:
        return bool(do_sample)
    return bool(do_sample) if "temperature" not in options else _is_hot(options["temperature"])


def sampling_seed(run: Mapping[str, Any], options: Mapping[str, Any]) -> int | None:
    """Seed of sampled answers: of the request, or else the run's for torch."""
    for seed in (options.get("seed"), run.get("torch_seed")):
        if isinstance(seed, int) and not isinstance(seed, bool):
            return seed
    return None


def _is_hot(temperature: Any) -> bool:
    try:
        return float(temperature) > 0
    except (TypeError, ValueError, OverflowError):
        return True


def _plain(value: Any) -> Any:
    """``"True"`` of a command line and ``true`` of a mapping are one value."""
    if not isinstance(value, str):
        return value
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            continue
    return value


def _place(key: str, value: Any) -> Any:
    """Of an address the host and the path: user names and keys in it are not for a leaderboard."""
    if key != "base_url" or not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
    except ValueError:  # no address that anybody could have asked
        return "?"
    return parts.netloc.rpartition("@")[2] + parts.path
