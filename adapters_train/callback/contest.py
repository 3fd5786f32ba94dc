"""Which adapter is the best: those under the limit are compared when the trainer has logged by what."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters_train.callback.best_so_far import BestSoFar
from adapters_train.callback.watch_settings import WatchSettings
from ptst_tasks.errors import ConfigError, UnknownNameError, said

__all__ = ["Contest", "check_best_by"]

log = logging.getLogger(__name__)


class Contest:
    """Holds one adapter that was measured and is not compared yet: a step is logged after its end.

    Args:
        settings: By what.
        best: Where the best is.
    """

    def __init__(self, settings: WatchSettings, best: BestSoFar) -> None:
        self._settings, self._best = settings, best
        self._entry: tuple[Path, dict[str, Any], int] | None = None
        self._told = False

    def enter(self, saved: Path, facts: dict[str, Any], before: int) -> None:
        """Takes an adapter that is under the limit.

        Args:
            saved: Its folder, which is this contest's from now on.
            facts: What was measured, with its ``step`` and ``values``.
            before: Step of the measuring before.
        """
        self._entry = saved, facts, before

    def has(self, saved: Path) -> bool:
        """Whether this folder is waiting to be compared."""
        return self._entry is not None and self._entry[0] == saved

    def decide(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Keeps the adapter that waits, if it beats the one that is kept.

        Args:
            history: What the trainer logged, each with its ``step``.
        """
        if self._entry is None:
            return
        (saved, facts, before), self._entry = self._entry, None
        value = self._value(facts, before, history)
        try:
            if value is None:
                self._tell_no_value(facts["step"])
            elif self._best.beats(value):
                self._best.keep(saved, {**facts, "value": value})
        except OSError as e:
            log.warning("PTSTCallback: the best adapter cannot be kept: %s", said(e))
        finally:
            shutil.rmtree(saved, ignore_errors=True)

    def _value(
        self, facts: Mapping[str, Any], before: int, history: Iterable[Mapping[str, Any]]
    ) -> float | None:
        """What an adapter is compared by; of the loss the mean since the last measuring."""
        name, step = self._settings.best_by, facts["step"]
        if name in facts["values"]:
            own: float | None = facts["values"][name]
            return own
        seen = [float(r[name]) for r in history if before < r["step"] <= step and name in r]
        seen = [value for value in seen if math.isfinite(value)]
        if not seen:
            return None
        return sum(seen) / len(seen) if name == "loss" else seen[-1]

    def _tell_no_value(self, step: int) -> None:
        """Once; before the first step there is no loss to be expected."""
        if step and not self._told:
            self._told = True
            log.warning(
                "PTSTCallback: no %r was logged between the last measuring and step %d, so that its "
                "adapter is not compared; log or evaluate as often as every=%d",
                self._settings.best_by, step, self._settings.every,
            )  # fmt: skip


def check_best_by(settings: WatchSettings, own: Sequence[str], evaluates: str) -> None:
    """Makes sure that what adapters are compared by is logged at all, as far as that is known.

    Args:
        settings: By what.
        own: Names that the callback logs.
        evaluates: The trainer's ``eval_strategy``.

    Raises:
        UnknownNameError: If it is none of the callback's own names, with a near miss.
        ConfigError: If nothing is evaluated, or less is better in any case.
    """
    name = settings.best_by
    if name.startswith("ptst/") and name not in own:
        raise UnknownNameError("value", name, own, where="PTSTCallback: best_by")
    if name.startswith("eval_") and evaluates == "no":
        raise ConfigError(
            f"PTSTCallback: best_by is {name!r}, and the trainer evaluates nothing (eval_strategy='no')"
        )
    if name == "loss" and settings.greater_is_better:
        raise ConfigError(
            "PTSTCallback: of best_by 'loss' less is better; leave out greater_is_better"
        )
