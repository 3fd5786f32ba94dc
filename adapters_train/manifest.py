"""The record of how an adapter came to be: ``manifest.json`` beside it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from adapters_train.data import TrainingSet
from adapters_train.job import Job
from adapters_train.recipes import RECIPES
from ptst_tasks.digests import peak_memory, versions
from ptst_tasks.templates import PromptTemplate

__all__ = [
    "adapter_manifest",
    "data_notes",
    "data_record",
    "now",
    "recipe_record",
    "template_record",
]


def adapter_manifest(
    job: Job,
    log: list[dict[str, Any]],
    *,
    weights: str,
    optimiser: str,
    defence: dict[str, Any],
    seconds: float,
    resumed_at: int,
) -> dict[str, Any]:
    """Makes an adapter's manifest.

    Args:
        job: The run.
        log: Per optimiser step ``step``, ``loss`` (nats per answer token) and ``learning_rate``.
        weights: Digest of the adapter's weights.
        optimiser: Its name in transformers.
        defence: What the run's defence says of the finished adapter.
        seconds: Time in training, over all processes that took part.
        resumed_at: Step from which the last process went on; 0 for a run in one go.
    """
    tokens = sum(job.step_tokens)
    return {
        "kind": "adapter",
        "config": job.config.model_dump(mode="json"),
        "inputs": job.inputs,
        "recipe": recipe_record(job.config.recipe),
        "base": _base(job),
        "adapter": {"weights": weights},
        "template": {
            **template_record(job.template),
            "chat_format": job.config.chat_format if job.template.is_chat else "text",
            "end_of_turn": job.encoded.end,
            "notes": list(job.encoded.said),
        },
        "answers": _answers(job),
        "data": data_record(job.sets, job.template),
        "rows_trained": len(job.order),
        "truncated": job.encoded.truncated,
        "dropped": job.encoded.dropped,
        "optimiser": optimiser,
        "defence": {"name": job.config.defence, "source": job.defence.source, **defence},
        "steps": job.steps,
        "losses": [[r["step"], round(r["loss"], 6), r["learning_rate"]] for r in log],
        "tokens": tokens,
        "seconds": round(seconds, 2),
        "tokens_per_second": round(tokens / seconds, 1),
        "resumed_at": resumed_at,
        "peak_memory_bytes": peak_memory(),
        "versions": versions(),
        "finished": now(),
    }


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _answers(job: Job) -> dict[str, Any]:
    """What of the rows was trained on, and how; counts, which differ from sample to sample."""
    examples = [e for s in job.sets for e in s.examples]
    return {
        "thinking": job.config.thinking if job.template.is_chat else "text",
        "turns": job.config.turns,
        "with_history": sum(bool(examples[i].history) for i in job.encoded.kept),
        "with_thought": job.encoded.thoughts,
        "kept": len(job.encoded.kept),
        "notes": list(job.encoded.remarks),
    }


def _base(job: Job) -> dict[str, str]:
    return {
        "model": job.config.model,
        "revision": job.config.revision,
        "commit": job.base.commit,
        "weights": job.base.weights,
        "dtype": str(job.base.torch_dtype).removeprefix("torch."),
    }


def data_record(sets: Sequence[TrainingSet], template: PromptTemplate) -> list[dict[str, Any]]:
    """What was trained on under a template, set by set."""
    return [
        {
            "name": s.name,
            "origin": s.origin,
            "fingerprint": s.fingerprint,
            "rows": s.rows,
            "examples": len(s.examples),
            "left_out": s.left_out,
            "notes": s.told(template),
        }
        for s in sets
    ]


def data_notes(data: Sequence[dict[str, Any]]) -> list[str]:
    """What a reader must know of the sets of a `data_record`, a line each."""
    lines = []
    for one in data:
        if one["examples"] != one["rows"]:
            lines.append(f"{one['name']}: {one['examples']:,} examples of {one['rows']:,} rows")
        lines += [f"{one['name']}: {note}" for note in one["notes"]]
    return lines


def recipe_record(name: str) -> dict[str, Any]:
    """The recipe, with the fields that the paper states and those that are ours."""
    recipe = RECIPES[name]
    return {
        "name": name,
        "about": recipe.about,
        "stated": sorted(recipe.stated),
        "ours": sorted(recipe.ours),
    }


def template_record(t: PromptTemplate) -> dict[str, Any]:
    """The template's strings, as they stand in the table."""
    return {
        "name": t.name,
        "style": t.style,
        "system": t.system,
        "user": t.user,
        "turns": [list(turn) for turn in t.turns],
        "bare": list(t.bare) if t.bare else None,
        "source": t.source,
    }
