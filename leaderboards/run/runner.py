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

from leaderboards.board import disk
from leaderboards.run.faults import check_disk, check_room, remembered
from leaderboards.run.holding import check, claimed
from leaderboards.run.identity import (
    Records,
    asked_digest,
    base_folder,
    form,
    is_sampled,
    requested,
)
from leaderboards.run.manifests import (
    Place,
    checked_manifest,
    manifest,
    trained_on,
    training_digest,
)
from leaderboards.run.outputs import no_bars, quiet, write_results
from leaderboards.run.progress import Outcome, Progress
from leaderboards.run.store import Cell, Store, incomplete, put_aside
from leaderboards.run.study import AdapterPlan, Study
from ptst_tasks.decoding import merge
from ptst_tasks.digests import digest_json
from ptst_tasks.errors import ConfigError, EngineError, PTSTError, said
from ptst_tasks.files import file_name
from ptst_tasks.provenance import Adapter, Decoding, Generation, model_digest

if TYPE_CHECKING:
    from adapters_train.config import TrainConfig
    from leaderboards.judging.rejudge import Unscored

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
        PTSTError: If the study as a whole cannot run, or the folder is another study's or in use; a
            cell that cannot be had is recorded instead.
    """
    check(study, Path(out))  # before a base is made
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
        self.untrained: dict[str, Exception] = {}
        self._names: dict[str, str] = {}  # digest -> whose cell it is

    def run(self) -> Outcome:
        """Trains, evaluates, and puts aside what the study no longer asks for."""
        with claimed(self.study, self.out) as alone:
            try:
                if alone:  # whatever is unfinished is a dead process's
                    self.store.sweep()
                else:
                    self.outcome.notes.append(
                        f"the file system of {str(self.out)!r} locks no files: see to it yourself that "
                        "no other ptst run writes there"
                    )
                return self._run()
            except Exception as e:
                check_disk(e)
                raise

    def _run(self) -> Outcome:
        tasks = self.tasks()  # before any training: a set that is missing is found at once
        if self.study.executor == "local":
            self.measure(self.study.adapters(), tasks)
        else:
            from leaderboards.run.executors.spread import spread

            spread(self, tasks)
        self._judge(tasks)
        self._tell(self.store.keep_only(self.asked))
        return self.outcome

    def _judge(self, tasks: Mapping[str, Any]) -> None:
        """Runs the judges that cells lack, which were there already."""
        from leaderboards.judging.rejudge import judge_missing, unscored

        folders = dict.fromkeys(self.store.folder(cell) for cell in self.cells if not cell.lost)
        whole = [folder for folder in folders if disk.is_whole(folder)]
        failed = self.outcome.failed

        def tell(who: str, why: Exception) -> None:
            check_disk(why)
            failed.append((f"judge {who}", said(why)))

        self.outcome.judged = judge_missing(
            whole, tasks, tell, {self.store.folder(cell) for cell in self.fresh}
        )
        missing = list(unscored(whole, tasks, tell))
        for spec, lost in _by_judge(missing).items():
            self.outcome.notes.append(f"{lost} responses have no verdict of judge {spec}")
        self.outcome.failed += [(f"judge {m.spec}", str(m)) for m in missing if m.too_many]

    def _tell(self, aside: Sequence[Mapping[str, Any]]) -> None:
        """Says what a reader of the exit code alone would not know."""
        notes, attic = self.outcome.notes, str(self.store.attic)
        notes += self.store.damaged
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
        for plan in plans:
            if why := self.untrained.get(plan.name):
                self.lost(plan, {"config": self._config(plan).model_dump()}, tasks, why)
        plans = [plan for plan in plans if plan.name not in self.untrained]
        plans = [*plans, *self._kept(plans, folders)]
        if not plans:
            return
        lm = self._loaded(folders)
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

    def wanted(self, plans: Sequence[AdapterPlan]) -> dict[str, tuple[TrainConfig, Path]]:
        """What is to be trained for these models, and where it belongs."""
        return {
            plan.name: (self._config(plan), self.out / "adapters" / file_name(plan.name))
            for plan in plans
            if plan.name and not plan.existing
        }

    def train(self, plans: Sequence[AdapterPlan]) -> dict[str, Place]:
        """Trains the adapters that are not there yet; returns where each is.

        Those that could not be had are in `untrained`, and damaged ones go to the attic.
        """
        wanted = self.wanted(plans)
        if wanted:
            self._train(wanted)
        there: dict[str, Place] = {
            name: folder for name, (_, folder) in wanted.items() if name not in self.untrained
        }
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

        from leaderboards.run.training import train_missing

        self.mend(wanted)
        self.progress.start("training adapters", len(wanted))
        try:
            self.untrained = train_missing(wanted, lambda: self.progress.advance(1))
        finally:
            self.progress.done()
        gc.collect()  # the training copy of the base goes before the engine loads its own
        torch.cuda.empty_cache()

    def mend(self, wanted: Mapping[str, tuple[TrainConfig, Path]]) -> None:
        """Puts adapters of the run that are damaged aside, so that they are trained again."""
        from leaderboards.run.training import mend

        folders = {name: folder for name, (_, folder) in wanted.items()}
        self.outcome.notes += mend(folders, self.out / "attic" / "adapters")

    def _config(self, plan: AdapterPlan) -> TrainConfig:
        return self.study.train_config(plan.train_template, plan.seed, str(self.base))

    def tasks(self) -> dict[str, Any]:
        """Loads the tasks of the study, with their data, by name."""
        out: dict[str, Any] = {}
        for family in self.study.test.sets:
            out |= load_family(self.study, family)
        return out

    def _loaded(self, folders: dict[str, Place]) -> Any:
        """The engine, or one line that says why there is none.

        Raises:
            PTSTError: If the base cannot be loaded.
        """
        try:
            return self.engine(folders)
        except PTSTError:
            raise
        except Exception as e:  # of any library, about whatever it read
            check_disk(e)
            raise EngineError(f"the base {self.study.base!r} cannot be loaded: {said(e)}") from e

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
        try:
            made = checked_manifest(folder)
        except ConfigError as e:
            self.lost(plan, {}, tasks, e)
            self.progress.advance(self.prompts(tasks))
            return
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
            except Exception as e:  # no weights, no prompts, or a library's own trouble with them
                check_disk(e)
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
        if not ready:
            return
        journal, failed = self._journal(plan), len(self.outcome.failed)
        lm.on_batch = self._at_most(sum(self._prompts(tasks[n]) for n in ready))
        try:
            lm.journal = self._opened(journal)
        except OSError as e:
            self._fail_all(ready, e)
            return
        with remembered(lm):
            self._attempt(lm, plan, folder, ready, tasks)
        if len(self.outcome.failed) == failed:  # the next try of a cell reuses the answers it had
            journal.unlink(missing_ok=True)

    def _attempt(
        self, lm: Any, plan: AdapterPlan, folder: Place | None, ready: dict[str, Cell],
        tasks: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Measures these cells together; where one of them fails, the others go on without it."""
        while ready:
            try:
                self._evaluate(lm, plan, folder, {n: tasks[n] for n in ready}, ready)
                return
            except Exception as e:  # of any library: out of memory, a metric, a filter, a file
                check_disk(e)
                task = getattr(e, "task", "")
                if task in ready:
                    self.fail(ready.pop(task), e)
                elif isinstance(e, EngineError) or len(ready) == 1:
                    self._fail_all(ready, e)
                    return
                else:  # whose fault it is, nobody said
                    for name in list(ready):
                        self._attempt(lm, plan, folder, {name: ready[name]}, tasks)
                    return

    def _fail_all(self, ready: Mapping[str, Cell], why: Exception) -> None:
        for cell in ready.values():
            self.fail(cell, why)

    def _journal(self, plan: AdapterPlan) -> Path:
        """Where the answers of a model are kept until its cells are whole."""
        return self.out / "journal" / f"{file_name(plan.name or 'base')}.jsonl"

    def _opened(self, file: Path) -> Any:
        """A journal; what is no file goes aside, and lines that are none of ours are told of."""
        from ptst_tasks.engines.journal import Journal

        if file.is_dir():
            kept = put_aside(file, self.out / "attic" / "journal" / f"{file.name}.damaged")
            self.outcome.notes.append(
                f"{str(file)!r} is a folder, expected a file; it is now {str(kept)!r}"
            )
        journal = Journal(file)
        if journal.junk:
            self.outcome.notes.append(
                f"{str(file)!r}: {journal.junk} lines cannot be read; what they may have held is asked "
                "again"
            )
        return journal

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
        why = said(error).removeprefix(f"{cell.harness_task}: ")
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
        task = tasks.get(record["harness_task"])
        if task is None or not record.get("provenance"):
            return False
        made = Generation.from_dict(record["provenance"]).data
        docs = list(task.eval_docs)[: self.study.test.limit]
        have = (record.get("requested"), made.asked, made.fingerprint)
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
            self._attach(lm, plan.name, folder)
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
            share = round(seconds * len(tasks[name].instances) / total, 3)
            try:
                with self.store.writing(cell, seconds=share) as aside:
                    write_results(aside, f"ptst-{self.study.engine}", args, name, results)
            except Exception as e:  # what this task made cannot be written; the others can
                check_disk(e)
                check_room(self.out, results["samples"][name])  # lm-eval does not say why
                self.fail(cell, e)
                continue
            self.outcome.done += 1
            self.fresh.append(cell)

    @staticmethod
    def _attach(lm: Any, name: str, folder: Place) -> None:
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

    def _model_args(self, folder: Place | None) -> dict[str, str]:
        args = {"pretrained": self.study.base}
        return {**args, "peft": str(folder)} if folder else args


def _seed(record: Mapping[str, Any]) -> int | None:
    """The decoding seed of a cell on disk."""
    return Generation.from_dict(record["provenance"]).decoding.seed


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
