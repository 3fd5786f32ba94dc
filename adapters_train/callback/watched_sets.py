"""The prompts of a callback: a task per set and template, and the names under which it is logged."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters_train.callback.watch_settings import WatchSettings
from ptst_tasks.errors import ConfigError
from ptst_tasks.generate import Family, task_name, write
from ptst_tasks.lm_internals import filter_names

__all__ = ["WatchedSet", "load"]

_NO_NAME = re.compile(r"[^\w.:/-]+", re.ASCII)  # what MLflow takes in a metric's name


@dataclass(frozen=True, slots=True)
class WatchedSet:
    """One set under one template.

    Attributes:
        name: lm-eval's name of the task.
        task: The task, with its data.
        place: What its logged names begin with, ``ptst/advbench/CL``.
    """

    name: str
    task: Any
    place: str

    @property
    def is_harmful(self) -> bool:
        """Whether its attack success counts for a limit."""
        return bool(self.task.source.kind == "harmful")

    @property
    def readings(self) -> list[str]:
        """Who makes numbers of its answers: judges, or of a helpful set its ways to read them."""
        return filter_names(self.task)

    def logged(self, metric: str, reading: str) -> str:
        """The name of one value; the judge is in it where there are several."""
        who = f"/{_NO_NAME.sub('_', reading)}" if len(self.readings) > 1 else ""
        return f"{self.place}{who}/{metric}"

    def names(self) -> dict[str, tuple[str, str]]:
        """Logged name -> (metric, reading), of all that it may measure."""
        metrics = list(self.task.aggregation())
        return {self.logged(m, j): (m, j) for j in self.readings for m in metrics}


def load(settings: WatchSettings) -> dict[str, WatchedSet]:
    """Loads the tasks with their data, by lm-eval's names.

    Raises:
        PTSTError: If a set cannot be had, or an option, a judge or a decoding option is wrong.
    """
    out: dict[str, WatchedSet] = {}
    for family in settings.families().values():
        out |= _family(settings, family)
    return out


def _family(settings: WatchSettings, family: Family) -> dict[str, WatchedSet]:
    from ptst_tasks.validate import load_tasks

    table, style = settings.table, family.source.style
    rows = {
        task_name(family, row): row for row in (table.get(t, style) for t in settings.templates)
    }
    options = {**settings.options, "judge": list(settings.judge)}
    options |= {"style": settings.style} if settings.style else {}
    options |= {"sample": settings.sample} if settings.sample else {}
    with tempfile.TemporaryDirectory() as folder:
        own = family.own is not None or settings.options.get("templates")
        if own:
            write(Path(folder), table, families=[family])
        tasks = load_tasks(rows, options, folder) if own else load_tasks(rows, options)
    out = {}
    for name, task in tasks.items():
        if task.generates:
            own = task.config.generation_kwargs
            task.config.generation_kwargs = settings.decoding_of(family, own)
        _check_rows(family.name, task)
        place = f"ptst/{family.name}{task.attack.suffix}/{_NO_NAME.sub('_', rows[name].abbr)}"
        out[name] = WatchedSet(name, task, place)
    return out


def _check_rows(family: str, task: Any) -> None:
    """Without a prompt there is nothing to measure."""
    if not len(task.eval_docs):
        raise ConfigError(f"PTSTCallback: the set {family!r} has no prompts")
