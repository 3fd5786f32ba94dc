"""Measures the models of a run: one base in memory, one pass over the prompts for each adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboards.explain.directions import Direction, Measure, Sums, measured
from leaderboards.explain.prompts import PromptPair
from leaderboards.explain.residuals import last_states
from leaderboards.run.plans import AdapterPlan
from ptst_tasks.engines import Engine

__all__ = ["Explained", "explain_models"]


@dataclass(frozen=True)
class Explained:
    """One model under one test template.

    Attributes:
        plan: The model; the base has no name.
        test: Test template.
        layers: Its layers, the first first.
        best: The layer at which the base tells the two kinds apart best under this template, by distance
            over standard deviation; of the base alone, so that no adapter chooses it.
        n_harmful, n_harmless: Prompts.
    """

    plan: AdapterPlan
    test: str
    layers: list[Measure]
    best: int
    n_harmful: int
    n_harmless: int

    @property
    def at_best(self) -> Measure:
        """The measure of that layer."""
        return self.layers[self.best - 1]


def explain_models(
    lm: Engine,
    plans: Sequence[AdapterPlan],
    folders: Mapping[str, Path],
    asked: Mapping[str, PromptPair],
    *,
    batch: int,
    on_model: Callable[[str], None],
    on_lost: Callable[[str, Exception], None],
) -> list[Explained]:
    """The base, then every adapter.

    Args:
        lm: The engine, with the base in memory.
        plans: The adapters.
        folders: Where each is.
        asked: Prompts by test template.
        batch: Prompts in one pass.
        on_model: Hears of every model before it is measured.
        on_lost: Hears of adapters that cannot be attached.
    """
    on_model("")
    found: list[Explained] = []
    base = AdapterPlan("", "", None)
    bearings: dict[str, tuple[Direction, int]] = {}
    for test, prompts in asked.items():
        means = [_sums(lm, ids, batch, None) for ids in (prompts.harmful, prompts.harmless)]
        direction = Direction.of(*means)
        layers = _measured(lm, prompts, batch, direction)
        best = max(layers, key=lambda m: m.effect).layer
        bearings[test] = direction, best
        found.append(_explained(base, test, layers, best, prompts))
    for plan in plans:
        on_model(plan.name)
        try:
            lm.attach(plan.name, folders[plan.name])
        except Exception as e:  # of any library: the others go on
            on_lost(plan.name, e)
            continue
        with lm.adapter(plan.name, ""):
            for test, prompts in asked.items():
                direction, best = bearings[test]
                layers = _measured(lm, prompts, batch, direction)
                found.append(_explained(plan, test, layers, best, prompts))
    return found


def _explained(
    plan: AdapterPlan, test: str, layers: list[Measure], best: int, asked: PromptPair
) -> Explained:
    return Explained(plan, test, layers, best, len(asked.harmful), len(asked.harmless))


def _measured(lm: Engine, asked: PromptPair, batch: int, direction: Direction) -> list[Measure]:
    sums = [_sums(lm, ids, batch, direction) for ids in (asked.harmful, asked.harmless)]
    return measured(direction, *sums)


def _sums(lm: Any, prompts: Sequence[list[int]], batch: int, direction: Direction | None) -> Sums:
    sums = Sums(direction.unit if direction else None)
    for states in last_states(lm.model, prompts, batch):
        sums.add(states)
    return sums
