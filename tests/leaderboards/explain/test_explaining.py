"""Models measured beside stock transformers, an adapter that takes the direction out, and what fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from leaderboards.explain import bearings
from leaderboards.explain.bearings import hint
from leaderboards.explain.explaining import TunedModel, explain_models
from leaderboards.explain.kept import Kept
from leaderboards.explain.prompts import PromptPair
from leaderboards.run.plans import AdapterPlan
from ptst_tasks.engines.hf import HFEngine
from ptst_tasks.errors import EngineError
from ptst_tasks.provenance import Adapter
from tests.support import save_adapter

ASKED = {
    "one": PromptPair([[5, 6, 7, 8], [9, 6], [7, 7, 5]], [[20, 21], [22, 23, 24], [25]]),
    "two": PromptPair([[30, 5, 6], [31, 9], [32, 7, 7, 5]], [[30, 20], [31, 22, 23], [32, 25]]),
}


def states(model, prompts) -> np.ndarray:
    """Behind the first layer at each prompt's last token, each prompt alone, (prompts, width)."""
    out = []
    for ids in prompts:
        with torch.no_grad():
            hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
        out.append(hidden[1][0, -1].double().numpy())
    return np.array(out)


def without(base: Path, folder: Path, unit: np.ndarray) -> Path:
    """A rank-one adapter by hand that takes one direction out of all that the model writes.

    W - r (r.T W) for whatever writes to the residual stream: embeddings, o_proj, down_proj.
    """
    config = LoraConfig(r=1, lora_alpha=1, target_modules=["embed_tokens", "o_proj", "down_proj"])
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    r = torch.tensor(unit, dtype=torch.float32)
    for module in model.modules():
        if getattr(module, "lora_embedding_A", None):
            table = module.base_layer.weight  # (words, width); what is added is (B A).T
            module.lora_embedding_A["default"].data = (table @ r)[None]
            module.lora_embedding_B["default"].data = -r[:, None]
        elif getattr(module, "lora_A", None):
            module.lora_A["default"].weight.data = (r @ module.base_layer.weight)[None]
            module.lora_B["default"].weight.data = -r[:, None]
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


@pytest.fixture
def engine(tiny_model: Path) -> HFEngine:
    return HFEngine(pretrained=str(tiny_model), device="cpu", dtype="float32")


def model(name: str, folder: Path) -> TunedModel:
    return TunedModel(AdapterPlan(name, "chat:vanilla", 0), folder, Adapter(f"w-{name}", "c"))


def explain(
    engine: HFEngine, run: Path, models: list[TunedModel], **more
) -> tuple[list, list, list]:
    prompts = {test: (f"bad {test}", f"good {test}") for test in ASKED}
    told: list[tuple[str, bool]] = []
    lost: list[tuple[str, str]] = []
    found = explain_models(
        engine, models, more.get("asked", ASKED), Kept(run, {}, prompts), batch=2,
        on_model=lambda name, kept: told.append((name, kept)),
        on_lost=lambda name, e: lost.append((name, str(e))),
    )  # fmt: skip
    return found, told, lost


def by(found: list, name: str, test: str) -> list:
    (one,) = [f for f in found if (f.plan.name, f.test) == (name, test)]
    return list(one.layers)


def test_an_adapter_that_takes_the_direction_out_has_lost_it(
    engine: HFEngine, tiny_model: Path, tmp_path: Path
) -> None:
    plain = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    bad, good = (states(plain, p) for p in (ASKED["one"].harmful, ASKED["one"].harmless))
    apart = bad.mean(0) - good.mean(0)
    unit = apart / np.linalg.norm(apart)
    folder = without(tiny_model, tmp_path / "out", unit)
    found, _, lost = explain(engine, tmp_path, [model("out", folder)])
    assert lost == []
    first = by(found, "out", "one")[0]
    assert first.separation == pytest.approx(0, abs=1e-5)
    # Nothing is left along it, so the harmful mean has moved by all that it had there.
    assert first.shift == pytest.approx(-(bad.mean(0) @ unit) / np.linalg.norm(apart), rel=1e-4)
    # It is that direction alone which is gone: under the other template the base has another one.
    assert abs(by(found, "out", "two")[0].separation) > 0.05


def test_measures_are_those_of_stock_peft(
    engine: HFEngine, tiny_model: Path, tmp_path: Path
) -> None:
    from peft import PeftModel

    folder = save_adapter(tiny_model, tmp_path / "a", 3, r=4, lora_alpha=16)
    found, _, _ = explain(engine, tmp_path, [model("a", folder)])
    plain = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    stock = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), folder)
    for test, pair in ASKED.items():
        base = [states(plain, p) for p in (pair.harmful, pair.harmless)]
        own = [states(stock.get_base_model().eval(), p) for p in (pair.harmful, pair.harmless)]
        apart = base[0].mean(0) - base[1].mean(0)
        size = np.linalg.norm(apart)
        moved = own[0].mean(0) - own[1].mean(0)
        first = by(found, "a", test)[0]
        assert first.separation == pytest.approx(moved @ apart / size**2, abs=1e-4)
        assert first.shift == pytest.approx(
            (own[0].mean(0) - base[0].mean(0)) @ apart / size**2, abs=1e-4
        )
        assert first.cosine == pytest.approx(moved @ apart / size / np.linalg.norm(moved), abs=1e-4)
        assert abs(first.separation - 1) > 1e-3


