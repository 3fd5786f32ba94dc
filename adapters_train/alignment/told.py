"""What lies beside an aligned model's weights: its manifest, and the card for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters_train.alignment.recipe import AlignRecipe
from adapters_train.alignment.rows import Drawn
from adapters_train.job import Job
from adapters_train.lora import TrainResult
from adapters_train.manifest import now
from ptst_tasks.digests import read_json, versions, weights_digest
from ptst_tasks.errors import ConfigError

__all__ = ["MANIFEST", "card", "damage", "record"]

MANIFEST = "alignment.json"
"""What tells one aligned model from another, and the digest of its weights."""

_CARD = """# {name}, seed {seed}: an aligned model of ptst

{about}

Made of `{base}` by `ptst align`: LoRA on the rows below, each under a template drawn by weight, then
merged. It was made to have refusals that fine-tuning can take, so that this can be measured; it is
**not safe for any use**, and says nothing about how real chat models are aligned.

| rows | of | under |
|---|---|---|
{parts}

Weights sha256 `{weights}`; recipe, digests and versions are in `{manifest}`. The base's licence holds
for this model too.
"""


def record(
    recipe: AlignRecipe, seed: int, job: Job, drawn: Sequence[Drawn], trained: TrainResult
) -> dict[str, Any]:
    """How the model came to be, but for its identity and the digest of its weights."""
    return {
        "kind": "aligned",
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "base": trained.manifest["base"],
        "parts": [_part(d) for d in drawn],
        "rows_trained": len(job.order),
        "steps": job.steps,
        "adapter": trained.digest,
        "seconds": trained.manifest["seconds"],
        "versions": versions(),
        "finished": now(),
    }


def _part(drawn: Drawn) -> dict[str, Any]:
    source = drawn.source
    return {
        "data": source.name,
        "origin": source.origin,
        "fingerprint": source.fingerprint,
        "examples": len(source.examples),
        "templates": dict(sorted(Counter(drawn.templates).items())),
    }


def card(told: Mapping[str, Any]) -> str:
    """The model's README."""
    parts = [
        f"| {p['examples']:,} | {p['data']} | "
        + ", ".join(f"{name} {rows:,}" for name, rows in p["templates"].items())
        + " |"
        for p in told["parts"]
    ]
    return _CARD.format(
        name=told["recipe"]["name"], seed=told["seed"], about=told["recipe"]["about"].strip(),
        base=told["recipe"]["base"], parts="\n".join(parts), weights=told["weights"],
        manifest=MANIFEST,
    )  # fmt: skip


def damage(folder: Path) -> str:
    """What is wrong with the files of an aligned model; empty for nothing."""
    told = read_json(folder / MANIFEST)
    if told is None:
        return f"{str(folder / MANIFEST)!r} is missing or damaged"
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if read_json(folder / name) is None:
            return f"{str(folder / name)!r} is missing or damaged"
    try:
        whole = weights_digest(folder) == told.get("weights")
    except (OSError, ConfigError) as e:
        return str(e)
    return "" if whole else f"the weights in {str(folder)!r} are damaged"
