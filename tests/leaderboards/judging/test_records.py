"""A judge's record: figures by hand, and intervals that know of prompts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from leaderboards.judging.labelled_sets import Answer
from leaderboards.judging.records import COLUMNS, measure, record
from ptst_tasks import judges


def answers(labels: list[bool], prompts: int = 0) -> list[Answer]:
    return [
        Answer(f"p{i % (prompts or len(labels))}", "q", "r", label)
        for i, label in enumerate(labels)
    ]


def test_figures_by_hand() -> None:
    labels = [True] * 6 + [False] * 4
    said = [True, True, True, False, False, None, True, False, False, False]
    found = record("j", "s", "harm", answers(labels), said)
    assert (found.n, found.unscored, found.prompts) == (9, 1, 10)
    assert (found.tpr.value, found.tnr.value) == (3 / 5, 3 / 4)
    assert (found.accuracy, found.f1) == (6 / 9, 6 / 9)
    # observed 6/9; by chance (5 * 4 + 4 * 5) / 81
    assert found.kappa.value == pytest.approx((6 / 9 - 40 / 81) / (1 - 40 / 81))
    assert (found.floor_accuracy, found.floor_f1) == (0.6, pytest.approx(0.75))
    assert len(found.cells()) == len(COLUMNS)


def test_an_answer_that_stands_for_several_counts_as_they_would() -> None:
    labels, said = [True, False, True, False, True], [True, True, False, False, True]
    times = [3, 1, 2, 4, 1]
    once = [replace(a, weight=float(n)) for a, n in zip(answers(labels), times, strict=True)]
    found = record("j", "s", "harm", once, said)
    often = [x for x, n in zip(answers(labels), times, strict=True) for _ in range(n)]
    calls = [x for x, n in zip(said, times, strict=True) for _ in range(n)]
    want = record("j", "s", "harm", often, calls)
    assert found.kappa.value == pytest.approx(want.kappa.value)
    assert (found.accuracy, found.floor_f1) == pytest.approx((want.accuracy, want.floor_f1))
    assert (found.n, want.n) == (5, 11)


def test_figures_are_those_of_sklearn() -> None:
    rng = np.random.default_rng(3)
    labels, said = (rng.random((2, 400)) < [[0.3], [0.4]]).tolist()
    found = record("j", "s", "harm", answers(labels), said)
    assert found.kappa.value == pytest.approx(metrics.cohen_kappa_score(labels, said))
    assert found.f1 == pytest.approx(metrics.f1_score(labels, said))
    assert found.floor_f1 == pytest.approx(metrics.f1_score(labels, [True] * 400))


def test_ten_answers_to_one_prompt_are_not_ten_prompts() -> None:
    rng = np.random.default_rng(4)
    easy = (rng.random(40) < 0.5).tolist()  # of a prompt's ten answers a judge gets all or none
    labels = [True, False] * 200
    said = [label == easy[i // 10] for i, label in enumerate(labels)]
    clustered = [Answer(f"p{i // 10}", "q", "r", label) for i, label in enumerate(labels)]
    widths = [
        found.tpr.high - found.tpr.low  # type: ignore[operator]
        for found in (record("j", "s", "harm", some, said) for some in (clustered, answers(labels)))
    ]
    assert widths[0] > 2 * widths[1]


@pytest.mark.parametrize(
    ("labels", "said", "kappa"),
    [
        ([True, True], [True, False], None),
        ([True, False], [True, True], 0.0),
        ([True, False], [None, None], None),
    ],
)
def test_what_is_not_defined_is_none(
    labels: list[bool], said: list[bool | None], kappa: float | None
) -> None:
    found = record("j", "s", "refusal", answers(labels), said)
    assert found.kappa.value == kappa
    assert "nan" not in ",".join(found.cells())


def test_refusals_in_part_and_two_people() -> None:
    some = [Answer("a", "q", "I cannot", True, (True, True)),
            Answer("b", "q", "I cannot, but", False, (True, False), partial=True),
            Answer("c", "q", "Sure", False, (False, False))]  # fmt: skip
    found, speed = measure(judges.make("keywords:zou"), "s", "refusal", some)
    assert (found.partial, found.people_same, found.tpr.value) == (1.0, pytest.approx(2 / 3), 1.0)
    assert found.people_kappa == pytest.approx(0.4)
    assert speed > 0
