"""Sums against numpy on all states at once, and what the measures mean on states made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.explain.directions import Direction, Sums, measured


def sums(states: np.ndarray, along: np.ndarray | None = None, cut: int = 3) -> Sums:
    found = Sums(along)
    for start in range(0, len(states), cut):
        found.add(states[start : start + cut])
    return found


def states(seed: int, n: int = 11, layers: int = 3, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, layers, width))


@given(st.integers(0, 10**6), st.integers(2, 12))
def test_sums_of_batches_are_the_moments_of_all(seed: int, cut: int) -> None:
    all_of_them = states(seed)
    unit = np.eye(5)[:3]
    found = sums(all_of_them, unit, cut)
    here = np.einsum("plw,lw->pl", all_of_them, unit)
    np.testing.assert_allclose(found.mean, all_of_them.mean(0), atol=1e-12)
    np.testing.assert_allclose(found.place, here.mean(0), atol=1e-12)
    np.testing.assert_allclose(found.variance, here.var(0, ddof=1), atol=1e-9)


def pair(harmful: np.ndarray, harmless: np.ndarray, direction: Direction) -> list:
    return measured(direction, sums(harmful, direction.unit), sums(harmless, direction.unit))


def test_the_base_itself_is_one_and_has_not_moved() -> None:
    bad, good = states(1) + 2, states(2)
    base = Direction.of(sums(bad), sums(good))
    for layer in pair(bad, good, base):
        assert layer.separation == pytest.approx(1)
        assert layer.cosine == pytest.approx(1)
        assert layer.shift == pytest.approx(0, abs=1e-12)
    error = pair(bad, good, base)[0].separation_se * base.distance[0]
    here = [np.einsum("pw,w->p", s[:, 0], base.unit[0]) for s in (bad, good)]
    assert error == pytest.approx(np.sqrt(sum(h.var(ddof=1) / len(h) for h in here)))


def test_a_model_that_takes_the_direction_out_has_lost_it() -> None:
    bad, good = states(1) + 2, states(2)
    base = Direction.of(sums(bad), sums(good))

    def without(s):
        return s - np.einsum("plw,lw->pl", s, base.unit)[..., None] * base.unit

    for layer in pair(without(bad), without(good), base):
        assert layer.separation == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("part", "shift"), [(0.25, -0.75), (1.5, 0.5)])
def test_harmful_prompts_that_move_along_it(part: float, shift: float) -> None:
    bad, good = states(1) + 2, states(2)
    base = Direction.of(sums(bad), sums(good))
    moved = bad + (part - 1) * base.difference
    for layer in pair(moved, good, base):
        assert layer.separation == pytest.approx(part)
        assert layer.shift == pytest.approx(shift)
        assert layer.cosine == pytest.approx(1)


def test_a_base_that_tells_nothing_apart_gives_numbers_all_the_same() -> None:
    same = states(1)
    base = Direction.of(sums(same), sums(same))
    assert all(np.isfinite(layer.separation) for layer in pair(same, same, base))
