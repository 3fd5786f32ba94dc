"""Numbers as answers: which texts are one, and what they are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ptst_tasks.shapes.numeric import Numeric, number
from ptst_tasks.shapes.row_cells import RowFaultError


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ("42", "42"), ("042", "42"), ("42.0", "42"), ("42.", "42"), (" 42 ", "42"), (".5", "0.5"),
        ("-0", "0"), ("+3", "3"), ("−3", "-3"), ("1,000", "1000"), ("-$1,018.50", "-1018.5"), ("$-2", "-2"),
        ("5%", "5"), ("€7", "7"), ("1e3", "1000"), ("0.1", "0.1"),
    ],
)  # fmt: skip
def test_a_number(said: str, want: str) -> None:
    assert number(said) == Decimal(want)


@pytest.mark.parametrize(
    "said", ["", "two", "1,00", "4,2", "1/2", "1.2.3", "-$-2", "--2", "٤٢", "４２", "5 kg"]
)
def test_none(said: str) -> None:
    assert number(said) is None


@pytest.mark.parametrize(
    ("answer", "want"),
    [(42, "42"), (42.0, "42"), (1e-05, "0.00001"), (".5", ".5"), ("So\n#### 7", "So\n#### 7")],
)
def test_gold(answer: Any, want: str) -> None:
    assert Numeric(("q",), ("a",))({"q": "?", "a": answer})["answer"] == want


@pytest.mark.parametrize("answer", ["٤٢", "４２", "50%", "3 kg", "1/2", "So\n#### ٤٢", "1e5"])
def test_gold_that_is_none(answer: str) -> None:
    with pytest.raises(RowFaultError, match="in 'a', expected a number"):
        Numeric(("q",), ("a",))({"q": "?", "a": answer})
