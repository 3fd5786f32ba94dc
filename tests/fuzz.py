"""Fuzzing of what people write by hand: no exception but ours, whatever stands in a file.

A fuzz test is named ``test_fuzz_...`` and decorated with `fuzz`; it has 200 examples in `make test`
and 10,000 in `make bench` (``python -m tests.bench fuzz``).
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

__all__ = ["TEXT", "bent", "fuzz", "json_like"]

EXAMPLES = int(os.environ.get("PTST_FUZZ", "200"))

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 200,  # CI fails for a reason that can be run again
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""Decorator of every fuzz test."""

TEXT = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", " ", "\u2028", "\x00", "\ud800", "nan", "-1", "1e999", "null", "=1+1",
                     "../..", "NaN", "{}", "[]", "a" * 300, "\u202e", "true"]),
)  # fmt: skip
"""Texts as they are met, half characters included."""


def json_like(leaves: int = 12) -> st.SearchStrategy[Any]:
    """Any value that JSON or YAML can hold."""
    scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT)
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)
        ),
        max_leaves=leaves,
    )


@st.composite
def bent(draw: st.DrawFn, good: Any) -> Any:
    """A good value with one place changed, at any depth: the near misses that people write."""
    if isinstance(good, dict) and good and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(good, key=str)))
        what = draw(st.integers(0, 5))
        if what == 0:
            return {k: v for k, v in good.items() if k != key}
        if what == 1:
            return {**good, draw(TEXT): draw(json_like(4))}
        return {**good, key: draw(bent(good[key]))}
    if isinstance(good, list) and good and draw(st.integers(0, 3)):
        at = draw(st.integers(0, len(good) - 1))
        return [*good[:at], draw(bent(good[at])), *good[at + 1 :]]
    return draw(json_like(6))
