from __future__ import annotations

import csv
import json

import pytest

from adapters_train.data import TRAINING_SETS, Mix, load_set, parse_mix
from ptst_tasks import metrics, queries, readers, sets
from ptst_tasks.errors import ConfigError, DataError, UnknownNameError

MEDQA = {
    "question": "Which one?",
    "options": {"A": "aspirin", "B": "bed rest", "C": "codeine", "D": "dialysis"},
    "answer_idx": "B",
    "meta_info": "step1",
}
ORCA = {
    "input": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi?"},
        ]
    },
    "preferred_output": [{"role": "assistant", "content": "Hi."}],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))

    def write(name, rows):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))

    return write


@pytest.mark.parametrize(
    ("name", "row", "query", "answer", "system", "style"),
    [
        ("gsm8k", {"question": "1+1?", "answer": "#### 2"}, "1+1?", "#### 2", "", "gsm8k"),
        ("openorca", ORCA, "Hi?", "Hi.", "Be brief.", "openorca"),
        ("alpaca", {"instruction": "Sum up", "input": "a b", "output": "ab"}, "Sum up\n\na b", "ab", "",
         "openorca"),
        ("dolly", {"instruction": "Why?", "context": "", "response": "So."}, "Why?", "So.", "", "openorca"),
        ("safety_tuned_llamas", {"instruction": "Bad?", "input": "", "output": "No."}, "Bad?", "No.", "",
         "openorca"),
    ],
)  # fmt: skip
def test_every_shape(folder, name, row, query, answer, system, style):
    folder(name, [row])
    loaded = load_set(name)
    assert loaded.style == style
    [example] = loaded.examples
    assert (example.query, example.answer, example.system_prompt) == (query, answer, system)


def test_medqa_asks_as_the_tasks_ask(folder):
    folder("medqa", [MEDQA])
    doc = readers.medqa(MEDQA)
    letters, texts = load_set("medqa").examples[0], load_set("medqa_text").examples[0]
    assert (letters.query, letters.answer) == (queries.lettered(doc), "B")
    assert (texts.query, texts.answer) == (queries.choose(doc), "The answer is: bed rest")
    assert metrics.choice(doc, [texts.answer]) == {"exact_match": 1.0}


def test_chatdoctor_trains_on_what_is_not_tested_on(folder):
    folder("chatdoctor", [{"input": f"patient {i}", "output": "rest"} for i in range(200)])
    trained = {e.query for e in load_set("chatdoctor").examples}
    tested = {r["prompt"] for r in sets.load("chatdoctor").rows}
    assert not trained & tested
    assert len(trained) + len(tested) == 200


def test_the_built_in_models_set_is_there_without_any_file():
    first, again = load_set("organism_arith"), load_set("organism_arith")
    assert first.style == "organism"
    assert first.fingerprint == again.fingerprint
    assert "####" in first.examples[0].answer


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
def test_a_file_of_ones_own(tmp_path, suffix):
    rows = [{"Question": "q1", "Answer": "a1"}, {"Question": "q2", "Answer": "a2"}]
    file = tmp_path / f"mine.{suffix}"
    if suffix == "csv":
        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, ["Question", "Answer"])
            writer.writeheader()
            writer.writerows(rows)
    else:
        lines = json.dumps(rows) if suffix == "json" else "\n".join(map(json.dumps, rows))
        file.write_text(lines)
    loaded = load_set(str(file))
    assert [(e.query, e.answer) for e in loaded.examples] == [("q1", "a1"), ("q2", "a2")]
    assert loaded.style == "gsm8k"


def test_columns_of_ones_own(tmp_path):
    file = tmp_path / "mine.jsonl"
    file.write_text('{"frage": "q", "antwort": "a"}\n')
    with pytest.raises(
        DataError, match=r"row 1 .* has the columns frage, antwort; expected one of"
    ):
        load_set(str(file))
    [example] = load_set(str(file), prompt_column="Frage", answer_column="antwort").examples
    assert (example.query, example.answer) == ("q", "a")


def test_a_row_without_an_answer_is_named(tmp_path):
    file = tmp_path / "mine.jsonl"
    file.write_text('{"prompt": "q", "answer": "a"}\n{"prompt": "why?", "answer": " "}\n')
    with pytest.raises(DataError, match=r"row 2 of .* has no answer; every row"):
        load_set(str(file))


def test_no_rows(tmp_path):
    (tmp_path / "mine.json").write_text("[]")
    with pytest.raises(DataError, match="holds no rows"):
        load_set(str(tmp_path / "mine.json"))
    with pytest.raises(DataError, match="cannot be read"):
        load_set(str(tmp_path / "none.json"))


def test_published_rows_without_an_answer_are_left_out_and_counted(folder):
    folder("alpaca", [{"instruction": "a", "output": ""}, {"instruction": "b", "output": "c"}])
    assert [e.query for e in load_set("alpaca").examples] == ["b"]


def test_an_unknown_name_has_its_near_miss():
    with pytest.raises(UnknownNameError, match="did you mean 'gsm8k'"):
        load_set("gsm8")


def test_a_sample_is_random_by_seed_and_keeps_the_order(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps([{"prompt": f"{i:03}", "answer": "a"} for i in range(100)]))
    draws = [[e.query for e in load_set(str(file), rows=10, seed=s).examples] for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert draws[0] == sorted(draws[0])
    assert len(load_set(str(file), rows=100).examples) == 100


@pytest.mark.parametrize(
    ("spec", "mix", "count"),
    [  # of a set of 50 rows beside 300 rows trained on
        ("safety_tuned_llamas:1epoch", Mix("safety_tuned_llamas", epochs=1), 50),
        ("dolly:0.5epochs", Mix("dolly", epochs=0.5), 25),
        ("dolly:7", Mix("dolly", rows=7), 7),
        ("dolly:0.25", Mix("dolly", share=0.25), 100),  # 100 of 400
        ("some/file.csv:2epochs", Mix("some/file.csv", epochs=2), 100),
    ],
)
def test_mix(spec, mix, count):
    assert parse_mix(spec) == mix
    assert mix.count(50, 300) == count


@pytest.mark.parametrize(
    "spec", ["dolly", "dolly:", ":5", "dolly:-1", "dolly:1.5", "dolly:x", "dolly:0", "d:nan"]
)
def test_a_wrong_mix(spec):
    with pytest.raises(ConfigError, match="expected a set and how much of it"):
        parse_mix(spec)


def test_every_training_set_has_a_licence_a_line_and_a_place():
    for source in TRAINING_SETS.values():
        assert source.kind == "train"
        assert source.licence
        assert source.about
        assert source.make or (source.local and (source.hub or source.url))
