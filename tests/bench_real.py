"""Training and answering on real weights, on this machine's CPU: ``python -m tests.bench real``.

1. ``ptst train``'s trainer beside bare trl on the same GSM8K rows, tokens/s: at least 0.97.
2. Engine hf beside bare ``generate`` on the same batches, with an adapter: at least 0.97.
3. The memory that training came to, beside what was said of it before.

On SmolLM2-135M-Instruct, and with ``--qwen`` on Qwen2.5-Coder-0.5B-Instruct too. Needs the package index
and the folder of real data beside the checkout.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from tests.gpu import generating, training
from tests.gpu.machine import Machine
from tests.gpu.report import Report, Row
from tests.gpu.shapes import Size
from tests.real_models import QWEN, SMOLLM2, NotToBeHadError, folder_of
from tests.support import SHARED

SIZE = Size("real", (), batch=8, accumulation=1, steps=7, repeats=3, rows=32, few=0, new=32,
            compared=0, copied=0, counted=0)  # fmt: skip
FEW = dataclasses.replace(SIZE, batch=2, accumulation=4, steps=4, repeats=2, rows=16)


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench real")
    parser.add_argument("--qwen", action="store_true", help="the half-billion model too")
    asked = parser.parse_args()
    rows = SHARED / "data/gsm8k/train.jsonl"
    if not rows.is_file():
        print("not measured: needs the folder of real data beside the checkout")
        return
    machine, report = Machine(), Report({}, Path("build"))
    for name, size in ((SMOLLM2, SIZE), *(((QWEN, FEW),) if asked.qwen else ())):
        try:
            folder = folder_of(name)
        except NotToBeHadError as e:
            print(f"not measured: {e}")
            continue
        called = name.partition(":")[2]
        _train(called, folder, size, machine, rows, report.tables.setdefault(training.TABLE, []))
        _answer(called, folder, size, machine, rows, report.tables.setdefault(generating.TABLE, []))
    print(report.markdown())


def _train(
    called: str, folder: Path, size: Size, machine: Machine, rows: Path, table: list[Row]
) -> None:
    from adapters_train import Base, room

    base = Base(str(folder), dtype="bfloat16")
    made: list[Row] = []
    training.compare(called, base, size, machine, str(rows), made)
    if said := room.estimate(training.job_of(base, size, str(rows))):
        for row in made:
            row["estimated GiB"] = f"{said.total / 2**30:.1f}"
    table += made
    machine.free()


def _answer(
    called: str, folder: Path, size: Size, machine: Machine, rows: Path, table: list[Row]
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from adapters_train.data import load_set

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": example.query}], tokenize=False, add_generation_prompt=True
        )
        for example in load_set(str(rows)).examples[: size.rows]
    ]
    generating.timed(called, model, size, size.rows, machine, tokenizer, prompts, [], table)
    machine.free()


if __name__ == "__main__":
    sys.exit(main())
