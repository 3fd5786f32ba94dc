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
