"""A model in memory as an engine answers as the engine that loads it does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from ptst_tasks.engines.hf import HFEngine
from ptst_tasks.engines.live import LiveEngine
from ptst_tasks.errors import EngineError
from ptst_tasks.lm_outputs import evaluate
from ptst_tasks.validate import load_tasks


def responses(lm: HFEngine) -> list[str]:
    tasks = load_tasks(["ptst_advbench_chat_llama", "ptst_xstest_chat_llama"])
    for task in tasks.values():
        task.config.generation_kwargs["max_gen_toks"] = 9
    found = evaluate(lm, tasks, None)["samples"]
    return [row["resps"][0][0] for rows in found.values() for row in rows]


def test_it_answers_as_the_engine_that_loads_its_adapter(
    data_dir: Path, tiny_model: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny_model),
        LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, lora_dropout=0.5),
    ).train()
    model.save_pretrained(tmp_path / "a")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.padding_side = "right"
    live = LiveEngine(model, tokenizer, batch_size=3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with live.answering():
        found = responses(live)
    assert model.training
    assert tokenizer.padding_side == "right"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    loaded = HFEngine(str(tiny_model), {"a": tmp_path / "a"}, batch_size=3)
    with loaded.adapter("a"):
        assert responses(loaded) == found
    assert len(set(found)) > 2


def test_it_takes_no_adapter_and_only_models_that_continue_a_text(tiny_model: Path) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    live = LiveEngine(AutoModelForCausalLM.from_pretrained(tiny_model), tokenizer)
    with pytest.raises(EngineError, match="takes no adapter"):
        live.attach("a", "somewhere")
    other = T5ForConditionalGeneration(T5Config(d_model=8, d_ff=8, num_layers=1, num_heads=1,
                                                d_kv=8, vocab_size=9))  # fmt: skip
    with pytest.raises(EngineError, match="continue a text"):
        LiveEngine(other, tokenizer)
