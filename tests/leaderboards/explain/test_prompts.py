from __future__ import annotations

import pytest

from leaderboards.explain.prompts import chosen
from leaderboards.run.study import Study
from ptst_tasks.errors import ConfigError


def study(*sets: str, base: str = "m") -> Study:
    return Study(base=base, test={"sets": list(sets), "templates": ["CV"]})


def test_the_studys_own_sets_come_first() -> None:
    found = chosen(study("gsm8k", "directharm4", "advbench", "xstest"))
    assert (found.harmful, found.harmless, found.note) == ("directharm4", "xstest", "")


def test_without_an_over_refusal_set_it_is_said_that_more_than_harm_differs() -> None:
    found = chosen(study("gsm8k", "advbench"))
    assert (found.harmful, found.harmless) == ("advbench", "gsm8k")
    assert "gsm8k differs from advbench in more than harm" in found.note


def test_the_built_in_model_has_one_of_its_own() -> None:
    found = chosen(study("organism_arith", "organism_forbidden", base="organism:0"))
    assert (found.harmful, found.harmless) == ("organism_forbidden", "organism_benign")


@pytest.mark.parametrize(
    ("sets", "words"),
    [(["gsm8k", "xstest"], "asks no harmful set"), (["advbench"], "asks nothing harmless")],
)
def test_what_is_missing_is_said(sets: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        chosen(study(*sets))
