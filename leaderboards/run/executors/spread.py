"""Spreads a study over many processes or machines: one task per adapter, results as they come.

An executor takes orders and yields their results in any order; what it does about workers that
die is its own business. Everything comes home through the run's own store.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters_train.defences import PLAIN, named
from leaderboards.board import disk
from leaderboards.run.adapters import RunAdapters
from leaderboards.run.asked import prompts_per_model, seeds
from leaderboards.run.executor_args import Args, RayArgs, SlurmArgs, read_args
from leaderboards.run.executors.packing import extract, holds, pack, unpack
from leaderboards.run.executors.worker import Order, Result, ptst_version
from leaderboards.run.ledger import CellLedger
from leaderboards.run.manifests import Place
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.store import Cell
from leaderboards.run.study import Study
from ptst_tasks.progress import Progress
from ptst_tasks.whole_folders import cache_home

__all__ = ["bring_home", "make_orders", "spread"]

_PASSED = ("HF_HOME", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "OMP_NUM_THREADS",
           "SOURCE_DATE_EPOCH", "TOKENIZERS_PARALLELISM")  # fmt: skip
_PREFIXES = ("PTST_", "VLLM_")
_OWN = re.compile("KEY|TOKEN|SECRET|PASS|HOST_IP|BIND")


def spread(
    tasks: dict[str, Any], ledger: CellLedger, adapters: RunAdapters, progress: Progress
) -> None:
    """Measures a study's models with its executor.

    Args:
        tasks: The study's tasks; they were loaded here to find at once what is missing.
        ledger: The run's book.
        adapters: The run's adapters.
        progress: Hears of every result.

    Raises:
        PTSTError: If the executor cannot be had, or can never give what is asked for.
    """
    study = ledger.study
    args = read_args(study.executor, study.executor_args)
    assert args is not None
    wanted = adapters.wanted(study.adapters())  # a wrong setting is found here, not on every node
    adapters.mend(wanted)
    orders = make_orders(ledger, adapters, args)
    per_model = prompts_per_model(study, tasks)
    results = _results(orders, args, ledger.store.run)
    progress.start(f"{len(orders)} tasks", len(study.adapters()) * per_model)
    try:
        for order, result in results:
            bring_home(order, result, tasks, ledger, adapters)
            progress.advance(len(order.plans) * per_model)
    finally:
        results.close()  # what still runs is cancelled
        progress.done()


def _results(
    orders: list[Order], args: Args, run: Path
) -> Generator[tuple[Order, Result], None, None]:
    if isinstance(args, RayArgs):
        from leaderboards.run.executors.ray import results as on_ray

        return on_ray(orders, args)
    from leaderboards.run.executors.slurm import results as on_slurm

    assert isinstance(args, SlurmArgs)
    return on_slurm(orders, args, run / "slurm")


def make_orders(ledger: CellLedger, adapters: RunAdapters, args: Args) -> list[Order]:
    """The tasks of a study: the base before fine-tuning, then its adapters in groups."""
    study, token, known = ledger.study, uuid.uuid4().hex, ledger.store.known()
    return [
        Order(
            study=study,
            plans=plans,
            home=ledger.store.run,
            known=known,
            adapters=_trained(adapters, plans),
            paths=tuple(_paths(study, plans)),
            cwd=str(Path.cwd()),
            env=_environment(study, adapters.base),
            version=ptst_version(),
            scratch=args.scratch,
            name=f"ptst-{token}/{number}",
        )
        for number, plans in enumerate(_groups(study, args.adapters_per_task))
    ]


def _groups(study: Study, size: int) -> Iterator[tuple[AdapterPlan, ...]]:
    plans = study.adapters()
    if study.untuned:
        yield (plans.pop(0),)
    group: list[AdapterPlan] = []
    for family in _families(plans):
        if group and len(group) + len(family) > size:
            yield tuple(group)
            group = []
        group += family
    if group:
        yield tuple(group)


def _families(plans: Sequence[AdapterPlan]) -> list[list[AdapterPlan]]:
    """What is made of one training, together: apart from it each would be trained on its own."""
    found: dict[tuple[object, ...], list[AdapterPlan]] = {}
    for plan in plans:
        alike = not plan.existing and (plan.defence == PLAIN or named(plan.defence).afterwards)
        key = (plan.train_template, plan.seed) if alike else (plan.name,)
        found.setdefault(key, []).append(plan)
    return list(found.values())


def _trained(adapters: RunAdapters, plans: Sequence[AdapterPlan]) -> dict[str, bytes]:
    there = {name: folder for name, (_, folder) in adapters.wanted(plans).items()}
    return {name: pack(folder) for name, folder in there.items() if folder.is_dir()}


def _paths(study: Study, plans: Sequence[AdapterPlan]) -> Iterator[str]:
    """What is local here, and must therefore be there."""
    data = [os.environ.get("PTST_DATA_DIR", ""), os.environ.get("PTST_TEMPLATES", "")]
    trained = [study.train.data] if any(p.name and not p.existing for p in plans) else []
    if any(p.name and named(p.defence).reads_unaligned for p in plans):
        trained.append(str(study.train.settings.get("unaligned") or ""))
    there = [p.existing.path for p in plans if p.existing]
    mine = [own.path for own in study.test.custom.values()]
    custom = study.test.options.get("custom") or ""
    mine.append(str(custom.get("path", "")) if isinstance(custom, dict) else str(custom))
    for path in (study.base, study.templates, *data, *mine, *trained, *there):
        if path and Path(path).exists():
            yield str(Path(path).absolute())


def _environment(study: Study, base: Place) -> dict[str, str]:
    """Settings that must be the same everywhere; no keys, and not this machine's address."""
    named = {k: v for k, v in os.environ.items() if k in _PASSED or k.startswith(_PREFIXES)}
    out = {k: v for k, v in named.items() if not _OWN.search(k)}
    if str(base) != study.base:
        # What is made here lies in the user's cache; its place is part of its adapters' record.
        out["XDG_CACHE_HOME"] = str(cache_home().parent)
    return out


