"""The one module that touches what lm-eval does not promise.

Private is here: a name that begins with an underscore, of a module or of an object; a name that
lm-eval's own guides do not explain; and whatever is replaced while it runs. Each is in `PRIVATE`
with what it is needed for, and a test compares the table with what stands below and with the rest
of our code, which may import lm-eval's public names only. When lm-eval changes, this file does;
that there is one is why it is longer than others.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn, get_type_hints
from unittest import mock

from pydantic import TypeAdapter, ValidationError

from ptst_tasks.errors import ConfigError, UnknownNameError, did_you_mean, said
from ptst_tasks.files import read_text, read_yaml
from ptst_tasks.options import read_object

__all__ = [
    "OVERRIDDEN",
    "PRIVATE",
    "TESTED",
    "CommandLine",
    "add_filter",
    "apply_filters",
    "base_config",
    "base_model",
    "cut_at_stops",
    "declares",
    "definition",
    "filter_names",
    "filter_steps",
    "load_yaml",
    "model_names",
    "put_step_first",
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
    "lm_eval._cli.utils.MergeDictAction": "what is wrong with KEY=VALUE or JSON names its flag",
    "lm_eval.config.evaluate_config.EvaluatorConfig": "what that command line came to",
    "lm_eval.tasks.TaskManager": "replaced while that runs, to leave 14,000 tasks unindexed",
    "lm_eval.api.task.tqdm": "replaced while a study runs, which has a bar of its own",
    "lm_eval.tasks._yaml_loader.load_yaml": "a YAML that lm-eval drops without a word is a fault here",
    "lm_eval.tasks": "in its folder are MMLU-Pro and IFEval, which are asked and scored as they are",
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
        given: What was said, by lm-eval's names: in the file of ``--config``, and before that on
            the command line.
        config: lm-eval's own record of it, its defaults included.

    Raises:
        ConfigError: If lm-eval does not accept them, on one line.
        UnknownNameError: If the file of ``--config`` has a field that is none of lm-eval's.
    """

    def __init__(self) -> None:
        from lm_eval._cli.harness import HarnessCLI
        from lm_eval.config.evaluate_config import EvaluatorConfig

        self._cli = HarnessCLI()
        with _errors_on_one_line():
            self._read = self._cli.parse_args()
        self.given = _given(vars(self._read))
        _check_types(self.given)
        _check_samples_file(self.given.get("samples"))
        with _said_later():
            try:
                self.config: Any = EvaluatorConfig.from_cli(self._read)
            except (ValueError, TypeError, SyntaxError, RecursionError, OSError) as e:
                raise ConfigError(f"lm_eval does not accept these options: {e}") from e

    def set_base(self, place: str) -> None:
        """Puts another folder in the place of the base that was said."""
        for told in (self._read, self.config):
            told.model_args = {**dict(told.model_args or {}), "pretrained": place}

    def run(self, task_manager: Callable[..., Any], gen_kwargs: Mapping[str, Any]) -> None:
        """Does what they say.

        Args:
            task_manager: Makes task managers in lm-eval's place.
            gen_kwargs: Decoding options in place of those that were said.
        """
        self._read.gen_kwargs = dict(gen_kwargs) or None
        with mock.patch("lm_eval.tasks.TaskManager", task_manager):
            self._cli.execute(self._read)


@contextlib.contextmanager
def _errors_on_one_line() -> Iterator[None]:
    """While lm-eval's parser reads, what it refuses is raised; it would print its usage and exit."""
    from lm_eval._cli.utils import MergeDictAction

    merge = MergeDictAction.__call__

    def checked(
        action: Any, parser: Any, namespace: Any, values: Any, option: str | None = None
    ) -> None:
        flag = option or f"--{action.dest}"
        if values and str(values[0]).lstrip().startswith("{"):
            read_object(values[0], flag)
            if len(values) > 1:
                raise ConfigError(f"{flag} takes a JSON object or KEY=VALUE words, not both")
        try:
            merge(action, parser, namespace, values, option)
        except ConfigError:
            raise
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as e:
            raise ConfigError(f"{flag}: {said(e)}") from e

    with (
        mock.patch.object(argparse.ArgumentParser, "error", _refuse),
        mock.patch.object(MergeDictAction, "__call__", checked),
    ):
        yield


_ARGUMENT = re.compile(r"(?s)argument (--?\w+)\S*: (?:invalid .* value: (?P<value>.*)|(?P<why>.*))")


def _refuse(_: argparse.ArgumentParser, message: str) -> NoReturn:
    """What argparse found, with a near miss for an unknown flag."""
    unknown = message.partition("unrecognized arguments: ")[2]
    if unknown:
        word = unknown.partition(" ")[0]
        near = did_you_mean(word, [f"--{name}" for name in _fields()]) if word[:1] == "-" else ""
        raise ConfigError(f"no such option: {unknown}; {near}see ptst eval --help")
    if found := _ARGUMENT.fullmatch(message):
        why = found["why"] or f"{found['value']} is not what it takes"
        message = f"{found[1]}: {why}"
    raise ConfigError(f"{message}; see ptst eval --help")


