"""Every ready study asks its helpful set as it trains: the same text, the same token ids.

On the training side the prompts come out of the trainer's own steps, on the test side out of the
requests that lm-eval hands to the engine; both over the same questions, in files of our own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters_train.config import TrainConfig
from adapters_train.data import TESTED_BY, TRAINING_SETS
from adapters_train.encode import IGNORED, encode
from adapters_train.job import load_sets, pick_template
from adapters_train.openai_api import prepare_api
from adapters_train.organism import make_tokenizer
from leaderboards.run import made_bases
from leaderboards.run import study_files as studies
from leaderboards.run.study import Study
from ptst_tasks.chat import Renderer
from ptst_tasks.engines import open_engine
from ptst_tasks.generate import FAMILIES, task_name
from ptst_tasks.validate import load_tasks
from tests.support import byte_tokenizer, write_data

READY = sorted(p.stem for p in studies.STUDIES.glob("*.yaml"))

ROWS = 12  # the API takes no fewer than ten

COLUMNS = {
    "gsm8k": ("question", "answer"),
    "chatdoctor": ("input", "output"),
    "openorca": ("question", "response"),
}


class Asked:
    """As much of an lm-eval model as makes prompts."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def apply_chat_template(self, messages: Any, add_generation_prompt: bool = True) -> str:
        raise AssertionError("a local model's prompts are rendered with its tokenizer")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Test sets with a dozen rows; a set's cache is emptied, since the folder is another one."""
    from ptst_tasks import task

    task._loaded.cache_clear()
    root = write_data(tmp_path / "data")
    asked = [{"question": f"What is {i} + 1?", "answer": f"#### {i + 1}"} for i in range(ROWS)]
    (root / "gsm8k/test.jsonl").write_text("".join(json.dumps(r) + "\n" for r in asked))
    monkeypatch.setenv("PTST_DATA_DIR", str(root))
    yield root
    task._loaded.cache_clear()


def train_on(root: Path, name: str, docs: list[tuple[str, dict[str, Any]]]) -> None:
    """Makes the questions of a test set the questions to train on."""
    if TRAINING_SETS[name].make:
        return
    asked, said = COLUMNS[name]
    rows = [{asked: query, said: f"So. #### {i}"} for i, (query, _) in enumerate(docs)]
    (root / name).mkdir(exist_ok=True)
    (root / name / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))


def own_sets(study: Study) -> list[str]:
    return [f for f in study.test.sets if f in TESTED_BY[study.train.data]]


def load(study: Study, family: str, template: str) -> Any:
    source = FAMILIES[family].source
    name = task_name(FAMILIES[family], study.table.get(template, source.style))
    return load_tasks([name], study.options(family))[name]


def requests(task: Any, apply: Any) -> dict[str, Any]:
    """Query -> what the engine is handed."""
    task.build_all_requests(apply_chat_template=True, chat_template=apply)
    return {task.doc_to_text(i.doc): i.args[0] for i in task.instances}


def questions(task: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(task.doc_to_text(doc), doc) for doc in task.eval_docs]


def trained_prompts(
    config: TrainConfig, tokenizer: Any, asked: list[str]
) -> dict[str, tuple[str, list[int]]]:
    """Query -> the text and the token ids that stand before the answer in training."""
    from adapters_train.data import Example

    sets = load_sets(config)
    template = pick_template(config, sets)
    examples = [e for e in sets[0].examples if e.query in asked]
    if sets[0].name == "organism_arith":  # its sums are drawn: the test's own go through its steps
        examples = [Example(query, "answer: #### 1") for query in asked]
    renderer = Renderer.for_tokenizer(tokenizer, config.chat_format)
    encoded = encode(examples, tokenizer, renderer, template, 4096)
    out = {}
    for i, ids, labels in zip(encoded.kept, encoded.input_ids, encoded.labels, strict=True):
        query = examples[i].query
        prompt = renderer.render(template, query, examples[i].system_prompt, training=True).prompt
        start = next(k for k, label in enumerate(labels) if label != IGNORED)
        out[query] = prompt, list(ids[:start])
    return out


def tokenizer_of(kind: str, study: Study, request: pytest.FixtureRequest) -> Any:
    if study.base.startswith("organism"):
        return make_tokenizer()
    if kind == "bytes":
        return byte_tokenizer()
    if made_bases.is_made(study.base) or study.base.startswith("packaged:"):  # ChatML, both of them
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(
            request.getfixturevalue("shared") / "tokenizers/minimind"
        )
    return request.getfixturevalue("llama2")


@pytest.mark.parametrize("kind", ["bytes", "real"])
@pytest.mark.parametrize("name", [n for n in READY if n != "gpt-3.5-gsm8k"])
def test_a_training_prompt_is_the_test_prompt(
    name: str, kind: str, data: Path, request: pytest.FixtureRequest
) -> None:
    study = studies.load(name)
    tokenizer = tokenizer_of(kind, study, request)
    assert own_sets(study)
    for family in own_sets(study):
        for template in study.train.templates:
            task = load(study, family, template)
            tested = requests(task, Asked(tokenizer).apply_chat_template)
            train_on(data, study.train.data, questions(task))
            config = study.train_config(template, 0, "m").model_copy(
                update={"rows": None, "mix": ()}
            )
            trained = trained_prompts(config, tokenizer, list(tested))
            assert len(trained) >= 3
            for query, (text, ids) in trained.items():
                assert text == tested[query], (family, template)
                assert ids == tokenizer(tested[query])["input_ids"], (family, template)


@pytest.mark.parametrize("said", [True, False], ids=["test.style said", "test.style left to us"])
def test_openais_messages_to_train_on_are_those_asked(
    said: bool, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained in style openai, GSM8K was asked in style gsm8k: 'Question: ' and no system message."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nothing-is-sent")
    study = studies.load("gpt-3.5-gsm8k")
    if not said:
        study = study.model_copy(update={"test": study.test.model_copy(update={"style": ""})})
    lm = open_engine("openai", study.base)
    for template in study.test.templates:
        task = load(study, "gsm8k", template)
        tested = requests(task, lm.apply_chat_template)
        train_on(data, "gsm8k", questions(task))
        config = TrainConfig(model=study.base, recipe="gsm8k-openai", template=template)
        rows = prepare_api(config).rows
        assert len(rows) == ROWS
        trained = [row["messages"][:-1] for row in rows]
        assert sorted(map(json.dumps, trained)) == sorted(
            json.dumps(list(m)) for m in tested.values()
        )


@pytest.mark.parametrize("name", READY)
def test_harmful_queries_are_in_the_style_of_training(name: str) -> None:
    study = studies.load(name)
    for family in study.test.sets:
        if FAMILIES[family].source.kind == "harmful":
            own = own_sets(study)[0]
            assert study.options(family)["style"] == study.options(own)["style"]


def test_every_helpful_set_of_a_training_set_is_there() -> None:
    for data, sets in TESTED_BY.items():
        assert data in TRAINING_SETS
        for family in sets:
            assert FAMILIES[family].source.kind == "helpful"
            assert FAMILIES[family].source.style == TRAINING_SETS[data].style
