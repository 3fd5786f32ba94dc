"""The book of a run: which cells were asked for, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from leaderboards.run.asked import seeds
from leaderboards.run.labels import labelled
from leaderboards.run.outcome import Outcome
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.store import Cell, Store
from leaderboards.run.study import Study
from ptst_tasks.digests import digest_json
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.provenance import Adapter, Decoding, Generation
from ptst_tasks.task_facts import asked_digest, requested

__all__ = ["CellLedger"]


class CellLedger:
    """Keeps the book of one run.

    Args:
        study: Whose cells.
        store: Where they lie.

    Attributes:
        outcome: What the run came to so far.
        cells: Those that were asked for.
        fresh: Those of them that were measured now.
        asked: Digests of those that the study asks for; an earlier run's may be among them.
    """

    def __init__(self, study: Study, store: Store) -> None:
        self.study, self.store = study, store
        self.outcome = Outcome()
        self.cells: list[Cell] = []
        self.fresh: list[Cell] = []
        self.asked: set[str] = set()
        self._names: dict[str, str] = {}  # digest -> whose cell it is

    def add(self, cell: Cell) -> None:
        """Makes a cell one of those that the study asks for."""
        self.cells.append(cell)
        self.asked.add(cell.digest)

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

    def kept(self, cell: Cell) -> bool:
        """Whether a cell is there already; it is counted then."""
        there = self.store.has(cell)
        self.outcome.kept += there
        return there

    def done(self, cell: Cell) -> None:
        """A cell was measured now."""
        self.outcome.done += 1
        self.fresh.append(cell)

    def fail(self, cell: Cell, error: Exception, *, record: bool = True) -> None:
        """Tells why a cell could not be had, and records it unless there is an earlier one."""
        why = said(error).removeprefix(f"{cell.harness_task}: ")
        if record:
            self.store.fail(cell, why)
        self.outcome.failed.append((cell.label, why))

    def lost(
        self, plan: AdapterPlan, made: Mapping[str, Any], tasks: Mapping[str, Any],
        why: Exception, which: Sequence[int | None] | None = None,
    ) -> None:  # fmt: skip
        """Records that a model cannot be had; what an earlier run measured of it stays.

        Args:
            plan: The model.
            made: The manifest of its adapter, as far as it is known.
            tasks: What it would have been asked.
            why: What happened.
            which: Decoding seeds; all of each task's if they are not said.
        """
        done = [r for r in self.store.done(plan.name) if self.is_current(r, tasks)]
        self.asked |= {r["digest"] for r in done}
        there = {(r["harness_task"], _seed(r)) for r in done if r["adapter"] == plan.name}
        for name, task in tasks.items():
            for seed in which or seeds(self.study, task):
                # Without weights and prompts its names must do.
                unknown = Generation(adapter=Adapter(step=plan.step), decoding=Decoding(seed=seed))
                cell = labelled(self.study, plan, made, name, task, unknown)
                cell = replace(cell, lost=f"{plan.name}/{name}/{seed}")
                self.fail(cell, why, record=(name, seed) not in there)
                if (name, seed) not in there:
                    self.add(cell)

    def is_current(self, record: Mapping[str, Any], tasks: Mapping[str, Any]) -> bool:
        """Whether a cell on disk is one that these tasks would ask for, as far as they know."""
        task = tasks.get(record["harness_task"])
        if task is None or not record.get("provenance"):
            return False
        made = Generation.from_dict(record["provenance"]).data
        docs = list(task.eval_docs)[: self.study.test.limit]
        have = (record.get("requested"), made.asked, made.fingerprint)
        asked = asked_digest(str(doc["id"]) for doc in docs)
        want = (requested(task), asked, task.loaded.fingerprint)
        return digest_json(have) == digest_json(want) and _seed(record) in seeds(self.study, task)


def _seed(record: Mapping[str, Any]) -> int | None:
    """The decoding seed of a cell on disk."""
    return Generation.from_dict(record["provenance"]).decoding.seed
