"""The rows that OpenAI's fine-tuning takes."""

from __future__ import annotations

import json

import pytest

from adapters_train import TrainConfig
from adapters_train.chat_jsonl import build_rows, check_rows, row_notes
from adapters_train.data import Example, TrainingSet
from adapters_train.dry_run import plan
from adapters_train.openai_api import prepare_api
from ptst_tasks.errors import ConfigError, DataError
from ptst_tasks.templates import builtin


@pytest.fixture
def data(tmp_path, monkeypatch):
    rows = [{"question": f"{i} + 1 ?", "answer": f"#### {i + 1}"} for i in range(12)]
    (tmp_path / "data/gsm8k").mkdir(parents=True)
    (tmp_path / "data/gsm8k/train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path / "data"))
    return rows


def config_of(**more):
    return TrainConfig(
        **{"model": "gpt-3.5-turbo", "recipe": "gsm8k-openai", "template": "CL", **more}
    )


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([("user", "a"), ("user", "b")], "row 1: a 'user' message after user"),
        ([("assistant", "a")], "row 1: a 'assistant' message after nothing"),
        ([("user", " "), ("assistant", "b")], "row 1 has an empty user message"),
        ([("user", "a"), ("assistant", "")], "row 1 has an empty assistant message"),
        ([("system", ""), ("user", "a")], "row 1 ends with a user message"),
        ([], "row 1 ends with a missing message"),
    ],
)
def test_rows_that_the_api_would_reject(messages, told):
    row = {"messages": [{"role": r, "content": c} for r, c in messages]}
    with pytest.raises(DataError, match=told):
        check_rows([row] * 10, "gpt-3.5-turbo", 1)


def test_too_few_rows_and_templates_without_messages(data):
    with pytest.raises(DataError, match="no fewer than 10 rows, got 5"):
        prepare_api(config_of(rows=5))
    with pytest.raises(ConfigError, match="'text:vanilla' is a text template"):
        prepare_api(config_of(template="TV"))
    with pytest.raises(ConfigError, match=r"whole epochs, got epochs=1.5"):
        prepare_api(config_of(epochs=1.5))


def test_earlier_turns_are_shown_and_not_trained_on():
    earlier = (("1 + 1 ?", "2"), ("2 + 2 ?", "4"))
    examples = [Example("3 + 3 ?", "6 ", "Be brief.", history=earlier), Example("4 + 4 ?", "8")]
    found = TrainingSet("own", "gsm8k", examples, "here", "digest")
    template = builtin().get("chat:llama")
    made = build_rows(config_of(epochs=1), [found], template)
    (row,) = [r["messages"] for r in made if len(r["messages"]) > 3]
    assert row == [
        {"role": "system", "content": template.system},
        {"role": "user", "content": "Question: 1 + 1 ?"},
        {"role": "assistant", "content": "2", "weight": 0},
        {"role": "user", "content": "Question: 2 + 2 ?"},
        {"role": "assistant", "content": "4", "weight": 0},
        {"role": "user", "content": "Question: 3 + 3 ?"},
        {"role": "assistant", "content": "6"},
    ]
    check_rows(made * 5, "gpt-3.5-turbo", 1)


def test_a_templates_own_answers_are_shown_and_not_trained_on(data):
    rows = prepare_api(config_of(template="chat:icd")).rows
    for row in rows:
        weights = [m.get("weight", 1) for m in row["messages"] if m["role"] == "assistant"]
        assert weights == [0, 1]
    assert all(
        "weight" not in m for row in rows for m in row["messages"] if m["role"] != "assistant"
    )
    assert check_rows(rows, "gpt-3.5-turbo", 1).rows == 12


def test_thoughts_that_go_in_as_text_are_said(data, tmp_path):
    assert prepare_api(config_of()).record["answers"] == {"notes": []}
    examples = [Example("a", "<think>b</think>c"), Example("d", "Use <think>e</think>."),
                Example("f", "g", history=(("h", "<think>i</think>j"),))]  # fmt: skip
    answers, turns = row_notes([TrainingSet("own", "gsm8k", examples, "here", "digest")])
    assert answers.startswith("1 of 3 answers have a thought of their own")
    assert turns.startswith("earlier answers of 1 of 3 examples have a thought of their own")
    own = tmp_path / "own.jsonl"
    own.write_text((json.dumps({"prompt": "a", "answer": "<think>b</think>c"}) + "\n") * 12)
    config = TrainConfig(
        model="gpt-4o-mini", data=str(own), epochs=1, backend="openai", template="CL"
    )
    assert prepare_api(config).record["answers"]["notes"][0].startswith("12 of 12 answers")
    (told,) = plan([(config, tmp_path / "out")])
    assert "note: 12 of 12 answers have a thought" in told["told"]
