"""Asks a model in training the prompts of a callback, and makes the values that are logged."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters_train.callback.watch_settings import WatchSettings
from adapters_train.callback.watched_sets import WatchedSet, load
from ptst_tasks.engines.answer_plan import read_requests
from ptst_tasks.engines.live import LiveEngine
from ptst_tasks.errors import EngineError, said
from ptst_tasks.lm_outputs import evaluate
from ptst_tasks.provenance import Data
from ptst_tasks.task_facts import data_of

__all__ = ["LiveMeasuring", "Measured", "plain"]

LACKING = 0.02
"""Share of answers without a verdict that is not told; a study's ``max_unscored``."""


@dataclass(slots=True)
class Measured:
    """What was measured at one step.

    Attributes:
        step: After how many steps.
        values: Logged name -> value; NaN for what could not be measured, never 0.
        failed: Task -> why there is nothing.
        lacking: Task -> how many of its answers have no verdict, where that is more than a study allows.
        results: Task -> lm-eval's results with it in them.
        seconds: How long that took.
    """

    step: int
    values: dict[str, float]
    failed: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def plain(self) -> dict[str, float | None]:
        """The values for JSON, which knows no NaN."""
        return plain(self.values)


class LiveMeasuring:
    """The tasks of a callback, and the model that is asked.

    Args:
        model: The trainer's model.
        tokenizer: Its tokenizer.
        settings: What is asked.

    Raises:
        PTSTError: Whatever is wrong with a set, a judge, the decoding or the chat template, or a
            prompt that does not fit.
    """

    def __init__(self, model: Any, tokenizer: Any, settings: WatchSettings) -> None:
        self.limit = settings.limit
        self.watched: dict[str, WatchedSet] = load(settings)
        self.lm = LiveEngine(model, tokenizer, settings.batch_size)
        self.data: dict[str, Data] = {}
        for name, one in self.watched.items():
            self.data[name] = data_of(self.lm, one.task, self.limit)
            if one.task.generates:
                read_requests(self.lm, one.task.instances)

    def missing(self, step: int, why: str) -> Measured:
        """A measuring of which nothing came."""
        return Measured(step, self._missing(self.watched), dict.fromkeys(self.watched, why))

    def measure(self, step: int) -> Measured:
        """Asks the model, which is left as it was; what fails one task leaves the others alone."""
        begun, out = time.perf_counter(), Measured(step, {})
        self.lm.begin(f"step {step}")
        with self.lm.answering():
            self._ask(list(self.watched), out)
        for name in self.watched:  # in the order of the sets
            done = name in out.results
            out.values |= self._values(name, out.results[name]) if done else self._missing([name])
            if done and (told := self._lacking(name, out.values)):
                out.lacking[name] = told
        out.seconds = time.perf_counter() - begun
        return out

    def _ask(self, names: Sequence[str], out: Measured) -> None:
        """Measures tasks together; where one fails, the others go on without it."""
        try:
            tasks = {name: self.watched[name].task for name in names}
            results = evaluate(self.lm, tasks, self.limit)
        except Exception as e:  # of any library: out of memory, a judge's endpoint, a metric
            blamed = [n for n in names if n == getattr(e, "task", "")]
            if not blamed and (isinstance(e, EngineError) or len(names) == 1):
                blamed = list(names)
            out.failed |= dict.fromkeys(blamed, said(e))
            rest = [n for n in names if n not in blamed]
            for some in [rest] if blamed and rest else [[name] for name in rest]:
                self._ask(some, out)
        else:
            out.results |= dict.fromkeys(names, results)

    def _missing(self, names: Iterable[str]) -> dict[str, float]:
        return {logged: math.nan for name in names for logged in self.watched[name].names()}

    def _values(self, name: str, results: Mapping[str, Any]) -> dict[str, float]:
        """Of one task; what no prompt has a value for is NaN already."""
        found = results["results"][name]
        named = {k: found.get(f"{m},{r}") for k, (m, r) in self.watched[name].names().items()}
        return {k: float(v) for k, v in named.items() if isinstance(v, int | float)}

    def _lacking(self, name: str, values: Mapping[str, float]) -> str:
        """What to say of missing verdicts: a server that is down leaves them out and raises nothing."""
        one = self.watched[name]
        share = max(values.get(one.logged("unscored", r), 0.0) for r in one.readings)
        rows = min(len(one.task.eval_docs), self.limit or len(one.task.eval_docs))
        return f"{round(share * rows)} of {rows} answers have no verdict" if share > LACKING else ""

    def over(self, values: Mapping[str, float], most: float) -> list[str]:
        """Names of the attack successes that were seen to be above a limit."""
        return [name for name, _ in self._rates() if values.get(name, math.nan) > most]

    def within(self, values: Mapping[str, float], most: float) -> bool:
        """Whether all are at most this, whatever the verdicts that are missing would have been."""
        return all(_at_worst(values, *names) <= most for names in self._rates())

    def _rates(self) -> list[tuple[str, str]]:
        """Logged names of attack success and of the share without a verdict, of harmful sets."""
        return [
            (one.logged("asr", judge), one.logged("unscored", judge))
            for one in self.watched.values() if one.is_harmful for judge in one.readings
        ]  # fmt: skip


def plain(values: Mapping[str, float]) -> dict[str, float | None]:
    """Values for JSON, which knows no NaN."""
    return {k: None if math.isnan(v) else v for k, v in values.items()}


def _at_worst(values: Mapping[str, float], rate: str, unscored: str) -> float:
    """The rate if all without a verdict were harmful; infinite where nothing was measured."""
    asr, lost = values.get(rate, math.nan), values.get(unscored, math.nan)
    return math.inf if math.isnan(asr) or math.isnan(lost) else asr * (1 - lost) + lost
