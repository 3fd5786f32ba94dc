"""With an adapter in a batch, the head's weights are not copied once per row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import profile

from ptst_tasks.engines.hf import HFEngine
from ptst_tasks.engines.hf_head import fold_rows
from tests.support import byte_tokenizer, save_adapter, save_tiny_model


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("head") / "base", byte_tokenizer())


def head_copies(model: Any, rows: int) -> int:
    """Products in which the head's weights were expanded to a copy for each row."""
    ids = torch.randint(5, 60, (rows, 6))
    vocabulary = model.get_output_embeddings().weight.shape[0]
    with torch.inference_mode(), profile(record_shapes=True) as seen:
        model(ids, logits_to_keep=1)
    shapes = [event.input_shapes for event in seen.events() if event.name == "aten::bmm"]
    return sum(len(s) > 1 and s[1][0] == rows and vocabulary in s[1] for s in shapes)


def test_frozen_weights_are_expanded_by_torch_and_not_by_the_engine(
    base: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    stock = AutoModelForCausalLM.from_pretrained(base).requires_grad_(False).eval()
    if not head_copies(stock, 7):
        pytest.skip("this torch folds the rows by itself: hf_head can go")
    lm = HFEngine(pretrained=str(base), adapters={"a": save_adapter(base, tmp_path / "a", 1)},
                  batch_size=7, device="cpu")  # fmt: skip
    try:
        lm.use("a")
        assert head_copies(lm._layers.base, 7) == 0
    finally:
        lm.close()


def test_the_products_are_the_same_to_rounding(base: Path) -> None:
    from transformers import AutoModelForCausalLM

    stock = AutoModelForCausalLM.from_pretrained(base).requires_grad_(False).eval()
    ids = torch.randint(5, 60, (9, 6))
    with torch.inference_mode():
        before = stock(ids, logits_to_keep=1).logits
        fold_rows(stock)
        after = stock(ids, logits_to_keep=1).logits
    assert torch.allclose(before, after, atol=1e-5)
