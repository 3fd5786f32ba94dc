from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptst_tasks.errors import ConfigError, EngineError
from ptst_tasks.validate import load_tasks
from tests.support import save_adapter


@pytest.fixture(scope="module")
def adapters(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {f"s{i}.x": save_adapter(tiny_model, folder / f"s{i}", i, r=4) for i in range(3)}


@pytest.fixture(scope="module")
def engine(tiny_model: Path, adapters: dict[str, Path]) -> Any:
    from ptst_tasks.engines.hf import HFEngine

    return HFEngine(str(tiny_model), adapters, batch_size=4, device="cpu", dtype="float32")


def requests(lm: Any, limit: int = 2) -> list[Any]:
    """Two templates and two sets, with two length limits, as a study asks them."""
    tasks = load_tasks([
        "ptst_gsm8k_text_vanilla", "ptst_gsm8k_chat_llama", "ptst_advbench_chat_icd",
        "ptst_xstest_chat_vanilla",
    ])  # fmt: skip
    for i, task in enumerate(tasks.values()):
        task.config.generation_kwargs["max_gen_toks"] = 12 if i % 2 else 7
        task.build_all_requests(
            limit=limit, apply_chat_template=True, chat_template=lm.apply_chat_template
        )
    return [r for task in tasks.values() for r in task.instances]


def test_greedy_answers_are_those_of_the_stock_model(
    engine: Any, tiny_model: Path, adapters: dict[str, Path], data_dir: Path
) -> None:
    from lm_eval.models.huggingface import HFLM

    said = {}
    for name in ("", *adapters):
        more = {"peft": str(adapters[name])} if name else {}
        stock = HFLM(
            pretrained=str(tiny_model), batch_size=4, device="cpu", dtype="float32", **more
        )
        want = stock.generate_until(requests(stock), disable_tqdm=True)
        with engine.adapter(name):
            said[name] = engine.generate_until(requests(engine))
        assert said[name] == want, name
    assert len({tuple(answers) for answers in said.values()}) == 4  # the switch switches


def test_log_likelihoods_switch_too(engine: Any, data_dir: Path) -> None:
    task = load_tasks(["ptst_medqa_text_vanilla"])["ptst_medqa_text_vanilla"]
    task.build_all_requests(
        limit=1, apply_chat_template=True, chat_template=engine.apply_chat_template
    )
    with engine.adapter("s0.x"):
        first = engine.loglikelihood(task.instances, disable_tqdm=True)
    assert first != engine.loglikelihood(task.instances, disable_tqdm=True)


def test_each_request_has_its_own_limit_and_stop(engine: Any) -> None:
    from lm_eval.api.instance import Instance

    def ask(limit: int, until: list[str]) -> Instance:
        options = {"until": until, "max_gen_toks": limit, "do_sample": False, "temperature": 0.0}
        return Instance("generate_until", {}, ("Question: Hi?", options), 0, ("t", 0, 1))

    whole = engine.generate_until([ask(40, [])])[0]
    stop = whole[5:7]
    short, stopped, full = engine.generate_until([ask(3, []), ask(40, [stop]), ask(40, ["zzzzz"])])
    assert full == whole
    assert whole.startswith(short)
    assert len(short) < len(whole)
    assert stopped == whole.split(stop)[0]


def test_an_adapter_that_changes_nothing_is_refused(
    engine: Any, tiny_model: Path, tmp_path: Path
) -> None:
    save_adapter(tiny_model, tmp_path, 0, init_lora_weights=True)
    with pytest.raises(EngineError, match="'idle' changes nothing"):
        engine.attach("idle", tmp_path)


def test_an_adapter_for_another_base_is_one_line(engine: Any, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    other = LlamaForCausalLM(LlamaConfig(vocab_size=64, hidden_size=64, intermediate_size=64,
                                         num_hidden_layers=1, num_attention_heads=4))  # fmt: skip
    get_peft_model(other, LoraConfig(target_modules="all-linear")).save_pretrained(tmp_path)
    with pytest.raises(EngineError, match="does not fit this base") as e:
        engine.attach("other", tmp_path)
    assert "\n" not in str(e.value)


def test_a_prompt_that_is_too_long_is_not_cut(engine: Any) -> None:
    from lm_eval.api.instance import Instance

    request = Instance(
        "generate_until", {}, ("a" * 4090, {"until": [], "max_gen_toks": 9}), 0, ("t", 0, 1)
    )
    with pytest.raises(EngineError, match=r"t: a prompt of 4091 tokens and 9 new ones exceed"):
        engine.generate_until([request])


def test_the_journal_gives_back_what_was_answered(
    tiny_model: Path, tmp_path: Path, data_dir: Path
) -> None:
    from ptst_tasks.engines.hf import HFEngine
    from ptst_tasks.engines.journal import Journal

    file = tmp_path / "journal.jsonl"
    lm = HFEngine(str(tiny_model), journal=file, batch_size=2, device="cpu", dtype="float32")
    asked = requests(lm)
    want = lm.generate_until(asked)
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == 4
    file.write_text("".join(lines[:2]) + lines[2][:9])  # killed in the third batch
    lm.journal = Journal(file)
    seen: list[int] = []
    lm._answer = lambda batch, answer=lm._answer: (seen.append(len(batch)), answer(batch))[1]
    assert lm.generate_until(asked) == want
    assert seen == [2, 2]
    assert file.read_text().splitlines(keepends=True) == lines


def test_a_base_that_cannot_be_loaded_is_one_line(tmp_path: Path, tiny_model: Path) -> None:
    from ptst_tasks.engines import open_engine

    for base, args in (("nobody/nothing", {}), (tmp_path, {}), (tiny_model, {"dtyp": "float32"})):
        with pytest.raises(EngineError, match="cannot be loaded") as e:
            open_engine("hf", str(base), device="cpu", **args)
        assert "\n" not in str(e.value)
    with pytest.raises(ConfigError, match="takes no peft"):
        open_engine("hf", str(tiny_model), peft=str(tmp_path))
