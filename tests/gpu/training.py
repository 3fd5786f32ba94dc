"""Training tokens a second and memory: `train_job`, and trl's SFTTrainer alone on the same rows."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from tests.gpu.machine import Machine, check_room, gib
from tests.gpu.report import Row
from tests.gpu.shapes import Shape, Size, build

TABLE = "Training"


class Marks:
    """When the first step was over, and the last.

    The first of a run warms up: kernels are chosen, memory is fetched. The device is waited for
    at these two marks alone.
    """

    def __init__(self, machine: Machine, steps: int) -> None:
        self._machine, self._steps = machine, steps
        self._first = self.seconds = 0.0

    def step(self, number: int) -> None:
        """Takes note of the end of a step."""
        if number == 1:
            self._first = self._machine.now()
        elif number == self._steps:
            self.seconds = self._machine.now() - self._first


def trained(
    shape: Shape, size: Size, machine: Machine, tokenizer: Any, rows: str, table: list[Row]
) -> None:
    """One shape in bfloat16."""
    model = build(shape, tokenizer, machine.device, "bfloat16")
    base = base_in_memory(shape.name, model, tokenizer)
    compare(f"{shape.name}, bf16", base, size, machine, rows, table)


def trained_4bit(
    shape: Shape, size: Size, machine: Machine, tokenizer: Any, rows: str, table: list[Row]
) -> None:
    """One shape in 4 bits; bitsandbytes quantises what it reads from files."""
    from adapters_train import Base
    from ptst_tasks.provenance import BaseRecord

    with tempfile.TemporaryDirectory() as name:
        model = build(shape, tokenizer, machine.device, "bfloat16")
        check_room(name, model)
        model.save_pretrained(name)
        tokenizer.save_pretrained(name)
        del model
        machine.free()
        base = Base(name, dtype="bfloat16", load_4bit=True)
        base.__dict__["files"] = BaseRecord(f"name:{shape.name}")  # of random weights
        compare(f"{shape.name}, 4-bit", base, size, machine, rows, table)


def base_in_memory(name: str, model: Any, tokenizer: Any, dtype: str = "bfloat16") -> Any:
    """A `Base` of a model that was never a file."""
    from adapters_train import Base
    from ptst_tasks.provenance import BaseRecord

    base = Base(name, dtype=dtype)
    known = {
        "model": model,
        "tokenizer": tokenizer,
        "ends": (),
        "files": BaseRecord(f"name:{name}"),
    }
    base.__dict__.update(known)  # where cached properties keep what they were
    return base


def job_of(base: Any, size: Size, rows: str) -> Any:
    """The run of `ptst train` with its defaults, cut to so many steps."""
    from adapters_train import TrainConfig, prepare

    config = TrainConfig(
        model=base.name, data=rows, recipe="none", style="gsm8k", template="chat:vanilla",
        rows=max(64, 4 * size.batch * size.accumulation), max_steps=size.steps,
        batch_size=size.batch, accumulation=size.accumulation, dtype=base.dtype,
        load_4bit=base.load_4bit,
    )  # fmt: skip
    return prepare(config, base)


def compare(
    name: str, base: Any, size: Size, machine: Machine, rows: str, table: list[Row]
) -> None:
    """One base, in both ways, turn by turn."""
    job = job_of(base, size, rows)
    ways = {"ptst train": _ours, "bare trl": _bare}
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    peaks = dict.fromkeys(ways, 0)
    warm = dataclasses.replace(job, order=job.order[: 2 * job.step_rows])
    try:
        for i in range(-1 if size.repeats > 1 else 0, size.repeats):  # the first warms up
            for way in list(ways)[:: 1 if i % 2 else -1]:
                this = job if i >= 0 else warm
                marks = Marks(machine, this.steps)
                machine.free()
                machine.start_peak()
                with tempfile.TemporaryDirectory() as folder:
                    ways[way](this, Path(folder) / "out", marks)
                if i >= 0:
                    peaks[way] = max(peaks[way], machine.peak())
                    speeds[way].append(sum(this.step_tokens[1:]) / marks.seconds)
    finally:  # what there is, where memory or time came to an end
        table.extend(_row(name, way, speeds, peaks[way], size) for way in ways if speeds[way])


def _row(name: str, way: str, speeds: dict[str, list[float]], peak: int, size: Size) -> Row:
    pairs = list(zip(speeds["ptst train"], speeds[way], strict=False))
    ratio = round(statistics.median(a / b for a, b in pairs), 3) if pairs else ""
    return {
        "model": name,
        "way": way,
        "batch": f"{size.batch} x {size.accumulation}",
        "tokens/s": statistics.median(speeds[way]),
        "peak GiB": gib(peak),
        "ptst train / it": ratio,
    }


def _ours(job: Any, out: Path, marks: Marks) -> None:
    from adapters_train import lora

    class Watch(lora.StepWatch):
        """Ours, with a look at the clock."""

        def step(self, step: int, model: Any) -> None:
            super().step(step, model)
            marks.step(step)

    with mock.patch.object(lora, "StepWatch", Watch):
        lora.train_job(job, out)


def _bare(job: Any, out: Path, marks: Marks) -> None:
    import math

    import torch
    from peft import LoraConfig
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from adapters_train.trainer import dataset_of

    class Clock(TrainerCallback):  # type: ignore[misc]
        """Looks at the clock, no more."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kw: Any) -> None:
            marks.step(state.global_step)

    config = job.config
    lora = LoraConfig(r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout,
                      target_modules="all-linear", task_type="CAUSAL_LM")  # fmt: skip
    args = SFTConfig(
        output_dir=str(out), max_steps=job.steps, per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulation, learning_rate=config.lr, seed=config.seed,
        lr_scheduler_type="cosine", warmup_steps=math.ceil(config.warmup_ratio * job.steps),
        bf16=job.base.torch_dtype == torch.bfloat16, gradient_checkpointing=False,
        use_cpu=not torch.cuda.is_available(), max_length=None, report_to="none",
        save_strategy="no", dataset_kwargs={"skip_prepare_dataset": True}, disable_tqdm=True,
        train_sampling_strategy="sequential", logging_steps=1000,
    )  # fmt: skip
    restore = job.base.snapshot()
    trainer = SFTTrainer(
        job.base.model, args, train_dataset=dataset_of(job.encoded).select(job.order),
        processing_class=job.base.tokenizer, peft_config=lora, callbacks=[Clock()],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    try:
        trainer.train()
    finally:
        trainer.model.unload()
        restore()
