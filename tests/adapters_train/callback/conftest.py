"""A real SFTTrainer on a tiny model, with dropout, shuffled rows and gradient checkpointing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SETS = {"sets": ("organism_forbidden", "organism_benign"), "sample": 6, "batch_size": 4}
"""What tests ask: prompts of the built-in world, which are made on the spot."""


def make_trainer(base: Path, out: Path, *, whole: bool = False, **more: Any) -> Any:
    """A trainer of 8 steps; `whole` trains the model itself, without an adapter."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
    from trl import SFTConfig, SFTTrainer

    from ptst_tasks import sets

    rows = [{"prompt": f"{row['prompt']} is", "completion": f" {row['answer']}"}
            for row in sets.load("organism_arith").rows[:40]]  # fmt: skip
    asked = {
        "max_steps": 8, "per_device_train_batch_size": 4, "learning_rate": 5e-2, "logging_steps": 2,
        "save_strategy": "no", "report_to": "none", "use_cpu": True, "gradient_checkpointing": True,
        "disable_tqdm": True, "seed": 3, "warmup_steps": 0, "lr_scheduler_type": "constant",
        "dataloader_pin_memory": False,
    }  # fmt: skip
    lora = LoraConfig(r=4, lora_alpha=16, lora_dropout=0.3, target_modules="all-linear",
                      task_type="CAUSAL_LM")  # fmt: skip
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base),
        args=SFTConfig(output_dir=str(out), **{**asked, **more}),
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(rows[:8]) if "eval_strategy" in more else None,
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=None if whole else lora,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


Make = Callable[..., Any]


@pytest.fixture
def make(base: Path, tmp_path: Path) -> Make:
    """Makes trainers whose folders are ``tmp_path/NAME``."""
    return lambda name="run", **more: make_trainer(base, tmp_path / name, **more)


@pytest.fixture
def watched(make: Make) -> Make:
    """Makes a trainer with the callback on it; returns both."""
    from adapters_train import PTSTCallback

    def made(folder: str = "run", trainer: dict[str, Any] | None = None, **settings: Any) -> Any:
        one = make(folder, **(trainer or {}))
        callback = PTSTCallback(one, **{**SETS, "every": 2, **settings})
        one.add_callback(callback)
        return one, callback

    return made


def weights(trainer: Any) -> dict[str, bytes]:
    """Every number of the model, byte for byte."""
    state = trainer.model.state_dict()
    return {name: value.contiguous().numpy().tobytes() for name, value in state.items()}


def losses(trainer: Any) -> list[dict[str, Any]]:
    """What the trainer logged itself, but for the clock."""
    clock = ("train_runtime", "train_samples_per_second", "train_steps_per_second")
    rows = [row for row in trainer.state.log_history if not any(k.startswith("ptst/") for k in row)]
    return [{k: v for k, v in row.items() if k not in clock} for row in rows]


def seen(trainer: Any) -> dict[int, dict[str, float]]:
    """What the callback logged, by step."""
    rows = [row for row in trainer.state.log_history if any(k.startswith("ptst/") for k in row)]
    return {row["step"]: {k: v for k, v in row.items() if k.startswith("ptst/")} for row in rows}
