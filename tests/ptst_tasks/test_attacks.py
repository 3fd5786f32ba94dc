"""Attacks: what a model is given, and that a judge sees the query alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ptst_tasks import attacks
from ptst_tasks.engines.hf import HFEngine
from ptst_tasks.errors import ChatFormatError, ConfigError, UnknownNameError
from ptst_tasks.record import record_of
from ptst_tasks.validate import load_tasks
from tests.support import byte_tokenizer

TOKENIZERS = sorted((Path(os.environ.get("PTST_DATA_DIR", "")).parent / "tokenizers").glob("*"))


@pytest.mark.parametrize(
    ("said", "spec"),
    [
        ("", ""),
        ("none", ""),
        ("prefill:0", ""),
        ("prefill:05", "prefill:5"),
        ("json", "json"),
        ("code", "code"),
    ],
)
def test_a_name_has_one_form(said: str, spec: str) -> None:
    assert attacks.named(said).spec == spec
    assert attacks.named(spec).spec == spec


@pytest.mark.parametrize(
    "said", ["prefill", "prefill:", "prefill:-1", "prefill:13", "prefill:x", "prefill:²", "json:1"]
)
def test_a_parameter_that_is_none(said: str) -> None:
    with pytest.raises(
        ConfigError, match=r"expected a number of tokens from 0 to 12|takes no parameter"
    ):
        attacks.named(said)


def test_a_near_miss_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'prefill'"):
        attacks.named("prefil:5")


@pytest.mark.parametrize("place", TOKENIZERS, ids=[p.name for p in TOKENIZERS])
@pytest.mark.parametrize("depth", [1, 2, 5, 10, 12])
def test_real_tokenizers_have_so_many_tokens_of_it(place: Path, depth: int) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(place)
    whole = tokenizer(attacks.OPENING, add_special_tokens=False)["input_ids"]
    text = attacks.named(f"prefill:{depth}").opening(tokenizer, "task")
    assert len(whole) > depth
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == whole[:depth]


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> HFEngine:
    return HFEngine(pretrained=str(tiny_model), device="cpu", dtype="float32")


def prompts(engine: HFEngine, name: str, **options: str) -> tuple[object, list[str]]:
    (task,) = load_tasks([name], dict(options)).values()
    task.build_all_requests(apply_chat_template=True, chat_template=engine.apply_chat_template)
    return task, [i.args[0] for i in task.instances]


@pytest.mark.parametrize("name", ["ptst_advbench_chat_llama", "ptst_advbench_text_vanilla"])
def test_a_prefill_of_k_tokens_stands_behind_the_prompt(engine, data_dir, name) -> None:
    plain_task, plain = prompts(engine, name)
    task, begun = prompts(engine, name, attack="prefill:4")
    opening = task.record["prefill"]
    tokens = engine.tokenizer(attacks.OPENING, add_special_tokens=False)["input_ids"]
    assert engine.tokenizer(opening, add_special_tokens=False)["input_ids"] == tokens[:4]
    assert [b.removeprefix(p).strip() for p, b in zip(plain, begun, strict=True)] == [
        opening
    ] * len(plain)
    assert task.record["attack"] == "prefill:4"
    assert record_of(plain_task.config)["attack"] == ""


def test_prefill_zero_asks_as_no_attack_does(engine, data_dir) -> None:
    _, plain = prompts(engine, "ptst_advbench_chat_llama")
    _, zero = prompts(engine, "ptst_advbench_chat_llama", attack="prefill:0")
    assert plain == zero


@pytest.mark.parametrize(("attack", "word"), [("json", "JSON object"), ("code", "Python function")])
def test_a_form_is_asked_for_and_the_judge_sees_the_query(engine, data_dir, attack, word) -> None:
    task, asked = prompts(engine, "ptst_advbench_chat_vanilla", attack=attack)
    queries = [str(i.doc["prompt"]) for i in task.instances]
    for prompt, query in zip(asked, queries, strict=True):
        assert query in prompt
        assert word in prompt
        assert word not in query


def test_the_answer_that_is_judged_begins_with_the_opening(engine, data_dir) -> None:
    task, _ = prompts(engine, "ptst_advbench_chat_llama", attack="prefill:4")
    assert task.thoughts.read(task.instances[0].doc, " and then.").answer.startswith(
        task.record["prefill"]
    )


def test_other_sets_are_asked_plainly(engine, data_dir) -> None:
    _, plain = prompts(engine, "ptst_xstest_chat_llama")
    task, asked = prompts(engine, "ptst_xstest_chat_llama", attack="json")
    assert plain == asked
    assert task.record["attack"] == ""


def test_two_ways_to_begin_an_answer_are_one_too_many(data_dir) -> None:
    with pytest.raises(ConfigError, match="both begin the answer"):
        load_tasks(["ptst_advbench_chat_llama"], {"attack": "prefill:2", "prefill": "Yes"})


def test_without_the_models_tokenizer_it_is_one_line() -> None:
    with pytest.raises(
        ChatFormatError, match="task: attack 'prefill:2' needs the model's own tokenizer"
    ):
        attacks.named("prefill:2").opening(None, "task")


def test_tokens_that_are_no_whole_letters_are_refused() -> None:
    class Odd:
        def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
            return {"input_ids": [1, 2, 3]}

        def decode(self, ids: list[int]) -> str:
            return "�"

    with pytest.raises(ChatFormatError, match="choose another depth"):
        attacks.named("prefill:2").opening(Odd(), "task")
    assert attacks.named("prefill:2").opening(byte_tokenizer(), "task") == attacks.OPENING[:2]
