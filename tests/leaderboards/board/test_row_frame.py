"""Rows as a DataFrame."""

from __future__ import annotations

from leaderboards.board.row import COLUMNS, Row
from leaderboards.board.row_frame import row_frame


def test_columns_have_the_types_of_the_table() -> None:
    seed = 2**64 - 1  # in no integer of pandas
    plain = Row(base="b", task="gsm8k", metric="acc", value=0.5, n=2, seed=3)
    empty = Row(base="b", task="gsm8k", metric="acc", error="lost \ud800")
    frame = row_frame([plain, empty])
    assert {str(frame[name].dtype) for name in ("value", "ci_low", "ci_high")} == {"float64"}
    assert {str(frame[name].dtype) for name in ("n", "unscored")} == {"int64"}
    assert str(frame["seed"].dtype) == str(frame["step"].dtype) == "Int64"
    assert frame["seed"].isna().tolist() == [False, True]
    assert frame["value"].isna().tolist() == [False, True]
    assert frame["adapter"].tolist() == ["", ""]
    assert frame["error"][1] == "lost \ud800"
    assert row_frame([plain.model_copy(update={"seed": seed})])["seed"][0] == seed
    assert list(row_frame([]).columns) == list(COLUMNS)
