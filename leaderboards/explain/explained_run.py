"""Explains a run: from its folder to a CSV and a picture in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboards.explain.bearings import hint
from leaderboards.explain.explaining import Explained, TunedModel, explain_models
from leaderboards.explain.kept import Kept
from leaderboards.explain.layers_csv import csv_of
from leaderboards.explain.prompts import PromptPair, Sets, chosen, prompts_of, short_notes
from leaderboards.explain.run_folder import adapters_of, study_of, unasked
from leaderboards.run.faults import check_disk
from leaderboards.run.identity import Records, base_folder
from leaderboards.run.local import loaded
from ptst_tasks.digests import ids_digest
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.files import write_text
from ptst_tasks.lm_outputs import no_bars
from ptst_tasks.provenance import BaseRecord, EngineRecord

__all__ = ["Explanation", "explain_run"]


@dataclass(frozen=True)
class Explanation:
    """What came of it.

    Attributes:
        found: Every model under every test template, the base first.
        files: What was written.
        notes: What a reader must know.
        lost: Adapters without a number, and why.
    """

    found: list[Explained]
    files: list[Path]
    notes: list[str]
    lost: list[str]


def explain_run(
    run: Path, *, harmful: str = "", harmless: str = "", rows: int = 64, batch: int = 16,
    on_model: Callable[[str, bool], None] = lambda _, __: None,
) -> Explanation:  # fmt: skip
    """Measures the models of a run, and writes ``RUN/explain``.

    Args:
        run: The run's folder.
        harmful: A harmful set; empty for the study's first.
        harmless: A set of harmless prompts; empty for the study's over-refusal set.
        rows: Prompts of each.
        batch: Prompts in one pass.
        on_model: Hears of every model before it is measured, and whether it was measured before; the
            base has no name.

    Raises:
        PTSTError: If the run, its sets or its base cannot be had, or nothing can be written.
    """
    study, notes = study_of(run)
    sets = chosen(study, harmful, harmless)
    there, lost = adapters_of(study, run)
    base = base_folder(study.base)
    no_bars()
    lm = loaded(study, base, {name: folder for name, (_, folder) in there.items()})
    records = Records(study, base)
    try:
        asked = prompts_of(study, sets, rows, lm)
        models = []
        for name, (plan, folder) in there.items():
            try:
                models.append(TunedModel(plan, folder, records.adapter(lm, folder)))
            except (ConfigError, OSError, ValueError) as e:
                lost.append(f"{name}: {said(e)}")
        who = records.base(lm), records.engine(lm)
        found = explain_models(
            lm, models, asked, Kept(run, _facts(*who), _digests(asked)), batch=batch,
            on_model=on_model, on_lost=lambda name, e: lost.append(f"{name}: {said(e)}{hint(e)}"),
        )  # fmt: skip
        text = csv_of(found, _columns(study.label, sets, *who), _prompts(asked),
                      {m.plan.name: m.adapter for m in models})  # fmt: skip
    finally:
        lm.close()
    out = run / "explain"
    file = out / "explain.csv"
    write_text(file, text, what="explain.csv")
    notes += [
        *([sets.note] if sets.note else []),
        *short_notes(asked, sets, rows),
        *unasked(study, run),
    ]
    return Explanation(
        found, [file, *_picture(found, out, study.label, sets.harmful, sets.harmless)], notes, lost
    )


def _facts(base: BaseRecord, engine: EngineRecord) -> dict[str, Any]:
    """What decides the numbers of every model, beside its prompts."""
    return {"base": {"weights": base.weights, "config": base.config}, "dtype": engine.dtype,
            "args": dict(engine.args), "versions": dict(engine.versions)}  # fmt: skip


def _columns(label: str, sets: Sets, base: BaseRecord, engine: EngineRecord) -> dict[str, str]:
    versions = json.dumps(dict(engine.versions), sort_keys=True, separators=(",", ":"))
    return {"base": label, "base_digest": base.weights, "harmful": sets.harmful,
            "harmless": sets.harmless, "dtype": engine.dtype, "versions": versions}  # fmt: skip


def _digests(asked: Mapping[str, PromptPair]) -> dict[str, tuple[str, str]]:
    return {t: (ids_digest(p.harmful), ids_digest(p.harmless)) for t, p in asked.items()}


def _prompts(asked: Mapping[str, PromptPair]) -> dict[str, str]:
    return {t: ids_digest([*p.harmful, *p.harmless]) for t, p in asked.items()}


def _picture(
    found: list[Explained], out: Path, base: str, harmful: str, harmless: str
) -> list[Path]:
    from leaderboards.board import figures
    from leaderboards.explain.picture import by_layer

    if not any(one.plan.name for one in found):
        return []
    first = found[0]
    remarks = [
        f"{base}: {first.n_harmful} prompts of {harmful}, {first.n_harmless} of {harmless}; mean over "
        "seeds, with a band from the lowest to the highest"
    ]
    try:
        return figures.save(by_layer(found, remarks), out / "explain")
    except OSError as e:
        check_disk(e)
        raise ConfigError(f"cannot write pictures to {str(out)!r}: {said(e)}") from e
