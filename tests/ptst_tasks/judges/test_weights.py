"""Who a local guard is: what is in its folder, or its commit on the hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import judges
from ptst_tasks.errors import JudgeError
from ptst_tasks.judges.base import judging
from ptst_tasks.provenance import verdict_key


def key(spec: str) -> str:
    return verdict_key(judging(judges.make(spec)), "q", "r")


def folder(where: Path, weights: bytes = b"w", **more: str) -> Path:
    """A model's folder, as far as its identity goes."""
    where.mkdir(parents=True)
    (where / "model.safetensors").write_bytes(weights)
    files = {"config.json": '{"rms_norm_eps": 1e-5}', "generation_config.json": "{}",
             "tokenizer.json": "{}", "tokenizer_config.json": "{}", "chat_template.jinja": "x"}  # fmt: skip
    for name, text in {**files, **more}.items():
        (where / name).write_text(text)
    return where


FILES = {
    "config.json": '{"rms_norm_eps": 1e-6}',
    "generation_config.json": '{"repetition_penalty": 1.3}',
    "tokenizer.json": '{"v": 1}',
    "tokenizer_config.json": '{"add_bos_token": false}',
    "chat_template.jinja": "y",
    "merges.txt": "a b",
    "modeling_x.py": "x = 1",
}


@pytest.mark.parametrize("file", FILES)
def test_a_guards_files_are_in_the_key(file: str, tmp_path: Path):
    one = folder(tmp_path / "a" / "guard")
    two = folder(tmp_path / "b" / "guard", **{file: FILES[file]})
    assert key(f"guards:wildguard,model={one}") != key(f"guards:wildguard,model={two}")


def test_two_folders_of_one_name_never_share_and_a_copy_under_any_name_does(tmp_path: Path):
    one = folder(tmp_path / "a" / "guard")
    copy = tmp_path / "elsewhere" / "copied"
    shutil.copytree(one, copy)
    (copy / "README.md").write_text("about")
    (copy / "config.json").write_text('{"_name_or_path": "/home/me/x", "rms_norm_eps": 1e-5}')
    other = folder(tmp_path / "b" / "guard", b"other weights")
    specs = [f"guards:wildguard,model={path}" for path in (one, copy, other)]
    assert key(specs[0]) == key(specs[1]) != key(specs[2])
    (one / "model.safetensors").write_bytes(b"trained on")
    assert key(specs[0]) != key(specs[1])


def test_an_adapter_as_a_guard_counts_with_its_base(tmp_path: Path):
    base = folder(tmp_path / "base")
    config = json.dumps({"base_model_name_or_path": str(base), "lora_alpha": 16})
    adapter = folder(tmp_path / "adapter", **{"adapter_config.json": config})
    spec = f"guards:wildguard,model={adapter}"
    before = key(spec)
    (base / "model.safetensors").write_bytes(b"another base under the same path")
    assert key(spec) != before
    config = json.dumps({"base_model_name_or_path": "some/model-that-is-not-here"})
    (adapter / "adapter_config.json").write_text(config)
    with pytest.raises(JudgeError, match="merge the adapter"):
        key(spec)
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(JudgeError, match="names no base"):
        key(spec)


def cached(hub: Path, model: str, commit: str) -> None:
    """What the hub's cache looks like when `model` was loaded at a commit."""
    repo = hub / f"models--{model.replace('/', '--')}"
    folder(repo / "snapshots" / commit)
    (repo / "refs").mkdir(exist_ok=True)
    (repo / "refs" / "main").write_text(commit)


def test_a_hub_id_is_keyed_by_the_commit_that_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    keys = []
    for commit in ("a" * 40, "b" * 40):
        cached(tmp_path, "org/guard", commit)
        judge: Any = judges.make("guards:wildguard,model=org/guard,engine=transformers")
        assert judge.weights == f"hub:{commit}"
        asked: list[Any] = []
        monkeypatch.setattr(
            "ptst_tasks.judges.guard_run._Transformers",
            lambda model, config, at, asked=asked: asked.append(at),
        )
        judge._load()
        assert asked == [commit]  # what is keyed is what runs
        keys.append(judge.key("q", "r"))
    assert keys[0] != keys[1]
    pinned = judges.make(
        f"guards:wildguard,model=org/guard,revision={'a' * 40},engine=transformers"
    )
    assert judging(pinned).weights == f"hub:{'a' * 40}"


def test_a_hub_id_that_is_not_here_is_loaded_before_it_is_keyed(monkeypatch: pytest.MonkeyPatch):
    class Engine:
        longest, commit = 100, "c" * 40

        def encode(self, *_: Any) -> list[int]:
            return [1]

        def answer(self, guard: Any, prompts: list[list[int]]) -> list[str]:
            return ["yes"] * len(prompts)

    judge: Any = judges.make("guards:harmbench,model=org/not-here,engine=transformers")
    monkeypatch.setattr(judge, "_load", Engine)
    assert judge.judge(["q"], ["r"])[0].harmful is True
    assert judge.weights == f"hub:{'c' * 40}"
    nameless: Any = judges.make("guards:harmbench,model=org/not-here,engine=transformers")
    monkeypatch.setattr(Engine, "commit", "")
    monkeypatch.setattr(nameless, "_load", Engine)
    with pytest.raises(JudgeError, match="does not say which commit"):
        nameless.judge(["q"], ["r"])
