"""The projection against equations 2 and 3 of arXiv 2405.16833, with matrices of full size."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from adapters_train import train_lora, train_many
from adapters_train.defences.safe_lora import projected
from ptst_tasks.digests import weights_digest
from ptst_tasks.errors import ConfigError
from tests.adapters_train.defences.runs import changed_base, config_of, same, weights_of


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(3, 9), st.integers(3, 9))
def test_it_is_the_printed_formula(seed: int, rank: int, inputs: int, outputs: int) -> None:
    made = torch.Generator().manual_seed(seed)
    a = torch.randn(rank, inputs, generator=made)
    b = torch.randn(outputs, rank, generator=made)
    v = torch.randn(outputs, inputs, generator=made)
    new, cosine = projected(a, b, v)
    c = v @ v.T / torch.linalg.matrix_norm(v, "fro")
    torch.testing.assert_close(new @ a, c @ (b @ a), rtol=1e-4, atol=1e-4)
    wanted = torch.nn.functional.cosine_similarity((c @ b @ a).flatten(), (b @ a).flatten(), dim=0)
    assert cosine == pytest.approx(float(wanted), abs=1e-4)


def test_layers_below_the_threshold_are_projected_and_the_others_are_not(
    base, plain, unaligned, tmp_path
) -> None:
    low = train_lora(config_of(base, defence="safe_lora:1", unaligned=str(unaligned), save_every=2),
                     tmp_path / "all")  # fmt: skip
    told = low.manifest["defence"]["cosines"]
    assert (
        low.manifest["defence"]["projected"] == low.manifest["defence"]["layers"] == len(told) == 7
    )
    third, fourth = sorted(told.values())[2:4]
    middle = (third + fourth) / 2
    some = train_lora(config_of(base, defence=f"safe_lora:{middle}", unaligned=str(unaligned)),
                      tmp_path / "some")  # fmt: skip
    assert some.manifest["defence"]["projected"] == 3
    whole, mine = weights_of(plain.folder), weights_of(some.folder)
    kept = {n for n in whole if torch.equal(whole[n], mine[n])}
    changed = {n for n in whole if n not in kept}
    assert len(changed) == 3
    assert all(".lora_B." in n for n in changed)
    steps = [weights_of(f / "steps/step-000002") for f in (low.folder, plain.folder)]
    assert not same(*steps)


def test_layer_by_layer_from_the_files_of_both_bases(base, plain, unaligned, tmp_path) -> None:
    from transformers import AutoModelForCausalLM

    found = train_lora(
        config_of(base, defence="safe_lora:1", unaligned=str(unaligned)), tmp_path / "a"
    )
    new, old = (dict(AutoModelForCausalLM.from_pretrained(f).named_parameters())
                for f in (base, unaligned))  # fmt: skip
    whole, mine = weights_of(plain.folder), weights_of(found.folder)
    name = "model.layers.0.mlp.down_proj"
    v = (new[f"{name}.weight"] - old[f"{name}.weight"]).detach()
    b = f"base_model.model.{name}.lora_B.weight"
    torch.testing.assert_close(mine[b], v @ v.T @ whole[b] / v.norm(), rtol=1e-4, atol=1e-6)


def test_the_unaligned_weights_are_in_the_identity_and_their_place_is_not(
    base, unaligned, tmp_path
) -> None:
    import shutil

    config = config_of(base, defence="safe_lora", unaligned=str(unaligned))
    found = train_lora(config, tmp_path / "a")
    assert found.manifest["inputs"]["unaligned_weights"] == weights_digest(unaligned)
    moved = shutil.copytree(unaligned, tmp_path / "moved")
    again = train_lora(config.model_copy(update={"unaligned": str(moved)}), tmp_path / "a")
    assert again.manifest["finished"] == found.manifest["finished"]
    other = changed_base(base, tmp_path / "other", noise=0.2)
    with pytest.raises(ConfigError, match="unaligned_weights was"):
        train_lora(config.model_copy(update={"unaligned": str(other)}), tmp_path / "a")


def test_bases_that_are_one_or_none(base, unaligned, tmp_path) -> None:
    for name, words in [
        (str(base), "has the base's own weights in every layer"),
        (str(tmp_path), r"holds no \*\.safetensors"),
        (str(tmp_path / "missing"), "is no folder here"),
    ]:
        with pytest.raises(ConfigError, match=words):
            train_lora(config_of(base, defence="safe_lora", unaligned=name), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_base_of_another_shape(base, tmp_path) -> None:
    from adapters_train.organism import make_tokenizer
    from tests.adapters_train.conftest import make_base

    wide = make_base(tmp_path / "wide", make_tokenizer(), hidden_size=32)
    with pytest.raises(ConfigError, match="expected one model before and after its alignment"):
        train_lora(config_of(base, defence="safe_lora", unaligned=str(wide)), tmp_path / "out")


def test_a_copy_kept_along_training_is_projected_too(base, unaligned, tmp_path) -> None:
    config = config_of(base, defence="safe_lora:1", unaligned=str(unaligned), save_every=6)
    found = train_lora(config, tmp_path / "a")
    assert same(weights_of(found.folder / "steps/step-000006"), weights_of(found.folder))
    json.loads((found.folder / "manifest.json").read_text())


def test_what_the_two_bases_lack_is_said_before_the_first_step(base, tmp_path, monkeypatch) -> None:
    from adapters_train.organism import make_tokenizer
    from tests.adapters_train.conftest import make_base

    monkeypatch.setattr("adapters_train.lora.make_trainer", None)  # nothing is trained
    wide = make_base(tmp_path / "wide", make_tokenizer(), hidden_size=32)
    deep = make_base(tmp_path / "deep", make_tokenizer(), num_hidden_layers=2)
    renamed = shutil.copytree(base, tmp_path / "renamed")  # the base under another name
    for model, before, words in [
        (base, base, "has the base's own weights in every layer"),
        (base, renamed, "has the base's own weights in every layer"),
        (base, wide, r"is \(16, 16\) in the base and \(32, 32\) in unaligned"),
        (deep, base, r"no file of one of the two bases has 'model\.layers\.1"),
    ]:
        for spec in ("safe_lora", "safe_lora:-1"):
            config = config_of(model, defence=spec, unaligned=str(before))
            with pytest.raises(ConfigError, match=words):
                train_lora(config, tmp_path / "out")
            with pytest.raises(ConfigError, match=words):
                train_many([(config_of(model), tmp_path / "plain"), (config, tmp_path / "out")])
    assert not (tmp_path / "plain").exists()


def test_only_the_layers_with_an_adapter_must_be_in_both(base, tmp_path) -> None:
    """A larger vocabulary or another head is no matter."""
    other = changed_base(base, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    del weights["lm_head.weight"], weights["model.layers.0.mlp.up_proj.weight"]
    weights["model.embed_tokens.weight"] = torch.zeros(3, 16)
    save_file(weights, other / "model.safetensors")
    config = config_of(
        base, defence="safe_lora", unaligned=str(other), targets=("q_proj", "v_proj")
    )
    assert train_lora(config, tmp_path / "a").manifest["defence"]["layers"] == 2
