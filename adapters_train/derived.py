"""An adapter made of one that is trained already: defences that begin when training has ended."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from adapters_train.folder import RunFolder
from adapters_train.job import Job
from adapters_train.manifest import now
from ptst_tasks.digests import read_json, weights_digest
from ptst_tasks.errors import ConfigError
from ptst_tasks.files import replacing
from ptst_tasks.model_files import check_weights

__all__ = ["can_derive", "derive", "is_outdated"]


def can_derive(job: Job, plain: Path) -> bool:
    """Whether a folder holds, whole, the plain training that this run's defence begins with."""
    whole = job.defence.afterwards and RunFolder(plain).holds(job.plain_identity)
    return whole and _has_copies(job, plain)


def is_outdated(made: Path, plain: Path) -> bool:
    """Whether a finished adapter was made of other weights than are now in the plain one's folder."""
    origin = (read_json(made / "manifest.json") or {}).get("made_of")
    return origin is not None and origin != weights_digest(plain)


def _has_copies(job: Job, plain: Path) -> bool:
    """Whether all copies along training are there and whole: those of the result are made of them."""
    every = job.config.save_every
    try:
        for step in range(every, job.steps + 1, every) if every else ():
            check_weights(plain / "steps" / f"step-{step:06}")
    except ConfigError:
        return False
    return True


def derive(job: Job, plain: Path, folder: RunFolder) -> dict[str, Any]:
    """Copies the plain adapter, and its copies along training, as the defence has them.

    Args:
        job: The run.
        plain: The finished folder of its plain training.
        folder: Where the result goes; the caller holds it.

    Returns:
        The manifest.
    """
    for step in sorted(plain.glob("steps/step-*")):
        _changed(job, step, folder.part / "steps" / step.name)
    said = _changed(job, plain, folder.part / "adapter")
    made = read_json(plain / "manifest.json") or {}
    folder.finish(
        {
            **made,
            "config": job.config.model_dump(mode="json"),
            "inputs": job.inputs,
            "adapter": {"weights": weights_digest(folder.part / "adapter")},
            "defence": {"name": job.config.defence, "source": job.defence.source, **said},
            "made_of": weights_digest(plain),
            "finished": now(),
        },
        folder.part / "adapter",
    )
    return folder.manifest()


def _changed(job: Job, old: Path, new: Path) -> dict[str, Any]:
    with replacing(new) as aside:
        aside.mkdir(parents=True, exist_ok=True)
        for file in old.glob("adapter_*"):
            shutil.copyfile(file, aside / file.name)
        said = job.defence.finish(aside, job)
        shutil.rmtree(new, ignore_errors=True)
    return said
