"""The adapter that is published: its rows beside its base's, its record, its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboards.board.collect import collect
from leaderboards.board.row import Row
from leaderboards.explain.run_folder import adapters_of
from leaderboards.report.naming import Naming
from leaderboards.report.sayable import told_of
from leaderboards.report.sendable import name_of
from leaderboards.run import study_files
from leaderboards.run.manifests import checked_manifest
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.study import Study
from ptst_tasks.digests import weights_digest
from ptst_tasks.errors import ConfigError, UnknownNameError, said

__all__ = ["Subject", "subject_of"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class Subject:
    """One adapter of a run, in names that are fit to be sent.

    Attributes:
        name: The adapter's.
        base: The base's name, without paths.
        hub_base: The same where it is a model of the hub; empty for a folder or a built-in model.
        study: What was asked for.
        plan: Its row of the study.
        folder: Where its weights are; None where they are not here.
        manifest: How it came to be; empty where nobody recorded it.
        rows: The base's rows and its own.
        notes: What a reader of the command's output should know, a sentence each.
    """

    name: str
    base: str
    hub_base: str
    study: Study
    plan: AdapterPlan
    folder: Path | None
    manifest: Mapping[str, Any]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def own(self) -> list[Row]:
        """The adapter's rows."""
        return [row for row in self.rows if row.adapter]

    def part(self, name: str) -> Mapping[str, Any]:
        """A part of the manifest; empty where there is none."""
        found = self.manifest.get(name)
        return found if isinstance(found, Mapping) else {}


def subject_of(run: Path, name: str = "") -> Subject:
    """Reads one adapter of a run.

    Args:
        run: The run's folder.
        name: The adapter's; empty for the only one.

    Raises:
        ConfigError: If the folder is no run, has several adapters and none is named, nothing of it was
            measured, or the weights are not those that were measured.
        UnknownNameError: If no adapter has this name.
        DataError: If no cell can be read.
    """
    if not (run / "study.json").is_file():
        raise ConfigError(f"{str(run)!r} is no run folder: it has no study.json; give what `ptst run "
                          "--out` wrote")  # fmt: skip
    study = study_files.load(str(run / "study.json"))
    plan = _plan(study, run, name)
    raw, notes = collect([run])
    rows = _rows(raw, plan.name)
    there, missing = adapters_of(study, run)
    folder = there[plan.name][1] if plan.name in there else None
    if folder is None:
        notes += [line for line in missing if line.startswith(f"{plan.name}: ")]
    else:
        _check_measured(folder, rows)
    if any(r.step is not None and r.adapter.startswith(f"{plan.name}@") for r in raw):
        notes.append("copies kept along training are left out; the card is of the adapter itself")
    names = Naming()
    named = names.rows(rows)
    known = names.known()
    made = [r.model_copy(update={"error": told_of(r.error, known)}) for r in named]
    label = study.label
    hub = label if _HUB_ID.fullmatch(label) and not Path(study.base).exists() else ""
    own = next(r for r in made if r.adapter)
    return Subject(name_of(plan.name), own.base, "" if study.engine == "openai" else hub, study, plan,
                   folder, checked_manifest(folder), tuple(made), tuple(notes))  # fmt: skip


def _plan(study: Study, run: Path, name: str) -> AdapterPlan:
    plans = {plan.name: plan for plan in study.adapters() if plan.name}
    if not plans:
        raise ConfigError(f"{str(run)!r} has no adapter: its study measures the base alone")
    if name and name not in plans:
        raise UnknownNameError("adapter", name, plans, where=repr(str(run)))
    if not name and len(plans) > 1:
        raise ConfigError(
            f"{str(run)!r} has {len(plans)} adapters; say which with --adapter: {', '.join(plans)}"
        )
    return plans[name or next(iter(plans))]


def _rows(rows: list[Row], name: str) -> list[Row]:
    own = [row for row in rows if row.adapter == name and row.step is None]
    if not any(row.value is not None for row in own):
        why = next((f": {row.error}" for row in own if row.error), "")
        raise ConfigError(f"nothing of {name!r} is measured{why}; run its study again")
    bases = {row.base for row in own}
    return [row for row in rows if not row.adapter and row.base in bases] + own


def _check_measured(folder: Path, rows: list[Row]) -> None:
    """Refuses numbers of other weights than those that would stand beside them."""
    told = {row.adapter_digest for row in rows if row.adapter and row.adapter_digest}
    try:
        found = weights_digest(folder)
    except OSError as e:
        raise ConfigError(f"{str(folder)!r} cannot be read: {said(e)}") from e
    if told and told != {found}:
        raise ConfigError(
            f"{str(folder)!r} holds other weights ({found[:12]}) than were measured "
            f"({', '.join(sorted(d[:12] for d in told))}); run the study again"
        )
