"""lm-eval's evaluation loop without its bars, and its own results files: for all who measure."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptst_tasks.lm_internals import save_results, without_bars

if TYPE_CHECKING:
    from ptst_tasks.engines import Engine

__all__ = ["evaluate", "no_bars", "quiet", "write_results"]


def evaluate(lm: Engine, tasks: dict[str, Any], limit: int | None) -> dict[str, Any]:
    """Asks an engine these tasks, and scores what it answers."""
    from lm_eval.evaluator import evaluate as ask

    with quiet():
        results: dict[str, Any] = ask(
            lm,
            {"tasks": tasks, "groups": {}, "group_map": {}},
            limit=limit,
            bootstrap_iters=0,
            apply_chat_template=True,
        )
    return results


def write_results(
    folder: Path, model: str, model_args: dict[str, str], task: str, results: dict[str, Any]
) -> None:
    """Writes one task's results and samples with lm-eval's own writer."""
    from importlib.metadata import version

    kinds = ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples")
    one: dict[str, Any] = {kind: {task: results[kind][task]} for kind in kinds}
    one |= {
        "config": {"model": model, "model_args": model_args},
        "date": float(os.environ.get("SOURCE_DATE_EPOCH") or time.time()),
        "lm_eval_version": version("lm_eval"),
        "transformers_version": version("transformers"),
    }
    save_results(folder, model, model_args, one, {task: results["samples"][task]})


def quiet() -> Any:
    """lm-eval draws a bar per task on stderr; a study has one of its own."""
    return without_bars()


def no_bars() -> None:
    """No bar for every model that transformers loads; a study has one of its own."""
    from transformers.utils import logging

    logging.disable_progress_bar()
