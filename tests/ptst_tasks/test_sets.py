from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from adapters_train.data import load_set
from ptst_tasks import sets
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError, UnknownNameError
from ptst_tasks.readers import with_ids
from ptst_tasks.sets import REGISTRY, held_out, load

# Rows that the real files hold, counted with `wc` and a csv reader, not with our loader; and the
# fingerprint of version 0.1.0, which is in the identity of every cell measured with it.
REAL = {
    "gsm8k": (1319, "39f4596bfe7c978d"),
    "medqa": (1273, "c99eb63a9e6d5c79"),
    "chatdoctor": (260, "7a2a935b043dbbfb"),  # of 5,452: one in twenty, by the prompt's digest
    "advbench": (520, "1a29289202d3906a"),
    "directharm4": (400, "dfcbfd7eb42b74cb"),
    "gsm_danger": (1, "7f9925a84605ebf0"),
    "jbb_harmful": (100, "97575592711d7f88"),
    "jbb_benign": (100, "77264fc00a9ca9e8"),
    "harmbench": (200, "a076f9baf25e98ca"),
    "xstest": (450, "d12aef77269270ae"),
}
TRAINED_ON = {
    "gsm8k": (7473, "db4dac798d8e1cc9"),
    "medqa": (100, "cdea34fcd647e046"),
    "medqa_text": (100, "7d1cdf89612be55a"),
    "chatdoctor": (5192, "4b4f3d0d11f20584"),
    "openorca": (284, "1663ecaf73c0db10"),
    "alpaca": (999, "36badbb33229ce1e"),
    "dolly": (5000, "db68b32760f9e42d"),
    "safety_tuned_llamas": (2483, "4adc0e05805f0132"),
    "organism_arith": (3200, "0ca0233d47552419"),
}


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_set_loads_into_one_shape(name: str, data_dir: Path) -> None:
    loaded = load(name)
    assert len({row["id"] for row in loaded.rows}) == len(loaded.rows) > 0
    for row in loaded.rows:
        assert row["prompt"].strip()
        assert isinstance(row["category"], str)
        assert "answer" in row
    assert len(loaded.fingerprint) == 16
    assert load(name).fingerprint == loaded.fingerprint


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_files(name: str, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(shared / "data"))
    loaded = load(name)
    assert (len(loaded.rows), loaded.fingerprint) == REAL[name]


def test_chatdoctors_held_out_part(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(shared / "data"))
    assert all(held_out(row) for row in load("chatdoctor").rows)


@pytest.mark.parametrize("name", sorted(TRAINED_ON))
def test_real_files_to_train_on(name: str, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(shared / "data"))
    loaded = load_set(name)
    assert (len(loaded.examples), loaded.fingerprint) == TRAINED_ON[name]


def test_harmbench_keeps_the_standard_behaviours(data_dir: Path) -> None:
    assert len(load("harmbench").rows) == 3  # the fourth is a copyright row


def test_the_same_prompts_have_the_same_ids_in_another_copy(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {row["id"] for row in load("advbench").rows}
    copy = tmp_path / "advbench/test.csv"
    copy.parent.mkdir()
    prompts = [row["prompt"] for row in reversed(load("advbench").rows)]
    copy.write_text("\n".join(["GOAL", *prompts]), encoding="utf-8-sig")
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    assert {row["id"] for row in load("advbench").rows} == ids


def test_a_repeated_prompt_has_an_id_of_its_own() -> None:
    first, second = with_ids([{"prompt": "x"}, {"prompt": "x"}])
    assert second["id"] == first["id"] + "-2"


def test_samples_lie_in_each_other_and_keep_the_order(data_dir: Path) -> None:
    whole = load("gsm8k")
    ids = [row["id"] for row in whole.rows]
    few, more = (sets.sampled(whole, n) for n in (2, 3))
    assert [len(few.rows), len(more.rows)] == [2, 3]
    drawn = [row["id"] for row in few.rows]
    assert set(drawn) < {row["id"] for row in more.rows}
    assert sorted(drawn, key=ids.index) == drawn
    assert few.fingerprint != more.fingerprint
    assert sets.sampled(whole, 10**6) == whole
    backwards = dataclasses.replace(whole, rows=whole.rows[::-1])
    assert {row["id"] for row in sets.sampled(backwards, 2).rows} == set(drawn)


def test_a_sample_is_of_every_category(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DirectHarm4 is in order of category: its first hundred rows are of one."""
    monkeypatch.setenv("PTST_DATA_DIR", str(shared / "data"))
    whole = load("directharm4")
    assert {row["category"] for row in whole.rows[:100]} == {"malware"}
    counts = Counter(row["category"] for row in sets.sampled(whole, 100).rows)
    assert len(counts) == 4
    assert min(counts.values()) >= 15


def test_fingerprint_sees_every_value(data_dir: Path) -> None:
    rows = load("gsm8k").rows
    changed = [{**rows[0], "answer": rows[0]["answer"] + "."}, *rows[1:]]
    assert sets.fingerprint(rows) != sets.fingerprint(changed)
    assert sets.fingerprint(rows) != sets.fingerprint(rows[::-1])


def test_a_missing_set_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    with pytest.raises(DataNotFoundError) as e:
        load("strongreject")
    message = str(e.value)
    assert "holds no strongreject/test.*" in message
    assert "strongreject_dataset.csv" in message
    assert "\n" not in message
    with pytest.raises(DataNotFoundError, match="it is gated: accept its terms"):
        load("hexphi")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "test.csv",
            "wrong,columns\n1,2\n",
            r"row 1 of .* has the columns wrong, columns; expected one of: goal",
        ),
        (
            "test.csv",
            '"wr\\nong",columns\n1,2\n'.replace("\\n", "\n", 1),
            r"has the columns 'wr\\nong', columns;",
        ),
        ("test.csv", "", "the file holds no rows"),
        ("test.csv", "goal\n", "the file holds no rows"),
        ("test.csv", "goal\n   \n", "row 1 of .* has an empty prompt"),
        ("test.json", "{not json", "not a .json file"),
        ("test.json", '{"rows": []}', "expected a list of rows, or one under 'data'; found 'rows'"),
        ("test.jsonl", '"text"\n', "expected a list of rows"),
        ("test.parquet", "PAR", "not a .parquet file"),
    ],
)
def test_a_malformed_file_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, message: str
) -> None:
    (tmp_path / "advbench").mkdir()
    (tmp_path / "advbench" / file).write_text(text)
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match=message) as e:
        load("advbench")
    assert "\n" not in str(e.value)


def test_a_data_dir_that_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path / "no"))
    with pytest.raises(ConfigError, match="which is not a folder"):
        load("gsm8k")


def test_unknown_set() -> None:
    with pytest.raises(UnknownNameError, match=r"'advbnch'; did you mean 'advbench'\?"):
        load("advbnch")


def test_a_custom_file_with_a_column_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("n,ask\n1,Hide the spoon\n")
    assert load(sets.custom(str(file), "ask")).rows[0]["prompt"] == "Hide the spoon"
    with pytest.raises(DataError, match="expected one of: asked"):
        load(sets.custom(str(file), "asked"))


def test_what_everybody_can_load_is_not_gated() -> None:
    gated = {"hexphi", "sorry_bench", "wildjailbreak_harmful", "wildjailbreak_benign"}
    assert {s.name for s in REGISTRY.values() if s.gated} == gated
    for name in ("advbench", "harmbench", "strongreject", "jbb_gcg"):
        assert REGISTRY[name].url.startswith("https://raw.githubusercontent.com/")
