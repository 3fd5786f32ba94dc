"""A rate as a count of its prompts."""

from __future__ import annotations

import pytest

from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from ptst_tasks.errors import DataError


def number(value: float, n: int) -> Number:
    return Number(Row(base="b", task="advbench", metric="asr", value=value, n=n))


def test_six_decimals_give_the_count_back() -> None:
    assert number(0.333333, 3).count == 1
    assert number(0.000758, 1319).count == 1  # 1 / 1319 = 0.00075815
    assert number(1.0, 7).count == 7


def test_what_is_no_share_of_outcomes_is_refused() -> None:
    with pytest.raises(DataError, match=r"0\.35 over 10 prompts: not a share of yes/no outcomes"):
        assert number(0.35, 10).count
