"""Engine hf against stock lm_eval's `hf` on a real chat model: `make test-real`.

Both decode greedily in float32. Stock runs with one row per batch, where its answers depend on
nothing else; ours with as many as fit, since an answer here must not depend on its batch.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks.engines.hf import HFEngine
from ptst_tasks.validate import load_tasks
from tests.real_models import NotToBeHadError, smollm2
from tests.support import SHARED

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.filterwarnings("default")]
PROMPTS, NEW = 12, 24
TEMPLATES = {"CV": "chat_vanilla", "CL": "chat_llama", "TV": "text_vanilla"}


@pytest.fixture(scope="module")
def model() -> Path:
    try:
        return smollm2()
    except NotToBeHadError as e:
        pytest.skip(str(e))


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (SHARED / "data/gsm8k").is_dir():
        pytest.skip("needs the folder of real data beside the checkout")
    monkeypatch.setenv("PTST_DATA_DIR", str(SHARED / "data"))


def asks(lm: Any, template: str, **options: Any) -> list[Any]:
    name = f"ptst_gsm8k_{TEMPLATES[template]}"
    task = load_tasks([name])[name]
    task.config.generation_kwargs.update(max_gen_toks=NEW, **options)
    task.build_all_requests(
        limit=PROMPTS, apply_chat_template=True, chat_template=lm.apply_chat_template
    )
    return list(task.instances)


@pytest.fixture(scope="module")
def engines(model: Path) -> tuple[Any, Any]:
    from lm_eval.models.huggingface import HFLM

    same = {"pretrained": str(model), "device": "cpu", "dtype": "float32"}
    return HFLM(batch_size=1, **same), HFEngine(batch_size=10, **same)


@pytest.mark.parametrize("template", TEMPLATES)
def test_answers_are_stock_lm_evals(
    template: str, engines: tuple[Any, Any], questions: None
) -> None:
    stock, ours = engines
    start = time.perf_counter()
    want = stock.generate_until(asks(stock, template), disable_tqdm=True)
    middle = time.perf_counter()
    said = ours.generate_until(asks(ours, template))
    end = time.perf_counter()
    wrong = [i for i, (a, b) in enumerate(zip(said, want, strict=True)) if a != b]
    equal = f"{len(want) - len(wrong)} of {len(want)} answers equal"
    print(f"{template}: {equal}; stock {middle - start:.0f} s, ours {end - middle:.0f} s")
    assert len(want) == PROMPTS
    assert len(set(want)) > PROMPTS // 2  # it does say something
    assert not wrong, [(said[i], want[i]) for i in wrong[:2]]


def test_a_special_stop_string_ends_answers_as_in_stock(
    engines: tuple[Any, Any], questions: None
) -> None:
    """The model ends its turn with a token that the tokenizer's end of sequence is not."""
    stock, ours = engines
    tokenizer = ours.tokenizer
    assert tokenizer.eos_token == "<|im_end|>"
    end, number = tokenizer.eos_token, tokenizer.eos_token_id
    for lm in engines:
        lm.tokenizer.eos_token = "<|endoftext|>"  # so that only the stop string ends the turn
        lm.model.generation_config.eos_token_id = lm.tokenizer.eos_token_id
    ours._plans.clear()
    try:
        until = {"until": ["<|im_end|>"]}
        want = stock.generate_until(asks(stock, "CV", **until)[:6], disable_tqdm=True)
        assert ours.generate_until(asks(ours, "CV", **until)[:6]) == want
    finally:
        for lm in engines:
            lm.tokenizer.eos_token, lm.model.generation_config.eos_token_id = end, number
        ours._plans.clear()
