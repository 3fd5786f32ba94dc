"""Measures the models of a run: one base in memory, one pass over the prompts for each adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboards.explain.bearings import Bearings, measures
from leaderboards.explain.directions import Direction, Measure
from leaderboards.explain.kept import Kept, Layers
from leaderboards.explain.prompts import PromptPair
from leaderboards.run.plans import AdapterPlan
from ptst_tasks.engines import Engine
from ptst_tasks.provenance import Adapter

__all__ = ["Explained", "TunedModel", "explain_models"]


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
    layers: Sequence[Measure]
    best: int
    n_harmful: int
    n_harmless: int

    @property
    def at_best(self) -> Measure:
        """The measure of that layer."""
        return self.layers[self.best - 1]


@dataclass(frozen=True)
class TunedModel:
    """An adapter of a run, where it is, and what identifies it."""

    plan: AdapterPlan
    folder: Path
    adapter: Adapter


_BASE = AdapterPlan("", "", None)


def explain_models(
    lm: Engine,
    models: Sequence[TunedModel],
    asked: Mapping[str, PromptPair],
    kept: Kept,
    *,
    batch: int,
    on_model: Callable[[str, bool], None],
    on_lost: Callable[[str, Exception], None],
) -> list[Explained]:
    """The base, then every adapter; what is kept is not measured again.

    Args:
        lm: The engine, with the base in memory.
        models: The adapters.
        asked: Prompts by test template.
        kept: What was measured before; gets what is measured now, a model at a time.
        batch: Prompts in one pass.
        on_model: Hears of every model before it is measured, and whether all of it is kept.
        on_lost: Hears of adapters that cannot be measured.

    Raises:
        PTSTError: If the base cannot be measured, or nothing can be kept.
    """
    bearings = Bearings(lm, asked, batch)
    found = _of_base(bearings, kept, on_model)
    for model in models:
        there = {test: kept.get(model.adapter, test) for test in asked}
        wanted = [test for test, layers in there.items() if layers is None]
        on_model(model.plan.name, not wanted)
        ways = {test: bearings.of(test) for test in wanted}  # of the base, before it has an adapter
        try:
            new = _of_adapter(lm, model, asked, ways, batch)
        except Exception as e:  # of any library: the others go on
            on_lost(model.plan.name, e)
            continue
        for test, layers in new.items():
            kept.put(model.adapter, test, layers)
        of = {**there, **new}
        found += [_explained(model.plan, t, layers, asked) for t, layers in of.items() if layers]
    return found


def _of_base(
    bearings: Bearings, kept: Kept, on_model: Callable[[str, bool], None]
) -> list[Explained]:
    there = {test: kept.get(Adapter(), test) for test in bearings.asked}
    on_model("", all(there.values()))
    found = []
    for test, layers in there.items():
        if layers is None:
            layers = bearings.base(test)
            kept.put(Adapter(), test, layers)
        found.append(_explained(_BASE, test, layers, bearings.asked))
    return found


def _of_adapter(
    lm: Engine, model: TunedModel, asked: Mapping[str, PromptPair],
    ways: Mapping[str, tuple[Direction, int]], batch: int,
) -> dict[str, Layers]:  # fmt: skip
    if not ways:
        return {}
    lm.attach(model.plan.name, model.folder)
    with lm.adapter(model.plan.name, ""):
        return {
            test: Layers(layers=tuple(measures(lm, asked[test], batch, direction)), best=best)
            for test, (direction, best) in ways.items()
        }


def _explained(
    plan: AdapterPlan, test: str, found: Layers, asked: Mapping[str, PromptPair]
) -> Explained:
    pair = asked[test]
    return Explained(plan, test, found.layers, found.best, len(pair.harmful), len(pair.harmless))
