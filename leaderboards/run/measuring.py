"""Measures models on an engine that is there: a model's tasks go through one pass of generation.

What fails one cell leaves the others alone; answers are kept in a journal until their cells are
whole, so that a killed run asks for no answer twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from leaderboards.run.asked import prompts, prompts_per_model, seeds
from leaderboards.run.attic import put_aside
from leaderboards.run.faults import check_disk, check_room, remembered
from leaderboards.run.identity import Records
from leaderboards.run.labels import check_labels, labelled
from leaderboards.run.ledger import CellLedger
from leaderboards.run.manifests import Place, checked_manifest
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.store import Cell
from ptst_tasks.engines import Engine
from ptst_tasks.errors import ConfigError, EngineError, PTSTError, said
from ptst_tasks.files import file_name
from ptst_tasks.lm_outputs import evaluate, write_results
from ptst_tasks.progress import Progress
from ptst_tasks.provenance import model_digest

__all__ = ["Measuring"]


class Measuring:
    """Measures the models of one study on one engine.

    Args:
        lm: The engine, with the study's base in it.
        ledger: The run's book.
        records: Makes the cells' records.
        progress: Hears of every prompt.
        home: The run's folder as results shall name it.
    """

    def __init__(
        self, lm: Engine, ledger: CellLedger, records: Records, progress: Progress, home: Path
    ) -> None:
        self._lm, self._ledger, self._records = lm, ledger, records
        self._progress, self._home = progress, home
        self._study, self._run = ledger.study, ledger.store.run

    def model(self, plan: AdapterPlan, folder: Place | None, tasks: dict[str, Any]) -> None:
        """Measures one model: a pass of generation per decoding seed."""
        try:
            made = checked_manifest(folder)
        except ConfigError as e:
            self._ledger.lost(plan, {}, tasks, e)
            self._progress.advance(prompts_per_model(self._study, tasks))
            return
        every = dict.fromkeys(seed for task in tasks.values() for seed in seeds(self._study, task))
        for seed in every:
            wanted = {n: t for n, t in tasks.items() if seed in seeds(self._study, t)}
            for task in wanted.values():
                if seed is not None:
                    task.config.generation_kwargs["seed"] = seed
            self._pass(plan, folder, self._todo(plan, folder, made, wanted, seed), tasks)

    def _todo(
        self, plan: AdapterPlan, folder: Place | None, made: Mapping[str, Any],
        tasks: dict[str, Any], seed: int | None,
    ) -> dict[str, Cell]:  # fmt: skip
        """The cells of one pass that are not there yet, by task."""
        ready = dict[str, Cell]()
        for name, task in tasks.items():
            try:
                check_labels(plan, made.get("config") or {})
                record = self._records.of(self._lm, folder, plan.step, name, task, seed)
                cell = labelled(self._study, plan, made, name, task, record)
            except Exception as e:  # no weights, no prompts, or a library's own trouble with them
                check_disk(e)
                self._ledger.lost(plan, made, {name: task}, e, [seed])
                self._progress.advance(prompts(self._study, task))
                continue
            if self._ledger.twin(cell) or self._ledger.kept(cell):
                self._progress.advance(prompts(self._study, task))
            else:
                ready[name] = cell
        return ready

    def _pass(
        self, plan: AdapterPlan, folder: Place | None, ready: dict[str, Cell],
        tasks: Mapping[str, Any],
    ) -> None:  # fmt: skip
        if not ready:
            return
        self._lm.on_batch = self._at_most(sum(prompts(self._study, tasks[n]) for n in ready))
        try:
            self._lm.journal = self._opened(self._journal(plan))
        except OSError as e:
            self._fail_all(ready, e)
            return
        with remembered(self._lm):
            self._attempt(plan, folder, ready, tasks)

    def _attempt(
        self, plan: AdapterPlan, folder: Place | None, ready: dict[str, Cell],
        tasks: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Measures these cells together; where one of them fails, the others go on without it."""
        while ready:
            try:
                self._evaluate(plan, folder, {n: tasks[n] for n in ready}, ready)
                return
            except Exception as e:  # of any library: out of memory, a metric, a filter, a file
                check_disk(e)
                task = getattr(e, "task", "")
                if task in ready:
                    self._ledger.fail(ready.pop(task), e)
                elif isinstance(e, EngineError) or len(ready) == 1:
                    self._fail_all(ready, e)
                    return
                else:  # whose fault it is, nobody said
                    for name in list(ready):
                        self._attempt(plan, folder, {name: ready[name]}, tasks)
                    return

    def _evaluate(
        self, plan: AdapterPlan, folder: Place | None, tasks: dict[str, Any],
        cells: dict[str, Cell],
    ) -> None:  # fmt: skip
        lm = self._lm
        if folder and plan.name not in lm.attached:
            _attach(lm, plan.name, folder)
        total = sum(len(task.instances) for task in tasks.values())
        start = time.perf_counter()
        state = model_digest(next(iter(cells.values())).provenance)
        lm.journal.begin()
        with lm.adapter(plan.name, state):
            results = evaluate(lm, tasks, self._study.test.limit)
        seconds = time.perf_counter() - start
        scored = [t for t in tasks.values() if t.OUTPUT_TYPE == "multiple_choice"]
        # These pass the engine's own count by.
        lm.on_batch(sum(prompts(self._study, task) for task in scored))
        if self._written(folder, tasks, cells, results, seconds / total):
            lm.journal.settle()  # else the next try of a cell reuses the answers it had

    def _written(
        self, folder: Place | None, tasks: Mapping[str, Any], cells: Mapping[str, Cell],
        results: Any, each: float,
    ) -> bool:  # fmt: skip
        """Writes cells of what lm-eval gave; whether all could be. `each`: seconds per request."""
        args, before = self._model_args(folder), len(self._ledger.outcome.failed)
        for name, cell in cells.items():
            share = round(each * len(tasks[name].instances), 3)
            try:
                with self._ledger.store.writing(cell, seconds=share) as aside:
                    write_results(aside, f"ptst-{self._study.engine}", args, name, results)
            except Exception as e:  # what this task made cannot be written; the others can
                check_disk(e)
                check_room(self._run, results["samples"][name])  # lm-eval does not say why
                self._ledger.fail(cell, e)
                continue
            self._ledger.done(cell)
        return len(self._ledger.outcome.failed) == before

    def _model_args(self, folder: Place | None) -> dict[str, str]:
        args = {"pretrained": self._study.base, **({"peft": str(folder)} if folder else {})}
        named = {k: v.replace(str(self._run), str(self._home)) for k, v in args.items()}
        # The endpoint's host; its port says nothing about the model.
        return named | ({"base_url": self._lm.served} if self._lm.served else {})

    def _fail_all(self, ready: Mapping[str, Cell], why: Exception) -> None:
        for cell in ready.values():
            self._ledger.fail(cell, why)

    def _at_most(self, left: int) -> Callable[[int], None]:
        """Advances the bar by no more than this: what follows a failed cell is replayed."""

        def advance(steps: int) -> None:
            nonlocal left
            steps = min(steps, left)
            left -= steps
            self._progress.advance(steps)

        return advance

    def _journal(self, plan: AdapterPlan) -> Path:
        """Where the answers of a model are kept until its cells are whole."""
        return self._run / "journal" / f"{file_name(plan.name or 'base')}.jsonl"

    def _opened(self, file: Path) -> Any:
        """A journal; what is no file goes aside, and lines that are none of ours are told of."""
        from ptst_tasks.engines.journal import Journal

        notes = self._ledger.outcome.notes
        if file.is_dir():
            kept = put_aside(file, self._run / "attic" / "journal" / f"{file.name}.damaged")
            notes.append(f"{str(file)!r} is a folder, expected a file; it is now {str(kept)!r}")
        journal = Journal(file)
        if journal.junk:
            notes.append(
                f"{str(file)!r}: {journal.junk} lines cannot be read; what they may have held is asked "
                "again"
            )
        return journal


def _attach(lm: Engine, name: str, folder: Place) -> None:
    """Attaches an adapter.

    Raises:
        EngineError: If that cannot be: it concerns all of its cells, whatever it was.
    """
    try:
        lm.attach(name, folder)
    except PTSTError as e:
        raise EngineError(said(e)) from e
    except Exception as e:
        check_disk(e)
        raise lm.unfit(name, folder, e) from e
