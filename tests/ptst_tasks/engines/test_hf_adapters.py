"""An adapter that fails to attach leaves nothing behind.

Seen: in a study [x, broken, y] the broken one stayed inside under the name that y was given next,
so y ran with the broken one's scaling and 40 of 40 answers were wrong under the right digest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ptst_tasks.engines.base import PROBE
from ptst_tasks.engines.hf import HFEngine
from ptst_tasks.errors import EngineError
from tests.ptst_tasks.engines.broken_adapters import broken, edited
from tests.support import save_adapter

CPU = {"batch_size": 4, "device": "cpu", "dtype": "float32"}


def logits(lm: Any, name: str = "") -> torch.Tensor:
    with torch.no_grad(), lm.adapter(name):
        return lm.model(torch.tensor([lm.tok_encode(PROBE)])).logits  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def good(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Adapters of other ranks, scalings and modules, and one that keeps a module of its own."""
    root = tmp_path_factory.mktemp("good")
    kinds: dict[str, dict[str, Any]] = {
        "x": {"r": 4, "lora_alpha": 64},
        "y": {"r": 4, "lora_alpha": 8},
        "z": {"r": 8, "use_rslora": True, "target_modules": ["q_proj", "down_proj"]},
        "saved": {"r": 4, "target_modules": ["v_proj"], "modules_to_save": ["lm_head"]},
    }
    return {
        n: save_adapter(tiny_model, root / n, i, **kw) for i, (n, kw) in enumerate(kinds.items())
    }


@pytest.fixture(scope="module")
def alone(tiny_model: Path, good: dict[str, Path]) -> dict[str, torch.Tensor]:
    """What each says in an engine of its own, and the base without any."""
    out = {"": logits(HFEngine(str(tiny_model), **CPU))}
    for name, folder in good.items():
        out[name] = logits(HFEngine(str(tiny_model), {name: folder}, **CPU), name)
    return out


def agrees(lm: Any, alone: dict[str, torch.Tensor]) -> None:
    for name in ("", *lm.attached):
        assert torch.equal(logits(lm, name), alone[name]), name


