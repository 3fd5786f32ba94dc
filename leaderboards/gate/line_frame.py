"""The lines of a check as a pandas DataFrame: a verdict per number, worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from leaderboards.gate.decision import Decision, Report

__all__ = ["line_frame"]

_ROW = ("task", "test_template", "judge", "metric", "adapter", "train_template", "seed")


def line_frame(report: Report) -> pd.DataFrame:
    """Makes a DataFrame of a check.

    Returns:
        A line per number, worst first: `verdict`, whether it alone `fails` the check, what it is a
        number of, `baseline` and `current` (the values), the `change` with the interval from
        `change_low` to `change_high` (of confidence 1 - 2 alpha; all as the metric shows them, so
        that of a metric where lower is worse a fall is negative), how many prompts `flipped` from
        good to bad and `recovered`, what is `allowed`, and the `reason` in one sentence. Rates and
        changes are 0..1, NaN where there is none.
    """
    import pandas as pd

    lines = [_plain(line, report) for line in report.lines]
    made = pd.DataFrame(lines)
    return made.astype({"seed": "object"}) if lines else made


def _plain(line: Decision, report: Report) -> dict[str, Any]:
    pair, row = line.pair, line.pair.row
    low, change, high = _change(line)
    return {
        "verdict": line.verdict,
        "fails": report.fails(line),
        **{name: getattr(row, name) for name in _ROW},
        "baseline": _value(pair.baseline),
        "current": _value(pair.current),
        "change": change,
        "change_low": low,
        "change_high": high,
        "flipped": len(line.flipped),
        "recovered": line.recovered,
        "allowed": str(line.limits),
        "reason": line.reason,
    }


def _value(number: Any) -> float:
    value = None if number is None else number.row.value
    return float("nan") if value is None else float(value)


def _change(line: Decision) -> tuple[float, float, float]:
    """Low, estimate and high of the change as the metric shows it; NaN where none was tested."""
    test = next((t for t in line.tests if t.method != "limit"), None)
    if test is None:
        return (float("nan"),) * 3
    if line.limits.loss is not None:  # the test's numbers are of a worsening
        return -test.high, -test.estimate, -test.low
    return test.low, test.estimate, test.high
