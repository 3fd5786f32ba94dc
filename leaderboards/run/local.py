"""Trains and measures models of a study in this process, with one base in memory for all of them.

It is what ``executor: local`` does, and what a worker of another executor does with its part.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leaderboards.run import engine_choice
from leaderboards.run.adapters import RunAdapters
from leaderboards.run.asked import prompts_per_model
from leaderboards.run.faults import check_disk
from leaderboards.run.identity import Records
from leaderboards.run.ledger import CellLedger
from leaderboards.run.manifests import Place
from leaderboards.run.measuring import Measuring
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.study import Study
from ptst_tasks.engines import Engine, open_engine
from ptst_tasks.engines.engine_args import AUTO
from ptst_tasks.errors import EngineError, PTSTError, said
from ptst_tasks.lm_outputs import no_bars
from ptst_tasks.progress import Progress

__all__ = ["loaded", "measure_here", "start_engine"]


def measure_here(
    plans: Sequence[AdapterPlan],
    tasks: dict[str, Any],
    ledger: CellLedger,
    adapters: RunAdapters,
    progress: Progress,
    home: Path | None = None,
) -> None:
    """Trains and measures these models.

    Args:
        plans: The models.
        tasks: What each is asked, by name.
        ledger: The run's book.
        adapters: The run's adapters.
        progress: Hears of every step.
        home: The run's folder as results shall name it, if it is another than the ledger's.

    Raises:
        PTSTError: If the base cannot be loaded, or none of the adapters can be had.
    """
    no_bars()
    folders = adapters.train(plans, progress)
    for plan in plans:
        if why := adapters.untrained.get(plan.name):
            ledger.lost(plan, {"config": adapters.config(plan).model_dump()}, tasks, why)
    plans = [plan for plan in plans if plan.name not in adapters.untrained]
    plans = [*plans, *adapters.copies(plans, folders)]
    if not plans:
        return
    base = adapters.base
    if ledger.study.engine == AUTO:
        ledger.study, note = engine_choice.choose(
            ledger.study, home or ledger.store.run, folders, tasks, len(plans),
            lambda study: loaded(study, base, folders),
        )  # fmt: skip
        ledger.outcome.notes.append(note)
    study = ledger.study
    lm = loaded(study, base, folders)
    measuring = Measuring(lm, ledger, Records(study, base), progress, home or ledger.store.run)
    progress.start("measuring", len(plans) * prompts_per_model(study, tasks))
    try:
        for plan in plans:
            progress.label(plan.name or "before fine-tuning")
            measuring.model(plan, folders.get(plan.name), tasks)
    finally:
        lm.close()
        progress.done()


def loaded(study: Study, base: Place, folders: dict[str, Place]) -> Engine:
    """The engine, or one line that says why there is none.

    Raises:
        PTSTError: If the base cannot be loaded.
    """
    try:
        return start_engine(study, base, folders)
    except PTSTError:
        raise
    except Exception as e:  # of any library, about whatever it read
        check_disk(e)
        raise EngineError(f"the base {study.base!r} cannot be loaded: {said(e)}") from e


def start_engine(study: Study, base: Place, folders: dict[str, Place]) -> Engine:
    """Starts the engine, with no adapter yet; vLLM must know the largest rank to come."""
    kind, args = study.engine, dict(study.engine_args)
    if study.revision:
        args["revision"] = study.revision
    if kind == "hf":
        args.setdefault("batch_size", 32)
    if kind == "vllm":
        args["expected"] = list(folders.values())
    return open_engine(kind, str(base), **args)
