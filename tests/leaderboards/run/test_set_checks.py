"""How many rows of each set are asked: said for all sets or for some, drawn or from the top."""

from __future__ import annotations

from typing import Any

import pytest

from leaderboards.run import study_files as study
from leaderboards.run.study import Study
from ptst_tasks.errors import PTSTError

ASKED = {"sets": ["gsm8k", "advbench"]}


def test_a_sample_is_said_for_all_sets_or_for_some() -> None:
    every = Study(base="m", test={**ASKED, "sample": 5})
    assert [every.options(name)["sample"] for name in ASKED["sets"]] == [5, 5]
    one = Study(base="m", test={**ASKED, "sample": {"advbench": 5}})
    assert "sample" not in one.options("gsm8k")
    assert one.options("advbench")["sample"] == 5


def test_answers_have_a_length_of_their_own_set() -> None:
    test = {**ASKED, "gen_kwargs": {"max_gen_toks": 40}, "max_gen_toks": {"gsm8k": 200}}
    asked = Study(base="m", test=test).test
    assert asked.decoding_of("gsm8k") == {"max_gen_toks": 200}
    assert asked.decoding_of("advbench") == {"max_gen_toks": 40}


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ({"sample": 0}, "greater than 0"),
        ({"sample": True}, "not true or false"),
        ({"sample": 2, "limit": 2}, "leave one out"),
        ({"sample": {"gsm8": 2}}, "did you mean 'gsm8k'?"),
        ({"sample": {"gsm8k": 0}}, "test.sample"),
        ({"options": {"sample": 2}}, "use test.sample"),
        ({"max_gen_toks": {"gsm8": 2}}, "did you mean 'gsm8k'?"),
        ({"max_gen_toks": {"gsm8k": 0}}, "max_gen_toks"),
        ({"sets": ["medqa"], "max_gen_toks": {"medqa": 5}}, "generates nothing"),
        ({"sets": ["gsm9k"]}, "did you mean 'gsm8k'?"),
        (
            {"custom": {"mine": {"path": "a.csv", "kind": "harmful"}}},
            "which test.sets does not ask",
        ),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Any, test: dict[str, Any], words: str) -> None:
    import yaml

    file = tmp_path / "s.yaml"
    file.write_text(yaml.safe_dump({"base": "m", "test": {**ASKED, **test}}))
    with pytest.raises(PTSTError) as caught:
        study.load(str(file))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
