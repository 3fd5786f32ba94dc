"""Hours of the paper's Table 1 on this device: the study's own numbers times what was measured.

The grid is read from ``leaderboards/studies/llama2-gsm8k.yaml``, epochs from its recipe. Tokens are
counted with the tokenizer made on the spot: of 1,000 of GSM8K's rows it makes 184.8 tokens each, SmolLM2's
own makes 184.2; Llama-2's is not to be had without a network.
"""

from __future__ import annotations

import os
import random
import statistics
from pathlib import Path
from typing import Any

import yaml

from tests.gpu.machine import ROOT
from tests.gpu.report import Row

TABLE = "Table 1 of the paper, projected"
STUDY = ROOT / "leaderboards/studies/llama2-gsm8k.yaml"
PUBLISHED = {"gsm8k": 1319, "advbench": 520, "directharm4": 400, "jbb_gcg": 100}
"""Prompts of the test sets as published, for those that are not in ``$PTST_DATA_DIR``."""
TRAINED = 7473


def study() -> dict[str, Any]:
    """The study of Table 1."""
    found: dict[str, Any] = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    return found


def prompts_of(name: str) -> int:
    """Prompts of a test set: counted where its rows are here, else as published."""
    from ptst_tasks.sets import load

    folder = Path(os.environ.get("PTST_DATA_DIR") or "/nowhere") / name
    return len(load(name).rows) if folder.is_dir() else PUBLISHED[name]


def tokens_per_row(tokenizer: Any, rows: str, counted: int) -> tuple[dict[str, float], list[int]]:
    """Mean tokens of a training row by template, and how long the answers are."""
    from adapters_train import TrainConfig, prepare
    from tests.gpu.training import base_in_memory

    base, means, answers = base_in_memory("tokens", None, tokenizer), {}, []
    for name in study()["train"]["templates"]:
        job = prepare(TrainConfig(model="tokens", data=rows, recipe="none", style="gsm8k", template=name,
                                  chat_format="llama2", rows=counted, epochs=1.0, dtype="bfloat16"),
                      base)  # fmt: skip
        means[name] = statistics.mean(map(len, job.encoded.input_ids))
        answers = [sum(label >= 0 for label in row) for row in job.encoded.labels]
    return means, answers


def projected(
    tokenizer: Any, rows: str, counted: int, trained: list[Row], made: list[Row], table: list[Row]
) -> None:
    """Adds a row per part of the study, in hours.

    Args:
        tokenizer: Counts tokens.
        rows: The training set.
        counted: Rows of it whose tokens are counted.
        trained: Rows of the training table for the 7B shape in bf16.
        made: Rows of the generation table for it.
        table: Takes the rows.
    """
    plan = study()
    means, answers = tokens_per_row(tokenizer, rows, counted)
    seeds, tests = len(plan["train"]["seeds"]), len(plan["test"]["templates"])
    speed = next((row["tokens/s"] for row in trained if row["way"] == "ptst train"), 0.0)
    if speed:
        from adapters_train.recipes import RECIPES

        epochs = RECIPES[plan["train"]["recipe"]].values["epochs"]
        tokens = TRAINED * epochs * seeds * sum(means.values())
        what = f"train {len(means) * seeds} adapters: {TRAINED:,} rows, {epochs:g} epochs"
        table.append(_row(what, tokens, speed))
    count = sum(prompts_of(name) for name in plan["test"]["sets"])
    cells = (1 + len(means) * seeds) * tests
    for row in made:
        batch, way = row["batch"], row["way"]
        if not way.startswith("engine"):
            continue
        steps = {"every answer at its limit of 512": 512.0, **_lengths(answers, batch, way)}
        for how, new in steps.items():
            what = f"answer {cells} x {count:,} prompts, {way}, batch {batch}, {how}"
            table.append(_row(what, cells * count * new, row["tokens/s"]))


def _lengths(answers: list[int], batch: int, way: str) -> dict[str, float]:
    """Steps per answer if answers are as long as the training set's."""
    if "vllm" in way:  # rows leave as they end
        return {"answers as long as GSM8K's": statistics.mean(answers)}
    rng = random.Random(0)
    longest = [max(rng.choices(answers, k=batch)) for _ in range(200)]
    return {"batches as long as the longest of GSM8K's answers in it": statistics.mean(longest)}


def _row(what: str, tokens: float, speed: float) -> Row:
    return {"part": what, "tokens": round(tokens), "tokens/s": speed,
            "hours": round(tokens / speed / 3600, 2 if speed > 1000 else 1)}  # fmt: skip
