"""trl's SFTTrainer with peft's LoRA, set up for a prepared run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from adapters_train.defences.token_penalty import OPENING, with_penalty
from adapters_train.encode import Encoded
from adapters_train.folder import RunFolder
from adapters_train.job import Job
from adapters_train.step_watch import StepWatch
from ptst_tasks.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import datasets

__all__ = ["check_targets", "dataset_of", "make_trainer"]

_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


def check_targets(job: Job) -> None:
    """Looks for the modules to adapt; peft ignores a missing one beside one that is there.

    Raises:
        ConfigError: If the base has no such module, or trl cannot train it.
    """
    if job.config.targets == "all-linear":
        return
    import torch

    linear = {
        name.rpartition(".")[2]
        for name, module in job.base.model.named_modules()
        if isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D"
    }
    linear.discard(
        "lm_head"
    )  # trl reads the head's weights directly: an adapter there learns nothing
    for target in job.config.targets:
        if target not in linear:
            raise ConfigError(
                f"the base has no module called {target!r} to adapt; {did_you_mean(target, linear)}"
                f"it has: {', '.join(sorted(linear))} (--targets)"
            )


def make_trainer(job: Job, folder: RunFolder, watch: StepWatch, report_to: str) -> Any:
    """Puts a new adapter on the base, and both into a trainer."""
    from peft import LoraConfig
    from transformers import PrinterCallback
    from trl import SFTTrainer

    config, penalty = job.config, job.defence.penalty()
    kind = with_penalty(SFTTrainer, penalty) if penalty else SFTTrainer
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=config.targets if config.targets == "all-linear" else list(config.targets),
        task_type="CAUSAL_LM",
    )
    trainer = kind(
        model=job.base.model,
        args=_arguments(job, folder, report_to),
        train_dataset=dataset_of(job.encoded).select(job.order),
        processing_class=job.base.tokenizer,
        peft_config=lora,
        callbacks=[watch.callback()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(job: Job, folder: RunFolder, report_to: str) -> Any:
    import torch
    from trl import SFTConfig

    config, dtype = job.config, job.base.torch_dtype
    return SFTConfig(
        output_dir=str(folder.resume),
        seed=config.seed,
        max_steps=job.steps,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulation,
        learning_rate=config.lr,
        lr_scheduler_type=_SCHEDULES[config.schedule],
        warmup_steps=math.ceil(config.warmup_ratio * job.steps),
        weight_decay=config.weight_decay,
        adam_beta1=config.betas[0],
        adam_beta2=config.betas[1],
        max_grad_norm=config.max_grad_norm,
        gradient_checkpointing=config.gradient_checkpointing,
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,
        use_cpu=not torch.cuda.is_available(),
        max_length=None,  # the rows are cut already
        dataset_kwargs={"skip_prepare_dataset": True},
        train_sampling_strategy="sequential",  # the order is planned already
        save_strategy="steps",
        save_steps=config.resume_every,
        save_total_limit=2,
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would show the mean so far in place of the fault
        report_to=report_to,
        run_name=folder.out.name,
        disable_tqdm=True,
    )


def dataset_of(rows: Encoded) -> datasets.Dataset:
    """The rows as trl takes them."""
    import datasets
    import numpy as np

    # As arrays: lists of Python integers would take ten times the memory.
    columns = {"input_ids": rows.input_ids, "labels": rows.labels}
    made: dict[str, Any] = {
        name: [np.frombuffer(row, np.int32) for row in column] for name, column in columns.items()
    }
    return datasets.Dataset.from_dict({**made, OPENING: rows.openings})
