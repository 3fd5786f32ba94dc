"""lm-eval's own command line, over our tasks alone and checked before a model is loaded."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path
from typing import Any

from leaderboards.cli import eval_checks
from ptst_tasks import TASKS_DIR
from ptst_tasks.base_names import is_read, local_base
from ptst_tasks.errors import ConfigError, EngineError, PTSTError, said
from ptst_tasks.lm_internals import CommandLine
from ptst_tasks.task import NO_SHOTS
from ptst_tasks.validate import LOCAL, load_tasks, preflight, refuse_idle

__all__ = ["run_lm_eval"]

_ROOT = Path(__file__).parents[2]
_OURS = tuple(
    str(_ROOT / name) + os.sep for name in ("ptst_tasks", "adapters_train", "leaderboards")
)


def run_lm_eval(args: Sequence[str]) -> None:
    """Runs ``lm_eval run`` with these arguments; our tasks need no --include_path.

    Raises:
        PTSTError: If a task, an option or the model cannot go together, before anything is loaded;
            or with what lm-eval, or a library below it, said when it stopped.
    """
    from ptst_tasks import engines

    engines.register()
    with _argv(["lm_eval", "run", *args]):
        line = CommandLine()
        config = line.config
        folder = config.include_path or str(TASKS_DIR)
        if config.model in LOCAL and is_read(base := str(config.model_args.get("pretrained", ""))):
            line.set_base(local_base(base))
        options = _check(config, line.given, folder)
        before = eval_checks.saved(config.output_path)
        _run(line, _only(folder), options)
    if gone := eval_checks.lost(config.output_path, before, samples=config.log_samples):
        raise ConfigError(
            f"{gone} could not be saved in --output_path {config.output_path!r} (is the disk full?); "
            "the table above is all there is of it"
        )


def _check(config: Any, given: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Everything that can be found out before a model is loaded; returns the decoding options."""
    if config.num_fewshot:  # the tasks themselves refuse it, too
        raise ConfigError(NO_SHOTS)
    eval_checks.check_options(config, given)
    tasks = load_tasks(_names(config.tasks), config.metadata or {}, folder)
    refuse_idle(tasks.values(), config.metadata or {})
    eval_checks.check_samples(config.samples, tasks)
    options = preflight(
        tasks, config.model, config.model_args, bool(config.apply_chat_template), config.gen_kwargs
    )
    eval_checks.check_loading(config, given)
    eval_checks.check_output(config.output_path)
    return options


def _run(line: CommandLine, task_manager: Any, options: Mapping[str, Any]) -> None:
    """Runs lm-eval; what it or a library below it raises is one line, a fault of ours is not.

    Libraries have no common base for what they raise of a model that is damaged or too large.
    """
    try:
        line.run(task_manager, options)
    except PTSTError:
        raise
    except SystemExit as e:
        if isinstance(e.code, str):
            raise EngineError(f"lm_eval stopped: {e.code}") from e
        raise
    except Exception as e:
        print(file=sys.stderr)  # below a bar that was being drawn
        if _no_memory(e):
            raise EngineError(
                f"out of memory: {said(e)}; lower --batch_size, or load the model in a smaller dtype"
            ) from e
        if os.environ.get("LMEVAL_LOG_LEVEL", "").upper() == "DEBUG" or _is_ours(e):
            raise
        raise EngineError(
            f"lm_eval stopped: {said(e)}; LMEVAL_LOG_LEVEL=DEBUG shows the whole trace"
        ) from e


def _no_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(
        w in words for w in ("out of memory", "can't allocate memory", "not enough memory")
    )


def _is_ours(error: BaseException) -> bool:
    """Whether our own code was at work below lm-eval's, but for an engine that loads a model."""
    frames = traceback.extract_tb(error.__traceback__)
    below = dropwhile(lambda f: f.filename.startswith(_OURS), frames)
    return any(f.filename.startswith(_OURS) and not _loads(f) for f in below)


def _loads(frame: traceback.FrameSummary) -> bool:
    return frame.name == "__init__" and f"{os.sep}engines{os.sep}" in frame.filename


def _names(tasks: Any) -> list[str]:
    given = [tasks] if isinstance(tasks, str) else list(tasks or [])
    names = [name.strip() for part in given for name in str(part).split(",")]
    if not any(names):
        raise ConfigError("no --tasks; `ptst tasks` prints the names")
    if not all(names):
        raise ConfigError(
            f"--tasks is {','.join(names)!r:.80}, with an empty name; a comma too many?"
        )
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
