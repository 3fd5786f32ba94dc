"""Fields and lines of a table, by hand."""

from __future__ import annotations

import pytest

from leaderboards.board.fields import NO_FT, Field, Line, short


def test_a_field_is_the_mean_with_the_populations_deviation() -> None:
    field = Field((0.1, 0.3), diagonal=True, over="training seeds", each=5)
    assert field.mean == pytest.approx(0.2)
    assert field.std == pytest.approx(0.1)  # each is 0.1 off; with n - 1 it would be 0.1414
    assert field.text() == "20.00 ±10.00 ="
    assert field.counted() == "2 training seeds, each the mean of its 5 decoding seeds"
    one = Field((0.125,), ptst=True)
    assert (one.std, one.text(1), one.counted()) == (None, "12.5 *", "a single run")


def test_a_line_is_named_by_its_template_or_by_its_adapter() -> None:
    assert (Line().key, Line().label) == (NO_FT, NO_FT)
    mixed = Line("chat:vanilla", "gsm8k", "+safe")
    assert (mixed.key, mixed.label) == ("chat:vanilla +safe", "CV +safe")
    assert Line(adapter="a").label == "a (trained under ?)"
    assert short("chat:nobodys") == "chat:nobodys"
