from __future__ import annotations

import math

import pytest
from scipy import stats

from leaderboards.board.mean_change import mean_change


def test_a_prompt_counts_once_its_seeds_averaged() -> None:
    before = {"a": 0, "b": 0, "c": 1, "only here": 1}
    seeds = [{"a": 1, "b": 0, "c": 1}, {"a": 0, "b": 0, "c": None, "only there": 1}]
    found = mean_change([before], seeds)
    assert found is not None
    assert found.n == 3
    assert found.before == pytest.approx(1 / 3)
    assert found.after == pytest.approx((0.5 + 0 + 1) / 3)
    expected = stats.ttest_1samp([0.5, 0, 0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert not found.beyond_chance


def test_what_moved_alike_has_no_interval() -> None:
    still = mean_change([{"a": 0, "b": 1}], [{"a": 0, "b": 1}])
    assert still is not None
    assert (still.low, still.high, still.beyond_chance) == (None, None, False)
    for n, beyond in ((5, False), (6, True)):  # 2 * 0.5 ** 6 = 0.031
        all_turned = mean_change([dict.fromkeys(range(n), 0)], [dict.fromkeys(range(n), 1)])  # type: ignore[list-item]
        assert all_turned is not None
        assert (all_turned.low, all_turned.beyond_chance) == (None, beyond)


def test_an_interval_stays_on_the_scale_and_nothing_in_common_is_nothing() -> None:
    found = mean_change([{"a": 0, "b": 0, "c": 0}], [{"a": 1, "b": 1, "c": 0}])
    assert found is not None
    assert found.high == 1.0
    assert not math.isnan(found.low or 0.0)
    assert mean_change([{"a": 0}], [{"b": 1}]) is None
    assert mean_change([], [{"b": 1}]) is None


def test_means_that_differ_in_the_last_bit_did_not_move() -> None:
    """0.1 three times is not 0.3: sure of 20 prompts that "moved" by 5e-17, and that is nothing."""
    before = [{str(i): 0.3} for i in range(20)]
    after = [{str(i): (0.1 + 0.2)} for i in range(20)]
    old = {name: value for one in before for name, value in one.items()}
    new = {name: value for one in after for name, value in one.items()}
    found = mean_change([old], [new])
    assert found is not None
    assert found.after != found.before
    assert (found.moved, found.beyond_chance) == (False, False)
