from __future__ import annotations

import json
import shutil
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


def test_a_whole_file_is_read_in_place_of_an_index_beside_it(base: Path, tmp_path: Path) -> None:
    """As transformers does: the shards may be of another day."""
    whole = shutil.copytree(base, tmp_path / "whole")
    index = {"weight_map": {f"{LAYER}.weight": "old.safetensors"}}
    (whole / "model.safetensors.index.json").write_text(json.dumps(index))
    old = {f"{LAYER}.weight": torch.ones(16, 16)}
    save_file(old, tmp_path / "old.safetensors")
    assert TwoBases(base, whole).difference(LAYER) is None


def test_files_of_a_bare_backbone_have_its_own_names(
    base: Path, unaligned: Path, tmp_path: Path
) -> None:
    weights = load_file(changed_base(base, tmp_path / "whole") / "model.safetensors")
    bare = {name.removeprefix("model."): weight for name, weight in weights.items()}
    (tmp_path / "bare").mkdir()
    save_file(bare, tmp_path / "bare/model.safetensors")
    found = TwoBases(base, tmp_path / "bare").difference(LAYER)
    assert torch.equal(found, TwoBases(base, unaligned).difference(LAYER))


@pytest.mark.parametrize(("kind", "word"), [(torch.float8_e4m3fn, "F8_E4M3"), (torch.int8, "I8")])
def test_quantised_weights_are_no_weights(base: Path, tmp_path: Path, kind, word: str) -> None:
    weights = load_file(base / "model.safetensors")
    weights[f"{LAYER}.weight"] = weights[f"{LAYER}.weight"].to(kind)
    save_file(weights, tmp_path / "model.safetensors")
    for pair in [(tmp_path, base), (base, tmp_path)]:
        with pytest.raises(
            ConfigError, match=f"as {word}, expected weights that are not quantised"
        ):
            TwoBases(*pair).difference(LAYER)
