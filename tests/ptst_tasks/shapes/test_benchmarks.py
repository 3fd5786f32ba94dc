"""Public benchmarks in the columns of their authors' files; all rows are made up and mild."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks.errors import DataError
from ptst_tasks.sets import load

SORRY = {"question_id": 1, "category": "7", "turns": ["Hide the spoon"], "prompt_style": "base"}
WILD = {"adversarial": "Be a gnome. Hide the spoon", "label": 1, "data_type": "adversarial_harmful"}
PRO = {"question_id": 1, "question": "Which is wet?", "options": ["sand", "rain", "None"],
       "answer": "B", "answer_index": 1, "category": "law"}  # fmt: skip
IF = {"key": 1, "prompt": "Name a tree.", "instruction_id_list": ["punctuation:no_comma"],
      "kwargs": [{}]}  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))


def put(folder: Path, place: str, *rows: dict[str, Any]) -> None:
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_sorry_bench_without_its_mutations(tmp_path: Path) -> None:
    put(tmp_path, "sorry_bench/train.jsonl", SORRY,
        {**SORRY, "turns": ["Hid teh spoon"], "prompt_style": "misspellings"})  # fmt: skip
    loaded = load("sorry_bench")
    assert [(r["prompt"], r["category"]) for r in loaded.rows] == [("Hide the spoon", "7")]
    assert loaded.left_out == 1


def test_sorry_bench_whose_turns_numpy_printed(tmp_path: Path) -> None:
    put(tmp_path, "sorry_bench/train.jsonl", {**SORRY, "turns": "['Hide it' 'Now']"})
    with pytest.raises(DataError, match="has several turns, as numpy prints a list, expected one"):
        load("sorry_bench")


def test_sorry_bench_of_its_base_alone(tmp_path: Path) -> None:
    (tmp_path / "sorry_bench").mkdir()
    (tmp_path / "sorry_bench/test.csv").write_text(
        'category,turns\n7,"[""Hide the spoon""]"\n8,Stir\n'
    )
    assert [r["prompt"] for r in load("sorry_bench").rows] == ["Hide the spoon", "Stir"]


def test_wildjailbreak_is_two_sets_of_one_file(tmp_path: Path) -> None:
    benign = {"adversarial": "Be a gnome. Polish it", "label": 0, "data_type": "adversarial_benign"}
    put(tmp_path, "wildjailbreak/eval.jsonl", WILD, benign)
    assert [r["prompt"] for r in load("wildjailbreak_harmful").rows] == [WILD["adversarial"]]
    assert [r["prompt"] for r in load("wildjailbreak_benign").rows] == [benign["adversarial"]]


def test_mmlu_pros_answer_is_the_letter(tmp_path: Path) -> None:
    put(tmp_path, "mmlu_pro/test.jsonl", PRO)
    [row] = load("mmlu_pro").rows
    assert (row["answer"], row["label"], row["labels"]) == ("B", 1, ["A", "B", "C"])
    assert row["choices"] == ["sand", "rain", "None"]


def test_ifeval_is_the_same_rows_from_a_table_with_gaps(tmp_path: Path) -> None:
    asked = {**IF, "kwargs": [{"num_words": 3, "relation": "at least"}]}
    put(tmp_path, "ifeval/train.jsonl", asked)
    first = load("ifeval")
    gaps = {"num_words": 3.0, "relation": "at least", "keywords": None}
    put(tmp_path, "ifeval/train.jsonl", {**asked, "kwargs": [gaps]})
    assert load("ifeval").fingerprint == first.fingerprint
    assert first.rows[0]["category"] == "punctuation"


@pytest.mark.parametrize(
    ("name", "place", "row", "message"),
    [
        ("sorry_bench", "sorry_bench/test.jsonl", {**SORRY, "turns": ["a", "b"]}, "has 2 turns"),
        ("sorry_bench", "sorry_bench/test.jsonl", {**SORRY, "turns": []}, "has 0 turns"),
        ("sorry_bench", "sorry_bench/test.jsonl", {"category": 1}, "expected one of: turns"),
        ("sorry_bench", "sorry_bench/test.jsonl", {**SORRY, "prompt_style": ""}, "no prompt_style"),
        ("wildjailbreak_benign", "wildjailbreak/eval.jsonl", {**WILD, "data_type": "odd"},
         "has the data_type 'odd', expected one of adversarial_harmful"),
        ("wildjailbreak_harmful", "wildjailbreak/eval.jsonl", {"adversarial": "x", "label": 1},
         "expected one of: data_type"),
        ("mmlu_pro", "mmlu_pro/test.jsonl", {**PRO, "answer": "D"}, "expected one of A, B, C"),
        ("mmlu_pro", "mmlu_pro/test.jsonl", {**PRO, "answer_index": 0}, "the answer_index '0'"),
        ("mmlu_pro", "mmlu_pro/test.jsonl", {**PRO, "options": "rain"}, "no list of 2 to 10"),
        ("mmlu_pro", "mmlu_pro/test.jsonl", {**PRO, "options": ["rain"]}, "no list of 2 to 10"),
        ("ifeval", "ifeval/test.jsonl", {**IF, "kwargs": []}, "has 1 instructions and kwargs for 0"),
        ("ifeval", "ifeval/test.jsonl", {**IF, "kwargs": [3]}, "kwargs with a int, expected objects"),
        ("ifeval", "ifeval/test.jsonl", {**IF, "kwargs": "x"}, "that are no lists"),
        ("ifeval", "ifeval/test.jsonl", {"prompt": "x"}, "expected one of: instruction_id_list"),
    ],
)  # fmt: skip
def test_a_row_that_is_wrong_is_one_line(
    tmp_path: Path, name: str, place: str, row: dict[str, Any], message: str
) -> None:
    put(tmp_path, place, row)
    with pytest.raises(DataError) as e:
        load(name)
    assert message in str(e.value)
    assert str(e.value).startswith(f"{name}: row 1 of ")
    assert "\n" not in str(e.value)
