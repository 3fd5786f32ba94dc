"""``ptst train --dry-run``: what each run would do, and what the model would be trained to write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters_train import room
from adapters_train.config import TrainConfig
from adapters_train.job import Job
from adapters_train.manifest import data_notes, data_record
from ptst_tasks.chat import Renderer
from ptst_tasks.shown import around, thinking_state

__all__ = ["plan"]


def plan(
    runs: Sequence[tuple[TrainConfig, Path]],
    *,
    price: float | None = None,
    max_cost: float | None = None,
) -> list[dict[str, Any]]:
    """What each run would do; reads the data and the tokenizer, not the weights.

    Args:
        runs: Settings, and the folder of each.
        price: US dollars per million training tokens, of the API.
        max_cost: What it may cost at most.

    Returns:
        For each its facts, and as ``told`` the lines for a reader.

    Raises:
        PTSTError: On anything wrong with settings, data or tokenizer.
    """
    from adapters_train.base_model import Base
    from adapters_train.job import prepare
    from adapters_train.openai_api import check_cost, prepare_api

    base, out = Base.of(runs[0][0]), []
    for config, folder in runs:
        if config.backend == "openai":
            api_job = prepare_api(config, price=price)
            estimate, data = api_job.estimate, api_job.record["data"]
            if max_cost is not None:
                check_cost(estimate, price, max_cost)
            notes = api_job.record["answers"]["notes"]
            lines = [f"{folder}  {estimate.told()}", *(f"  note: {note}" for note in notes)]
            told = "\n".join([*lines, *(f"  {line}" for line in data_notes(data))])
            out.append(
                {
                    "folder": str(folder),
                    **estimate.record(),
                    "data": data,
                    "notes": notes,
                    "told": told,
                }
            )
        else:
            out.append(_of_job(prepare(config, base), folder))
    return out


def _of_job(job: Job, folder: Path) -> dict[str, Any]:
    encoded, config = job.encoded, job.config
    tokens, cut, left = sum(job.step_tokens), encoded.truncated, encoded.dropped
    lines = [
        f"{folder}  {len(job.order)} rows in {job.steps} steps, {tokens:,} tokens, {cut} answers "
        f"cut, {left} rows left out"
    ]
    if not job.defence.is_plain:
        lines.append(f"  defence: {config.defence}: {job.defence.about}")
    shape = _shape(job)
    lines += [f"  {shape['around']}"]
    if job.template.is_chat and config.chat_format == "auto":
        lines.append(f"  thinking: {shape['state']}")
    if encoded.thoughts and not any("thought of their own" in note for note in encoded.notes):
        lines.append(
            f"  {encoded.thoughts} of {len(encoded.kept)} answers bring a thought of their own"
        )
    need = room.estimate(job)
    lines += [f"  {need.words()}"] if need else []
    lines += [f"  note: {note}" for note in (*room.warnings(job), *encoded.notes)]
    data = data_record(job.sets, job.template)
    lines += [f"  {line}" for line in data_notes(data)]
    return {
        "folder": str(folder), "template": config.template, "seed": config.seed,
        "defence": config.defence,
        "rows": len(job.order), "steps": job.steps, "tokens": tokens, "answers_cut": cut,
        "rows_left_out": left, "lead": shape["lead"], "end": encoded.end,
        "thinking": config.thinking, "data": data,
        "memory": {"bytes": need.total, **need.parts} if need else None,
        "thoughts": encoded.thoughts, "notes": list(encoded.notes),
        "told": "\n".join(lines),
    }  # fmt: skip


def _shape(job: Job) -> dict[str, Any]:
    """What stands around the first answer."""
    config, first = job.config, job.sets[0].examples[0]
    renderer = Renderer.for_tokenizer(
        job.base.tokenizer, config.chat_format, thinking=config.thinking
    )
    shown = renderer.render(
        job.template, first.query, first.system_prompt, history=first.history, training=True
    )
    return {"around": around(shown), "lead": shown.lead, "state": thinking_state(renderer)}