@contextlib.contextmanager
def _said_later() -> Iterator[None]:
    """Silences what lm-eval says of its options, since it says it again when it runs."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _given(read: Mapping[str, Any]) -> dict[str, Any]:
    """What was said in a file and on the command line, as lm-eval puts the two together."""
    known = _fields()
    out: dict[str, Any] = {}
    if file := read.get("config"):
        out = read_yaml(Path(file), what="--config")
        if not isinstance(out, dict):
            raise ConfigError(
                f"--config {file!r} holds {out!r:.80}, expected 'option: value' lines"
            )
        for name in out:
            if name not in known:
                raise UnknownNameError("option", str(name), known, where=f"--config {file!r}")
    words = {k: v for k, v in read.items() if k in known and k != "config"}
    return {**out, **{k: v for k, v in words.items() if v or (v == 0 and v is not False)}}


def _check_samples_file(samples: Any) -> None:
    """A file of samples is JSON; lm-eval's own words on it name neither the flag nor the file."""
    if isinstance(samples, str) and len(samples) < 4096 and Path(samples).is_file():
        read_object(read_text(Path(samples), what="--samples"), f"--samples {samples!r}")


def _fields() -> list[str]:
    """Names of lm-eval's options; each is a flag and a line of a file of ``--config``."""
    from lm_eval.config.evaluate_config import EvaluatorConfig

    return [field.name for field in fields(EvaluatorConfig)]


def _check_types(given: Mapping[str, Any]) -> None:
    """What a file of ``--config`` says has the types that lm-eval takes for granted.

    Raises:
        ConfigError: With the first that has not.
    """
    from lm_eval.config.evaluate_config import EvaluatorConfig

    hints = get_type_hints(EvaluatorConfig)  # a mapping may be written KEY=VALUE,KEY=VALUE
    hints |= {name: hint | str for name, hint in hints.items() if hint is dict}
    hints |= {"batch_size": int | str, "limit": int | float | None}
    for name, value in given.items():
        try:
            TypeAdapter(hints[name]).validate_python(value, strict=True)
        except ValidationError as e:
            why = e.errors(include_url=False)[0]["msg"]
            raise ConfigError(f"--{name}: {why}, got {value!r:.80}") from e
        if isinstance(value, dict) and not all(isinstance(k, str) and k for k in value):
            raise ConfigError(f"--{name}: every value needs a name before it, got {value!r:.80}")


def without_bars() -> Any:
    """A block in which lm-eval draws no bar for each task."""
    return mock.patch("lm_eval.api.task.tqdm", lambda items, **_: items)


def load_yaml(file: Path) -> dict[str, Any]:
    """A task's YAML as lm-eval resolves it; raises whatever is wrong with it."""
    from lm_eval.tasks._yaml_loader import load_yaml as load

    config: dict[str, Any] = load(file, resolve_func=True)
    return config


def definition(file: str) -> dict[str, Any]:
    """One of lm-eval's own tasks, by its YAML's place among them: ``ifeval/ifeval.yaml``."""
    import lm_eval.tasks

    return load_yaml(Path(lm_eval.tasks.__file__).parent / file)


def register_models(targets: Mapping[str, str]) -> None:
    """Tells lm-eval of names for ``--model`` -> ``module:class``, without importing them."""
    import lm_eval.models  # noqa: F401 - lm-eval's own names come first
    from lm_eval.api.registry import model_registry

    for name, target in targets.items():
        if name not in model_registry:
            model_registry.register(name, target=target)


def model_names() -> list[str]:
    """Every name for ``--model``."""
    import lm_eval.models  # noqa: F401 - fills the registry
    from lm_eval.api.registry import model_registry

    return sorted(model_registry)


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


def filter_names(task: Any) -> list[str]:
    """Names of a task's filters, which stand behind the comma in its results: judges, or readings."""
    return [one.name for one in task._filters]


def set_filters(task: Any, filters: Sequence[Any]) -> None:
    """Gives a task these filters in place of its own."""
    task._filters = list(filters)


def add_filter(task: Any, one: Any) -> None:
    """Gives a task one more filter."""
    task._filters.append(one)


def apply_filters(task: Any, instances: Sequence[Any]) -> None:
    """Passes answered instances through all filters of a task, which are not those that it holds."""
    for one in task._filters:
        one.apply(list(instances))


def put_step_first(task: Any, function: Callable[..., Any]) -> None:
    """Has each of a task's filters begin with a function over all its responses."""
    from lm_eval.filters import build_filter_ensemble

    for one in task._filters:
        first = build_filter_ensemble(one.name, [("custom", {"filter_fn": function})])
        one.filters = [*first.filters, *one.filters]


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
