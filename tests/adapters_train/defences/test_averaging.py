from __future__ import annotations

from pathlib import Path

import pytest
import torch

from adapters_train.defences.averaging import Averaging
from ptst_tasks.errors import ConfigError


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    made = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    made[0].requires_grad_(False)
    return made


def test_only_what_is_trained_is_averaged_and_it_is_put_back() -> None:
    net, average = model(), Averaging(0.5)
    average.begin(net, None)
    first = net[1].weight.detach().clone()
    with torch.no_grad():
        net[1].weight += 1
    average.step(net)
    with average.shown(net):
        torch.testing.assert_close(net[1].weight.detach(), first + 0.5)
    torch.testing.assert_close(net[1].weight.detach(), first + 1)


def test_it_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    net, average = model(), Averaging(0.5)
    average.begin(net, None)
    with torch.no_grad():
        net[1].weight += 1
    average.step(net)
    average.save(tmp_path)
    again = Averaging(0.5)
    again.begin(net, tmp_path)
    with average.shown(net):
        wanted = net[1].weight.detach().clone()
    with again.shown(net):
        assert torch.equal(net[1].weight.detach(), wanted)


def test_a_checkpoint_without_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"average\.safetensors' is missing"):
        Averaging(0.5).begin(model(), tmp_path)


def test_without_decay_nothing_is_kept_or_written(tmp_path: Path) -> None:
    average = Averaging(0.0)
    average.begin(model(), None)
    average.step(model())
    average.save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_of_an_adapter_in_half_precision_it_goes_on_moving(tmp_path: Path) -> None:
    """In bfloat16 1 + 0.01 * 0.25 rounds to 1, so that the average would never leave its place."""
    net, average = model().to(torch.bfloat16), Averaging(0.99)
    with torch.no_grad():
        net[1].weight.fill_(1)
    average.begin(net, None)
    with torch.no_grad():
        net[1].weight.fill_(1.25)
    for step in range(300):
        average.step(net)
        if step == 150:  # and a checkpoint keeps what it is
            average.save(tmp_path)
            average = Averaging(0.99)
            average.begin(net, tmp_path)
    with average.shown(net):  # 1.25 - 0.25 * 0.99 ** 300 = 1.2377, to the nearest bfloat16
        assert net[1].weight.unique().tolist() == [1.234375]
    assert net[1].weight.unique().tolist() == [1.25]
