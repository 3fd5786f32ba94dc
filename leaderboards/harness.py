"""lm-eval's own command line, over our tasks alone and checked before a model is loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from ptst_tasks import TASKS_DIR
from ptst_tasks.errors import ConfigError
from ptst_tasks.validate import load_tasks, preflight

__all__ = ["run_lm_eval"]


def run_lm_eval(args: Sequence[str]) -> None:
    """Runs ``lm_eval run`` with these arguments; our tasks need no --include_path.

    Raises:
        PTSTError: If a task, an option or the model cannot go together, before anything is loaded.
    """
    from lm_eval._cli.harness import HarnessCLI
    from lm_eval.config.evaluate_config import EvaluatorConfig

    from ptst_tasks import engines

    engines.register()
    with _argv(["lm_eval", "run", *args]):
        cli = HarnessCLI()
        namespace = cli.parse_args()
        try:
            config = EvaluatorConfig.from_cli(namespace)
        except (ValueError, TypeError) as e:
            raise ConfigError(f"lm_eval does not accept these options: {e}") from e
        folder = config.include_path or str(TASKS_DIR)
        tasks = load_tasks(_names(config.tasks), config.metadata or {}, folder)
        options = preflight(
            tasks,
            config.model,
            config.model_args,
            bool(config.apply_chat_template),
            config.gen_kwargs,
        )
        namespace.gen_kwargs = options or None
        with mock.patch("lm_eval.tasks.TaskManager", _only(folder)):
            cli.execute(namespace)


def _names(tasks: Any) -> list[str]:
    given = [tasks] if isinstance(tasks, str) else list(tasks or [])
    names = [name for part in given for name in str(part).split(",") if name]
    if not names:
        raise ConfigError("no --tasks; `ptst tasks` prints the names")
    return names


def _only(folder: str) -> Any:
    """A TaskManager that skips lm-eval's own tasks, whose index takes 12 s."""
    from lm_eval.tasks import TaskManager

    def build(include_path: Any = None, metadata: Any = None, **_: Any) -> Any:
        path = include_path or folder
        return TaskManager(include_path=path, include_defaults=False, metadata=metadata)

    return build


@contextmanager
def _argv(argv: list[str]) -> Iterator[None]:
    before, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = before
