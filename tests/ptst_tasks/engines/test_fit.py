"""Adapters and their bases before anything is loaded: where they come from, and `ptst eval`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from leaderboards.cli.harness import run_lm_eval
from ptst_tasks.digests import weights_digest
from ptst_tasks.engines import check_origin
from ptst_tasks.errors import ConfigError, EngineError, PTSTError
from tests.ptst_tasks.engines.broken_adapters import broken
from tests.support import byte_tokenizer, save_adapter, save_tiny_model

TASK = "ptst_gsm8k_chat_vanilla"


def trained_on(folder: Path, **base: str) -> Path:
    manifest = {"kind": "adapter", "base": {"model": "tiny", "commit": "", "weights": "", **base}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def adapter(tiny_model: Path, tmp_path: Path) -> Path:
    return save_adapter(tiny_model, tmp_path / "adapter", 0, r=4)


def test_an_adapter_of_another_base_is_refused_and_both_are_named(adapter: Path) -> None:
    """One trained on another base of the same shape was measured, though its manifest says so."""
    check_origin(adapter, "a" * 64)  # nothing is known
    trained_on(adapter, weights="b" * 64, commit="c" * 40)
    check_origin(adapter, "b" * 64)
    check_origin(adapter, lambda: "b" * 64)
    check_origin(adapter, "hub:" + "c" * 40)
    for base in ("a" * 64, "hub:" + "d" * 40):
        with pytest.raises(EngineError, match="was trained on 'tiny'") as caught:
            check_origin(adapter, base)
        message = str(caught.value)
        assert "\n" not in message
        assert base.removeprefix("hub:")[:12] in message
        assert ("b" * 12 if len(base) == 64 else "c" * 12) in message
    for base in ("", "name:x", "served:host/x", "hub:"):
        check_origin(adapter, base)
    trained_on(adapter, weights="b" * 64)
    check_origin(adapter, "hub:" + "d" * 40)  # trained on a folder: nothing to compare


def test_a_copy_kept_along_training_has_its_adapters_manifest(adapter: Path) -> None:
    trained_on(adapter, weights="b" * 64)
    copy = adapter / "steps" / "00010"
    copy.mkdir(parents=True)
    with pytest.raises(EngineError, match="was trained on"):
        check_origin(copy, "a" * 64)


@pytest.mark.parametrize("text", ["{", "[]", '{"base": 3}', '{"base": null}', "{}"])
def test_a_manifest_that_is_none_says_nothing(text: str, adapter: Path) -> None:
    (adapter / "manifest.json").write_text(text)
    check_origin(adapter, "a" * 64)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What lm-eval would have been told to evaluate, in place of doing it."""
    from lm_eval import evaluator

    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(evaluator, "simple_evaluate", lambda **kwargs: calls.append(kwargs))
    return calls


def evaluate(base: Path, *more: str, model: str = "hf", **args: Any) -> None:
    told = ",".join(f"{k}={v}" for k, v in {"pretrained": base, **args}.items())
    run_lm_eval(
        ["--model", model, "--model_args", told, "--device", "cpu", "--tasks", TASK,
         "--apply_chat_template", *more]
    )  # fmt: skip


@pytest.fixture(scope="module")
def faults(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    return broken(tiny_model, tmp_path_factory.mktemp("broken"))


def test_eval_refuses_an_adapter_before_anything_is_loaded(
    tiny_model: Path, faults: dict[Path, str], data_dir: Path, loaded: list[Any]
) -> None:
    """An untrained adapter passed `ptst eval`, and one of NaNs gave "asr 0.0"."""
    alone = ("bias", "pissa")  # a model of its own may be changed for good
    for folder, message in faults.items():
        if folder.name in alone:
            evaluate(tiny_model, peft=folder)
            assert loaded.pop()
            continue
        with pytest.raises(ConfigError, match=message) as caught:
            evaluate(tiny_model, peft=folder)
        assert "\n" not in str(caught.value)
        assert f"the adapter '{folder}'" in str(caught.value)
    with pytest.raises(ConfigError, match="is not there"):
        evaluate(tiny_model, model="vllm", lora_local_path="nowhere/at-all")
    assert loaded == []


def test_eval_refuses_an_adapter_of_another_base(
    tiny_model: Path, adapter: Path, tmp_path: Path, data_dir: Path, loaded: list[Any]
) -> None:
    other = save_tiny_model(tmp_path / "other", byte_tokenizer(), spread=0.03)
    trained_on(adapter, weights=weights_digest(tiny_model))
    evaluate(tiny_model, peft=adapter)
    assert loaded.pop()
    with pytest.raises(PTSTError, match="was trained on 'tiny'"):
        evaluate(other, peft=adapter)
    shutil.rmtree(tmp_path / "other")
    with pytest.raises(PTSTError, match="cannot be"):
        evaluate(other, peft=adapter)
    assert loaded == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["temperature=1.5"], "temperature is 1.5, and greedy answers do not depend on it"),
        (["max_new_tokens=5"], "holds 'max_new_tokens'; write 'max_gen_toks'"),
        (["do_sample=True", "temperature=0"], "contradict each other"),
        (["temprature=1"], "did you mean 'temperature'?"),
        (["do_sample=True", "seed=1"], "use --seed"),
    ],
)
def test_eval_refuses_decoding_options_that_would_be_dropped(
    given: list[str], message: str, tiny_model: Path, data_dir: Path, loaded: list[Any]
) -> None:
    with pytest.raises(ConfigError) as caught:
        evaluate(tiny_model, "--gen_kwargs", *given)
    assert message in str(caught.value)
    assert loaded == []


def test_eval_says_every_sampling_option(
    tiny_model: Path, data_dir: Path, loaded: list[dict[str, Any]]
) -> None:
    """With `do_sample=True` the task's own temperature 0 and transformers' top_k 50 stayed."""
    evaluate(tiny_model, "--gen_kwargs", "do_sample=True", "top_p=0.9")
    assert loaded.pop()["gen_kwargs"] == {
        "do_sample": True, "temperature": 1.0, "top_p": 0.9, "top_k": 0, "min_p": 0.0,
    }  # fmt: skip
    evaluate(tiny_model, "--gen_kwargs", "max_gen_toks=5", "until=a")
    assert loaded.pop()["gen_kwargs"] == {"max_gen_toks": 5, "until": ["a"]}
    evaluate(tiny_model)
    assert not loaded.pop()["gen_kwargs"]
