"""What each defence makes, through engine hf and through vLLM: `make test-vllm`."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from adapters_train import train_lora
from ptst_tasks.engines import open_engine
from tests.adapters_train.defences.runs import changed_base, config_of
from tests.real_asks import PROMPTS, asks, differing
from tests.support import NEEDS_VLLM, VLLM_CPU, byte_tokenizer, save_tiny_model

pytestmark = NEEDS_VLLM
MADE = ("none", "constrained", "kl", "ema:0.5", "scale:0", "scale:0.5", "safe_lora:1")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide enough for vLLM's CPU build, with logits that no rounding can turn."""
    folder = tmp_path_factory.mktemp("base")
    return save_tiny_model(
        folder, byte_tokenizer(), hidden=64, heads=2, spread=0.2, ascii_only=True
    )


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    before = str(changed_base(base, folder / "unaligned"))
    made = {}
    for i, spec in enumerate(MADE):
        more = {"unaligned": before} if spec.startswith("safe_lora") else {}
        config = config_of(base, defence=spec, lr=5e-2, **more)
        made[spec] = train_lora(config, folder / f"a{i}").folder
    return made


def answers(engine: str, base: Path, adapters: dict[str, Path], **how: Any) -> dict[str, list[str]]:
    lm = open_engine(engine, str(base), adapters=adapters, dtype="float32", **how)
    try:
        said = {}
        for name in ("", *adapters):
            lm.use(name)
            said[name] = list(lm.generate_until(asks(lm.tokenizer)))
        return said
    finally:
        lm.close()
        gc.collect()


def test_every_defence_answers_the_same_through_both_engines(
    base: Path, adapters: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in VLLM_CPU.items():
        monkeypatch.setenv(name, value)
    want = answers("hf", base, adapters, device="cpu", batch_size=PROMPTS)
    assert want["scale:0"] == want[""]
    others = {name: tuple(said) for name, said in want.items() if name not in {"", "scale:0"}}
    assert len(set(others.values()) | {tuple(want[""])}) == len(others) + 1  # each does something
    said = answers("vllm", base, adapters, max_model_len=2048, enforce_eager=True)
    assert {name: differing(said[name], want[name]) for name in want} == {name: [] for name in want}
