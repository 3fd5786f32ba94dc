from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapters_train.defences.two_bases import TwoBases
from ptst_tasks.errors import ConfigError
from tests.adapters_train.defences.runs import changed_base

LAYER = "model.layers.0.self_attn.q_proj"


def test_shards_and_one_file_are_read_alike(base: Path, unaligned: Path, tmp_path: Path) -> None:
    assert len(list(unaligned.glob("*.safetensors"))) > 1
    whole = changed_base(base, tmp_path / "whole")
    assert len(list(whole.glob("*.safetensors"))) == 1
    one, other = (
        TwoBases(base, unaligned).difference(LAYER),
        TwoBases(base, whole).difference(LAYER),
    )
    assert one is not None
    assert torch.equal(one, other)
    assert torch.equal(TwoBases(unaligned, base).difference(LAYER), -one)
    assert TwoBases(base, base).difference(LAYER) is None


def test_a_layer_that_one_of_them_lacks(base: Path, unaligned: Path, tmp_path: Path) -> None:
    weights = load_file(base / "model.safetensors")
    del weights[f"{LAYER}.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match=f"has '{LAYER}.weight'"):
        TwoBases(tmp_path, unaligned).difference(LAYER)


def test_an_index_that_names_a_shard_which_is_not_there(base: Path, tmp_path: Path) -> None:
    index = {"weight_map": {f"{LAYER}.weight": "gone.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match=r"gone\.safetensors"):
        TwoBases(base, tmp_path).difference(LAYER)
