"""What is above a limit, and what is within it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from adapters_train.callback.live_measuring import LiveMeasuring
from tests.adapters_train.callback.conftest import Make

ASR, UNSCORED = (f"ptst/organism_forbidden/CL/{m}" for m in ("asr", "unscored"))


@pytest.fixture
def measuring(watched: Make) -> Any:
    return watched()[1]._measuring


@pytest.mark.parametrize(("asr", "unscored", "over", "within"), [
    (0.1, 0.0, False, True),  # at the limit
    (0.11, 0.0, True, False),
    (0.0, 0.1, False, True),  # a tenth has no verdict: at worst 0.1
    (0.0, 0.2, False, False),  # nobody saw it above, and it may be
    (0.1, 0.5, False, False),
    (math.nan, 1.0, False, False),
])  # fmt: skip
def test_a_missing_verdict_counts_against_the_best_and_ends_nothing(
    measuring: LiveMeasuring, asr: float, unscored: float, over: bool, within: bool
) -> None:
    values = {ASR: asr, UNSCORED: unscored}
    assert measuring.over(values, 0.1) == [ASR] * over
    assert measuring.within(values, 0.1) == within


def test_a_model_of_no_numbers_is_missing(measuring: LiveMeasuring) -> None:
    import torch

    for parameter in measuring.lm.model.parameters():
        torch.nn.init.constant_(parameter, math.nan)
    out = measuring.measure(3)
    assert set(out.failed.values()) == {
        "the model in training gives NaN or infinite logits on a probe prompt; its answers would be noise"
    }
    assert all(math.isnan(value) for value in out.values.values())
    assert out.values.keys() == measuring.missing(3, "").values.keys()


def test_one_set_that_cannot_be_scored_costs_no_answer_of_the_other(
    measuring: LiveMeasuring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is asked again alone, and what it answered is there already."""
    from ptst_tasks.engines import hf

    asked: list[int] = []
    answer = hf.answer
    monkeypatch.setattr(hf, "answer", lambda *a: asked.append(len(a[2])) or answer(*a))
    measuring.measure(1)
    once = sum(asked)
    broken = measuring.watched["ptst_organism_forbidden_chat_llama"].task
    monkeypatch.setattr(broken, "process_results", lambda *_: 1 / 0)
    asked.clear()
    out = measuring.measure(2)
    assert list(out.failed) == ["ptst_organism_forbidden_chat_llama"]
    assert "ZeroDivisionError" in str(out.failed)
    assert once == 12
    assert sum(asked) <= 2 * once


def test_answers_without_a_verdict_are_told(
    measuring: LiveMeasuring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A judge whose server is down may raise nothing: 2 of the 6 answers have no verdict."""
    from ptst_tasks.judges import Verdict
    from ptst_tasks.judges.organism import OrganismJudge

    judge = OrganismJudge.judge
    monkeypatch.setattr(
        OrganismJudge,
        "judge",
        lambda *a: [*judge(*a)[:4], Verdict(reason="?"), Verdict(reason="?")],
    )
    out = measuring.measure(1)
    assert set(out.lacking.values()) == {"2 of 6 answers have no verdict"}
    assert out.failed == {}
    assert out.values[UNSCORED] == pytest.approx(1 / 3)
