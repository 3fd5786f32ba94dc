"""Runs a study: trains what is missing, asks what was not asked, and can be killed at any moment.

One base model is in memory for all adapters, and all templates and sets of one adapter go
through one pass of generation. Run again, a study goes on where it was.
"""

from __future__ import annotations

import copy
import gc
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboards import disk
from leaderboards.identity import (
    Place,
    Records,
    asked_digest,
    base_folder,
    form,
    is_sampled,
    manifest,
    requested,
    trained_on,
    training_digest,
)
from leaderboards.lm_files import no_bars, quiet, write_results
from leaderboards.progress import Outcome, Progress
from leaderboards.store import Cell, Store, incomplete
from leaderboards.study import AdapterPlan, Study
from ptst_tasks.decoding import merge
from ptst_tasks.digests import digest_json, write_json
from ptst_tasks.errors import ConfigError, EngineError, PTSTError
from ptst_tasks.provenance import Adapter, Decoding, Generation, model_digest

if TYPE_CHECKING:
    from adapters_train.config import TrainConfig
    from leaderboards.rejudge import Unscored

__all__ = ["Runner", "load_family", "run"]


def run(
    study: Study,
    out: str | os.PathLike[str],
    progress: Progress | None = None,
    *,
    share: bool = True,
) -> Outcome:
    """Runs a study, or what is left of it.

    Args:
        study: What to do.
        out: The run's folder.
        progress: Hears of every step.
        share: Take cells that a run beside it has; the outcome says from where.

    Raises:
        PTSTError: If the study as a whole cannot run; a cell that cannot is recorded instead.
    """
    return Runner(study, Path(out), progress or Progress(), share=share).run()


def load_family(study: Study, family: str) -> dict[str, Any]:
    """Loads a set's tasks as a study asks them, with their data, by name."""
    from ptst_tasks.validate import load_tasks

    names = [name for f, name in study.tasks() if f == family]
    tasks: dict[str, Any] = dict(load_tasks(names, study.options(family)))
    for task in tasks.values():
        if task.OUTPUT_TYPE != "multiple_choice":
            own = task.config.generation_kwargs
            task.config.generation_kwargs = merge(own, study.test.gen_kwargs)
    return tasks


