"""Runs a study: trains what is missing, asks what was not asked, and can be killed at any moment.

One base model is in memory for all adapters, and all templates and sets of one adapter go
through one pass of generation. Run again, a study goes on where it was.
"""

from __future__ import annotations

import copy
import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboards.identity import (
    Place,
    adapter_digest,
    base_digest,
    base_folder,
    deciding_args,
    decoding,
    manifest,
    trained_on,
)
from leaderboards.lm_files import no_bars, quiet, write_results
from leaderboards.progress import Outcome, Progress
from leaderboards.store import Cell, Store
from leaderboards.study import AdapterPlan, Study
from ptst_tasks.digests import digest_json, ids_digest, write_json
from ptst_tasks.errors import ConfigError, EngineError, PTSTError

if TYPE_CHECKING:
    from adapters_train.config import TrainConfig

__all__ = ["Runner", "run"]


def run(study: Study, out: str | os.PathLike[str], progress: Progress | None = None) -> Outcome:
    """Runs a study, or what is left of it.

    Args:
        study: What to do.
        out: The run's folder.
        progress: Hears of every step.

    Raises:
        PTSTError: If the study as a whole cannot run; a cell that cannot is recorded instead.
    """
    return Runner(study, Path(out), progress or Progress()).run()


class Runner:
    """Runs one study in one process.

    Args:
        study: What to do.
        out: The run's folder.
        progress: Hears of every step.
    """

    def __init__(self, study: Study, out: Path, progress: Progress) -> None:
        self.study, self.out, self.progress = study, out, progress
        self.store = Store(out)
        # What an endpoint serves has the name that it has there, whatever that looks like here.
        self.base = study.base if study.engine == "openai" else base_folder(study.base)
        # Hashing a 7B's files takes minutes, tokenising a set's prompts seconds: once each.
        self._weights: dict[Place | None, str] = {}
        self._prompt_ids: dict[str, str] = {}
        self.outcome = Outcome()
        self.cells: list[Cell] = []
        self.asked: set[str] = set()

    def run(self) -> Outcome:
        """Trains, evaluates, and leaves out what the study no longer asks for."""
        self._claim()
        tasks = self.tasks()  # before any training: a set that is missing is found at once
        if self.study.executor == "local":
            self.measure(self.study.adapters(), tasks)
        else:
            from leaderboards.executors import spread

            spread(self, tasks)
        self.store.keep_only(self.asked)
        return self.outcome

    def measure(self, plans: Sequence[AdapterPlan], tasks: dict[str, Any]) -> None:
        """Trains and measures these models in this process."""
        no_bars()
        folders = self.train(plans)
        plans = [*plans, *self._kept(plans, folders)]
        lm = self.engine(folders)
        self.progress.start("measuring", len(plans) * self.prompts(tasks))
        try:
            for plan in plans:
                self.progress.label(plan.name or "before fine-tuning")
                self._measure(lm, plan, folders.get(plan.name), tasks)
        finally:
            lm.close()
            self.progress.done()

    def prompts(self, tasks: Mapping[str, Any]) -> int:
        """How many prompts one model is asked."""
        return sum(map(self._prompts, tasks.values()))

    def _prompts(self, task: Any) -> int:
        n = len(task.eval_docs)
        return min(n, self.study.test.limit or n)

    def _claim(self) -> None:
        record = self.out / "study.json"
        if self.out.exists() and any(self.out.iterdir()) and not record.exists():
            raise ConfigError(
                f"{str(self.out)!r} holds something that is no run; choose another --out"
            )
        self.out.mkdir(parents=True, exist_ok=True)
        write_json(record, self.study.model_dump(mode="json"))

    def wanted(self, plans: Sequence[AdapterPlan]) -> dict[str, tuple[TrainConfig, Path]]:
        """What is to be trained for these models, and where it belongs."""
        return {
            plan.name: (self._config(plan), self.out / "adapters" / plan.name)
            for plan in plans
            if plan.name and not plan.existing
        }

    def train(self, plans: Sequence[AdapterPlan]) -> dict[str, Place]:
        """Trains the adapters that are not there yet; returns where each is."""
        wanted = self.wanted(plans)
        if wanted:
            self._train(wanted)
        there: dict[str, Place] = {name: folder for name, (_, folder) in wanted.items()}
        # A name at an endpoint is no path: "org//x" must not become "org/x".
        place = str if self.study.engine == "openai" else Path
        return there | {p.name: place(p.existing.path) for p in plans if p.existing}

    def _kept(self, plans: Sequence[AdapterPlan], folders: dict[str, Place]) -> list[AdapterPlan]:
        """The copies kept along training, if the study follows them; adds their folders."""
        if not self.study.train.trajectory:
            return []
        out = []
        trained = [p for p in plans if p.name and not p.existing]
        for plan in trained:
            every = self._config(plan).save_every
            copies = sorted((Path(folders[plan.name]) / "steps").glob("*"))
            for number, kept in enumerate(copies, start=1):
                out.append(replace(plan, name=f"{plan.name}@{number * every}", step=number * every))
                folders[out[-1].name] = kept
        if not out and (trained or not self.study.train.templates):
            raise ConfigError(
                "train.trajectory needs copies to follow: set train.settings.save_every"
            )
        return out

    def _train(self, wanted: dict[str, tuple[TrainConfig, Path]]) -> None:
        import torch

        from adapters_train.many import train_many

        self.progress.start("training adapters", len(wanted))
        train_many(list(wanted.values()), on_done=lambda _: self.progress.advance(1))
        self.progress.done()
        gc.collect()  # the training copy of the base goes before the engine loads its own
        torch.cuda.empty_cache()

    def _config(self, plan: AdapterPlan) -> TrainConfig:
        from adapters_train.config import TrainConfig

        train = self.study.train
        return TrainConfig(
            **{
                "model": str(self.base),
                "revision": self.study.revision or None,
                "data": train.data,
                "template": plan.train_template,
                "seed": plan.seed,
                "chat_format": self.study.chat_format,
                "templates": self.study.templates or None,
                "recipe": train.recipe or None,
                "mix": train.mix or None,
                **train.settings,
            }
        )

    def tasks(self) -> dict[str, Any]:
        """Loads the tasks of the study, with their data, by name."""
        from ptst_tasks.validate import load_tasks

        out: dict[str, Any] = {}
        for family in self.study.test.sets:
            names = [name for f, name in self.study.tasks() if f == family]
            loaded = load_tasks(names, self.study.options(family))
            for task in loaded.values():
                decoding(task).update(self.study.test.gen_kwargs)
            out |= loaded
        return out

    def engine(self, folders: dict[str, Place]) -> Any:
        """Starts the engine, with no adapter yet; vLLM must know the largest rank to come."""
        from ptst_tasks.engines import open_engine

        kind, args = self.study.engine, dict(self.study.engine_args)
        if self.study.revision:
            args["revision"] = self.study.revision
        if kind == "hf":
            args.setdefault("batch_size", 32)
        if kind == "vllm":
            args["expected"] = list(folders.values())
        return open_engine(kind, str(self.base), **args)

    def _measure(
        self, lm: Any, plan: AdapterPlan, folder: Place | None, tasks: dict[str, Any]
    ) -> None:
        from ptst_tasks.engines.journal import Journal

        ready, config = dict[str, Cell](), manifest(folder).get("config", {})
        for name, task in tasks.items():
            try:
                digests = self._digests(lm, folder, name, task)
                cell = self.labelled(plan, config, name, task, digests)
            except PTSTError as e:  # no weights, or no prompts
                self.lost(plan, config, {name: task}, e)
                self.progress.advance(self._prompts(task))
                continue
            self.add(cell)
            if self.store.has(cell):
                self.outcome.kept += 1
                self.progress.advance(self._prompts(task))
            else:
                ready[name] = cell
        if not ready:
            return
        journal = self.out / "journal" / f"{plan.name or 'base'}.jsonl"
        lm.journal = Journal(journal)
        lm.on_batch = self._at_most(sum(self._prompts(tasks[n]) for n in ready))
        asked = len(ready)
        while ready:
            try:
                self._evaluate(lm, plan, folder, {n: tasks[n] for n in ready}, ready)
                self.outcome.done += len(ready)
                break
            except (PTSTError, RuntimeError) as e:  # out of memory is a RuntimeError
                alone = e.task if isinstance(e, EngineError) and e.task in ready else ""
                for name in [alone] if alone else list(ready):
                    self.fail(ready.pop(name), e)
        if len(ready) == asked:  # the next try of a cell that failed reuses the answers it had
            journal.unlink(missing_ok=True)

    def add(self, cell: Cell) -> None:
        """Makes a cell one of those that the study asks for."""
        self.cells.append(cell)
        self.asked.add(cell.digest)

    def _at_most(self, left: int) -> Callable[[int], None]:
        """Advances the bar by no more than this: what follows a failed cell is replayed."""

        def advance(steps: int) -> None:
            nonlocal left
            steps = min(steps, left)
            left -= steps
            self.progress.advance(steps)

        return advance

    def fail(self, cell: Cell, error: Exception, *, record: bool = True) -> None:
        """Tells why a cell could not be had, and records it unless there is an earlier one."""
        why = " ".join(str(error).split()).removeprefix(f"{cell.harness_task}: ")
        why = why or type(error).__name__
        if record:
            self.store.fail(cell, why)
        self.outcome.failed.append((f"{cell.adapter or cell.base} {cell.harness_task}", why))

    def lost(
        self, plan: AdapterPlan, config: Mapping[str, Any], tasks: Mapping[str, Any], why: Exception
    ) -> None:
        """Records that a model cannot be had; what an earlier run measured of it stays.

        Args:
            plan: The model.
            config: What its adapter was trained with, as far as that is known.
            tasks: What it would have been asked.
            why: What happened.
        """
        done = [r for r in self.store.done(plan.name) if self._current(r, tasks)]
        self.asked |= {r["digest"] for r in done}
        there = {r["harness_task"] for r in done if r["adapter"] == plan.name}
        for name, task in tasks.items():
            # Without weights and prompts its names must do.
            cell = self.labelled(plan, config, name, task, {"none": [plan.name, name]})
            self.fail(cell, why, record=name not in there)
            if name not in there:
                self.add(cell)

    def _current(self, record: Mapping[str, Any], tasks: Mapping[str, Any]) -> bool:
        """Whether a cell on disk is one that these tasks would ask for, as far as they know."""
        if (task := tasks.get(record["harness_task"])) is None:
            return False
        digests = record["digests"]
        have = (record["decoding"], digests.get("limit"), digests.get("data"))
        want = (decoding(task), self.study.test.limit, task.loaded.fingerprint)
        return digest_json(have) == digest_json(want)

    def _digests(self, lm: Any, folder: Place | None, name: str, task: Any) -> dict[str, Any]:
        """What decides a cell's answers, its prompts' token ids included."""
        digests = {
            "base": self._digest(None, lambda: base_digest(self.base, lm)),
            "adapter": self._digest(folder, lambda: adapter_digest(folder, lm)) if folder else "",
            "data": task.loaded.fingerprint,
            "limit": self.study.test.limit,
            "dtype": lm.facts()["dtype"],
        }
        if more := deciding_args(self.study.engine, self.study.engine_args):
            digests["engine_args"] = more
        if name not in self._prompt_ids:  # the same for every adapter
            self._prompt_ids[name] = self._digest_prompts(lm, task)
        return {**digests, "prompts": self._prompt_ids[name], "version": task.VERSION}

    def labelled(
        self,
        plan: AdapterPlan,
        config: Mapping[str, Any],
        name: str,
        task: Any,
        digests: Mapping[str, Any],
    ) -> Cell:
        """A cell; `config` is what its adapter was trained with, as far as that is known."""
        return Cell(
            base=self.study.base,
            adapter=plan.name,
            train_data=(plan.existing.train_data if plan.existing else "") or trained_on(config),
            train_template=plan.train_template or str(config.get("template", "")),
            seed=plan.seed if plan.seed is not None else config.get("seed"),
            test_template=task.template.name,
            task=task.set_name,
            harness_task=name,
            decoding=copy.deepcopy(decoding(task)),
            engine=self.study.engine,
            digests=digests,
            step=plan.step,
        )

    def _digest(self, folder: Place | None, compute: Callable[[], str]) -> str:
        """The digest of an adapter's weights, or of the base's for None, computed once."""
        if folder not in self._weights:
            self._weights[folder] = compute()
        return self._weights[folder]

    def _digest_prompts(self, lm: Any, task: Any) -> str:
        with quiet():
            task.build_all_requests(
                limit=self.study.test.limit,
                apply_chat_template=True,
                chat_template=lm.apply_chat_template,
            )
        asked = [
            r.args[0] + r.args[1] if isinstance(r.args[1], str) else r.args[0]
            for r in task.instances
        ]
        return ids_digest(lm.prompt_ids(asked))

    def _evaluate(
        self, lm: Any, plan: AdapterPlan, folder: Place | None, tasks: dict[str, Any],
        cells: dict[str, Cell],
    ) -> None:  # fmt: skip
        from lm_eval.evaluator import evaluate

        if folder and plan.name not in lm.attached:
            lm.attach(plan.name, folder)
        total = sum(len(task.instances) for task in tasks.values())
        start = time.perf_counter()
        digests = next(iter(cells.values())).digests
        model = ("base", "adapter", "dtype", "engine_args")
        state = digest_json([digests.get(part) for part in model])
        with lm.adapter(plan.name, state), quiet():
            results = evaluate(
                lm,
                {"tasks": tasks, "groups": {}, "group_map": {}},
                limit=self.study.test.limit,
                bootstrap_iters=0,
                apply_chat_template=True,
            )
        seconds = time.perf_counter() - start
        scored = [t for t in tasks.values() if t.OUTPUT_TYPE == "multiple_choice"]
        lm.on_batch(sum(map(self._prompts, scored)))  # these pass the engine's own count by
        # The endpoint's host; its port says nothing about the model.
        args = self._model_args(folder) | ({"base_url": lm.served} if lm.served else {})
        for name, cell in cells.items():
            aside = self.store.begin(cell)
            write_results(aside, f"ptst-{self.study.engine}", args, name, results)
            self.store.finish(
                cell, aside, seconds=round(seconds * len(tasks[name].instances) / total, 3)
            )

    def _model_args(self, folder: Place | None) -> dict[str, str]:
        args = {"pretrained": self.study.base}
        return {**args, "peft": str(folder)} if folder else args
