"""vLLM's CPU build: adapters that fail, seeds and ends, against the HF engine (`make test-vllm`)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from ptst_tasks.engines import open_engine
from ptst_tasks.errors import EngineError
from tests.ptst_tasks.engines.broken_adapters import broken
from tests.support import NEEDS_VLLM, VLLM_CPU, byte_tokenizer, save_adapter, save_tiny_model

pytestmark = NEEDS_VLLM
CPU = {"dtype": "float32", "max_model_len": 4096, "enforce_eager": True}
HF = {"dtype": "float32", "device": "cpu", "batch_size": 8}
GREEDY = {"until": [], "max_gen_toks": 24, "do_sample": False, "temperature": 0.0}
DRAWN = {"until": [], "max_gen_toks": 24, "do_sample": True, "temperature": 1.0}
TEXTS = [
    "Question: Hi?",
    "Who are you, and why?",
    "Spoons",
    "What is 2 + 3?",
    "Tell me more of it.",
]
OWN = {"repetition_penalty": 1.3, "do_sample": True, "temperature": 0.2, "top_k": 1, "top_p": 0.1}


def asks(options: dict[str, Any], texts: list[str] = TEXTS, task: str = "t") -> list[Instance]:
    return [
        Instance("generate_until", {}, (t, options), 0, (task, i, 1)) for i, t in enumerate(texts)
    ]


@pytest.fixture(scope="module", autouse=True)
def _environment() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name, value in VLLM_CPU.items():
        patch.setenv(name, value)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose generation_config has a say in greedy answers, and two ends of its own."""
    folder = save_tiny_model(tmp_path_factory.mktemp("wide") / "base", byte_tokenizer(), hidden=64,
                             heads=2, spread=0.2, ascii_only=True)  # fmt: skip
    file = folder / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **OWN, "eos_token_id": [1, 70]}))
    return folder


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {n: save_adapter(base, folder / n, i, r=4, lora_alpha=alpha)
            for i, (n, alpha) in enumerate((("x", 64), ("y", 8)))}  # fmt: skip


@pytest.fixture(scope="module")
def engine(base: Path, adapters: dict[str, Path], _environment: None) -> Iterator[Any]:
    lm = open_engine("vllm", str(base), expected=[*adapters.values()] * 4, **CPU)
    yield lm
    lm.close()


@pytest.fixture(scope="module")
def plain(base: Path, adapters: dict[str, Path]) -> Any:
    return open_engine("hf", str(base), adapters=adapters, **HF)


def test_an_adapter_that_fails_leaves_nothing_behind(
    engine: Any, plain: Any, base: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    """In a study [x, broken, y], y answered with what was left of the broken one."""
    before = engine._probe(None)
    engine.attach("x", adapters["x"])
    faults = broken(base, tmp_path)
    for folder in faults:
        with pytest.raises(EngineError) as caught:
            engine.attach("y", folder)  # the name that the next one will have
        assert "\n" not in str(caught.value)
        assert engine.attached == ["x"]
        assert engine._probe(None) == before, folder.name
    engine.attach("y", adapters["y"])
    for name in ("", "x", "y"):
        with engine.adapter(name), plain.adapter(name):
            assert engine.generate_until(asks(GREEDY)) == plain.generate_until(asks(GREEDY)), name
    numbers = [engine._names[name].lora_name for name in engine.attached]
    assert len(set(numbers)) == 2


def test_decoding_is_said_as_the_hf_engine_says_it(engine: Any, plain: Any) -> None:
    for options in (
        GREEDY,
        DRAWN,
        {**GREEDY, "until": ["x", "<|end|>"]},
        {**DRAWN, "seed": 3, "top_k": 5},
    ):
        assert engine.decoding(options) == plain.decoding(options)
    assert engine.decoding(GREEDY)["repetition_penalty"] == 1.3
    assert engine.decoding(DRAWN)["top_k"] == 0
    with pytest.raises(EngineError, match="no_repeat_ngram_size"):
        engine.decoding({**GREEDY, "no_repeat_ngram_size": 3})


@pytest.mark.parametrize("until", [["<|end|>"], ["</s>"], ["<|im|>", "e"], ["|"]])
def test_answers_end_where_the_hf_engines_end(until: list[str], engine: Any, plain: Any) -> None:
    options = {**GREEDY, "until": until}
    assert engine.generate_until(asks(options)) == plain.generate_until(asks(options))


def test_seeds(engine: Any) -> None:
    first = engine.generate_until(asks({**DRAWN, "seed": 1}))
    assert engine.generate_until(asks({**DRAWN, "seed": 1})) == first
    assert engine.generate_until(asks({**DRAWN, "seed": 1})[2:]) == first[2:]
    others = engine.generate_until(asks({**DRAWN, "seed": 2}))
    assert all(a != b for a, b in zip(first, others, strict=True))
    assert len(set(engine.generate_until(asks(DRAWN, TEXTS[:1] * 3)))) == 3
    # The model's own top_k of 1 would give the greedy answers.
    assert first != engine.generate_until(asks(GREEDY))


def test_a_base_of_nans_answers_nothing(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    spoilt = shutil.copytree(base, tmp_path / "base")
    weights = load_file(spoilt / "model.safetensors")
    weights["model.norm.weight"][:] = float("nan")
    save_file(weights, spoilt / "model.safetensors", metadata={"format": "pt"})
    lm = open_engine("vllm", str(spoilt), **CPU)
    try:
        with pytest.raises(EngineError, match="NaN or infinite logits"):
            lm.generate_until(asks(GREEDY))
    finally:
        lm.close()
