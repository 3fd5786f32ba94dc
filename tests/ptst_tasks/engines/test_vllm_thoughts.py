"""Models that think under vLLM's CPU build: the HF engine's texts, thought and answer.

Each with a real chat template whose markers are special tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks.engines import open_engine
from tests.ptst_tasks.engines.canned_thoughts import REPLIES, answers
from tests.support import NEEDS_VLLM, VLLM_CPU
from tests.thinkers import thinker

pytestmark = NEEDS_VLLM


@pytest.fixture(scope="module", params=["qwen3", "qwen3_5_think", "gptoss"])
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    name = request.param
    return thinker(tmp_path_factory.mktemp(name), name, REPLIES[name]), REPLIES[name]


@pytest.fixture(scope="module")
def engine(model: tuple[Path, Any]) -> Iterator[Any]:
    patch = pytest.MonkeyPatch()
    for name, value in VLLM_CPU.items():
        patch.setenv(name, value)
    lm = open_engine("vllm", str(model[0]), dtype="float32", max_model_len=512, enforce_eager=True)
    yield lm
    lm.close()
    patch.undo()


def test_texts_are_those_of_the_hf_engine(engine: Any, model: tuple[Path, Any]) -> None:
    folder, replies = model
    plain = open_engine("hf", str(folder), dtype="float32", device="cpu")
    for how in ({}, {"until": []}, {"until": ["<|end|>", "is"]}, {"limit": 200, "until": ["\n"]}):
        said = answers(engine, folder, replies, **how)
        assert said == answers(plain, folder, replies, **how), how
        record = engine.decoding({"max_gen_toks": 9})
        assert record["thoughts"] == plain.decoding({"max_gen_toks": 9})["thoughts"]
    whole = answers(engine, folder, replies, until=[], limit=200)
    for name, reply in replies.items():
        final = reply.removeprefix("<|channel|>final<|message|>")
        assert name == "marker in the answer" or whole[name] == final


def test_an_end_that_somebody_says_comes_first(engine: Any, model: tuple[Path, Any]) -> None:
    folder, replies = model
    plain = open_engine("hf", str(folder), dtype="float32", device="cpu")
    for lm in (engine, plain):
        lm.think("Question:")
    try:
        said = answers(engine, folder, replies, until=["?"])
        assert said == answers(plain, folder, replies, until=["?"])
        assert any(text.count("Question:") and "?" not in text for text in said.values())
    finally:
        engine.think("")
