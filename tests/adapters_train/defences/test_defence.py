from __future__ import annotations

import pytest

from adapters_train import TrainConfig
from ptst_tasks.errors import ConfigError


@pytest.mark.parametrize("spec", ["none", "kl", "mix", "scale"])
def test_unaligned_weights_that_nobody_reads_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match=rf"unaligned.* does nothing with defence '{spec}"):
        TrainConfig(model="m", defence=spec, unaligned="before")


def test_safe_lora_without_them_is_one_line_before_anything_is_read() -> None:
    with pytest.raises(
        ConfigError, match=r"'safe_lora:0\.35' needs the weights of the base before"
    ):
        TrainConfig(model="no/such/base", defence="safe_lora")
