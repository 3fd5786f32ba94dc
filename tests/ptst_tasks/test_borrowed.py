"""MMLU-Pro and IFEval are lm-eval's own: text, filters, metrics, decoding and version."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import borrowed
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError, MissingExtraError
from ptst_tasks.lm_internals import definition
from ptst_tasks.sets import REGISTRY
from ptst_tasks.validate import load_tasks

HAS_IFEVAL = all(importlib.util.find_spec(p) for p in ("langdetect", "immutabledict", "nltk"))
needs_ifeval = pytest.mark.skipif(not HAS_IFEVAL, reason="needs the extra 'ifeval'")
IFEVAL = "extra_ptst_ifeval_chat_vanilla"


def task(name: str, **metadata: Any) -> Any:
    return load_tasks([name], metadata)[name]


def test_mmlu_pro_is_asked_as_lm_eval_asks_without_examples(data_dir: Path) -> None:
    one = task("ptst_mmlu_pro_chat_vanilla")
    doc = one.eval_docs[1]
    theirs = {"question": doc["prompt"], "options": doc["choices"]}
    text = definition("mmlu_pro/_default_template_yaml")["doc_to_text"](theirs)
    line = definition("mmlu_pro/mmlu_pro_computer_science.yaml")["description"]
    assert one.doc_to_text(doc) == line + text
    assert "about computer science" in line
    assert one.template.messages(one.doc_to_text(doc))[-1]["content"] == line + text


def test_mmlu_pro_is_scored_as_lm_eval_scores(data_dir: Path) -> None:
    one = task("ptst_mmlu_pro_chat_vanilla")
    theirs = definition("mmlu_pro/_default_template_yaml")
    assert one.config.generation_kwargs == theirs["generation_kwargs"]
    assert one.config.metric_list == theirs["metric_list"]
    assert one.config.filter_list == theirs["filter_list"]
    assert theirs["metadata"]["version"] == one.VERSION
    said = [["It rains. The answer is (B)."], ["answer is A"], ["B"], ["the answer is (B)!"]]
    [only] = one._filters
    for instance, answer in zip(instances(one), said, strict=True):
        instance.resps = answer
    only.apply(one._instances)
    found = [
        one.process_results(i.doc, [i.filtered_resps["custom-extract"]])["exact_match"]
        for i in one._instances
    ]
    assert found == [1.0, 0.0, 0.0, 1.0]


def instances(one: Any) -> list[Any]:
    from lm_eval.api.instance import Instance

    one._instances = [
        Instance("generate_until", doc, ("", {}), 0, metadata=(one.config.task, i, 1))
        for i, doc in enumerate(one.eval_docs)
    ]
    return list(one._instances)


def test_a_subject_that_lm_eval_does_not_have() -> None:
    doc = {"id": "x", "category": "gnomes", "prompt": "q", "choices": ["a", "b"]}
    with pytest.raises(DataError, match="row x has the category 'gnomes', which is no subject"):
        borrowed.mmlu_pro(doc)


def test_a_yaml_that_names_none_of_lm_evals_files() -> None:
    with pytest.raises(
        ConfigError, match=r"takes 'no/such\.yaml' from lm-eval, which has no such file"
    ):
        borrowed.with_theirs({"task": "t", "lm_eval": "no/such.yaml"}, REGISTRY["mmlu_pro"])
    assert borrowed.with_theirs({"task": "t"}, REGISTRY["gsm8k"]) == {"task": "t"}


@pytest.mark.skipif(HAS_IFEVAL, reason="the extra 'ifeval' is installed")
def test_ifeval_without_its_extra_is_one_line(data_dir: Path) -> None:
    with pytest.raises(
        MissingExtraError, match=r"the set ifeval needs .*pip install 'ptst\[ifeval\]'"
    ):
        task(IFEVAL)


@needs_ifeval
def test_ifeval_is_scored_as_lm_eval_scores(data_dir: Path) -> None:
    one = task(IFEVAL)
    theirs = definition("ifeval/ifeval.yaml")
    assert one.config.generation_kwargs == theirs["generation_kwargs"]
    assert [m["metric"] for m in one.config.metric_list] == [
        m["metric"] for m in theirs["metric_list"]
    ]
    good = ["An oak", "an oak and an elm", "one two three", "An oak. Bye."]
    bad = ["An oak, an elm", "an oak", "one two", "Bye. An oak."]
    for doc, right, wrong in zip(one.eval_docs, good, bad, strict=True):
        plain = {**doc, "kwargs": json.loads(doc["kwargs"])}
        for answer, followed in ((right, True), (wrong, False), ("", False)):
            found = one.process_results(doc, [answer])
            assert found == theirs["process_results"](plain, [answer])
            assert found["prompt_level_strict_acc"] is followed


@needs_ifeval
def test_an_instruction_that_lm_eval_does_not_have() -> None:
    doc = {"id": "x", "key": "1", "prompt": "p", "instruction_id_list": ["a:b"], "kwargs": "[{}]"}
    with pytest.raises(DataError, match=r"row x: lm-eval cannot check \['a:b'\]"):
        borrowed.ifeval(doc, ["answer"])


@needs_ifeval
def test_sentences_are_counted_with_data_of_nltk(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"instruction_id_list": ["length_constraints:number_sentences"]}]
    monkeypatch.setattr("nltk.data.path", [])
    with pytest.raises(DataNotFoundError, match=r"python -m nltk\.downloader punkt_tab"):
        borrowed.check_rows(REGISTRY["ifeval"], rows)
    borrowed.check_rows(REGISTRY["ifeval"], [{"instruction_id_list": ["punctuation:no_comma"]}])
    borrowed.check_rows(REGISTRY["gsm8k"], [{}])
