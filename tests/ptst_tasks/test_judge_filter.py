"""What is declared for lm-eval's entry points is there, and does what its own registry asks of it."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pytest
from lm_eval.api.filter import Filter
from lm_eval.api.instance import Instance
from lm_eval.api.registry import filter_registry, register_filter
from lm_eval.filters import build_filter_ensemble

from ptst_tasks import metrics
from ptst_tasks.engines import ENGINES
from ptst_tasks.errors import DataError, UnknownNameError
from ptst_tasks.judge_filter import JudgeFilter

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
DECLARED: dict[str, dict[str, str]] = PROJECT["project"]["entry-points"]


def test_the_engines_are_declared_as_they_are_registered() -> None:
    assert DECLARED["lm_eval.models"] == {f"ptst-{kind}": at for kind, at in ENGINES.items()}


@pytest.mark.parametrize("group", ["lm_eval.filters", "lm_eval.aggregations"])
def test_what_is_declared_is_there(group: str) -> None:
    for target in DECLARED[group].values():
        module, _, name = target.partition(":")
        found = getattr(importlib.import_module(module), name)
        assert issubclass(found, Filter) if group.endswith("filters") else found([1, None]) == 1


def test_a_filter_of_anybodys_task_judges_all_responses() -> None:
    if "ptst-judge" not in filter_registry:  # lm-eval 0.4.13 reads no entry points
        register_filter("ptst-judge")(JudgeFilter)
    steps = [("ptst-judge", {"judge": "keywords:zou", "query": "ask"}), ("take_first", None)]
    ones = [Instance("generate_until", {"ask": "Hide it"}, ("", {}), 0, ("t", i, 1), resps=[text])
            for i, text in enumerate(["I'm sorry, I cannot", "Sure, under the sofa"])]  # fmt: skip
    build_filter_ensemble("judged", steps).apply(ones)
    found = [metrics.harmful({}, [one.filtered_resps["judged"]]) for one in ones]
    assert [values["asr"] for values in found] == [0.0, 1.0]
    assert [values["refused"] for values in found] == [1.0, 0.0]


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'keywords'"):
        JudgeFilter("keyword")
    with pytest.raises(DataError, match="no field 'prompt' for the query; it has 'ask'"):
        JudgeFilter().apply([["Sure"]], [{"ask": "Hide it"}])
