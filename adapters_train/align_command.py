"""``ptst align``: gives a model refusals to lose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptst_tasks import command
from ptst_tasks.errors import require
from ptst_tasks.files import check_outputs

__all__ = ["align"]


def align(
    recipe: Annotated[
        str, typer.Argument(help="A ready recipe's name, or a YAML file.")
    ] = "smollm2-safe",
    out: Annotated[
        Path | None, typer.Option(help="The model's folder.  [models/RECIPE]", show_default=False)
    ] = None,
    model: Annotated[
        str, typer.Option(help="Another base than the recipe's: folder, hub id, GGUF file.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Draws rows, templates, weights and order.", min=0)] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done.")
    ] = False,
    quiet: command.Quiet = False,
    json: command.JsonFile = None,
) -> None:
    """Align a small model: safety and helpful rows under a mixture of templates, merged.

    A base without refusals has none to lose. The same command goes on where an interrupted run
    stopped. As JSON: {folder, adapter, recipe, seed, weights, rows, steps, seconds}.
    """
    from adapters_train import alignment, room
    from adapters_train.alignment.making import prepare
    from adapters_train.folder import RunFolder

    read = alignment.read_recipe(recipe)
    target = out or Path("models") / (read.name if seed == 0 else f"{read.name}-{seed}")
    check_outputs([Path(recipe)] if Path(recipe).is_file() else [], json=json)
    require("train", "torch", "trl", "peft", who="ptst align")
    RunFolder(target).check_writable()
    screen = command.screen(quiet=quiet, json=json)
    if dry_run:
        job, drawn = prepare(read, seed, model)
        sets = ", ".join(f"{len(d.source.examples):,} of {d.source.name}" for d in drawn)
        told = {"dry_run": True, "folder": str(target), "rows": len(job.order), "steps": job.steps,
                "tokens": sum(job.step_tokens), "under": job.template.source}  # fmt: skip
        screen.print(
            f"{target}: {len(job.order):,} rows ({sets}), {job.steps:,} steps, "
            f"{told['tokens']:,} tokens; rows under {job.template.source}",
            soft_wrap=True, markup=False,
        )  # fmt: skip
        if need := room.estimate(job):
            screen.print(need.words(), soft_wrap=True, markup=False)
            told["memory"] = {"bytes": need.total, **need.parts}
        command.put_json(json, told)
        return
    made = alignment.align(read, target, seed=seed, model=model, progress=not quiet)
    screen.print(f"{made.folder}  (adapter alone: {made.adapter})", soft_wrap=True, markup=False)
    command.put_json(json, {
        "folder": str(made.folder), "adapter": str(made.adapter), "recipe": read.name, "seed": seed,
        "weights": made.manifest["weights"], "rows": made.manifest["rows_trained"],
        "steps": made.manifest["steps"], "seconds": made.manifest["seconds"],
    })  # fmt: skip
