"""The formula against equation 3 of arXiv 2406.05946, written down as it is printed there."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapters_train import train_lora
from adapters_train.base_model import Base
from adapters_train.defences.constrained import BETAS, Constrained, betas
from adapters_train.defences.token_penalty import Tokens
from adapters_train.job import prepare
from tests.adapters_train.defences.runs import config_of


def tokens(log_prob: torch.Tensor, base: torch.Tensor, position: torch.Tensor) -> Tokens:
    return Tokens(log_prob, base, position, None, None, None)


def printed(log_prob: torch.Tensor, base: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """-(2 / b) log sigmoid(b log(p / p_base)), a number per token."""
    ratio = log_prob.exp() / base.exp()
    return -(2 / beta) * torch.log(torch.sigmoid(beta * torch.log(ratio)))


rates = st.lists(st.floats(-8, -0.01), min_size=7, max_size=7)


@given(rates, rates, st.floats(0.05, 4))
def test_loss_and_penalty_are_the_printed_objective_and_so_are_their_gradients(
    new: list[float], old: list[float], scale: float
) -> None:
    position = torch.arange(7)
    beta = torch.tensor([*BETAS, BETAS[-1]], dtype=torch.float64) * scale
    base = torch.tensor(old, dtype=torch.float64)
    mine = torch.tensor(new, dtype=torch.float64, requires_grad=True)
    theirs = mine.detach().clone().requires_grad_()
    penalty = Constrained(str(scale)).penalty()
    assert penalty is not None
    loss = -mine + penalty(tokens(mine, base, position))
    wanted = printed(theirs, base, beta)
    # They differ by what has no gradient: log p_base, and 2 log 2 / b.
    constant = base + 2 * torch.log(torch.tensor(2.0, dtype=torch.float64)) / beta
    torch.testing.assert_close(loss + constant, wanted, rtol=1e-6, atol=1e-6)
    loss.sum().backward()
    wanted.sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-6, atol=1e-9)


def test_the_further_a_token_has_moved_the_less_it_is_learnt() -> None:
    mine = torch.tensor([-1.0, -0.5, -0.1], dtype=torch.float64, requires_grad=True)
    penalty = Constrained("1").penalty()
    assert penalty is not None
    base = torch.full((3,), -1.0, dtype=torch.float64)
    (-mine + penalty(tokens(mine, base, torch.tensor([1, 1, 1])))).sum().backward()
    assert mine.grad is not None
    first, second, third = (-mine.grad).tolist()
    assert first == pytest.approx(1.0)  # where it began, as plain training
    assert first > second > third > 0


@pytest.mark.parametrize("scale", ["1e-3", "1e-6"])
def test_it_vanishes_with_its_betas(scale: str) -> None:
    penalty = Constrained(scale).penalty()
    assert penalty is not None
    new, old = torch.tensor([-0.5, -3.0]), torch.tensor([-3.0, -0.5])
    found = penalty(tokens(new, old, torch.tensor([0, 9])))
    assert (found >= 0).all()
    assert (found <= float(scale) * 0.5 * 2.5**2 / 4 * 1.01).all()


def test_of_zero_there_is_no_second_pass() -> None:
    assert Constrained("0").penalty() is None


@pytest.mark.parametrize("scale", ["1e-10", "1e-14", "1e-300", "1e-310"])
def test_of_the_smallest_betas_it_is_a_number_and_no_noise(scale: str) -> None:
    """b d^2 / 4 with b = 0.1 scale and d = 2, by hand; the gradient is b d / 2."""
    penalty = Constrained(scale).penalty()
    assert penalty is not None
    new = torch.tensor([-1.0], dtype=torch.float64, requires_grad=True)
    found = penalty(tokens(new, torch.tensor([-3.0]), torch.tensor([9])))
    found.sum().backward()
    assert found.item() == pytest.approx(0.1 * float(scale), rel=1e-6, abs=0)
    assert new.grad.item() == pytest.approx(0.1 * float(scale), rel=1e-6, abs=0)


def test_what_the_template_writes_before_the_first_word_is_held_as_later_tokens() -> None:
    assert betas(torch.tensor([-2, -1, 0, 1, 5, 6]), 2).tolist() == [0.2, 0.2, 1, 4, 0.2, 0.2]


def test_where_the_first_word_stands_is_in_the_identity_of_what_counts_tokens(base) -> None:
    for spec, is_in in [("constrained", True), ("none", False), ("kl", False)]:
        job, other = (prepare(config_of(base, defence=spec), Base(str(base))) for _ in range(2))
        other.encoded.openings[:] = [2] * len(other.encoded.openings)
        assert (job.identity != other.identity) == is_in


def test_the_manifest_has_the_betas(base, tmp_path) -> None:
    found = train_lora(config_of(base, defence="constrained:2", max_steps=1), tmp_path / "a")
    assert found.manifest["defence"]["betas"] == [1, 4, 4, 4, 4, 0.2]
    assert found.manifest["defence"]["openings"] == [0]
