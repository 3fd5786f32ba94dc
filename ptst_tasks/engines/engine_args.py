"""What may be said to an engine, as a table: found wrong without importing torch or vLLM.

The names are those of lm-eval's own classes, read from its source; the fields below have types, so
that ``batch_size: many`` is not found out after a model was loaded.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ptst_tasks.engines.base import BY_NAME, END_OF_THOUGHT, SWITCH, refuse
from ptst_tasks.errors import ConfigError, UnknownNameError, one_line
from ptst_tasks.keys import check_no_keys

__all__ = ["AUTO", "LAYOUT", "PATHS", "REFUSED", "SETTINGS", "args_of", "check_engine_args",
           "engines_of", "known_args"]  # fmt: skip

AUTO = "auto"
"""That of hf and vllm which is sooner through; `leaderboards.run.engine_choice` finds it out."""

REFUSED: dict[str, dict[str, str]] = {
    "hf": {
        "peft": BY_NAME,
        "think_end_token": END_OF_THOUGHT,
        "enable_thinking": SWITCH,
        "mixed_precision_dtype": "answers are generated in the weights' own type; set dtype",
        "truncation": "a prompt that is too long is an error; leave it out",
    },
    "vllm": {
        "lora_local_path": BY_NAME,
        "data_parallel_size": "use tensor_parallel_size, or a study with executor ray",
        "think_end_token": END_OF_THOUGHT,
        "enable_thinking": SWITCH,
        "truncation_side": "a prompt that is too long is an error; leave it out",
    },
}
"""Arguments of lm-eval's that would do nothing or harm here -> what to do instead."""

PATHS = {"hf": ("tokenizer", "delta"), "vllm": ("tokenizer",), "openai": ()}
"""Arguments that may name a file or a folder."""

LAYOUT = frozenset({
    "batch_size", "device", "device_map", "dtype", "enable_prefix_caching", "enforce_eager",
    "gpu_memory_utilization", "max_batch_size", "max_cpu_loras", "max_length", "max_lora_rank",
    "max_loras", "max_model_len", "max_num_batched_tokens", "max_num_seqs", "parallelize",
    "pipeline_parallel_size", "tensor_parallel_size", "use_tqdm_on_load",
})  # fmt: skip
"""Arguments of engines that say where and how fast; dtype is a fact of its own, as it turned out,
and a prompt that is longer than the model reads is an error and never cut."""

_SAID = {
    "pretrained": "base",
    "model": "base",
    "revision": "revision",
    "adapters": "train.adapters",
    "journal": "nothing: a run keeps its own",
    "expected": "train.adapters",
}
"""Arguments that a study says itself -> where."""


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    return value


Count = Annotated[int, Field(gt=0), BeforeValidator(_no_bool)]
Index = Annotated[int, Field(ge=0), BeforeValidator(_no_bool)]
Switch = Annotated[bool, Field(strict=True)]
Auto = Annotated[str, Field(pattern=r"^auto(:\d+(\.\d+)?)?$")]
Dtype = Literal["auto", "float32", "float16", "bfloat16", "float", "half", "float64"]


class _Engine(BaseModel):
    """Those that both have."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())

    dtype: Dtype = "auto"
    batch_size: Count | Auto = 32
    max_batch_size: Count | None = None
    max_length: Count | None = None
    tokenizer: Annotated[str, Field(min_length=1)] | None = None
    trust_remote_code: Switch | None = False
    add_bos_token: Switch | None = None
    prefix_token_id: Index | None = None
    chat_template_args: dict[str, Any] | None = None


class HfArgs(_Engine):
    """Of engine ``hf``."""

    backend: Literal["default", "causal", "seq2seq"] = "default"
    subfolder: str = ""
    logits_cache: Switch = True
    device: (
        Annotated[str, Field(pattern=r"^(auto|cpu|mps|meta|(cuda|npu|xpu|hpu|musa)(:\d+)?)$")]
        | None
    ) = None
    softmax_dtype: Literal["float32", "float16", "bfloat16"] | None = None
    use_fast_tokenizer: Switch | None = True
    parallelize: Switch | None = False
    max_memory_per_gpu: Count | str | None = None
    max_cpu_memory: Count | str | None = None
    gguf_file: Annotated[str, Field(min_length=1)] | None = None
    delta: Annotated[str, Field(min_length=1)] | None = None
    attn_implementation: str | None = None
    load_in_4bit: Switch | None = None
    load_in_8bit: Switch | None = None
    low_cpu_mem_usage: Switch | None = None


class VllmArgs(_Engine):
    """Of engine ``vllm``."""

    batch_size: Count | Auto = "auto"
    max_gen_toks: Count = 256
    seed: Index = 1234
    max_model_len: Count | None = None
    tensor_parallel_size: Count = 1
    pipeline_parallel_size: Count = 1
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1), BeforeValidator(_no_bool)] = 0.9
    quantization: str | None = None
    tokenizer_mode: str = "auto"
    tokenizer_revision: str | None = None
    max_lora_rank: Count = 16
    max_loras: Count = 1
    max_cpu_loras: Count | None = None
    max_num_seqs: Count | None = None
    max_num_batched_tokens: Count | None = None
    enforce_eager: Switch = False
    enable_prefix_caching: Switch | None = None
    use_tqdm_on_load: Switch = False
    swap_space: Annotated[float, Field(ge=0)] | None = None
    kv_cache_dtype: str = "auto"
    block_size: Count | None = None


SETTINGS: dict[str, type[_Engine]] = {"hf": HfArgs, "vllm": VllmArgs}

_SOURCES = {
    "hf": [("lm_eval", "models/huggingface.py", "HFLM", "__init__")],
    "vllm": [("lm_eval", "models/vllm_causallms.py", "VLLM", "__init__"),
             ("vllm", "engine/arg_utils.py", "EngineArgs", "")],
}  # fmt: skip
"""Package, file, class and function whose arguments an engine takes; of a dataclass its fields."""

_PASSED_ON = {
    "hf": ("attn_implementation", "bnb_4bit_compute_dtype", "bnb_4bit_quant_type", "cache_dir",
           "bnb_4bit_use_double_quant", "device_map", "force_download", "key_mapping",
           "load_in_4bit", "load_in_8bit", "local_files_only", "low_cpu_mem_usage", "max_memory",
           "offload_buffers", "offload_state_dict", "proxies", "quantization_config", "token",
           "use_kernels", "use_safetensors", "variant", "weights_only", "experts_implementation",
           "code_revision", "gguf_file",
           # Fields of configurations, which it takes in place of the file's.
           "attention_dropout", "attn_logit_softcapping", "max_position_embeddings",
           "num_hidden_layers", "rope_parameters", "rope_scaling", "rope_theta", "sliding_window",
           "torch_dtype", "use_cache"),
    "vllm": ("hf_overrides", "hf_token", "download_dir", "load_format", "disable_log_stats",
             "distributed_executor_backend", "mm_processor_kwargs", "compilation_config",
             "disable_custom_all_reduce", "enable_chunked_prefill", "max_logprobs",
             "override_generation_config", "generation_config", "rope_scaling", "rope_theta",
             "skip_tokenizer_init", "device"),
}  # fmt: skip
"""Arguments that lm-eval hands on to transformers' `from_pretrained`, and to vLLM's `LLM`."""


@functools.cache
def known_args(engine: str) -> frozenset[str]:
    """Every argument of an engine (hf, vllm) that is known here; vLLM's own only where it is."""
    read = {name for source in _SOURCES[engine] for name in _arguments(*source)}
    return frozenset({*read, *_PASSED_ON[engine], *SETTINGS[engine].model_fields} - {"self"})


