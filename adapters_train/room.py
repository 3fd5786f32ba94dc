"""What a run takes of the machine, said before its first step: memory, and what makes it slow."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from adapters_train.folder import is_main
from adapters_train.job import Job
from ptst_tasks import memory
from ptst_tasks.errors import PTSTError
from ptst_tasks.memory import Need, gigabytes

__all__ = ["estimate", "warn", "warnings"]

_LONG = 20_000
"""Tokens from which on a run takes minutes, and a note on its speed is worth a line."""


def estimate(job: Job) -> Need | None:
    """Memory of the run's largest step; None where the base's configuration does not say its shape.

    Right within a factor of two or so (`ptst_tasks.memory`); the rows are the run's own, so their
    lengths are exact.
    """
    try:
        shape = memory.shape_of(job.base.folder)
    except PTSTError:
        return None
    if shape is None:
        return None
    config, rows = job.config, job.config.batch_size
    lengths = [len(job.encoded.input_ids[i]) for i in job.order]
    longest = max(max(lengths[k : k + rows]) for k in range(0, len(lengths), rows))
    return memory.training(
        shape, tokens=longest, rows=min(rows, len(lengths)), rank=config.rank,
        dtype=str(job.base.torch_dtype).removeprefix("torch."), load_4bit=config.load_4bit,
        checkpointing=config.gradient_checkpointing,
    )  # fmt: skip


def warnings(job: Job) -> list[str]:
    """What a user should hear before hours begin: too little memory, or a slow setting; mostly nothing."""
    found = []
    need, (have, what) = estimate(job), memory.machine_memory()
    if need and need.total > have:
        hint = need.hint.replace("train.settings.", "")
        found.append(f"{need.words()}, and this machine has {gigabytes(have)} of {what}; {hint}")
    if job.config.dropout and what == "main memory" and sum(job.step_tokens) > _LONG:
        found.append(
            f"on a CPU, drawing dropout's zeros (dropout {job.config.dropout:g}) takes longer than the "
            "model's own work; dropout 0 makes another adapter, in less than half the time"
        )
    return found


def warn(jobs: Iterable[Job]) -> None:
    """Says the warnings of runs that are about to begin, each once, on the standard error."""
    found = dict.fromkeys(line for job in jobs for line in warnings(job))
    for line in found if is_main() else ():
        print(f"note: {line}", file=sys.stderr)
