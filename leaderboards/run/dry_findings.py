"""What a dry run has found out about a study so far; its checks read it and add to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaderboards.run.estimate import Workload
from leaderboards.run.study import Study
from ptst_tasks.base_names import present_base
from ptst_tasks.memory import Need

__all__ = ["Findings"]


@dataclass
class Findings:
    """What was found out about a study.

    Attributes:
        study: As far as it can be read.
        folder: The run's.
        faults: What is wrong.
        notes: What a reader should know.
        plan: Cells, prompts and tokens.
        needs: Memory of training and measuring.
        disk: Bytes to be written: surely, and at most about.
        wrong: Parts that failed, for checks that need them.
        tasks: The study's tasks by name.
        config: The base's transformers configuration.
        longest: Characters of the longest training row.
    """

    study: Study
    folder: Path
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plan: Workload | None = None
    needs: list[Need] = field(default_factory=list)
    disk: tuple[int, int] = (0, 0)
    wrong: set[str] = field(default_factory=set)
    tasks: dict[str, Any] = field(default_factory=dict)
    config: Any = None
    longest: int = 0

    @property
    def local(self) -> Path | None:
        """The base's folder, if it is one here."""
        served = self.study.engine == "openai"
        base = "" if served else present_base(self.study.base)
        return Path(base) if base and Path(base).is_dir() else None

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        plan = self.plan
        return {
            "study": self.study.name,
            "base": self.study.label,
            "run": str(self.folder),
            "faults": self.faults,
            "notes": self.notes,
            "models": [] if plan is None else [
                {"model": line.model, "cells": line.cells, "done": line.done, "prompts": line.prompts}
                for line in plan.lines
            ],
            "prompt_tokens": plan.prompt_tokens if plan else None,
            "new_tokens": plan.new_tokens if plan else None,
            "seconds": plan.seconds if plan else None,
            "cost": plan.cost if plan else None,
            "unpriced": list(plan.unpriced) if plan else [],
            "memory": {need.what: {"bytes": need.total, **need.parts} for need in self.needs},
            "disk": {"at_least": self.disk[0], "at_most_about": self.disk[1]},
        }  # fmt: skip
