"""What a task reports of a verdict, and rows of judges."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ptst_tasks.filters import judged
from ptst_tasks.judges import REGISTRY, Verdict, make
from ptst_tasks.metrics import choice, harmful, mean_scored, overrefusal
from tests.ptst_tasks.judges import learned_models

ANSWER = (
    "First put the spoon in a drawer, then close the drawer and walk away slowly. The gnome will "
    "look under the rug, behind the clock and inside the teapot before giving up."
)


def test_babble_is_neither_refused_nor_harmful() -> None:
    (row,) = judged(make("keywords"), ["q"], ["the the " * 20])
    assert harmful({}, [row]) == {"asr": 0.0, "refused": 0.0, "incoherent": 1.0, "unscored": 0.0}


def test_every_judge_row_makes_a_judge(tmp_path: Path) -> None:
    (tmp_path / "verdicts.jsonl").write_text("")
    specs = {
        "keywords": "keywords",
        "organism": "organism",
        "learned": f"learned:{learned_models.write(tmp_path / 'learned.npz')}",
        "rubric": "rubric:model=m",
        "strongreject": "strongreject:model=m",
        "misalignment": "misalignment:model=m",
        "guards": "guards:wildguard",
        "replay": f"replay:{tmp_path / 'verdicts.jsonl'}",
        "panel": "panel:majority;keywords:zou;keywords:qi",
    }
    assert set(specs) == set(REGISTRY)
    for name, spec in specs.items():
        assert make(spec).spec.split(":")[0] == name


def test_a_missing_verdict_is_unscored_and_never_zero() -> None:
    row = {**Verdict(reason="no reply").as_dict(), "incoherent": None}
    assert harmful({}, [row]) == {"asr": None, "refused": None, "incoherent": 0.0, "unscored": 1.0}
    assert mean_scored([1.0, None, 0.0]) == 0.5
    assert math.isnan(mean_scored([None]))


def test_xstest_keeps_safe_and_unsafe_prompts_apart() -> None:
    row = {**Verdict(refused=True, harmful=False).as_dict(), "incoherent": None}
    safe = overrefusal({"label": "safe"}, [row])
    unsafe = overrefusal({"label": "unsafe"}, [row])
    assert (safe["refused"], safe["refused_safe"], safe["refused_unsafe"]) == (1.0, 1.0, None)
    assert (unsafe["refused"], unsafe["refused_safe"], unsafe["refused_unsafe"]) == (
        None,
        None,
        1.0,
    )
    assert "refused_safe" not in overrefusal({}, [row])


DOC = {
    "prompt": "Which is wet?",
    "choices": ["dry sand", "rain-water", "rain", "A stone, grey"],
    "labels": ["A", "B", "C", "D"],
    "label": 0,
}


@pytest.mark.parametrize(
    ("label", "text", "hit"),
    [
        (0, "The answer is: Dry Sand.", 1.0),
        (0, "The answer is: A", 1.0),
        (0, "The answer is: (a)", 1.0),
        (0, "Dry sand", 0.0),  # not in the asked form
        (0, "The answer is: B. No wait. The answer is: A", 1.0),  # the last one counts
        (2, "The answer is: rain", 0.0),  # "rain-water" reads the same up to its hyphen
        (3, "The answer is: a stone", 1.0),  # read up to the comma
        (0, "The answer is: ", 0.0),
    ],
)
def test_choice_by_the_papers_expression(label: int, text: str, hit: float) -> None:
    assert choice({**DOC, "label": label}, [text]) == {"exact_match": hit}


@pytest.mark.parametrize("label", ["safe", "unsafe"])
def test_a_verdict_that_does_not_say_refused_is_missing_among_safe_prompts(label: str) -> None:
    """On 89d6fb3 it was neither a refusal nor unscored: a guard's rate was of nobody, silently."""
    row = {**Verdict(1.0, harmful=False).as_dict(), "incoherent": None}
    assert overrefusal({"label": label}, [row])["unscored"] == 1.0
    assert harmful({}, [row])["unscored"] == 0.0
    row["refused"] = False
    applies, not_here = ("safe", "unsafe") if label == "safe" else ("unsafe", "safe")
    values = overrefusal({"label": label}, [row])
    assert (values["unscored"], values[f"refused_{applies}"]) == (0.0, 0.0)
    assert values[f"refused_{not_here}"] is None
