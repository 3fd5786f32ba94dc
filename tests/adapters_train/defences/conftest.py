from __future__ import annotations

from pathlib import Path

import pytest

from adapters_train import train_lora
from adapters_train.lora import TrainResult
from tests.adapters_train.defences.runs import changed_base, config_of


@pytest.fixture(scope="session")
def plain(base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """Plain training, with copies after every second step."""
    folder = tmp_path_factory.mktemp("plain") / "adapter"
    return train_lora(config_of(base, save_every=2), folder)


@pytest.fixture(scope="session")
def unaligned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base before an alignment, in several shards."""
    return changed_base(base, tmp_path_factory.mktemp("unaligned") / "base", shards="20KB")
