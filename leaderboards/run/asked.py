"""What a study asks of each of its models: its tasks with their data, and how many prompts."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leaderboards.run.study import Study
from ptst_tasks.decoding import merge
from ptst_tasks.generate import write
from ptst_tasks.task_facts import is_sampled

__all__ = ["load_asked", "load_family", "prompts", "prompts_per_model", "seeds"]


def load_asked(study: Study) -> dict[str, Any]:
    """Loads the tasks of a study, with their data, by name."""
    out: dict[str, Any] = {}
    for family in study.test.sets:
        out |= load_family(study, family)
    return out


def load_family(study: Study, family: str) -> dict[str, Any]:
    """Loads a set's tasks as a study asks them, with their data, by name."""
    from ptst_tasks.validate import load_tasks

    tasks: dict[str, Any] = {}
    for attack in study.attacks(family):
        names, options = study.names(family), study.options(family)
        options |= {"attack": attack.spec} if attack.spec else {}
        found: dict[str, Any] = {}
        if family in study.test.custom:
            with tempfile.TemporaryDirectory() as folder:
                write(Path(folder), study.table, families=[study.families()[family]])
                found |= load_tasks(names, options, folder)
        else:
            found |= load_tasks(names, options)
        for name, task in found.items():
            task.config.task = name + attack.suffix
            tasks[task.config.task] = task
    for task in tasks.values():
        if task.OUTPUT_TYPE != "multiple_choice":
            own = task.config.generation_kwargs
            task.config.generation_kwargs = merge(own, study.test.decoding_of(family))
    return tasks


def seeds(study: Study, task: Any) -> tuple[int | None, ...]:
    """The decoding seeds of a task; None alone where nothing is drawn at random."""
    return (study.test.decoding_seeds or (0,)) if is_sampled(task) else (None,)


def prompts(study: Study, task: Any) -> int:
    """How many prompts one model is asked of a task, with one decoding seed."""
    n = len(task.eval_docs)
    return min(n, study.test.limit or n)


def prompts_per_model(study: Study, tasks: Mapping[str, Any]) -> int:
    """How many prompts one model is asked in all."""
    return sum(prompts(study, t) * len(seeds(study, t)) for t in tasks.values())