class Runner:
    """Runs one study in one process.

    Args:
        study: What to do.
        out: The run's folder.
        progress: Hears of every step.
        share: Take cells that a run beside it has.
    """

    def __init__(self, study: Study, out: Path, progress: Progress, *, share: bool = True) -> None:
        self.study, self.out, self.progress = study, out, progress
        self.store = Store(out, share=share)
        # What an endpoint serves has the name that it has there, whatever that looks like here.
        self.base = study.base if study.engine == "openai" else base_folder(study.base)
        self.records = Records(study, self.base)
        self.outcome = Outcome()
        self.cells: list[Cell] = []
        self.fresh: list[Cell] = []
        self.asked: set[str] = set()
        self._names: dict[str, str] = {}  # digest -> whose cell it is

    def run(self) -> Outcome:
        """Trains, evaluates, and puts aside what the study no longer asks for."""
        self._claim()
        tasks = self.tasks()  # before any training: a set that is missing is found at once
        if self.study.executor == "local":
            self.measure(self.study.adapters(), tasks)
        else:
            from leaderboards.executors import spread

            spread(self, tasks)
        self._judge(tasks)
        self._tell(self.store.keep_only(self.asked))
        return self.outcome

    def _judge(self, tasks: Mapping[str, Any]) -> None:
        """Runs the judges that cells lack, which were there already."""
        from leaderboards.rejudge import judge_missing, unscored

        folders = dict.fromkeys(self.store.folder(cell) for cell in self.cells if not cell.lost)
        whole = [folder for folder in folders if disk.is_whole(folder)]
        self.outcome.judged = judge_missing(
            whole, tasks, lambda who, why: self.outcome.failed.append((f"judge {who}", _said(why))),
            {self.store.folder(cell) for cell in self.fresh},
        )  # fmt: skip
        missing = list(unscored(whole, tasks))
        for spec, lost in _by_judge(missing).items():
            self.outcome.notes.append(f"{lost} responses have no verdict of judge {spec}")
        self.outcome.failed += [(f"judge {m.spec}", str(m)) for m in missing if m.too_many]

    def _tell(self, aside: Sequence[Mapping[str, Any]]) -> None:
        """Says what a reader of the exit code alone would not know."""
        notes, attic = self.outcome.notes, str(self.store.attic)
        for origin, count in sorted(self.store.taken.items()):
            notes.append(
                f"{count} cells were taken from the run {origin!r} beside this one, which measured "
                "the same; --no-share measures them here"
            )
        if old := incomplete(aside):
            notes.append(
                f"{old} cells of an earlier ptst were measured anew: their record lacks the base's "
                "configuration and generation defaults, the adapter's configuration and the decoding "
                f"as it was used; the old ones are in {attic!r}"
            )
        if rest := len(aside) - old:
            notes.append(f"{rest} cells that the study no longer asks for are in {attic!r}")

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
        return sum(self._prompts(t) * len(self.seeds(t)) for t in tasks.values())

    def seeds(self, task: Any) -> tuple[int | None, ...]:
        """The decoding seeds of a task; None alone where nothing is drawn at random."""
        return (self.study.test.decoding_seeds or (0,)) if is_sampled(task) else (None,)

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
        old = [n for n, f in there.items() if "base_config" not in manifest(f).get("inputs", {})]
        if old:
            self.outcome.notes.append(
                f"{len(old)} adapters of an earlier ptst are used as they are: {', '.join(old)}; their "
                "manifests do not say which configuration and tokenizer the base had then"
            )
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
            steps = Path(folders[plan.name]) / "steps"
            copies = {int(p.name[5:]): p for p in steps.glob("step-*") if p.name[5:].isdigit()}
            for step, kept in sorted(copies.items()):
                out.append(replace(plan, name=f"{plan.name}@{step}", step=step))
                folders[out[-1].name] = kept
            if gone := [s for s in range(every, max(copies, default=0), every) if s not in copies]:
                self.outcome.notes.append(f"{plan.name}: no copy of the steps {gone} is there")
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
        return self.study.train_config(plan.train_template, plan.seed, str(self.base))

    def tasks(self) -> dict[str, Any]:
        """Loads the tasks of the study, with their data, by name."""
        out: dict[str, Any] = {}
        for family in self.study.test.sets:
            out |= load_family(self.study, family)
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
        """Measures one model: a pass of generation per decoding seed."""
        made = manifest(folder)
        seeds = dict.fromkeys(seed for task in tasks.values() for seed in self.seeds(task))
        for seed in seeds:
            wanted = {n: t for n, t in tasks.items() if seed in self.seeds(t)}
            for task in wanted.values():
                if seed is not None:
                    task.config.generation_kwargs["seed"] = seed
            self._pass(lm, plan, folder, self._todo(lm, plan, folder, made, wanted, seed), tasks)

    def _todo(
        self, lm: Any, plan: AdapterPlan, folder: Place | None, made: Mapping[str, Any],
        tasks: dict[str, Any], seed: int | None,
    ) -> dict[str, Cell]:  # fmt: skip
        """The cells of one pass that are not there yet, by task."""
        ready = dict[str, Cell]()
        for name, task in tasks.items():
            try:
                _agree(plan, made.get("config") or {})
                record = self.records.of(lm, folder, plan.step, name, task, seed)
                cell = self.labelled(plan, made, name, task, record)
            except (PTSTError, OSError) as e:  # no weights, or no prompts
                self.lost(plan, made, {name: task}, e, [seed])
                self.progress.advance(self._prompts(task))
                continue
            if self.twin(cell):
                self.progress.advance(self._prompts(task))
            elif self.store.has(cell):
                self.outcome.kept += 1
                self.progress.advance(self._prompts(task))
            else:
                ready[name] = cell
        return ready

    def twin(self, cell: Cell) -> bool:
        """Makes a cell one of those asked for; if another of this study is the same, it fails.

        Two adapters of the same weights, or two sets of the same rows, are one measurement, and a
        row of the leaderboard has one name.
        """
        first = self._names.setdefault(cell.digest, cell.label)
        if first == cell.label:
            self.add(cell)
            return False
        cell = replace(cell, lost=cell.label)
        self.fail(
            cell, ConfigError(f"the same weights, prompts and decoding as {first}; leave one out")
        )
        self.add(cell)
        return True

    def _pass(
        self, lm: Any, plan: AdapterPlan, folder: Place | None, ready: dict[str, Cell],
        tasks: Mapping[str, Any],
    ) -> None:  # fmt: skip
        from ptst_tasks.engines.journal import Journal

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
                self.fresh += ready.values()
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
        why = _said(error).removeprefix(f"{cell.harness_task}: ")
        if record:
            self.store.fail(cell, why)
        self.outcome.failed.append((cell.label, why))

    def lost(
        self, plan: AdapterPlan, made: Mapping[str, Any], tasks: Mapping[str, Any],
        why: Exception, seeds: Sequence[int | None] | None = None,
    ) -> None:  # fmt: skip
        """Records that a model cannot be had; what an earlier run measured of it stays.

        Args:
            plan: The model.
            made: The manifest of its adapter, as far as it is known.
            tasks: What it would have been asked.
            why: What happened.
            seeds: Decoding seeds; all of each task's if they are not said.
        """
        done = [r for r in self.store.done(plan.name) if self._current(r, tasks)]
        self.asked |= {r["digest"] for r in done}
        there = {(r["harness_task"], _seed(r)) for r in done if r["adapter"] == plan.name}
        for name, task in tasks.items():
            for seed in seeds or self.seeds(task):
                # Without weights and prompts its names must do.
                unknown = Generation(adapter=Adapter(step=plan.step), decoding=Decoding(seed=seed))
                cell = self.labelled(plan, made, name, task, unknown)
                cell = replace(cell, lost=f"{plan.name}/{name}/{seed}")
                self.fail(cell, why, record=(name, seed) not in there)
                if (name, seed) not in there:
                    self.add(cell)

    def _current(self, record: Mapping[str, Any], tasks: Mapping[str, Any]) -> bool:
        """Whether a cell on disk is one that these tasks would ask for, as far as they know."""
        task, made = tasks.get(record["harness_task"]), record.get("provenance")
        if task is None or not made:
            return False
        docs = list(task.eval_docs)[: self.study.test.limit]
        have = (record.get("requested"), made["data"]["asked"], made["data"]["fingerprint"])
        asked = asked_digest(str(doc["id"]) for doc in docs)
        want = (requested(task), asked, task.loaded.fingerprint)
        return digest_json(have) == digest_json(want) and _seed(record) in self.seeds(task)

    def labelled(
        self,
        plan: AdapterPlan,
        made: Mapping[str, Any],
        name: str,
        task: Any,
        provenance: Generation,
    ) -> Cell:
        """A cell; `made` is the manifest of its adapter, as far as it is known."""
        config = made.get("config") or {}
        return Cell(
            base=self.study.label,
            adapter=plan.name,
            train_data=(plan.existing.train_data if plan.existing else "") or trained_on(config),
            train_template=plan.train_template or str(config.get("template", "")),
            seed=plan.seed if plan.seed is not None else config.get("seed"),
            test_template=task.template.name,
            task=task.set_name,
            harness_task=name,
            provenance=provenance,
            requested=copy.deepcopy(requested(task)),
            training=training_digest(made),
            form=form(task),
        )

    def _evaluate(
        self, lm: Any, plan: AdapterPlan, folder: Place | None, tasks: dict[str, Any],
        cells: dict[str, Cell],
    ) -> None:  # fmt: skip
        from lm_eval.evaluator import evaluate

        if folder and plan.name not in lm.attached:
            lm.attach(plan.name, folder)
        total = sum(len(task.instances) for task in tasks.values())
        start = time.perf_counter()
        state = model_digest(next(iter(cells.values())).provenance)
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


def _seed(record: Mapping[str, Any]) -> int | None:
    """The decoding seed of a cell on disk."""
    seed: int | None = record["provenance"]["decoding"]["seed"]
    return seed


def _agree(plan: AdapterPlan, config: Mapping[str, Any]) -> None:
    """Refuses a label that an adapter's own record contradicts.

    Raises:
        ConfigError: If the study says another training template, seed or set than the manifest.
    """
    if not plan.existing or not config:
        return
    said = {"train_template": plan.train_template, "seed": plan.seed,
            "train_data": plan.existing.train_data}  # fmt: skip
    made = {"train_template": config.get("template"), "seed": config.get("seed"),
            "train_data": trained_on(config)}  # fmt: skip
    for name, value in said.items():
        if value not in ("", None) and made[name] not in ("", None) and value != made[name]:
            raise ConfigError(
                f"train.adapters: {plan.name!r} has {name} {value!r} here and {made[name]!r} in its "
                "manifest; leave it out, or name the adapter that is meant"
            )


def _by_judge(missing: Iterable[Unscored]) -> Counter[str]:
    lost = Counter[str]()
    for one in missing:
        lost[one.spec] += one.lost
    return lost


def _said(error: Exception) -> str:
    """What an error says, on one line; its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
