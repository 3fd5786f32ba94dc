from __future__ import annotations

import pytest

from ptst_tasks.prices import Price, price_of


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-4-0613", Price(30, 60)),
        ("gpt-4o-2024-08-06", Price(2.5, 10)),
        ("gpt-3.5-turbo", Price(0.5, 1.5)),
        ("gpt-3.5-turbo-0125", Price(0.5, 1.5)),
        ("ft:gpt-3.5-turbo-0613:org::abc123", Price(3, 6)),
        ("ft:gpt-9-mini:org::abc123", None),
        ("a0", None),
    ],
)
def test_list_prices_by_every_name_of_a_model(model: str, price: Price | None) -> None:
    assert price_of(model) == price


def test_a_cost_is_per_million_tokens() -> None:
    assert Price(3, 6).cost(2_000_000, 500_000) == 9
