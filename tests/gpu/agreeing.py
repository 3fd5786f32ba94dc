"""Greedy answers of engine hf on the GPU and on the CPU, from the same weights."""

from __future__ import annotations

import copy
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ptst_tasks.base_names import local_base
from tests.gpu.generating import ADAPTERS, adapters, requests
from tests.gpu.machine import Machine
from tests.gpu.report import Row
from tests.gpu.shapes import Shape, Size, build

TABLE = "Greedy answers, GPU and CPU"


def real(folder: Path) -> Iterator[Path]:
    """Models in a folder: GGUF files, and folders with a config.json."""
    yield from sorted(folder.glob("*.gguf"))
    yield from sorted(file.parent for file in folder.glob("*/config.json"))


def load(place: Path) -> tuple[Any, Any]:
    """A real model in float32 on the CPU, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = local_base(str(place))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def compared_random(
    shape: Shape, size: Size, machine: Machine, tokenizer: Any, prompts: list[str], table: list[Row]
) -> None:
    """Random weights."""
    model = build(shape, tokenizer, "cpu", "float32")
    _compare(f"{shape.name}, random weights", model, tokenizer, size, machine, prompts, table)


def compared_real(
    place: Path, size: Size, machine: Machine, prompts: list[str], table: list[Row]
) -> None:
    """Real weights."""
    model, tokenizer = load(place)
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
        if tokenizer.chat_template
        else prompt
        for prompt in prompts
    ]
    _compare(place.name, model, tokenizer, size, machine, texts, table)


def _compare(
    name: str, model: Any, tokenizer: Any, size: Size, machine: Machine,
    prompts: list[str], table: list[Row],
) -> None:  # fmt: skip
    import torch

    from ptst_tasks.engines.hf import HFEngine

    asked = requests([*itertools.islice(itertools.cycle(prompts), size.compared)], size.new)
    pair = f"{machine.device} and cpu"
    for dtype in ("float32", "bfloat16"):
        answers = []
        with tempfile.TemporaryDirectory() as folder:
            base = str(Path(folder) / "base")
            copy.deepcopy(model).to(getattr(torch, dtype)).save_pretrained(base)
            tokenizer.save_pretrained(base)
            found = adapters(model, Path(folder), ADAPTERS[:1])
            for device in ("cpu", machine.device):
                how: dict[str, Any] = {
                    "device": device,
                    "dtype": dtype,
                    "batch_size": size.compared,
                }
                lm = HFEngine(base, found, **how)
                answers.append([_answers(lm, asked, use) for use in ("", ADAPTERS[0])])
                del lm
                machine.free()
        for i, way in enumerate(("base", "adapter")):
            here, gpu = answers[0][i], answers[1][i]
            equal = sum(a == b for a, b in zip(here, gpu, strict=True))
            row = {"model": name, "dtype": dtype, "way": way, "devices": pair, "answers": len(here),
                   "equal": equal, "share": f"{equal / len(here):.0%}",
                   "differing": len(set(here))}  # fmt: skip
            table.append(row)


def _answers(lm: Any, asked: list[Any], name: str) -> list[str]:
    lm.use(name)
    return list(lm.generate_until(asked))