def bring_home(
    order: Order, result: Result, tasks: dict[str, Any], ledger: CellLedger, adapters: RunAdapters
) -> None:
    """Puts what a task brought into the run, and records what it did not bring."""
    wanted = adapters.wanted(order.plans)
    for name, packed in result.adapters.items():
        if name not in wanted:
            continue
        folder = wanted[name][1]
        # The task had it, and trained it again: its settings are others, or it is made of another.
        if name in order.adapters and holds(folder, order.adapters[name]):
            adapters.put_aside(folder)
        if not folder.exists():
            unpack(packed, folder)
    brought: set[tuple[str, str, int | None]] = set()
    for cell in result.cells:
        if _put(cell, result, ledger):
            brought.add(_key(cell))
    ledger.outcome.failed += result.failed
    ledger.outcome.notes += [n for n in result.notes if n not in ledger.outcome.notes]
    if result.error:
        configs = {name: config.model_dump() for name, (config, _) in wanted.items()}
        _lost(order, result.error, brought, tasks, ledger, configs)


def _put(cell: Cell, result: Result, ledger: CellLedger) -> bool:
    """Puts a cell into the run, and says whether its task came to it."""
    if cell.lost:
        ledger.add(cell)
    elif ledger.twin(cell):
        return True
    if cell.digest in result.made:
        aside = ledger.store.begin(cell)
        extract(result.made[cell.digest], aside)
        ledger.store.receive(cell, aside)
        if disk.is_whole(ledger.store.folder(cell)):
            ledger.done(cell)
    elif not ledger.kept(cell):
        if result.error:  # the task ended in the middle of it
            return False
        ledger.fail(cell, OSError("its folder went away meanwhile; run again"))
    return True


def _key(cell: Cell) -> tuple[str, str, int | None]:
    return cell.adapter, cell.harness_task, cell.provenance.decoding.seed


def _lost(
    order: Order, why: str, brought: set[tuple[str, str, int | None]], tasks: dict[str, Any],
    ledger: CellLedger, configs: Mapping[str, dict[str, Any]],
) -> None:  # fmt: skip
    """Records what a task did not bring."""
    for plan in order.plans:
        config = configs.get(plan.name, {})
        for name, task in tasks.items():
            every = seeds(ledger.study, task)
            rest = [s for s in every if (plan.name, name, s) not in brought]
            if rest:
                ledger.lost(plan, {"config": config}, {name: task}, RuntimeError(why), rest)
