"""A run's own adapters: those that are missing or damaged are trained, each on its own risk."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboards.run.faults import check_disk
from leaderboards.run.manifests import checked_manifest
from leaderboards.run.store import put_aside
from ptst_tasks.digests import weights_digest
from ptst_tasks.errors import ConfigError

if TYPE_CHECKING:
    from adapters_train.config import TrainConfig
    from adapters_train.job import Job

__all__ = ["mend", "train_missing"]


def mend(folders: Mapping[str, Path], attic: Path) -> list[str]:
    """Puts damaged adapters of the run aside, so that they are trained again.

    Returns:
        A sentence about each.
    """
    told = []
    for name, folder in folders.items():
        if why := _damage(folder):
            kept = put_aside(folder, attic / f"{folder.name}.damaged")
            told.append(
                f"adapter {name}: {why}; it is trained again, and the old one is {str(kept)!r}"
            )
    return told


def _damage(folder: Path) -> str:
    """What is wrong with an adapter that should be whole; empty if nothing is, or none is there."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return ""
    if not folder.is_dir():
        return f"{str(folder)!r} is a file, expected a folder"
    try:
        made = checked_manifest(folder)
        weights = weights_digest(folder)
    except (ConfigError, OSError) as e:
        return f"{e}: damaged"
    if not {"config", "inputs"} <= made.keys():
        return f"{str(folder / 'manifest.json')!r} is missing, or is no adapter's"
    told = (made.get("adapter") or {}).get("weights", weights)
    return "" if told == weights else f"{str(folder)!r} holds other weights than were trained"


def train_missing(
    wanted: Mapping[str, tuple[TrainConfig, Path]], on_done: Callable[[], None]
) -> dict[str, Exception]:
    """Trains the adapters that are not there yet; their base is loaded once.

    Args:
        wanted: What to train, and where it belongs, by name.
        on_done: Hears of every adapter that is there, or cannot be had.

    Returns:
        Why some could not be had, by name.

    Raises:
        PTSTError: If none can be had for its input, or a folder holds another run's adapter.
    """
    from adapters_train.folder import RunFolder

    jobs, failed = _prepared(wanted)
    for name, job in jobs.items():  # before the first step: over nobody's adapter
        RunFolder(wanted[name][1]).finished(job.identity)
    for name in wanted:
        if name in jobs:
            try:
                _train(jobs[name], wanted[name][1])
            except Exception as e:  # of any library: this adapter's cells fail, the others go on
                check_disk(e)
                failed[name] = e
                jobs = _afresh(jobs)
        on_done()
    return failed


def _prepared(
    wanted: Mapping[str, tuple[TrainConfig, Path]],
) -> tuple[dict[str, Job], dict[str, Exception]]:
    from adapters_train.base_model import Base
    from adapters_train.job import prepare

    base = Base.of(next(iter(wanted.values()))[0])
    jobs, failed = dict[str, Any](), dict[str, Exception]()
    for name, (config, _) in wanted.items():
        try:
            jobs[name] = prepare(config, base)
        except Exception as e:
            check_disk(e)
            failed[name] = e
    if not jobs:  # the study's fault, and not one adapter's
        raise next(iter(failed.values()))
    return jobs, failed


def _train(job: Job, folder: Path) -> None:
    from adapters_train.lora import train_job

    train_job(job, folder)


def _afresh(jobs: dict[str, Job]) -> dict[str, Job]:
    """The same jobs on a base that no failed training has touched."""
    gc.collect()
    base = replace(next(iter(jobs.values())).base)
    return {name: replace(job, base=base) for name, job in jobs.items()}
