"""The table of engine arguments is the engines' own, and wrong ones are found without torch."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from ptst_tasks.engines.engine_args import REFUSED, SETTINGS, check_engine_args, known_args
from ptst_tasks.errors import PTSTError


def test_the_table_is_that_of_lm_evals_class() -> None:
    import inspect

    from lm_eval.models.huggingface import HFLM

    own = {*inspect.signature(HFLM.__init__).parameters} - {"self", "kwargs"}
    assert own <= known_args("hf")
    passed_on = {"attn_implementation", "load_in_4bit", "load_in_8bit", "low_cpu_mem_usage"}
    assert {*SETTINGS["hf"].model_fields} - own == passed_on
    assert {*REFUSED["hf"]} <= own


def test_the_table_is_that_of_vllm() -> None:
    vllm = pytest.importorskip("vllm")
    import inspect

    from lm_eval.models.vllm_causallms import VLLM

    own = {*inspect.signature(VLLM.__init__).parameters} - {"self", "kwargs"}
    assert own <= known_args("vllm")
    engine = {*inspect.signature(vllm.EngineArgs).parameters}
    assert engine <= known_args("vllm")
    assert {*SETTINGS["vllm"].model_fields} <= own | engine | {"max_gen_toks"}


def test_lm_evals_arguments_are_read_without_vllm() -> None:
    assert {"tensor_parallel_size", "max_model_len", "lora_local_path"} <= known_args("vllm")


@pytest.mark.parametrize(
    ("engine", "args", "message"),
    [
        ("hf", {"batchsize": 1}, "did you mean 'batch_size'?"),
        ("hf", {"batch_size": -1}, "batch_size is -1, expected a whole number from 1, or auto"),
        ("hf", {"batch_size": True}, "batch_size is True"),
        ("hf", {"batch_size": "auto:x"}, "batch_size is 'auto:x'"),
        ("hf", {"dtype": "fp8"}, "engine_args.dtype"),
        ("hf", {"device": "gpu"}, "device is 'gpu', expected cpu, cuda, cuda:N, mps or auto"),
        ("hf", {"device": 0}, "device is 0"),
        ("hf", {"max_length": 0}, "engine_args.max_length: Input should be greater than 0, got 0"),
        ("hf", {"peft": "x"}, "engine 'hf' takes no peft ('x'): adapters are attached by name"),
        ("hf", {"truncation": True}, "a prompt that is too long is an error"),
        ("hf", {"chat_template_args": "x"}, "engine_args.chat_template_args"),
        ("hf", {"parallelize": "yes"}, "engine_args.parallelize"),
        ("hf", {"tensor_parallel_size": 2}, "unknown engine argument 'tensor_parallel_size'"),
        ("vllm", {"tensor_paralel_size": 2}, "did you mean 'tensor_parallel_size'?"),
        ("vllm", {"tensor_parallel_size": 0}, "greater than 0"),
        ("vllm", {"gpu_memory_utilization": 0}, "greater than 0"),
        ("vllm", {"data_parallel_size": 2}, "use tensor_parallel_size"),
        ("vllm", {"expected": []}, "use train.adapters"),
        ("hf", {"enable_thinking": True}, "use thinking: on or thinking: off"),
        ("vllm", {"think_end_token": "</think>"}, "say think_end_token in test.options"),
    ],
)
def test_wrong_ones(engine: str, args: dict[str, Any], message: str) -> None:
    with pytest.raises(PTSTError) as e:
        check_engine_args(engine, args)
    assert message in str(e.value)


@pytest.mark.parametrize(
    ("engine", "args"),
    [
        ("hf", {"dtype": "bfloat16", "batch_size": "auto", "device": "cuda:1"}),
        ("hf", {"batch_size": "auto:4", "parallelize": True, "max_memory_per_gpu": "20GiB"}),
        ("hf", {"attn_implementation": "eager", "device_map": "auto", "use_cache": False}),
        (
            "hf",
            {"chat_template_args": {"enable_thinking": False}, "peft": None, "truncation": False},
        ),
        ("vllm", {"data_parallel_size": 1, "enforce_eager": True, "max_model_len": 512}),
        ("vllm", {"gpu_memory_utilization": 0.9, "max_lora_rank": 64}),
    ],
)
def test_right_ones(engine: str, args: dict[str, Any]) -> None:
    check_engine_args(engine, args)


def test_a_field_of_the_bases_configuration_is_taken() -> None:
    with pytest.raises(PTSTError):
        check_engine_args("hf", {"a_field_of_mine": 1})
    check_engine_args("hf", {"a_field_of_mine": 1}, more={"a_field_of_mine"})


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from leaderboards.run import study_files; study_files.load('llama2-gsm8k'); "
        "print([m for m in ('torch', 'transformers', 'vllm', 'peft', 'lm_eval') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
