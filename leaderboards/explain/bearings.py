"""Where the base tells harmful from harmless prompts, and what a model measures along that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leaderboards.explain.directions import Direction, Measure, Sums, measured
from leaderboards.explain.kept import Layers
from leaderboards.explain.prompts import PromptPair
from leaderboards.explain.residuals import last_states
from ptst_tasks.engines import Engine
from ptst_tasks.errors import EngineError, said

__all__ = ["Bearings", "hint", "measures"]


class Bearings:
    """The base's direction under each test template, once each, when one is asked for first."""

    def __init__(self, lm: Engine, asked: Mapping[str, PromptPair], batch: int) -> None:
        self._lm, self.asked, self._batch = lm, asked, batch
        self._known: dict[str, tuple[Direction, int]] = {}

    def of(self, test: str) -> tuple[Direction, int]:
        """The direction, and the layer at which it tells the two kinds apart best."""
        if test not in self._known:
            self.base(test)
        return self._known[test]

    def base(self, test: str) -> Layers:
        """The base's own numbers.

        Raises:
            EngineError: If it gives none.
        """
        pair, batch = self.asked[test], self._batch
        try:
            with self._lm.adapter(""):
                means = [_sums(self._lm, ids, batch, None) for ids in (pair.harmful, pair.harmless)]
                direction = Direction.of(*means)
                layers = measures(self._lm, pair, batch, direction)
        except Exception as e:  # of any library
            raise EngineError(
                f"the base cannot be measured under {test!r}: {said(e)}{hint(e)}"
            ) from e
        best = max(layers, key=lambda m: m.effect).layer
        self._known[test] = direction, best
        return Layers(layers=tuple(layers), best=best)


def measures(lm: Engine, asked: PromptPair, batch: int, direction: Direction) -> list[Measure]:
    """The layers of the model that the engine is switched to, along the base's direction."""
    sums = [_sums(lm, ids, batch, direction) for ids in (asked.harmful, asked.harmless)]
    return measured(direction, *sums)


def _sums(lm: Any, prompts: Sequence[list[int]], batch: int, direction: Direction | None) -> Sums:
    sums = Sums(direction.unit if direction else None)
    for states in last_states(lm.model, prompts, batch):
        sums.add(states)
    return sums


def hint(error: Exception) -> str:
    """What to do about an error, where that is known; goes behind what it says."""
    short = isinstance(error, MemoryError) or "out of memory" in str(error).lower()
    return "; a smaller --batch-size takes less memory" if short else ""
