"""Which processes have a whole model, and what they must agree on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from adapters_train.callback.whole_model import check_whole, shared, tokenizer_of
from ptst_tasks.errors import ConfigError


def trainer(kind: str = "NO", stage: int | None = None, device: str = "cpu") -> Any:
    plugin = None if stage is None else SimpleNamespace(zero_stage=stage)
    accelerator = SimpleNamespace(
        distributed_type=SimpleNamespace(value=kind),
        state=SimpleNamespace(deepspeed_plugin=plugin),
        num_processes=1,
    )
    model = torch.nn.Linear(1, 1, device=device)
    return SimpleNamespace(accelerator=accelerator, model=model, processing_class=None)


@pytest.mark.parametrize(("one", "why"), [
    (trainer("FSDP"), "FSDP"),
    (trainer("DEEPSPEED", 3), "ZeRO-3"),
    (trainer(device="meta"), "on no device"),
])  # fmt: skip
def test_pieces_are_refused_in_a_line(one: Any, why: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"the model is in pieces \({why}\).*use DDP or ZeRO-1/2"
    ):
        check_whole(one)


def test_whole_models_are_not() -> None:
    for one in (trainer(), trainer("MULTI_GPU"), trainer("DEEPSPEED", 2)):
        check_whole(one)
    assert shared(trainer(), 5) == 5


def test_a_processor_has_a_tokenizer_in_it(base: Any) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    one = trainer()
    for given in (tokenizer, SimpleNamespace(tokenizer=tokenizer)):
        one.processing_class = given
        assert tokenizer_of(one) is tokenizer
    one.processing_class = None
    with pytest.raises(ConfigError, match="processing_class"):
        tokenizer_of(one)
