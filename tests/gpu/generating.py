"""Generation tokens a second: engine hf, bare ``generate``, vLLM, and what memory allows."""

from __future__ import annotations

import itertools
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.gpu.machine import Machine, check_room, gib, size_of
from tests.gpu.report import Row
from tests.gpu.shapes import Shape, Size, build

TABLE = "Generation"
ADAPTERS = ("a0", "a1")
WAYS = ("engine hf", "bare generate", "bare, no adapter")


def requests(prompts: Sequence[str], new: int) -> list[Any]:
    """Prompts as lm-eval asks them of a model: greedily, without stop strings."""
    from lm_eval.api.instance import Instance

    how: dict[str, Any] = {"until": [], "max_gen_toks": new, "do_sample": False}
    return [
        Instance("generate_until", {}, (prompt, how), i, metadata=("speed", i, 1))
        for i, prompt in enumerate(prompts)
    ]


def adapters(model: Any, folder: Path, names: Sequence[str] = ADAPTERS) -> dict[str, Path]:
    """Adapters with random weights, as `ptst train` shapes them; the model is left as it was."""
    import torch
    from peft import LoraConfig, get_peft_model

    for i, name in enumerate(names):
        torch.manual_seed(i)
        config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM",
                            init_lora_weights=False)  # fmt: skip
        around = get_peft_model(model, config)
        around.save_pretrained(folder / name, save_embedding_layers=False)
        around.unload()
        model.__dict__.pop("peft_config", None)
    return {name: folder / name for name in names}


def engine(model: Any, tokenizer: Any, found: Mapping[str, Path], rows: int) -> Any:
    """Engine hf around a model that is in memory."""
    from ptst_tasks.engines.hf import HFEngine

    return HFEngine(model, found, tokenizer=tokenizer, batch_size=rows)


def generated(
    shape: Shape, size: Size, rows: int, machine: Machine, tokenizer: Any, prompts: list[str],
    copied: list[float], table: list[Row],
) -> None:  # fmt: skip
    """One shape in bfloat16, a batch of so many rows; `copied` has the bandwidth, if it is known."""
    model = build(shape, tokenizer, machine.device, "bfloat16")
    timed(shape.name, model, size, rows, machine, tokenizer, prompts, copied, table)


def timed(
    called: str, model: Any, size: Size, rows: int, machine: Machine, tokenizer: Any,
    prompts: list[str], copied: list[float], table: list[Row],
) -> None:  # fmt: skip
    """One model that is in memory."""
    weights = _read(model)  # before there are adapters in it
    with tempfile.TemporaryDirectory() as name:
        lm = engine(model, tokenizer, adapters(model, Path(name)), rows)
        asked = requests([*itertools.islice(itertools.cycle(prompts), rows)], size.new)
        machine.free()
        machine.start_peak()
        speeds: dict[str, list[float]] = {way: [] for way in WAYS}
        try:
            width = _turns(lm, asked, size, machine, speeds)
        finally:  # what there is, where memory or time came to an end
            table.extend(_rows(called, rows, speeds, gib(machine.peak())))
    for speed in copied[:1]:
        length = width + size.new / 2
        bound = rows * speed / (weights + rows * length * _per_token(model.config))
        made = [row for row in table if (row["model"], row["batch"]) == (called, rows)]
        for row in made:
            row["of what memory allows"] = f"{row['tokens/s'] / bound:.0%}"
        way = "what memory allows"
        table.append({"model": called, "batch": rows, "way": way, "tokens/s": bound})


def _turns(
    lm: Any, asked: list[Any], size: Size, machine: Machine, speeds: dict[str, list[float]]
) -> int:
    """Adds tokens a second of every way, in turn and back; returns the width of the prompts."""
    from ptst_tasks.engines.journal import Journal

    calls: list[dict[str, Any]] = []
    tokens: list[int] = []
    model, generate = lm.model, lm.model.generate

    def keep(**how: Any) -> Any:
        done = generate(**how)
        calls.append(how)
        tokens.append(_new(how, done))
        return done

    model.generate = keep
    try:
        for i in range(-1, size.repeats):  # the first warms up
            for way in WAYS[:: 1 if i % 2 else -1] if i >= 0 else WAYS:
                lm.journal = Journal(None)  # nothing is answered from memory
                lm.use("" if way == WAYS[2] else ADAPTERS[max(i, 0) % 2])
                start = machine.now()
                if way == WAYS[0]:
                    calls.clear()
                    tokens.clear()
                    lm.generate_until(asked)
                    count = sum(tokens)
                else:
                    count = sum(_new(how, _replay(generate, how)) for how in calls)
                seconds = machine.now() - start
                if i >= 0:
                    speeds[way].append(count / seconds)
    finally:
        del model.generate
    return max(how["input_ids"].shape[1] for how in calls)


def _replay(generate: Any, how: dict[str, Any]) -> Any:
    """The same call, without what the engine adds."""
    import torch

    with torch.no_grad():
        return generate(**{k: v for k, v in how.items() if k != "stopping_criteria"})


def _new(how: dict[str, Any], done: Any) -> int:
    """How many tokens came, with those of rows that wait for others."""
    return int((done.shape[1] - how["input_ids"].shape[1]) * done.shape[0])


def _read(model: Any) -> int:
    """Bytes of weights that a step reads: all but a table of which it takes a row per prompt."""
    if model.config.tie_word_embeddings:
        return size_of(model)
    table = model.get_input_embeddings().weight
    return size_of(model) - table.numel() * table.element_size()


def _per_token(config: Any) -> int:
    """Bytes of the KV cache per token, in bfloat16."""
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * config.num_key_value_heads * head * 2)


def _rows(name: str, rows: int, speeds: dict[str, list[float]], peak: str) -> list[Row]:
    out: list[Row] = []
    for way, each in speeds.items():
        ratios = [a / b for a, b in zip(speeds[WAYS[0]], each, strict=False)]
        if ratios:
            ratio = round(statistics.median(ratios), 3)
            out.append({"model": name, "batch": rows, "way": way, "engine hf / it": ratio,
                        "tokens/s": statistics.median(each), "peak GiB": peak})  # fmt: skip
    return out


def through_vllm(
    shape: Shape, size: Size, machine: Machine, tokenizer: Any, prompts: list[str],
    table: list[Row],
) -> None:  # fmt: skip
    """The same prompts through engine vllm, which reads its base from a folder."""
    from ptst_tasks.engines import open_engine
    from ptst_tasks.engines.journal import Journal

    with tempfile.TemporaryDirectory() as name:
        base = Path(name) / "base"
        model = build(shape, tokenizer, machine.device, "bfloat16")
        found = adapters(model, Path(name))
        check_room(name, model)
        model.save_pretrained(base)
        tokenizer.save_pretrained(base)
        del model
        machine.free()  # vLLM takes a share of what is free
        lm: Any = open_engine("vllm", str(base), adapters=found, dtype="bfloat16",
                              max_model_len=1024, enforce_eager=True)  # fmt: skip
        asked = requests([*itertools.islice(itertools.cycle(prompts), size.rows)], size.new)
        speeds = []
        try:
            for i in range(-1, size.repeats):  # the first warms up
                lm.journal = Journal(None)
                lm.model.reset_prefix_cache()
                lm.use(ADAPTERS[i % 2])
                start = machine.now()
                lm.generate_until(asked)
                if i >= 0:
                    speeds.append(size.rows * size.new / (machine.now() - start))
        finally:  # its processes would keep the memory
            lm.close()
    table.append({"model": shape.name, "batch": size.rows, "way": "engine vllm, eager",
                  "tokens/s": statistics.median(speeds)})  # fmt: skip
