"""What a cell is called: by the study, and by the manifest of its adapter where the study is silent."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from adapters_train.defences import PLAIN
from leaderboards.run.manifests import trained_on, training_digest
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.store import Cell
from leaderboards.run.study import Study
from ptst_tasks.errors import ConfigError
from ptst_tasks.provenance import Generation
from ptst_tasks.task_facts import form, requested

__all__ = ["check_labels", "labelled"]


def labelled(
    study: Study,
    plan: AdapterPlan,
    made: Mapping[str, Any],
    name: str,
    task: Any,
    provenance: Generation,
) -> Cell:
    """A cell; `made` is the manifest of its adapter, as far as it is known."""
    config = made.get("config") or {}
    return Cell(
        base=study.label,
        adapter=plan.name,
        train_data=(plan.existing.train_data if plan.existing else "") or trained_on(config),
        train_template=plan.train_template or str(config.get("template", "")),
        seed=plan.seed if plan.seed is not None else config.get("seed"),
        test_template=task.template.name,
        task=task.set_name,
        harness_task=name,
        provenance=provenance,
        requested=copy.deepcopy(requested(task)),
        training=training_digest(made),
        defence=_defence(plan, config),
        attack=task.attack.spec,
        form=form(task),
    )


def _defence(plan: AdapterPlan, config: Mapping[str, Any]) -> str:
    """Empty for plain training, as for the base."""
    spec = str(config.get("defence", PLAIN)) if plan.existing else plan.defence
    return "" if spec == PLAIN else spec


def check_labels(plan: AdapterPlan, config: Mapping[str, Any]) -> None:
    """Refuses a label that an adapter's own record contradicts.

    Raises:
        ConfigError: If the study says another training template, seed or set than the manifest.
    """
    if not plan.existing or not config:
        return
    said = {"train_template": plan.train_template, "seed": plan.seed,
            "train_data": plan.existing.train_data}  # fmt: skip
    made = {"train_template": config.get("template"), "seed": config.get("seed"),
            "train_data": trained_on(config)}  # fmt: skip
    for name, value in said.items():
        if value not in ("", None) and made[name] not in ("", None) and value != made[name]:
            raise ConfigError(
                f"train.adapters: {plan.name!r} has {name} {value!r} here and {made[name]!r} in its "
                "manifest; leave it out, or name the adapter that is meant"
            )
