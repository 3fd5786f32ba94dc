"""The one module that touches what lm-eval does not promise.

Private is here: a name that begins with an underscore, of a module or of an object; a name that
lm-eval's own guides do not explain; and whatever is replaced while it runs. Each is in `PRIVATE`
with what it is needed for, and a test compares the table with what stands below and with the rest
of our code, which may import lm-eval's public names only. When lm-eval changes, this file does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

__all__ = [
    "OVERRIDDEN",
    "PRIVATE",
    "TESTED",
    "CommandLine",
    "add_filter",
    "base_config",
    "base_model",
    "cut_at_stops",
    "declares",
    "filter_steps",
    "load_yaml",
    "register_models",
    "save_results",
    "set_base_model",
    "set_filters",
    "stops_with_end",
    "without_bars",
]

TESTED = "0.4.13"
"""The version of lm-eval that all of this was tested with; pyproject's range is this one alone."""

PRIVATE: Mapping[str, str] = {
    "lm_eval._cli.harness.HarnessCLI": "ptst eval is lm_eval's own command line, after our checks",
    "lm_eval.config.evaluate_config.EvaluatorConfig": "what that command line came to",
    "lm_eval.tasks.TaskManager": "replaced while that runs, to leave 14,000 tasks unindexed",
    "lm_eval.api.task.tqdm": "replaced while a study runs, which has a bar of its own",
    "lm_eval.tasks._yaml_loader.load_yaml": "a YAML that lm-eval drops without a word is a fault here",
    "lm_eval.models": "imported for its registry: lm-eval's own names come first",
    "lm_eval.api.registry.model_registry": "our engines' names for --model",
    "lm_eval.models.utils.handle_stop_sequences": "answers end where lm-eval's models end them",
    "lm_eval.models.utils.postprocess_generated_text": "answers are cut as lm-eval's models cut them",
    "lm_eval.filters.build_filter_ensemble": "a judge is a filter with our function in it",
    "lm_eval.loggers.EvaluationTracker": "a cell is lm-eval's own results and samples files",
    "_filters": "of a task: judges instead of the YAML's filters",
    "_aggregation_list": "of a task: which metrics its YAML declares",
    "_model": "of HFLM: the model that peft wraps",
    "_config": "of VLLM: the base's configuration",
}
"""Private name -> why. Attributes stand without their class."""

OVERRIDDEN: Mapping[str, str] = {
    "ptst_tasks.engines.hf": "_loglikelihood_tokens",
    "ptst_tasks.engines.vllm": "_loglikelihood_tokens",
}
"""Module -> the private method of lm-eval's class that its own class replaces."""


class CommandLine:
    """``lm_eval run`` with the arguments of ``sys.argv`` read, nothing loaded.

    Attributes:
        config: lm-eval's own record of them.

    Raises:
        ValueError: If lm-eval does not accept them.
        TypeError: The same.
    """

    def __init__(self) -> None:
        from lm_eval._cli.harness import HarnessCLI
        from lm_eval.config.evaluate_config import EvaluatorConfig

        self._cli = HarnessCLI()
        self._read = self._cli.parse_args()
        self.config: Any = EvaluatorConfig.from_cli(self._read)

    def run(self, task_manager: Callable[..., Any], gen_kwargs: Mapping[str, Any]) -> None:
        """Does what they say.

        Args:
            task_manager: Makes task managers in lm-eval's place.
            gen_kwargs: Decoding options in place of those that were said.
        """
        self._read.gen_kwargs = dict(gen_kwargs) or None
        with mock.patch("lm_eval.tasks.TaskManager", task_manager):
            self._cli.execute(self._read)


def without_bars() -> Any:
    """A block in which lm-eval draws no bar for each task."""
    return mock.patch("lm_eval.api.task.tqdm", lambda items, **_: items)


def load_yaml(file: Path) -> dict[str, Any]:
    """A task's YAML as lm-eval resolves it; raises whatever is wrong with it."""
    from lm_eval.tasks._yaml_loader import load_yaml as load

    config: dict[str, Any] = load(file, resolve_func=True)
    return config


def register_models(targets: Mapping[str, str]) -> None:
    """Tells lm-eval of names for ``--model`` -> ``module:class``, without importing them."""
    import lm_eval.models  # noqa: F401 - lm-eval's own names come first
    from lm_eval.api.registry import model_registry

    for name, target in targets.items():
        if name not in model_registry:
            model_registry.register(name, target=target)


def stops_with_end(stops: Sequence[str], end: str | None) -> list[str]:
    """Stop strings with the end of sequence among them, as lm-eval's models take it."""
    from lm_eval.models.utils import handle_stop_sequences

    return list(handle_stop_sequences(list(stops), end))


def cut_at_stops(text: str, stops: Sequence[str]) -> str:
    """An answer up to its first stop string."""
    from lm_eval.models.utils import postprocess_generated_text

    return str(postprocess_generated_text(text, list(stops), None))


def filter_steps(name: str, function: Callable[..., Any]) -> Any:
    """One of a task's filters: a function over all its responses, then the first of each."""
    from lm_eval.filters import build_filter_ensemble

    steps = [("custom", {"filter_fn": function}), ("take_first", None)]
    return build_filter_ensemble(name, steps)


def set_filters(task: Any, filters: Sequence[Any]) -> None:
    """Gives a task these filters in place of its own."""
    task._filters = list(filters)


def add_filter(task: Any, one: Any) -> None:
    """Gives a task one more filter."""
    task._filters.append(one)


def declares(task: Any, metric: str) -> bool:
    """Whether a task's YAML has a metric."""
    return metric in task._aggregation_list


def save_results(
    folder: Path,
    model: str,
    model_args: Mapping[str, str],
    results: dict[str, Any],
    samples: Mapping[str, list[Any]],
) -> None:
    """Writes results and samples with lm-eval's own writer, into ``FOLDER/cell``."""
    from lm_eval.loggers import EvaluationTracker

    tracker = EvaluationTracker(output_path=str(folder))
    tracker.general_config_tracker.log_experiment_args(model, dict(model_args), None, None, False)
    tracker.general_config_tracker.model_name_sanitized = "cell"
    tracker.save_results_aggregated(results=results, samples=dict(samples))
    for task, rows in samples.items():
        tracker.save_results_samples(task_name=task, samples=rows)


def base_model(lm: Any) -> Any:
    """The model in memory of lm-eval's HFLM."""
    return lm._model


def set_base_model(lm: Any, model: Any) -> None:
    """Puts another in its place, as one that peft has wrapped."""
    lm._model = model


def base_config(lm: Any) -> Any:
    """The configuration of the base of lm-eval's VLLM."""
    return lm._config
