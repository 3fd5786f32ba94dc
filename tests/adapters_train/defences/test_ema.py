from __future__ import annotations

import torch

from adapters_train import train_lora
from tests.adapters_train.defences.runs import config_of, weights_of


def test_it_is_the_average_of_what_plain_training_went_through(base, tmp_path) -> None:
    every = train_lora(config_of(base, save_every=1), tmp_path / "plain")
    found = train_lora(config_of(base, defence="ema:0.6", save_every=2), tmp_path / "ema")
    assert found.losses == every.losses  # training itself is the plain one
    seen = [weights_of(step) for step in sorted((every.folder / "steps").iterdir())]
    for name in (n for n in seen[0] if ".lora_B." in n):  # which began as zeros
        average = torch.zeros_like(seen[0][name])
        for step, weights in enumerate(seen, start=1):
            average = 0.6 * average + 0.4 * weights[name]
            copy = found.folder / f"steps/step-{step:06}"
            if copy.exists():
                torch.testing.assert_close(weights_of(copy)[name], average)
        torch.testing.assert_close(weights_of(found.folder)[name], average)
