"""What a cell is called where the study is silent, and labels that a manifest contradicts."""

from __future__ import annotations

from typing import Any

import pytest

from leaderboards.run.labels import check_labels
from leaderboards.run.study import Existing, Study
from ptst_tasks.errors import ConfigError

MADE = {"template": "chat:vanilla", "seed": 0, "data": "gsm8k"}


def check(config: dict[str, Any], **said: Any) -> None:
    mine = Existing(name="a", path="here", **said)
    study = Study(base="base", train={"adapters": (mine,)}, untuned=False)
    (plan,) = study.adapters()
    check_labels(plan, config)


@pytest.mark.parametrize("said", [{}, {"seed": 0}, {"train_template": "CV"}])
def test_labels_that_agree_or_are_not_said(said: dict[str, Any]) -> None:
    check(MADE, **said)
    check({}, seed=7)  # no manifest: the study's word


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"seed": 1}, "'a' has seed 1 here and 0 in its manifest"),
        ({"train_template": "CL"}, "has train_template 'chat:llama' here and 'chat:vanilla'"),
        ({"train_data": "other"}, "has train_data 'other' here and 'gsm8k'"),
    ],
)
def test_a_label_that_the_manifest_contradicts(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check(MADE, **said)
