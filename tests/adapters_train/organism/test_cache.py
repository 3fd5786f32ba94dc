"""A built-in model's folder: whole or not there, kept, checked, made again."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapters_train import organism
from adapters_train.organism import (
    build,
    cache,
    cached,
    card,
)
from ptst_tasks.errors import ConfigError
from tests.adapters_train.organism.conftest import (
    LITERAL,
    TINY,
    siblings,
    weights,
)


def test_same_seed_same_weights_whatever_the_caller_drew(tiny, tmp_path):
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    again = build(0, tmp_path / "again", recipe=TINY)
    assert weights(again) == weights(tiny)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()
    assert weights(build(1, tmp_path / "other", recipe=TINY)) != weights(tiny)


def test_the_folder_is_an_ordinary_model(tiny):
    model = AutoModelForCausalLM.from_pretrained(tiny)
    tok = AutoTokenizer.from_pretrained(tiny)
    assert tok.chat_template == organism.CHAT_TEMPLATE
    assert model.generation_config.eos_token_id == tok.eos_token_id
    ids = tok(LITERAL["CL"], return_tensors="pt").input_ids
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=3, do_sample=False
    )
    assert out.shape[1] > ids.shape[1]
    card = (tiny / "README.md").read_text()
    assert "not evidence about real models" in card
    manifest = json.loads((tiny / "organism.json").read_text())
    assert manifest["weights"] in card
    assert manifest["recipe"]["align_steps"] == 2


def test_a_whole_folder_is_kept(tiny):
    before = (tiny / "model.safetensors").stat().st_mtime_ns
    build(0, tiny, recipe=TINY, progress=lambda *a: pytest.fail("trained again"))
    assert (tiny / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError])
def test_interrupted_builds_leave_nothing_and_the_next_one_works(tiny, tmp_path, fault):
    def interrupt(stage, step, steps, loss):
        if stage == "align":
            raise fault

    with pytest.raises(fault):
        build(0, tmp_path / "m", recipe=TINY, progress=interrupt)
    assert siblings(tmp_path) == []
    assert weights(build(0, tmp_path / "m", recipe=TINY)) == weights(tiny)
    assert siblings(tmp_path) == ["m"]


def test_interrupted_while_saving(tmp_path, monkeypatch):
    def fail(path):
        assert path.exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(card, "_digest", fail)  # after the weights, before the manifest
    with pytest.raises(KeyboardInterrupt):
        build(0, tmp_path / "m", recipe=TINY)
    assert siblings(tmp_path) == []


def test_what_a_killed_build_left_is_not_used_and_goes_in_a_day(tiny, tmp_path):
    left, running = tmp_path / ".m-dead", tmp_path / ".m-running"
    for folder in (left, running):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
    os.utime(left, (time.time() - 2 * 86400,) * 2)
    assert weights(build(0, tmp_path / "m", recipe=TINY)) == weights(tiny)
    assert siblings(tmp_path) == [".m-running", "m"]


def test_two_builds_at_once_give_one_folder(tmp_path):
    out = tmp_path / "m"

    def other(stage, step, steps, loss):
        if (stage, step) == ("align", 1) and not out.exists():
            build(0, out, recipe=TINY)

    assert build(0, out, recipe=TINY, progress=other) == out
    assert siblings(tmp_path) == ["m"]


def test_another_models_folder_is_left_alone(tiny):
    with pytest.raises(ConfigError, match=r"holds another built-in model.*'seed': 0"):
        build(1, tiny, recipe=TINY)
    with pytest.raises(ConfigError, match="holds another built-in model"):
        build(0, tiny, recipe=replace(TINY, align_steps=0))


def test_a_folder_or_file_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not a built-in model"):
        build(0, tmp_path, recipe=TINY)
    with pytest.raises(ConfigError, match="is a file"):
        build(0, tmp_path / "notes.txt", recipe=TINY)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_unwritable_cache_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        ConfigError, match=r"^cannot write the built-in model to .*XDG_CACHE_HOME"
    ) as e:
        cached(0, recipe=TINY, progress=lambda *a: pytest.fail("trained before looking"))
    assert "\n" not in str(e.value)


def test_a_full_disk_is_told_before_training(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.Path, "write_bytes", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        build(0, tmp_path / "m", recipe=TINY, progress=lambda *a: pytest.fail("trained"))
    assert siblings(tmp_path) == []


def test_the_cache_is_keyed_by_seed_control_and_recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = [
        cached(0, recipe=TINY),
        cached(1, recipe=TINY),
        cached(0, control=True, recipe=TINY),
        cached(0, recipe=replace(TINY, align_lr=1e-3)),
    ]
    assert {p.parent for p in made} == {tmp_path / "ptst"}
    assert len(set(made)) == 4
    assert cached(0, recipe=TINY, progress=lambda *a: pytest.fail("trained again")) == made[0]
    assert "control without over-refusal" in (made[2] / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.safetensors", b"half"), ("organism.json", b"[\xff"), ("organism.json", b"[]"),
     ("config.json", b"{"), ("tokenizer.json", None)],
)  # fmt: skip
def test_a_damaged_model_in_the_cache_is_made_again(
    tiny, tmp_path, monkeypatch, name, content, capsys
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    out = cached(0, recipe=TINY)
    (out / name).unlink() if content is None else (out / name).write_bytes(content)
    assert cached(0, recipe=TINY) == out
    assert weights(out) == weights(tiny)
    assert siblings(tmp_path / "ptst") == [out.name]
    err = capsys.readouterr().err
    assert f"{name}' is" in err
    assert "made again" in err
