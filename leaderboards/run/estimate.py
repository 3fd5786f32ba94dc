"""What a study would cost, before anything is loaded: prompts, tokens, and time where it is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboards.board import disk
from leaderboards.run.asked import load_family
from leaderboards.run.identity import content
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.store import incomplete
from leaderboards.run.study import Study
from ptst_tasks.digests import digest_json, read_json
from ptst_tasks.engines.engine_args import LAYOUT
from ptst_tasks.engines.served_settings import ServedSettings
from ptst_tasks.errors import PTSTError, said
from ptst_tasks.prices import price_of
from ptst_tasks.task_facts import asked_digest, form, is_sampled, requested

__all__ = ["ModelWork", "Workload", "estimate"]

_CHARACTERS = 4  # per token of English text, a rule of thumb
_SCORED = ("medqa",)  # by log-likelihoods: nothing is written


@dataclass(frozen=True, slots=True)
class ModelWork:
    """One model: how many cells, how many of them are done, how many prompts are left."""

    model: str
    cells: int
    done: int
    prompts: int


@dataclass(frozen=True, slots=True)
class Workload:
    """A study's plan.

    Attributes:
        lines: Per model.
        prompt_tokens: To be read, about.
        new_tokens: To be written, at most.
        seconds: From the cells that are done already; None without any.
        missing: Sets that cannot be loaded here, with why.
        cost: USD of a served model's answers, at most about; None where nothing is paid for.
        unpriced: Served models whose price is unknown; they are not in `cost`.
    """

    lines: list[ModelWork]
    prompt_tokens: int
    new_tokens: int
    seconds: float | None
    missing: list[str]
    cost: float | None = None
    unpriced: tuple[str, ...] = ()

    def summary(self) -> str:
        """A few lines for the reader."""
        out = [
            "done: as far as names, rows and options tell; weights and prompts are compared by the run",
            f"left: about {self.prompt_tokens:,} tokens to read, at most {self.new_tokens:,} to write",
            "time: known once a cell is done"
            if self.seconds is None
            else f"time: about {self.seconds / 60:.0f} minutes, from the cells that are done",
        ]
        if self.cost is not None:
            out.append(self._cost())
        return "\n".join(out)

    def _cost(self) -> str:
        told = f"at most about {self.cost:.2f} USD" if self.cost or not self.unpriced else ""
        unknown = ", ".join(self.unpriced)
        known = f"{told}, without {unknown}: " if told else ""
        hint = "price unknown: set engine_args.price_in and price_out"
        return f"cost: {known}{hint}" if unknown else f"cost: {told}"


def estimate(study: Study, run: Path) -> Workload:
    """Plans a study without loading a model.

    A cell counts as done if the run has one of its name with the same rows, limit and decoding;
    whether weights and prompts are still the same is found out when the study runs.
    """
    tasks, missing = _tasks(study)
    sizes, characters = _sizes(study, tasks)
    longest = {task.set_name: _longest(task) for task in tasks.values()}
    records = [read_json(f / "cell.json") or {} for f in disk.cell_folders(run) if disk.is_whole(f)]
    done = Counter(
        (r.get("adapter"), r.get("harness_task")) for r in records if _fits(r, study, tasks)
    )
    lines, read, write = list[ModelWork](), 0.0, 0
    cost, unpriced = 0.0, list[str]()
    for plan in study.adapters():
        asked = [(family, task, _seeds(study, family)) for family, task in study.tasks()]
        cells = sum(n for _, _, n in asked)
        left = [f for f, task, n in asked for _ in range(n - min(n, done[plan.name, task]))]
        prompts = sum(sizes.get(f, 0) for f in left)
        lines.append(
            ModelWork(plan.name or "before fine-tuning", cells, cells - len(left), prompts)
        )
        tokens_in = sum(characters.get(f, 0.0) for f in left) / _CHARACTERS
        tokens_out = sum(sizes.get(f, 0) * longest.get(f, 0) for f in left)
        read, write = read + tokens_in, write + tokens_out
        if study.engine == "openai" and left:
            price = ServedSettings.read(study.engine_args).price or price_of(_served(study, plan))
            if price is None:
                unpriced.append(_served(study, plan))
            else:
                cost += price.cost(tokens_in, tokens_out)
    spent = sum(s for r in records if isinstance(s := r.get("seconds"), int | float))
    per_cell = spent / len(records) if records else None
    to_do = sum(line.cells - line.done for line in lines)
    seconds = None if per_cell is None else per_cell * to_do
    paid = cost if study.engine == "openai" else None
    return Workload(lines, int(read), write, seconds, missing, paid, tuple(unpriced))


def _fits(record: Mapping[str, Any], study: Study, tasks: Mapping[str, Any]) -> bool:
    """Whether a cell is one that the study asks for, as far as can be said without a model."""
    try:
        return _is_asked(record, study, tasks)
    except (AttributeError, KeyError, TypeError):  # a damaged record is no cell
        return False


def _is_asked(record: Mapping[str, Any], study: Study, tasks: Mapping[str, Any]) -> bool:
    if incomplete([record]):
        return False
    task, made = tasks.get(str(record.get("harness_task"))), record["provenance"]
    if task is None:  # its set cannot be loaded here
        return True
    data, engine, decoding = made["data"], made["engine"], made["decoding"]
    docs = list(task.eval_docs)[: study.test.limit]
    seeds = (study.test.decoding_seeds or (0,)) if is_sampled(task) else (None,)
    args = {k: content(v) for k, v in study.engine_args.items() if k not in LAYOUT}
    have = (data["fingerprint"], data["asked"], record.get("requested"), record.get("form"),
            engine["name"], engine["args"] or {}, engine["layout"].get("dtype"))  # fmt: skip
    want = (task.loaded.fingerprint, asked_digest(str(d["id"]) for d in docs), requested(task),
            form(task), study.engine, {} if study.engine == "openai" else args,
            None if study.engine == "openai" else study.engine_args.get("dtype"))  # fmt: skip
    return digest_json(have) == digest_json(want) and decoding["seed"] in seeds


def _seeds(study: Study, family: str) -> int:
    """How often each prompt of a set is answered."""
    drawn = study.test.gen_kwargs.get("do_sample") and family not in _SCORED
    return len(study.test.decoding_seeds or (0,)) if drawn else 1


def _longest(task: Any) -> int:
    """Tokens that an answer of a task has at most; none where log-likelihoods are compared."""
    return int(requested(task).get("max_gen_toks", 512)) if requested(task) else 0


def _served(study: Study, plan: AdapterPlan) -> str:
    """The endpoint's name of one model."""
    return plan.existing.path if plan.existing else study.base


def _tasks(study: Study) -> tuple[dict[str, Any], list[str]]:
    """The study's tasks by name, and why others cannot be loaded here."""
    tasks: dict[str, Any] = {}
    missing: list[str] = []
    for family in study.test.sets:
        try:
            tasks |= load_family(study, family)
        except (PTSTError, OSError) as e:
            missing.append(said(e))
    return tasks, missing


def _sizes(study: Study, tasks: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, float]]:
    """Prompts of each set, and their characters, about."""
    sizes: dict[str, int] = {}
    characters: dict[str, float] = {}
    for task in tasks.values():
        rows = task.loaded.rows[: study.test.limit]
        sizes[task.set_name] = len(rows)
        characters[task.set_name] = float(sum(len(r["prompt"]) + 200 for r in rows))
    return sizes, characters
