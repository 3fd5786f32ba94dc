"""What is measured: prompt templates, data sets, lm-eval tasks, metrics and judges.

Used through lm-evaluation-harness: ``lm_eval --include_path "$(ptst path)" --tasks 'ptst_*'``. The
names below are for Python, each imported when it is first used; `leaderboards` is the front door.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ptst_tasks.chat import Renderer
    from ptst_tasks.engines import Engine, open_engine
    from ptst_tasks.errors import PTSTError
    from ptst_tasks.judges import Judge, Verdict
    from ptst_tasks.judges import make as make_judge
    from ptst_tasks.record import TaskRecord
    from ptst_tasks.sets import load as load_set
    from ptst_tasks.task import TemplatedTask
    from ptst_tasks.templates import PromptTemplate
    from ptst_tasks.templates import builtin as builtin_templates

_WHERE = {
    "Engine": "engines:Engine",
    "Judge": "judges:Judge",
    "PTSTError": "errors:PTSTError",
    "PromptTemplate": "templates:PromptTemplate",
    "Renderer": "chat:Renderer",
    "TaskRecord": "record:TaskRecord",
    "TemplatedTask": "task:TemplatedTask",
    "Verdict": "judges:Verdict",
    "builtin_templates": "templates:builtin",
    "load_set": "sets:load",
    "make_judge": "judges:make",
    "open_engine": "engines:open_engine",
}

__all__ = [
    "TASKS_DIR",
    "Engine",
    "Judge",
    "PTSTError",
    "PromptTemplate",
    "Renderer",
    "TaskRecord",
    "TemplatedTask",
    "Verdict",
    "__version__",
    "builtin_templates",
    "load_set",
    "make_judge",
    "open_engine",
    "task_manager",
]

__version__ = "0.2.0"
"""The one place for it: the wheel, ``ptst --version`` and every results file take it from here."""

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


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
