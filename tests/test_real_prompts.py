"""Prompts and answers on real chat models, beside transformers' and stock lm_eval's: `make test-real`."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks.templates import PromptTemplate
from ptst_tasks.validate import load_tasks
from tests.real_asks import PROMPTS, ROWS, asks, differing
from tests.real_models import NotToBeHadError, qwen, smollm2
from tests.support import save_adapter, save_tiny_model, write_data

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("default")]

ALONE = len(ROWS)  # a prompt of every template


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(smollm2, id="smollm2"),
        pytest.param(qwen, id="qwen", marks=pytest.mark.slow),
    ],
)
def model(request: pytest.FixtureRequest) -> Path:
    try:
        return request.param()
    except NotToBeHadError as e:
        pytest.skip(str(e))


@pytest.fixture(scope="module")
def adapter(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Drawn at random, small enough that what is said still is text."""
    folder = tmp_path_factory.mktemp("adapter") / "a"
    yield save_adapter(model, folder, 3, r=8, lora_alpha=2, task_type="CAUSAL_LM")
    shutil.rmtree(folder)
    gc.collect()


def expected_ids(tokenizer: Any, row: PromptTemplate, query: str) -> list[int]:
    """What transformers makes of the template's messages or text, with none of our code for prompts."""
    if not row.is_chat:
        return list(tokenizer(row.text(query))["input_ids"])
    ids = tokenizer.apply_chat_template(
        row.messages(query), tokenize=True, add_generation_prompt=True, return_dict=False
    )
    return list(ids)


@pytest.fixture(scope="module")
def reader(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Engine hf with the model's tokenizer; its weights have no part in prompts, and are tiny."""
    from transformers import AutoTokenizer

    from ptst_tasks.engines.hf import HFEngine

    tokenizer = AutoTokenizer.from_pretrained(model)
    return HFEngine(str(save_tiny_model(tmp_path_factory.mktemp("tiny"), tokenizer)), device="cpu")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.slug)
def test_prompts_are_those_of_the_models_own_chat_template(
    row: PromptTemplate, reader: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the task's YAML to the ids that the engine reads."""
    monkeypatch.setenv("PTST_DATA_DIR", str(write_data(tmp_path)))
    name = f"ptst_gsm8k_{row.slug}"
    task = load_tasks([name])[name]
    task.build_all_requests(apply_chat_template=True, chat_template=reader.apply_chat_template)
    asked = [f"What is {i} + 1?" for i in range(4)]
    want = [expected_ids(reader.tokenizer, row, query) for query in asked]
    assert reader.encode([r.args[0] for r in task.instances]) == want
    if not row.is_chat:
        assert [r.args[0] for r in task.instances] == [row.text(query) for query in asked]


def stock(model: Path, dtype: str, **more: Any) -> list[str]:
    """Answers of lm_eval's own class, all prompts in one batch."""
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(str(model), device="cpu", dtype=dtype, batch_size=PROMPTS, **more)
    said: list[str] = lm.generate_until(asks(lm.tokenizer), disable_tqdm=True)
    del lm
    gc.collect()
    return said


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_answers_are_stock_lm_evals_with_an_adapter_and_without(
    dtype: str, model: Path, adapter: Path
) -> None:
    """Greedily, in one batch of the same rows; in float32 one by one as well."""
    from ptst_tasks.engines.hf import HFEngine

    want = {"": stock(model, dtype), "a": stock(model, dtype, peft=str(adapter))}
    lm: Any = HFEngine(str(model), {"a": adapter}, device="cpu", dtype=dtype, batch_size=PROMPTS)
    requests = asks(lm.tokenizer)
    assert len(set(want[""])) > PROMPTS // 2  # they do say something
    assert want[""] != want["a"]
    for name, answers in want.items():
        lm.use(name)
        said = lm.generate_until(requests)
        assert differing(said, answers) == [], f"{dtype}, adapter {name!r}"
        if dtype == "float32":
            lm.batch_size_per_gpu = 1
            alone = lm.generate_until(requests[:ALONE])
            lm.batch_size_per_gpu = PROMPTS
            assert differing(alone, answers[:ALONE]) == [], f"batch 1, adapter {name!r}"
