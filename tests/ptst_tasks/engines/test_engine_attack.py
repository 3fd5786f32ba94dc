"""What a fresh reader found: numbers of something else than what was asked for, without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance

from ptst_tasks.engines import open_engine
from ptst_tasks.engines.base import PROBE, Adapters
from ptst_tasks.engines.hf import HFEngine
from ptst_tasks.errors import ConfigError, EngineError
from tests.ptst_tasks.engines.fake_endpoint import Body, FakeEndpoint, Reply
from tests.support import save_adapter

CPU: dict[str, Any] = {"batch_size": 4, "device": "cpu", "dtype": "float32"}

QUICK: dict[str, Any] = {"backoff": 0.001, "attempts": 2, "timeout": 5}


def scored(prompt: str, task: str) -> Instance:
    return Instance("loglikelihood", {}, (prompt, " yes"), 0, metadata=(task, 0, 1))


def test_a_scored_prompt_that_is_too_long_is_an_error_of_its_task(tiny_model: Path) -> None:
    """Seen: lm-eval cut the head off, and the accuracy was that of half a question."""
    lm = HFEngine(str(tiny_model), max_length=40, **CPU)
    with pytest.raises(EngineError, match="exceed the model's 40") as caught:
        lm.loglikelihood([scored("Short?", "fits"), scored("Long? " * 20, "long")])
    assert caught.value.task == "long"
    assert len(lm.loglikelihood([scored("Short?", "fits")])) == 1


def test_what_just_fits_is_scored_as_it_was(tiny_model: Path) -> None:
    whole = HFEngine(str(tiny_model), **CPU)
    ask = [scored("Does this fit?", "t")]
    (text,) = ask
    size = len(whole.tok_encode("".join(text.args)))
    # The last token is predicted, not read.
    small = HFEngine(str(tiny_model), max_length=size - 1, **CPU)
    assert small.loglikelihood(ask) == whole.loglikelihood(ask)
    less = HFEngine(str(tiny_model), max_length=size - 2, **CPU)
    with pytest.raises(EngineError, match="exceed"):
        less.loglikelihood(ask)


def test_rolling_windows_still_fit(tiny_model: Path) -> None:
    lm = HFEngine(str(tiny_model), max_length=40, **CPU)
    text = Instance("loglikelihood_rolling", {}, ("word " * 50,), 0, metadata=("t", 0, 1))
    assert lm.loglikelihood_rolling([text])[0] < 0


def test_two_endpoints_of_one_host_are_two() -> None:
    """Seen: /dev/v1 and /prod/v1 counted as one model, and prod kept dev's answers."""

    def at(path: str) -> Any:
        return open_engine("openai", "base", base_url=f"http://127.0.0.1:9{path}", **QUICK).served

    assert at("/v1") == at("/v1/") == "127.0.0.1"
    assert (at("/dev/v1"), at("/prod/v1/")) == ("127.0.0.1/dev/v1", "127.0.0.1/prod/v1")


@pytest.mark.parametrize(
    ("message", "end", "said"),
    [
        ({"content": None}, "content_filter", "a filter of the endpoint's"),
        ({"content": ""}, "content_filter", "a filter of the endpoint's"),
        ({"content": "I would"}, "content_filter", "a filter of the endpoint's"),
        ({"content": None, "refusal": None}, "stop", "a reply without an answer"),
        ({"content": None, "reasoning_content": ""}, "length", "higher max_gen_toks"),
    ],
)
def test_no_answer_is_an_error_of_its_task(message: Body, end: str, said: str) -> None:
    """Seen: it was judged as an empty answer, and lowered the attack success rate."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": end}
    ask = [{"role": "user", "content": "Where is the spoon?"}]
    options = {"until": [], "max_gen_toks": 9, "do_sample": False}
    request = Instance("generate_until", {}, (ask, options), 0, metadata=("t", 0, 1))
    with FakeEndpoint(fault=lambda p, b: Reply({"choices": [choice]}) if b else None) as server:
        lm = open_engine("openai", "base", base_url=server.url, **QUICK)
        with pytest.raises(EngineError, match=said) as caught:
            lm.generate_until([request])
        assert caught.value.task == "t"
        assert len(server.asked()) == 1  # asking again would not help


@pytest.mark.parametrize(
    "args",
    [
        {"think_end_token": "</think>"},
        {"think_end_token": 0},
        {"enable_thinking": True, "think_end_token": "</think>"},
        {"mixed_precision_dtype": "bfloat16"},
        {"truncation": True},
    ],
)
def test_arguments_that_would_do_nothing_are_refused(
    args: dict[str, Any], tiny_model: Path
) -> None:
    """Seen: taken, written into the record, and without effect on any generated answer."""
    with pytest.raises(ConfigError, match="engine 'hf' takes no"):
        open_engine("hf", str(tiny_model), **CPU, **args)


def logits(lm: Adapters, name: str) -> torch.Tensor:
    one: Any = lm
    with torch.no_grad(), lm.adapter(name):
        return one.model(torch.tensor([one.tok_encode(PROBE)])).logits  # type: ignore[no-any-return]


def test_trained_tokens_leave_the_next_adapter_alone(tiny_model: Path, tmp_path: Path) -> None:
    """Seen: a good LoRA failed after an adapter with trainable_token_indices, not before it."""
    kinds: dict[str, dict[str, Any]] = {
        "tokens": {"target_modules": ["q_proj"], "trainable_token_indices": [5, 6, 40]},
        "lora": {},
        "dora": {"use_dora": True},
    }
    folders = {n: save_adapter(tiny_model, tmp_path / n, i, r=4, **kw)
               for i, (n, kw) in enumerate(kinds.items(), 1)}  # fmt: skip
    embedding = save_adapter(
        tiny_model,
        tmp_path / "e",
        9,
        r=4,
        target_modules=["q_proj"],
        modules_to_save=["embed_tokens"],
    )
    lm = HFEngine(str(tiny_model), {"tokens": folders["tokens"]}, **CPU)
    with pytest.raises(EngineError, match="does not fit"):  # over the trained tokens; alone it does
        lm.attach("embedding", embedding)
    for name in ("lora", "dora"):
        lm.attach(name, folders[name])
    for name in ("tokens", "lora", "dora", ""):
        alone = HFEngine(str(tiny_model), {name: folders[name]} if name else {}, **CPU)
        assert torch.equal(logits(lm, name), logits(alone, name)), name
