"""Answers to a user's own questions: right ones are right in any way of writing, and no others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ptst_tasks import TASKS_DIR
from ptst_tasks.lm_internals import load_yaml
from ptst_tasks.own_metrics import choice, numeric

FILTERS = {
    one["name"]: one["filter"][0]
    for one in load_yaml(TASKS_DIR / "_own_numeric_yaml")["filter_list"]
}


def found(rule: str, said: str) -> str:
    """What lm-eval's filter takes out of a response."""
    hits = re.findall(FILTERS[rule]["regex_pattern"], said)
    return str(hits[FILTERS[rule].get("group_select", 0)]) if hits else "[invalid]"


SAME = ["42", "42.0", "042", "So 42.", "it is $42.00", "40 + 2 = +42", "about 42%", "\\boxed{42}",
        "10-42", "**42**", "4.2e1", "from 3 to 42\n", "42kg"]  # fmt: skip
OTHER = [
    "-42",
    "−42",
    "4.2",
    "42.5",
    "420",
    "4,2",
    "42/3",
    "42:30",
    "none",
    "",
    "x42",
    "4242",
    "٤٢",
]


@pytest.mark.parametrize("said", SAME)
def test_a_number_is_a_number(said: str) -> None:
    for gold in ("42", "42.0", "So.\n#### 42", "$42"):
        assert numeric({"answer": gold}, [found("flexible-extract", said)])["exact_match"] == 1.0


@pytest.mark.parametrize("said", OTHER)
def test_another_number_is_none(said: str) -> None:
    assert numeric({"answer": "42"}, [found("flexible-extract", said)])["exact_match"] == 0.0


@pytest.mark.parametrize(
    ("gold", "said"),
    [("-5", "x = -5"), ("-5", "it is −5."), ("-5", "-$5"), (".5", "0.5"), ("0.5", "is .5"),
     ("0", "-0"), ("1000", "1,000"), ("1,000", "1000.00"), ("-$1,018", "#### -1018"), ("5", "3-5")],
)  # fmt: skip
def test_signs_commas_and_points(gold: str, said: str) -> None:
    assert numeric({"answer": gold}, [found("flexible-extract", said)])["exact_match"] == 1.0


def test_the_strict_rule_takes_what_stands_behind_the_marks() -> None:
    for said, hit in (("so\n#### -$1,018.0 and 3", 1.0), ("so -1018", 0.0), ("#### 1018", 0.0)):
        got = numeric({"answer": "-1018"}, [found("strict-match", said)])
        assert got == {"exact_match": hit}


def doc(texts: list[str], label: int) -> dict[str, Any]:
    return {"choices": texts, "labels": list("ABCDE"[: len(texts)]), "label": label}


NUMBERS = ["3.5", "3.9", "-3.5", "35"]
WORDS = ["dry sand", "rain-water", "rain", "A stone, grey"]
GREEK = ["дождь", "снег", "ΔG < 0", "µm"]


@pytest.mark.parametrize(
    ("texts", "said", "meant"),
    [
        (NUMBERS, "3.5", 0), (NUMBERS, "3.9", 1), (NUMBERS, "-3.5.", 2), (NUMBERS, "35", 3),
        (NUMBERS, "3", None), (NUMBERS, "3.50", None), (NUMBERS, "B", 1), (NUMBERS, "B: 3.9", 1),
        (NUMBERS, "B: 3.5", None), (NUMBERS, "3.9, since it is less", 1), (NUMBERS, "3.5 or 3.9", None),
        (NUMBERS, "3.5 - 0.4", None),
        (WORDS, "Rain.", 2), (WORDS, "rain-water", 1), (WORDS, "rain-coat", None), (WORDS, "rainy", None),
        (WORDS, "a stone", None), (WORDS, "A stone, grey", 3), (WORDS, "A", 0), (WORDS, "(a)", 0),
        (WORDS, "**B. rain-water**", 1), (WORDS, "** C", 2), (WORDS, "{C}", 2), (WORDS, "C, B", None),
        (WORDS, "C (rain)", 2), (WORDS, "C (dry sand)", None), (WORDS, "rain. Because sand is dry.", 2),
        (WORDS, "'rain'", 2), (WORDS, "", None), (WORDS, "E", None), (WORDS, "\nB", 1),
        (WORDS, "rain, or dry sand", None), (WORDS, "A, B, C", None), (WORDS, "(A), (B), (C)", None),
        (WORDS, "A, B and C", None), (WORDS, "rain, rain-water and dry sand", None),
        (WORDS, "C. rain, or A. dry sand", None), (WORDS, "C) rain A) dry sand", None),
        (WORDS, "C, not A, B or D", 2), (["cyst", "x", "y", "z", "w"], "A. Cyst (E. coli)", 0),
        (["cyst", "x", "y", "z", "w"], "A. cyst, E. coli being the cause", 0),
        (WORDS, "C, not A", 2), (WORDS, "C. A stone, grey", None), (WORDS, "D: A stone, grey", 3),
        (WORDS, "**C**, because it is", 2), (WORDS, "**C** (rain)", 2), (WORDS, "`C` (dry sand)", None),
        (GREEK, "Дождь", 0), (GREEK, "снег", 1), (GREEK, "ΔG < 0", 2), (GREEK, "$µm$", 3),
        (["B", "A"], "B", 1), (["true", "True"], "True", 1), (["true", "True"], "TRUE", None),
        (["C", "C++"], "C++", 1),
    ],
)  # fmt: skip
def test_an_option_by_letter_or_text(texts: list[str], said: str, meant: int | None) -> None:
    for label in range(len(texts)):
        got = choice(doc(texts, label), [f"Hm.\nThe answer is: {said}"])
        assert got == {"exact_match": float(label == meant)}


def test_the_last_answer_counts_and_only_one_in_the_asked_form() -> None:
    assert choice(doc(WORDS, 1), ["The answer is: A. No! the answer is: B"])["exact_match"] == 1.0
    assert choice(doc(WORDS, 1), ["rain-water"])["exact_match"] == 0.0
