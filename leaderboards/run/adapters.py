"""A run's own adapters: those that are missing or damaged are trained, each on its own risk."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters_train.defences import named
from leaderboards.run.attic import put_aside
from leaderboards.run.faults import check_disk
from leaderboards.run.identity import base_folder
from leaderboards.run.manifests import Place, checked_manifest, manifest
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.study import Study
from ptst_tasks.digests import weights_digest
from ptst_tasks.errors import ConfigError
from ptst_tasks.files import file_name
from ptst_tasks.model_files import check_weights
from ptst_tasks.progress import Progress

if TYPE_CHECKING:
    from adapters_train.config import TrainConfig
    from adapters_train.job import Job

__all__ = ["RunAdapters"]


class RunAdapters:
    """The adapters of one run: where each is, or why it is not there.

    Args:
        study: Whose adapters; its base is made if it is the built-in model.
        run: The run's folder.
        notes: Gets a sentence on whatever a reader must know.

    Attributes:
        base: Where the base is, or its name.
        untrained: Why adapters could not be had, by name.
    """

    def __init__(self, study: Study, run: Path, notes: list[str]) -> None:
        self.study, self.run, self._notes = study, run, notes
        # What an endpoint serves has the name that it has there, whatever that looks like here.
        self.base: Place = study.base if study.engine == "openai" else base_folder(study.base)
        self.untrained: dict[str, Exception] = {}

    def config(self, plan: AdapterPlan) -> TrainConfig:
        """How a model is trained."""
        made = self.study.train_config(plan.train_template, plan.seed, str(self.base), plan.defence)
        if not made.unaligned:
            return made
        return made.model_copy(update={"unaligned": str(base_folder(made.unaligned))})

    def wanted(self, plans: Sequence[AdapterPlan]) -> dict[str, tuple[TrainConfig, Path]]:
        """What is to be trained for these models, and where it belongs."""
        return {
            plan.name: (self.config(plan), self.run / "adapters" / file_name(plan.name))
            for plan in plans
            if plan.name and not plan.existing
        }

    def train(self, plans: Sequence[AdapterPlan], progress: Progress) -> dict[str, Place]:
        """Trains the adapters that are not there yet; returns where each is.

        Those that could not be had are in `untrained`, and damaged ones go to the attic.
        """
        wanted = self.wanted(plans)
        if wanted:
            self._train(wanted, progress)
        there: dict[str, Place] = {
            name: folder for name, (_, folder) in wanted.items() if name not in self.untrained
        }
        old = [n for n, f in there.items() if "base_config" not in manifest(f).get("inputs", {})]
        if old:
            self._notes.append(
                f"{len(old)} adapters of an earlier ptst are used as they are: {', '.join(old)}; their "
                "manifests do not say which configuration and tokenizer the base had then"
            )
        # A name at an endpoint is no path: "org//x" must not become "org/x".
        place = str if self.study.engine == "openai" else Path
        return there | {p.name: place(p.existing.path) for p in plans if p.existing}

    def copies(self, plans: Sequence[AdapterPlan], folders: dict[str, Place]) -> list[AdapterPlan]:
        """The copies kept along training, if the study follows them; adds their folders."""
        if not self.study.train.trajectory:
            return []
        out = []
        trained = [p for p in plans if p.name and not p.existing]
        for plan in trained:
            every = self.config(plan).save_every
            steps = Path(folders[plan.name]) / "steps"
            there = {int(p.name[5:]): p for p in steps.glob("step-*") if p.name[5:].isdigit()}
            for step, kept in sorted(there.items()):
                out.append(replace(plan, name=f"{plan.name}@{step}", step=step))
                folders[out[-1].name] = kept
            if gone := [s for s in range(every, max(there, default=0), every) if s not in there]:
                self._notes.append(f"{plan.name}: no copy of the steps {gone} is there")
        if not out and (trained or not self.study.train.templates):
            raise ConfigError(
                "train.trajectory needs copies to follow: set train.settings.save_every"
            )
        return out

    def mend(self, wanted: Mapping[str, tuple[TrainConfig, Path]]) -> None:
        """Puts adapters of the run that are damaged aside, so that they are trained again."""
        folders = {name: folder for name, (_, folder) in wanted.items()}
        self._notes += mend(folders, self._attic, copies=self.study.train.trajectory)

    def put_aside(self, folder: Path) -> Path:
        """Moves an adapter of the run that another takes the place of to the attic."""
        return put_aside(folder, self._attic / folder.name)

    @property
    def _attic(self) -> Path:
        return self.run / "attic" / "adapters"

    def _train(self, wanted: dict[str, tuple[TrainConfig, Path]], progress: Progress) -> None:
        import torch

        for config, _ in wanted.values():  # weights that a defence needs are missed before any step
            named(config.defence).unaligned(config)
        self.mend(wanted)
        progress.start("training adapters", len(wanted))
        try:
            done = train_missing(wanted, lambda: progress.advance(1), self._attic)
            self.untrained, told = done
            self._notes += told
        finally:
            progress.done()
        gc.collect()  # the training copy of the base goes before the engine loads its own
        torch.cuda.empty_cache()


def mend(folders: Mapping[str, Path], attic: Path, *, copies: bool = False) -> list[str]:
    """Puts damaged adapters of the run aside, so that they are trained again.

    Args:
        folders: Where each belongs, by name.
        attic: Where damaged ones go.
        copies: Whether the copies kept along training are measured, too.

    Returns:
        A sentence about each.
    """
    told = []
    for name, folder in folders.items():
        if why := _damage(folder) or (_damage_of_copies(folder) if copies else ""):
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


def _damage_of_copies(folder: Path) -> str:
    for copy in sorted(folder.glob("steps/step-*")):
        try:
            check_weights(copy)
        except ConfigError as e:
            return f"its copy {copy.name!r}: {e}"
    return ""


def train_missing(
    wanted: Mapping[str, tuple[TrainConfig, Path]], on_done: Callable[[], None], attic: Path
) -> tuple[dict[str, Exception], list[str]]:
    """Trains the adapters that are not there yet; their base is loaded once.

    Args:
        wanted: What to train, and where it belongs, by name.
        on_done: Hears of every adapter that is there, or cannot be had.
        attic: Where adapters of other settings go, and come back from.

    Returns:
        Why some could not be had, by name; and what a reader must know.

    Raises:
        PTSTError: If none can be had for its input.
    """
    jobs, failed = _prepared(wanted)
    told: list[str] = []
    for name, job in jobs.items():  # before the first step: over nobody's adapter
        told += _settle(name, job, wanted[name][1], attic)
    for name, job in jobs.items():  # a base that a defence cannot be used with, too
        if not wanted[name][1].exists():
            job.defence.check_base(job)
    for name in sorted(wanted, key=lambda n: n in jobs and jobs[n].defence.afterwards):
        if name in jobs:
            try:
                plain = _plain(name, jobs, wanted)
                told += _remade(name, jobs[name], wanted[name][1], plain, attic)
                _train(jobs[name], wanted[name][1], plain)
            except Exception as e:  # of any library: this adapter's cells fail, the others go on
                check_disk(e)
                failed[name] = e
                jobs = _afresh(jobs)
        on_done()
    return failed, told


def _settle(name: str, job: Job, folder: Path, attic: Path) -> list[str]:
    """Makes a folder this job's: what was trained with other settings goes to the attic, as cells do.

    Returns:
        A sentence on what was moved.
    """
    from adapters_train.folder import RunFolder

    mine, told = RunFolder(folder), []
    try:
        mine.finished(job.identity)
    except ConfigError as e:
        for old in (p for p in (folder, mine.part) if p.exists()):
            kept = put_aside(old, attic / old.name)
            told.append(f"adapter {name}: {e}; it is now {str(kept)!r}")
    if not folder.exists():
        name_of = re.compile(rf"{re.escape(folder.name)}(\.\d+)?")  # not those that are damaged
        for kept in sorted(p for p in attic.glob("*") if name_of.fullmatch(p.name)):
            if RunFolder(kept).holds(job.identity):
                put_aside(kept, folder)
                return [*told, f"adapter {name}: it was in the attic, and is used again"]
    return told


def _remade(name: str, job: Job, folder: Path, plain: Path | None, attic: Path) -> list[str]:
    """Puts aside what was made of an adapter that has been trained again since, to other weights."""
    from adapters_train.derived import can_derive, is_outdated

    if plain is None or not can_derive(job, plain) or not is_outdated(folder, plain):
        return []
    kept = put_aside(folder, attic / folder.name)
    return [
        f"adapter {name}: {plain.name} has other weights now than those that it was made of; it is made "
        f"again, and the old one is {str(kept)!r}"
    ]


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


def _train(job: Job, folder: Path, plain: Path | None) -> None:
    from adapters_train.lora import train_job

    train_job(job, folder, plain=plain)


def _plain(
    name: str, jobs: Mapping[str, Job], wanted: Mapping[str, tuple[TrainConfig, Path]]
) -> Path | None:
    """Where the same training without a defence is, for one that begins when training has ended."""
    if not jobs[name].defence.afterwards:
        return None
    mine = jobs[name].plain_identity
    return next((wanted[n][1] for n, job in jobs.items() if job.identity == mine), None)


def _afresh(jobs: dict[str, Job]) -> dict[str, Job]:
    """The same jobs on a base that no failed training has touched."""
    gc.collect()
    base = replace(next(iter(jobs.values())).base)
    return {name: replace(job, base=base) for name, job in jobs.items()}
