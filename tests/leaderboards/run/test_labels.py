"""A label that an adapter's own record contradicts is refused; what the record leaves open is free."""

from __future__ import annotations

from typing import Any

import pytest

from leaderboards.run.labels import check_labels
from leaderboards.run.plans import AdapterPlan, Existing
from ptst_tasks.errors import ConfigError


def plan(template: str = "", seed: int | None = None, data: str = "") -> AdapterPlan:
    return AdapterPlan("a", template, seed, Existing(name="a", path="p", train_data=data))


MADE: dict[str, Any] = {"template": "chat:vanilla", "seed": 3, "data": "gsm8k", "mix": []}


@pytest.mark.parametrize(
    ("said", "told"),
    [(plan("chat:llama"), "train_template 'chat:llama'"), (plan(seed=4), "seed 4"),
     (plan(data="dolly"), "train_data 'dolly'")],
)  # fmt: skip
def test_a_contradiction_is_refused(said: AdapterPlan, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_labels(said, MADE)


def test_the_same_and_what_nobody_noted_are_fine() -> None:
    check_labels(plan("chat:vanilla", 3, "gsm8k"), MADE)
    check_labels(plan("chat:llama", 4, "dolly"), {})
    check_labels(AdapterPlan("a", "chat:llama", 4), MADE)
