"""Spreads a study over many processes or machines: one task per adapter, results as they come.

An executor takes orders and yields their results in any order; what it does about workers that
die is its own business. Everything comes home through the run's own store.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from leaderboards.board import disk
from leaderboards.run.executor_args import Args, RayArgs, SlurmArgs, read_args
from leaderboards.run.executors.packing import extract, pack, unpack
from leaderboards.run.executors.worker import Order, Result, ptst_version
from leaderboards.run.runner import Runner
from leaderboards.run.store import Cell
from leaderboards.run.study import AdapterPlan, Study

__all__ = ["make_orders", "spread"]

_PASSED = ("HF_HOME", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "OMP_NUM_THREADS",
           "SOURCE_DATE_EPOCH", "TOKENIZERS_PARALLELISM")  # fmt: skip
_PREFIXES = ("PTST_", "VLLM_")
_OWN = re.compile("KEY|TOKEN|SECRET|PASS|HOST_IP|BIND")


def spread(runner: Runner, tasks: dict[str, Any]) -> None:
    """Measures a study's models with its executor.

    Args:
        runner: Of the whole study.
        tasks: Its tasks; they were loaded here to find at once what is missing.

    Raises:
        PTSTError: If the executor cannot be had, or can never give what is asked for.
    """
    study = runner.study
    args = read_args(study.executor, study.executor_args)
    assert args is not None
    wanted = runner.wanted(study.adapters())  # a wrong setting is found here, not on every node
    runner.mend(wanted)
    orders = make_orders(runner, args)
    per_model = runner.prompts(tasks)
    results = _results(orders, args, runner.out)
    runner.progress.start(f"{len(orders)} tasks", len(study.adapters()) * per_model)
    try:
        for order, result in results:
            _bring_home(runner, order, result, tasks)
            runner.progress.advance(len(order.plans) * per_model)
    finally:
        results.close()  # what still runs is cancelled
        runner.progress.done()


def _results(
    orders: list[Order], args: Args, run: Path
) -> Generator[tuple[Order, Result], None, None]:
    if isinstance(args, RayArgs):
        from leaderboards.run.executors.ray import results as on_ray

        return on_ray(orders, args)
    from leaderboards.run.executors.slurm import results as on_slurm

    assert isinstance(args, SlurmArgs)
    return on_slurm(orders, args, run / "slurm")


def make_orders(runner: Runner, args: Args) -> list[Order]:
    """The tasks of a study: the base before fine-tuning, then its adapters in groups."""
    token, known = uuid.uuid4().hex, runner.store.known()
    return [
        Order(
            study=runner.study,
            plans=plans,
            home=runner.out,
            known=known,
            adapters=_trained(runner, plans),
            paths=tuple(_paths(runner.study, plans)),
            cwd=str(Path.cwd()),
            env=_environment(runner),
            version=ptst_version(),
            scratch=args.scratch,
            name=f"ptst-{token}/{number}",
        )
        for number, plans in enumerate(_groups(runner.study, args.adapters_per_task))
    ]


def _groups(study: Study, size: int) -> Iterator[tuple[AdapterPlan, ...]]:
    plans = study.adapters()
    if study.untuned:
        yield (plans.pop(0),)
    for start in range(0, len(plans), size):
        yield tuple(plans[start : start + size])


def _trained(runner: Runner, plans: Sequence[AdapterPlan]) -> dict[str, bytes]:
    there = {name: folder for name, (_, folder) in runner.wanted(plans).items()}
    return {name: pack(folder) for name, folder in there.items() if folder.is_dir()}


def _paths(study: Study, plans: Sequence[AdapterPlan]) -> Iterator[str]:
    """What is local here, and must therefore be there."""
    data = [os.environ.get("PTST_DATA_DIR", ""), os.environ.get("PTST_TEMPLATES", "")]
    trained = [study.train.data] if any(p.name and not p.existing for p in plans) else []
    there = [p.existing.path for p in plans if p.existing]
    for path in (study.base, study.templates, *data, *trained, *there):
        if path and Path(path).exists():
            yield str(Path(path).absolute())


def _environment(runner: Runner) -> dict[str, str]:
    """Settings that must be the same everywhere; no keys, and not this machine's address."""
    named = {k: v for k, v in os.environ.items() if k in _PASSED or k.startswith(_PREFIXES)}
    out = {k: v for k, v in named.items() if not _OWN.search(k)}
    if str(runner.base) != runner.study.base:
        # The built-in model lies in the user's cache; its place is part of its adapters' record.
        out["XDG_CACHE_HOME"] = str(Path(runner.base).parents[1])
    return out


def _bring_home(runner: Runner, order: Order, result: Result, tasks: dict[str, Any]) -> None:
    wanted = runner.wanted(order.plans)
    for name, packed in result.adapters.items():
        if name in wanted and not (folder := wanted[name][1]).exists():
            unpack(packed, folder)
    brought: set[tuple[str, str, int | None]] = set()
    for cell in result.cells:
        if cell.lost:
            runner.add(cell)
        elif runner.twin(cell):
            brought.add(_key(cell))
            continue
        if cell.digest in result.made:
            aside = runner.store.begin(cell)
            extract(result.made[cell.digest], aside)
            runner.store.receive(cell, aside)
            if disk.is_whole(runner.store.folder(cell)):
                runner.outcome.done += 1
                runner.fresh.append(cell)
        elif runner.store.has(cell):
            runner.outcome.kept += 1
        elif result.error:  # the task ended in the middle of it
            continue
        else:
            runner.fail(cell, OSError("its folder went away meanwhile; run again"))
        brought.add(_key(cell))
    runner.outcome.failed += result.failed
    runner.outcome.notes += [n for n in result.notes if n not in runner.outcome.notes]
    if result.error:
        _lost(runner, order, result.error, brought, tasks)


def _key(cell: Cell) -> tuple[str, str, int | None]:
    return cell.adapter, cell.harness_task, cell.provenance.decoding.seed


def _lost(
    runner: Runner, order: Order, why: str, brought: set[tuple[str, str, int | None]],
    tasks: dict[str, Any],
) -> None:  # fmt: skip
    """Records what a task did not bring."""
    configs = runner.wanted(order.plans)
    for plan in order.plans:
        config = configs[plan.name][0].model_dump() if plan.name in configs else {}
        for name, task in tasks.items():
            rest = [s for s in runner.seeds(task) if (plan.name, name, s) not in brought]
            if rest:
                runner.lost(plan, {"config": config}, {name: task}, RuntimeError(why), rest)
