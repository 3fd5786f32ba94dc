"""What ``ptst train --dry-run`` says: what each run would do, and what of its data would be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters_train.base_model import Base
from adapters_train.config import TrainConfig
from adapters_train.job import prepare
from adapters_train.manifest import data_notes, data_record
from adapters_train.openai_api import check_cost, prepare_api

__all__ = ["plan"]


def plan(
    runs: Sequence[tuple[TrainConfig, Path]],
    *,
    price: float | None = None,
    max_cost: float | None = None,
) -> list[dict[str, Any]]:
    """Reads the data and the tokenizer, not the weights.

    Args:
        runs: Settings and folder of each run.
        price: US dollars per million training tokens, of runs at the API.
        max_cost: US dollars; a run estimated dearer is an error.

    Returns:
        A record of each run, with its lines for a screen under ``told``.

    Raises:
        PTSTError: On anything that is wrong with what was asked for.
    """
    base, out = Base.of(runs[0][0]), []
    for config, folder in runs:
        if config.backend == "openai":
            api_job = prepare_api(config, price=price)
            estimate = api_job.estimate
            if max_cost is not None:
                check_cost(estimate, price, max_cost)
            data = api_job.record["data"]
            told = "\n".join(
                [f"{folder}  {estimate.told()}", *(f"  {line}" for line in data_notes(data))]
            )
            out.append({"folder": str(folder), **estimate.record(), "data": data, "told": told})
            continue
        job = prepare(config, base)
        tokens, cut, left = sum(job.step_tokens), job.encoded.truncated, job.encoded.dropped
        out.append({
            "folder": str(folder), "template": config.template, "seed": config.seed,
            "rows": len(job.order), "steps": job.steps, "tokens": tokens, "answers_cut": cut,
            "rows_left_out": left, "data": (data := data_record(job.sets, job.template)),
            "told": "\n".join([
                f"{folder}  {len(job.order)} rows in {job.steps} steps, {tokens:,} tokens, "
                f"{cut} answers cut, {left} rows left out", *(f"  {line}" for line in data_notes(data))]),
        })  # fmt: skip
    return out
