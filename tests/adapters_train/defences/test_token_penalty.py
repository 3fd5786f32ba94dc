from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapters_train.defences.token_penalty import check_head, positions
from ptst_tasks.errors import ConfigError


@given(st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=4))
def test_positions_count_within_each_answer(rows: list[list[bool]]) -> None:
    found = positions(torch.tensor(rows))
    for row, places in zip(rows, found.tolist(), strict=True):
        run = -1
        for kept, place in zip(row, places, strict=True):
            run = run + 1 if kept else -1
            assert not kept or place == run


@pytest.mark.parametrize("name", ["logit_scale", "logits_scaling", "lm_head_multiplier"])
def test_a_base_that_scales_its_logits_is_refused_by_name(name: str) -> None:
    config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(**{name: 0.5}))
    with pytest.raises(ConfigError, match=rf"{name} 0\.5; use constrained"):
        check_head(SimpleNamespace(config=config))
