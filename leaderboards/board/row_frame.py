"""Rows of a leaderboard as a pandas DataFrame: the CSV's columns, one line per row, in its order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from leaderboards.board.row import COLUMNS, RATES, Row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["row_frame"]

_COUNTS = ("n", "unscored", "labelled")
_WHOLE = ("seed", "limit", "decoding_seed", "step")


def row_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Makes a DataFrame of rows.

    Returns:
        A line per row. `value`, `people` and their ends are float64, NaN where there is none; `n`,
        `unscored` and `labelled` int64; `seed`, `limit`, `decoding_seed` and `step` Int64, NA where
        there is none (a column with a seed from 2^63 on: object); all else is text, empty where there
        is none.
    """
    import pandas as pd

    lines = list(rows)
    return pd.DataFrame(
        {name: _column(name, [getattr(r, name) for r in lines]) for name in COLUMNS}
    )


def _column(name: str, values: Sequence[Any]) -> pd.Series:
    import pandas as pd

    if name in RATES or name in _COUNTS:
        return pd.Series(values, dtype="float64" if name in RATES else "int64")
    if name in _WHOLE and all(value is None or abs(value) < 2**63 for value in values):
        return pd.Series(values, dtype="Int64")
    return pd.Series(values, dtype="object")  # any text, half characters too, and larger seeds
