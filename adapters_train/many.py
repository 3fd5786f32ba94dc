"""Many adapters from one base in memory: templates x seeds, each as if it were trained alone."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from adapters_train import room
from adapters_train.base_model import Base
from adapters_train.config import TrainConfig
from adapters_train.folder import RunFolder
from adapters_train.job import prepare
from adapters_train.lora import TrainResult, train_job
from ptst_tasks import templates
from ptst_tasks.errors import ConfigError
from ptst_tasks.files import file_name

__all__ = ["grid", "train_many"]


def grid(
    config: TrainConfig, chosen: Sequence[str], seeds: Sequence[int], out: str | os.PathLike[str]
) -> list[tuple[TrainConfig, Path]]:
    """Every template with every seed, each in ``OUT/<template>-s<seed>``.

    Raises:
        ConfigError: If a template or a seed is named twice.
    """
    cells = {}
    for template, seed in itertools.product(chosen, seeds):
        one = TrainConfig(**{**config.model_dump(), "template": template, "seed": seed})
        folder = Path(out) / file_name(f"{templates.slug(one.template)}-s{one.seed}")
        if folder in cells:
            raise ConfigError(f"template {one.template!r} with seed {seed} is asked for twice")
        cells[folder] = one
    return [(one, folder) for folder, one in cells.items()]


def train_many(
    runs: Sequence[tuple[TrainConfig, str | os.PathLike[str]]],
    *,
    progress: bool = False,
    report_to: str = "none",
    on_done: Callable[[TrainResult], None] = lambda _: None,
) -> list[TrainResult]:
    """Trains several adapters of one base, which is loaded once.

    All input is checked before the first step. On the CPU each adapter has the digest that it
    has when it is trained alone.

    Args:
        runs: (what to train, folder) pairs of the same base.
        progress: Draw a bar on the standard error.
        report_to: ``none``, ``trackio`` or ``wandb``.
        on_done: Hears of every adapter that is finished.

    Raises:
        ConfigError: If the runs want different bases.
        PTSTError: As `train_lora`.
    """
    bases = {Base.of(config).key for config, _ in runs}
    if len(bases) != 1:
        raise ConfigError(
            f"train_many wants runs of one base and one precision, got {sorted(bases)!r}"
        )
    for _, out in runs:
        RunFolder(Path(out)).check_writable()
    base = Base.of(runs[0][0])
    jobs = [(prepare(config, base), out) for config, out in runs]
    # A folder of another run is found before the first step, not after days.
    new = [j for j, out in jobs if RunFolder(Path(out)).finished(j.identity) is None]
    room.warn(new)
    for job in new:
        job.defence.check_base(job)
    results = []
    for job, out in jobs:
        results.append(train_job(job, out, progress=progress, report_to=report_to))
        on_done(results[-1])
    return results
