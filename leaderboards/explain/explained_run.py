"""Explains a run: from its folder to a CSV and a picture in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from leaderboards.explain.explaining import Explained, explain_models
from leaderboards.explain.layers_csv import csv_of
from leaderboards.explain.prompts import chosen, prompts_of
from leaderboards.explain.run_folder import adapters_of, study_of
from leaderboards.run.faults import check_disk
from leaderboards.run.identity import Records, base_folder
from leaderboards.run.local import start_engine
from ptst_tasks.digests import ids_digest
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.files import write_text

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
    on_model: Callable[[str], None] = lambda _: None,
) -> Explanation:  # fmt: skip
    """Measures the models of a run, and writes ``RUN/explain``.

    Args:
        run: The run's folder.
        harmful: A harmful set; empty for the study's first.
        harmless: A set of harmless prompts; empty for the study's over-refusal set.
        rows: Prompts of each.
        batch: Prompts in one pass.
        on_model: Hears of every model before it is measured; the base has no name.

    Raises:
        PTSTError: If the run, its sets or its base cannot be had, or nothing can be written.
    """
    study = study_of(run)
    sets = chosen(study, harmful, harmless)
    there, lost = adapters_of(study, run)
    base = base_folder(study.base)
    lm = start_engine(study, base, {name: folder for name, (_, folder) in there.items()})
    records = Records(study, base)
    try:
        asked = prompts_of(study, sets, rows, lm)
        identities, good = {}, []
        for name, (plan, folder) in there.items():
            try:
                identities[name] = records.adapter(lm, folder)
                good.append(plan)
            except (ConfigError, OSError, ValueError) as e:
                lost.append(f"{name}: {said(e)}")
        found = explain_models(
            lm, good, {n: folder for n, (_, folder) in there.items()}, asked, batch=batch,
            on_model=on_model, on_lost=lambda name, e: lost.append(f"{name}: {said(e)}"),
        )  # fmt: skip
        digests = {t: ids_digest([*p.harmful, *p.harmless]) for t, p in asked.items()}
        facts = {"base": study.label, "base_digest": records.base(lm).weights,
                 "harmful": sets.harmful, "harmless": sets.harmless}  # fmt: skip
    finally:
        lm.close()
    out = run / "explain"
    file = out / "explain.csv"
    write_text(file, csv_of(found, facts, digests, identities), what="explain.csv")
    notes = [sets.note] if sets.note else []
    return Explanation(
        found, [file, *_picture(found, out, study.label, sets.harmful, sets.harmless)], notes, lost
    )


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
