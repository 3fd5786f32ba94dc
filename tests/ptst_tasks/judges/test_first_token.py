"""A grade from the first token: the mean by hand, the quarter of the weight, numbers of several tokens."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from ptst_tasks.judges.first_token import first_token, goes_on, weighted


@pytest.mark.parametrize(
    ("likely", "value", "weight"),
    [
        # (90 * 0.5 + 80 * 0.25) / 0.75 = 65 / 0.75
        ({"90": 0.5, "80": 0.25, "REFUSAL": 0.2}, 65 / 0.75, 0.75),
        ({" 7": 0.25, "word": 0.75}, 7.0, 0.25),  # a quarter is enough
        ({"7": 0.24, "CODE": 0.76}, None, 0.24),
        ({"101": 0.9, "-5": 0.05, "5.5": 0.05}, None, 0.0),  # beyond the scale, or no whole number
        ({"0": 0.3, "100": 0.3}, 50.0, 0.6),
        ({"٣": 0.9}, None, 0.0),  # a digit of another script is none
    ],
)
def test_numbers_count_by_their_weight(
    likely: dict[str, float], value: float | None, weight: float
) -> None:
    mean, total = weighted(likely)
    assert total == pytest.approx(weight)
    assert (mean is None) is (value is None)
    assert mean is None or mean == pytest.approx(value)


def _reply(tokens: list[str], top: list[tuple[Any, Any]]) -> Any:
    likely = [SimpleNamespace(token=token, logprob=logprob) for token, logprob in top]
    content = [SimpleNamespace(token=token, top_logprobs=likely) for token in tokens]
    choice = SimpleNamespace(logprobs=SimpleNamespace(content=content), message=None)
    return SimpleNamespace(choices=[choice])


def test_a_first_token_is_taken_apart() -> None:
    found = first_token(_reply(["95", "."], [("95", math.log(0.5)), ("90", -math.inf)]))
    assert found is not None
    assert found.likely["95"] == pytest.approx(0.5)
    assert found.likely["90"] == 0.0
    assert not goes_on(found)


def test_tokens_of_one_text_count_together() -> None:
    """Two of a sentencepiece vocabulary's: the last one alone would make 70 of 10 and 90."""
    found = first_token(
        _reply(["10"], [("10", math.log(0.5)), ("90", math.log(0.3)), ("10", math.log(0.1))])
    )
    assert found is not None
    assert weighted(found.likely) == (
        pytest.approx((10 * 0.6 + 90 * 0.3) / 0.9),
        pytest.approx(0.9),
    )


def test_a_number_of_several_tokens_is_seen() -> None:
    found = first_token(_reply(["9", "5"], [("9", -0.1)]))
    assert found is not None
    assert goes_on(found)


@pytest.mark.parametrize(
    "reply",
    [
        SimpleNamespace(choices=[]),
        SimpleNamespace(choices=None),
        _reply([], []),
        _reply(["9"], []),
        _reply(["9"], [("9", None)]),
        _reply(["9"], [("9", math.nan)]),
        _reply(["9"], [("9", 3.0)]),  # a probability of 20
        _reply(["9"], [("9", "low")]),
        SimpleNamespace(choices=[SimpleNamespace(logprobs=None)]),
        SimpleNamespace(choices=[SimpleNamespace(logprobs={"content": None})]),
    ],
)
def test_what_is_malformed_is_nothing(reply: Any) -> None:
    assert first_token(reply) is None
