"""``ptst explain``: what became of the direction along which the base tells harm."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ptst_tasks.command import JsonFile, Quiet, put_json, screen
from ptst_tasks.errors import require
from ptst_tasks.files import check_outputs

__all__ = ["explain"]


def explain(
    run: Annotated[Path, typer.Argument(help="The folder of a run, as ptst run wrote it.")],
    harmful: Annotated[str, typer.Option(help="A harmful set.  [the study's first]")] = "",
    harmless: Annotated[
        str, typer.Option(help="A set of harmless prompts.  [the study's over-refusal set]")
    ] = "",
    rows: Annotated[int, typer.Option(help="Prompts of each.", min=8)] = 64,
    batch_size: Annotated[int, typer.Option(help="Prompts in one pass.", min=1)] = 16,
    quiet: Quiet = False,
    json: JsonFile = None,
) -> None:
    """Measure how far each adapter moved along the base's refusal direction, layer by layer.

    Writes RUN/explain/explain.csv and a picture; what is measured is kept beside them and not measured
    again. Exit code 1 if an adapter could not be measured.
    """
    from leaderboards.board.rendering import columns
    from leaderboards.explain.explained_run import explain_run
    from leaderboards.explain.layers_csv import LEGEND, lines

    require("hf", "torch", "transformers", "peft", who="ptst explain")
    check_outputs([run], json=json)

    def tell(name: str, kept: bool) -> None:
        if not quiet:
            what = "measured before" if kept else "measuring"
            print(f"{what}: {name or 'the base'}", file=sys.stderr)

    made = explain_run(
        run, harmful=harmful, harmless=harmless, rows=rows, batch=batch_size, on_model=tell
    )
    for note in [*made.notes, *made.lost]:
        print(f"note: {note}", file=sys.stderr)
    shown = screen(quiet=quiet, json=json)
    for line in columns(lines(made.found)):
        shown.print(line.rstrip(), markup=False, soft_wrap=True, highlight=False)
    shown.print(LEGEND, markup=False, soft_wrap=True)
    for file in made.files:
        shown.print(f"written: {file}", markup=False, soft_wrap=True)
    models = [
        {"adapter": one.plan.name, "train_template": one.plan.train_template, "seed": one.plan.seed,
         "defence": one.plan.defence, "test_template": one.test, "best_layer": one.best,
         "layers": [asdict(layer) for layer in one.layers]}
        for one in made.found
    ]  # fmt: skip
    put_json(json, {"models": models, "files": [str(f) for f in made.files], "notes": made.notes,
                    "lost": made.lost})  # fmt: skip
    if made.lost:
        raise typer.Exit(1)
