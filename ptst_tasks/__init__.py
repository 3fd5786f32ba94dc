"""What is measured: prompt templates, data sets, lm-eval tasks, metrics and judges.

Used through lm-evaluation-harness: ``lm_eval --include_path "$(ptst path)" --tasks 'ptst_*'``.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["TASKS_DIR", "__version__", "task_manager"]

__version__ = "0.2.0"

TASKS_DIR = Path(__file__).parent / "tasks"
"""The folder for lm-eval's ``--include_path``."""


def task_manager(
    metadata: dict[str, object] | None = None, folder: str | Path = TASKS_DIR
) -> object:
    """Returns lm-eval's TaskManager over our tasks alone.

    lm-eval would index its own 14,000 YAML files first, about 12 s.
    """
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(folder), include_defaults=False, metadata=metadata or {})