@pytest.fixture(scope="module")
def faults(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    return broken(tiny_model, tmp_path_factory.mktemp("broken"))


@pytest.mark.parametrize("before", [[], ["x"]])
@pytest.mark.parametrize("fault", ["rank", "other", "lacks", "idle"])
def test_the_adapter_after_a_broken_one_is_itself(
    fault: str,
    before: list[str],
    tiny_model: Path,
    good: dict[str, Path],
    alone: dict[str, torch.Tensor],
    faults: dict[Path, str],
) -> None:
    """The study [x, broken, y], to the last bit of every logit."""
    lm = HFEngine(str(tiny_model), {name: good[name] for name in before}, **CPU)
    with pytest.raises(EngineError):
        lm.attach("broken", next(folder for folder in faults if folder.name == fault))
    lm.attach("y", good["y"])
    assert lm.attached == [*before, "y"]
    agrees(lm, alone)


@pytest.mark.parametrize("before", [[], ["x"], ["saved", "x"]])
def test_a_failure_leaves_base_and_adapters_as_they_were(
    before: list[str],
    tiny_model: Path,
    good: dict[str, Path],
    alone: dict[str, torch.Tensor],
    faults: dict[Path, str],
) -> None:
    lm = HFEngine(str(tiny_model), {name: good[name] for name in before}, **CPU)
    for folder, message in faults.items():
        with pytest.raises(EngineError, match=message) as e:
            lm.attach("broken", folder)
        assert "\n" not in str(e.value)
        assert lm.attached == before
        assert torch.equal(logits(lm), alone[""]), folder.name
    agrees(lm, alone)
    for name in ("y", "z", "saved"):
        if name not in before:
            lm.attach(name, good[name])
    agrees(lm, alone)


@pytest.mark.parametrize("before", [[], ["x"]])
@pytest.mark.parametrize("where", ["inject", "load", "probe"])
def test_whatever_peft_raises_half_way(
    before: list[str],
    where: str,
    tiny_model: Path,
    good: dict[str, Path],
    alone: dict[str, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Files that look right, and peft fails all the same: out of memory, say."""
    from peft.tuners.lora.layer import Linear

    from ptst_tasks.engines.fit import Fit

    lm = HFEngine(str(tiny_model), {name: good[name] for name in before}, **CPU)
    monkeypatch.setattr(Fit, "check", lambda *_, **__: {})
    calls = 0

    def fail(*args: Any, after: Any = None, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 3 or after is None:
            raise torch.OutOfMemoryError("out of memory")
        return after(*args, **kwargs)

    with monkeypatch.context() as patch:
        if where == "inject":
            update = Linear.update_layer
            patch.setattr(Linear, "update_layer", lambda *a, **k: fail(*a, after=update, **k))
        elif where == "load":
            patch.setattr("peft.peft_model.set_peft_model_state_dict", fail)
        else:
            patch.setattr(lm, "_check_logits", fail)
        with pytest.raises(EngineError, match="out of memory"):
            lm.attach("y", good["y"])
    assert calls
    agrees(lm, alone)
    lm.attach("z", good["z"])
    lm.attach("y", good["y"])
    agrees(lm, alone)
    assert lm.attached == [*before, "z", "y"]


def test_names_inside_are_never_used_twice(
    tiny_model: Path, good: dict[str, Path], faults: dict[Path, str]
) -> None:
    lm = HFEngine(str(tiny_model), {"x": good["x"]}, **CPU)
    inner = [lm._names["x"]]
    for folder in list(faults)[:4]:
        with pytest.raises(EngineError):
            lm.attach("broken", folder)
    for name in ("y", "z"):
        lm.attach(name, good[name])
        inner.append(lm._names[name])
    assert len(set(inner)) == 3
    with pytest.raises(EngineError, match="'y' is attached already"):
        lm.attach("y", good["z"])
    with pytest.raises(EngineError, match="no adapter 'broken' is attached"):
        lm.use("broken")


def test_a_base_that_cannot_be_put_back_answers_nothing_more(
    tiny_model: Path, good: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better no answer than one of nobody's."""
    from lm_eval.api.instance import Instance

    lm = HFEngine(str(tiny_model), {"x": good["x"]}, **CPU)

    def spoil(folder: Path) -> str:
        with torch.no_grad():
            lm._layers.base.model.norm.weight[0] += 1
        raise RuntimeError("half-way")

    monkeypatch.setattr(lm._layers, "add", spoil)
    with pytest.raises(EngineError, match="half-way"):
        lm.attach("y", good["y"])
    asked = Instance("generate_until", {}, ("Hi", {"max_gen_toks": 2}), 0, ("t", 0, 1))
    scored = Instance("loglikelihood", {}, ("Hi", " you"), 0, ("t", 0, 1))
    for use in (lambda: lm.use("x"), lambda: lm.attach("z", good["z"]),
                lambda: lm.generate_until([asked]), lambda: lm.loglikelihood([scored])):  # fmt: skip
        with pytest.raises(EngineError, match="no longer what it was"):
            use()


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
def test_a_weight_of_the_base_that_comes_along_must_be_the_bases(
    tiny_model: Path, tmp_path: Path, alone: dict[str, torch.Tensor]
) -> None:
    """peft saves the embedding with an adapter that adapts it, and loads it into the base."""
    along = save_adapter(
        tiny_model, tmp_path / "along", 0, r=4, target_modules=["q_proj", "embed_tokens"]
    )
    lm = HFEngine(str(tiny_model), {"along": along}, **CPU)
    assert torch.equal(logits(lm), alone[""])

    def spoil(weights: dict[str, Any]) -> None:
        weights[
            next(name for name in weights if "embed_tokens" in name and "lora" not in name)
        ] += 1

    other = edited(along, tmp_path / "other", spoil)
    for engine in (lm, HFEngine(str(tiny_model), **CPU)):
        with pytest.raises(
            EngineError, match=r"brings the base's own '.*embed_tokens.* other values"
        ):
            engine.attach("other", other)
        assert torch.equal(logits(engine), alone[""])


@pytest.mark.parametrize("kind", ["generate_until", "loglikelihood"])
def test_a_base_of_nans_answers_nothing(kind: str, tiny_model: Path, tmp_path: Path) -> None:
    """An adapter of NaNs gave "asr 0.0": NaN logits decode to some token or other."""
    import shutil

    from lm_eval.api.instance import Instance
    from safetensors.torch import load_file, save_file

    base = shutil.copytree(tiny_model, tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    lm = HFEngine(str(base), **CPU)
    rest = {"max_gen_toks": 2} if kind == "generate_until" else " you"
    with pytest.raises(EngineError, match="the base gives NaN or infinite logits"):
        getattr(lm, kind)([Instance(kind, {}, ("Hi", rest), 0, ("t", 0, 1))])


def test_an_adapter_that_overflows_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    """Every number in its files is one, and what comes out is none."""
    good = save_adapter(tiny_model, tmp_path / "good", 0, r=4)
    huge = edited(good, tmp_path / "huge", lambda w: {k: v * 0 + 3e37 for k, v in w.items()})
    lm = HFEngine(str(tiny_model), **CPU)
    with pytest.raises(EngineError, match="the adapter 'huge' gives NaN or infinite logits"):
        lm.attach("huge", huge)
    assert lm.attached == []