def engines_of(engine: str, name: str) -> tuple[str, ...]:
    """The engines that an argument is for: the study's, or with ``auto`` those that know it."""
    if engine != AUTO:
        return (engine,)
    return tuple(e for e in SETTINGS if name in known_args(e)) or ("hf",)


def args_of(engine: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Of arguments for either engine those that this one takes; ``batch_size`` is hf's."""
    known = known_args(engine) - ({"batch_size", "max_batch_size"} if engine == "vllm" else set())
    return {name: value for name, value in args.items() if name in known}


def _arguments(package: str, file: str, owner: str, function: str) -> Iterable[str]:
    """Names out of a source file, which is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return []
    path = Path(next(iter(found.submodule_search_locations))) / file
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):  # of a version that has moved it
        return []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == owner:
            return _fields(node) if not function else _parameters(node, function)
    return []


def _fields(node: ast.ClassDef) -> list[str]:
    return [n.target.id for n in node.body
            if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]  # fmt: skip


def _parameters(node: ast.ClassDef, function: str) -> list[str]:
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == function:
            return [a.arg for a in (*part.args.args, *part.args.kwonlyargs)]
    return []


def check_engine_args(engine: str, args: Mapping[str, Any], *, more: Iterable[str] = ()) -> None:
    """Checks what a study says to engine ``hf`` or ``vllm``.

    Args:
        engine: Which.
        args: Name -> value.
        more: Names that are accepted too: fields of the base's configuration, which
            ``from_pretrained`` takes in place of the file's.

    Raises:
        ConfigError: If something looks like a key, is the study's own to say, or has a wrong value.
        UnknownNameError: If there is no such argument, with near misses.
    """
    check_no_keys(args, "engine_args", known=SETTINGS[engine].model_fields)
    known = known_args(engine)
    for name, value in args.items():
        if name in _SAID:
            raise ConfigError(
                f"engine_args has {name!r}, which the study says itself; use {_SAID[name]}"
            )
        if (name, value) != ("data_parallel_size", 1):
            refuse(engine, {name: value}, REFUSED[engine])
        if name not in known and name not in more:
            _refuse_unknown(engine, name, known)
    try:
        SETTINGS[engine].model_validate(dict(args))
    except ValidationError as e:
        raise ConfigError(f"engine_args.{_said(e, engine)}") from None


def _refuse_unknown(engine: str, name: str, known: frozenset[str]) -> None:
    shown = sorted(known - REFUSED[engine].keys() - _SAID.keys())
    all_known = engine != "vllm" or importlib.util.find_spec("vllm") is not None
    if all_known or difflib.get_close_matches(name, shown, n=1, cutoff=0.85):
        raise UnknownNameError("engine argument", name, shown, where="engine_args")


def _said(error: ValidationError, engine: str) -> str:
    """The first fault; of a value that may be one of several kinds, the kinds together."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    if name == "batch_size":
        return f"batch_size is {first['input']!r}, expected a whole number from 1, or auto"
    if name == "device":
        return f"device is {first['input']!r}, expected cpu, cuda, cuda:N, mps or auto"
    return one_line(error, tuple(SETTINGS[engine].model_fields))
