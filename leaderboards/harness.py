"""lm-eval's own command line, over our tasks alone and checked before a model is loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ptst_tasks import TASKS_DIR
from ptst_tasks.errors import ConfigError
from ptst_tasks.task import NO_SHOTS
from ptst_tasks.validate import load_tasks, preflight, refuse_idle

__all__ = ["run_lm_eval"]


def run_lm_eval(args: Sequence[str]) -> None:
    """Runs ``lm_eval run`` with these arguments; our tasks need no --include_path.

    Raises:
        PTSTError: If a task, an option or the model cannot go together, before anything is loaded.
    """
    from ptst_tasks import engines
    from ptst_tasks.lm_internals import CommandLine

    engines.register()
    with _argv(["lm_eval", "run", *args]):
        try:
            line = CommandLine()
        except (ValueError, TypeError) as e:
            raise ConfigError(f"lm_eval does not accept these options: {e}") from e
        config = line.config
        if config.num_fewshot:  # before a model is loaded; the tasks themselves refuse it, too
            raise ConfigError(NO_SHOTS)
        if config.use_cache:
            raise ConfigError(
                "--use_cache keeps answers without the model that gave them: another adapter would be "
                "given the first one's; leave it out, or use `ptst run`, which asks nothing twice"
            )
        folder = config.include_path or str(TASKS_DIR)
        tasks = load_tasks(_names(config.tasks), config.metadata or {}, folder)
        refuse_idle(tasks.values(), config.metadata or {})
        options = preflight(
            tasks,
            config.model,
            config.model_args,
            bool(config.apply_chat_template),
            config.gen_kwargs,
        )
        line.run(_only(folder), options)


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
