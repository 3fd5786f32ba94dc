"""`align`: an adapter over a mixture of rows and templates, merged into a model of its own.

The adapter stands beside the model, as ``OUT-adapter``: an interrupted run goes on from there, and
with the base it shows before and after in one study.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapters_train import ordering, room
from adapters_train.alignment.recipe import AlignRecipe, read_recipe
from adapters_train.alignment.rows import Drawn, draw, tokenise
from adapters_train.alignment.told import MANIFEST, card, damage, record
from adapters_train.base_model import Base
from adapters_train.config import MIXED
from adapters_train.job import Job, world_rows
from adapters_train.lora import TrainResult, train_job
from ptst_tasks.digests import digest_json, read_json, weights_digest, write_json
from ptst_tasks.errors import ConfigError
from ptst_tasks.user_templates import active
from ptst_tasks.whole_folders import cache_home, made_whole

__all__ = ["Aligned", "align", "cached", "kept_place", "prepare"]

VERSION = 1
"""Raised when the same recipe and rows would give other weights than before."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """A model that was given refusals.

    Attributes:
        folder: The merged model, a normal Hugging Face folder.
        adapter: The adapter alone, for its base.
        manifest: How it came to be.
    """

    folder: Path
    adapter: Path
    manifest: dict[str, Any]


def prepare(recipe: AlignRecipe, seed: int, model: str = "") -> tuple[Job, list[Drawn]]:
    """Draws, tokenises and orders the rows; writes nothing.

    Args:
        recipe: What to align on.
        seed: Draws rows, templates, weights and order.
        model: Another base than the recipe's.

    Raises:
        PTSTError: On anything wrong with the recipe, the rows or the base.
    """
    config = recipe.config(model or recipe.base, seed)
    base = Base.of(config)
    drawn = draw(recipe, seed)
    encoded, counts = tokenise(drawn, base, config)
    examples = [example for part in drawn for example in part.source.examples]
    step_rows = world_rows(config)
    order = ordering.order(
        [examples[i].length for i in encoded.kept], len(encoded.kept), [],
        epochs=config.epochs, step_rows=step_rows, seed=seed, max_steps=config.max_steps,
        grouped=config.order == "grouped",
    )  # fmt: skip
    shown = replace(
        active(None).get("chat:vanilla", config.style), name=MIXED, user="", system="", turns=(),
        source=", ".join(f"{name} {rows}" for name, rows in sorted(counts.items())),
    )  # fmt: skip
    return Job(config, base, shown, [d.source for d in drawn], encoded, order, step_rows), drawn


def align(
    recipe: AlignRecipe,
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    model: str = "",
    progress: bool = False,
) -> Aligned:
    """Trains, merges, and writes the model; a folder that already holds this very model is kept.

    Called again with the same arguments it goes on where an interrupted run stopped. On a CPU the
    same seed gives the same weights on one machine type with as many threads.

    Args:
        recipe: What to align on.
        out: The model's folder; it appears when the model is whole. ``OUT-adapter`` is beside it.
        seed: Draws rows, templates, weights and order.
        model: Another base than the recipe's.
        progress: Draw a bar on the standard error.

    Raises:
        PTSTError: On anything wrong with the recipe, the rows, the base or a folder.
    """
    out = Path(out)
    adapter = out.with_name(f"{out.name}-adapter")
    job, drawn = prepare(recipe, seed, model)
    identity = {"version": VERSION, "save": recipe.save, "job": digest_json(job.identity)}
    if made := _made(out, identity):
        return Aligned(out, adapter, made)
    room.warn([job])
    trained = train_job(job, adapter, progress=progress)
    told = {"identity": identity, **record(recipe, seed, job, drawn, trained)}
    with made_whole(out, "the aligned model") as folder:
        _merge(job.base, trained, folder, recipe.save)
        told["weights"] = weights_digest(folder)
        write_json(folder / MANIFEST, told)
        (folder / "README.md").write_text(card(told), encoding="utf-8")
    return Aligned(out, adapter, told)


def cached(name: str, seed: int = 0, *, progress: bool = False) -> Path:
    """A ready recipe's model in the user's cache folder, ``$XDG_CACHE_HOME/ptst``.

    Raises:
        PTSTError: As `align`.
    """
    recipe = read_recipe(name)
    out = kept_place(recipe, seed)
    if out.is_dir() and not damage(out):  # made of this very recipe; its rows need not be here now
        return out
    return align(recipe, out, seed=seed, progress=progress).folder


def kept_place(recipe: AlignRecipe, seed: int) -> Path:
    """Where `cached` keeps a recipe's model, whether it is there or not."""
    digest = digest_json([VERSION, recipe.model_dump(mode="json"), seed])[:12]
    return cache_home() / f"aligned-{recipe.name}-{seed}-{digest}"


def _made(out: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest if `out` is this very model and whole, None if the folder is free.

    Raises:
        ConfigError: If it holds anything else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    told = read_json(out / MANIFEST) if out.is_dir() else None
    if told is None:
        raise ConfigError(
            f"{str(out)!r} holds something, and not an aligned model (it has no readable {MANIFEST}); "
            "choose a new folder (--out)"
        )
    if told.get("identity") != identity:
        raise ConfigError(
            f"{str(out)!r} holds a model of another recipe, base, seed or other rows (recipe "
            f"{told.get('recipe', {}).get('name')!r}, seed {told.get('seed')!r}); choose a new folder "
            "(--out)"
        )
    if why := damage(out):
        aside = _free(out)
        out.rename(aside)
        print(f"note: {why}; kept as {aside.name!r}, and made again", file=sys.stderr)
        return None
    return told


def _free(out: Path) -> Path:
    number = 1
    while (aside := out.with_name(f"{out.name}.damaged-{number}")).exists():
        number += 1
    return aside


def _merge(base: Base, trained: TrainResult, folder: Path, dtype: str) -> None:
    """Adds the adapter to the base's weights, in float32, and saves model and tokenizer."""
    import torch
    from peft import PeftModel
    from transformers.utils import logging

    whole, shown = replace(base, dtype="float32"), logging.is_progress_bar_enabled()
    merged: Any = PeftModel.from_pretrained(whole.model, str(trained.folder)).merge_and_unload()
    logging.disable_progress_bar()
    try:
        merged.to(getattr(torch, dtype)).save_pretrained(folder)
    finally:
        if shown:
            logging.enable_progress_bar()
    base.tokenizer.save_pretrained(folder)