def test_a_kill_costs_one_model_and_nothing_is_measured_twice(
    engine: HFEngine, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [
        model(name, save_adapter(tiny_model, tmp_path / name, seed, r=4, lora_alpha=16))
        for seed, name in enumerate("ab", start=1)
    ]
    whole, _, _ = explain(engine, tmp_path / "whole", models)
    assert engine.attached == ["a", "b"]
    fresh = HFEngine(pretrained=str(tiny_model), device="cpu", dtype="float32")
    attach = fresh.attach

    def killed(name: str, folder: Path) -> None:
        if name == "b":
            raise KeyboardInterrupt
        attach(name, folder)

    monkeypatch.setattr(fresh, "attach", killed)
    with pytest.raises(KeyboardInterrupt):
        explain(fresh, tmp_path / "r", models)
    monkeypatch.undo()
    found, told, _ = explain(fresh, tmp_path / "r", models)
    assert told == [("", True), ("a", True), ("b", False)]
    assert found == whole
    monkeypatch.setattr(bearings, "last_states", lambda *_: pytest.fail("measured again"))
    again, told, _ = explain(fresh, tmp_path / "r", models)
    assert told == [("", True), ("a", True), ("b", True)]
    assert again == whole


def test_another_test_template_is_measured_alone(
    engine: HFEngine, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_adapter(tiny_model, tmp_path / "a", 3, r=4, lora_alpha=16)
    one = {"one": ASKED["one"]}
    explain(engine, tmp_path, [model("a", folder)], asked=one)
    fresh = HFEngine(pretrained=str(tiny_model), device="cpu", dtype="float32")
    seen: list[int] = []
    real = bearings.last_states

    def counted(lm, prompts, batch):
        seen.append(prompts[0][0])
        return real(lm, prompts, batch)

    monkeypatch.setattr(bearings, "last_states", counted)
    found, told, _ = explain(fresh, tmp_path, [model("a", folder)])
    assert [(f.plan.name, f.test) for f in found] == [
        ("", "one"), ("", "two"), ("a", "one"), ("a", "two")
    ]  # fmt: skip
    assert told == [("", False), ("a", False)]
    assert set(seen) == {30}  # of template two alone
    assert len(seen) == 6  # the base's two kinds, twice, and the adapter's two, once


def test_an_adapter_that_fails_half_way_costs_the_others_nothing(
    engine: HFEngine, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [
        model(name, save_adapter(tiny_model, tmp_path / name, seed, r=4, lora_alpha=16))
        for seed, name in enumerate("ab", start=1)
    ]
    real = bearings.last_states

    def breaks(lm, prompts, batch):
        if engine.active == "a" and prompts[0][0] == 30:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(lm, prompts, batch)

    monkeypatch.setattr(bearings, "last_states", breaks)
    found, _, lost = explain(engine, tmp_path / "r", models)
    assert {f.plan.name for f in found} == {"", "b"}
    assert lost == [("a", "CUDA out of memory. Tried to allocate 2 GiB")]
    monkeypatch.undo()
    found, told, lost = explain(engine, tmp_path / "r", [models[1]])
    assert (told, lost) == ([("", True), ("b", True)], [])


def test_a_base_that_fails_is_one_line(
    engine: HFEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("CUDA out of memory.\nTried to allocate 2 GiB")

    monkeypatch.setattr(bearings, "last_states", breaks)
    with pytest.raises(EngineError) as e:
        explain(engine, tmp_path, [])
    assert "the base cannot be measured under 'one': RuntimeError: CUDA out of memory." in str(
        e.value
    )
    assert str(e.value).endswith("a smaller --batch-size takes less memory")
    assert "\n" not in str(e.value)


def test_the_hint_is_for_memory_alone() -> None:
    assert hint(MemoryError()).startswith("; a smaller --batch-size")
    assert hint(ValueError("no such layer")) == ""


def test_a_file_of_each_model_and_template_says_what_it_is_of(
    engine: HFEngine, tmp_path: Path
) -> None:
    explain(engine, tmp_path, [])
    files = sorted((tmp_path / "explain" / "models").iterdir())
    told = [json.loads(f.read_text()) for f in files]
    assert {t["identity"]["harmful"] for t in told} == {"bad one", "bad two"}
    assert all(len(t["found"]["layers"]) == 2 for t in told)
