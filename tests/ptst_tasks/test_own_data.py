"""Data as a user names them: a file, a folder, a split of it; what is never looked for on the hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapters_train.data import load_set, training_set
from ptst_tasks import own_data, sets
from ptst_tasks.errors import DataError, DataNotFoundError, UnknownNameError
from ptst_tasks.own_data import find, is_data, own_rows
from ptst_tasks.remote_sets import HubId

ONE, TWO, THREE = ({"prompt": f"q{i}", "answer": f"{i:03}"} for i in range(3))


def jsonl(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes files below the current folder."""
    monkeypatch.chdir(tmp_path)

    def put(**files: str) -> Path:
        for name, content in files.items():
            file = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return tmp_path

    return put


def saved(folder: Path, **splits: list[dict[str, Any]]) -> None:
    made = {name: datasets.Dataset.from_list(rows) for name, rows in splits.items()}
    datasets.DatasetDict(made).save_to_disk(str(folder))


@pytest.mark.parametrize(
    ("said", "where", "split"),
    [
        ("owner/name", HubId("owner/name"), ""),
        ("owner/name:test", HubId("owner/name"), "test"),
        ("owner/name/config", HubId("owner/name", "config"), ""),
        ("open-r1/x_y.z/all (v2):train", HubId("open-r1/x_y.z", "all (v2)"), "train"),
        ("./owner/name", Path("owner/name"), ""),
        ("/owner/name", Path("/owner/name"), ""),
        ("../owner/name", Path("../owner/name"), ""),
        ("owner/name.csv", Path("owner/name.csv"), ""),
        ("owner/name.jsonl.gz", Path("owner/name.jsonl.gz"), ""),
        ("owner/name.xlsx", Path("owner/name.xlsx"), ""),
        ("name", Path("name"), ""),
        ("a/b/c/d", Path("a/b/c/d"), ""),
        ("a/b:c:d", Path("a/b:c:d"), ""),
        ("owner\\name", Path("owner\\name"), ""),
    ],
)
def test_a_path_is_told_from_a_hub_id(
    said: str, where: Any, split: str, place: Callable[..., Path]
) -> None:
    place()
    assert find(said) == (where, split)


def test_what_is_there_wins_over_a_hub_id(place: Callable[..., Path]) -> None:
    place(owner__name__a_dot_jsonl=jsonl(ONE), owner__other_dot_train=jsonl(TWO))
    assert own_rows("owner/name", training=True) == ([ONE], "owner/name")
    assert find("owner/name:train") == (Path("owner/name"), "train")
    (Path("owner/b:c")).mkdir()
    assert find("owner/b:c") == (Path("owner/b:c"), "")


@pytest.mark.parametrize(
    "said", ["none.csv", "./none", "/none/x", "none/x.parquet", "a/b.jsonl.zst"]
)
def test_a_path_that_is_not_there_is_not_asked_of_the_hub(
    said: str, place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place()
    monkeypatch.setattr(own_data, "hub_splits", lambda _: pytest.fail("the hub was asked"))
    with pytest.raises(DataError, match=r"none|a/b"):
        own_rows(said, training=True)


def test_shards_are_read_in_the_order_of_their_names(place: Callable[..., Path]) -> None:
    place(d__b_dot_jsonl=jsonl(TWO, THREE), d__a_dot_jsonl=jsonl(ONE), d__README_dot_md="rows",
          d__dataset_infos_dot_json="{}", d___SUCCESS="", d___dot_cache__x_dot_json="{}")  # fmt: skip
    assert own_rows("d", training=True) == ([ONE, TWO, THREE], "d")
    assert [e.query for e in load_set("d").examples] == ["q0", "q1", "q2"]


def test_parquet_shards_as_spark_writes_them(place: Callable[..., Path]) -> None:
    folder = place(out_dot_parquet___SUCCESS="") / "out.parquet"
    for at, row in enumerate((ONE, TWO)):
        pq.write_table(pa.Table.from_pylist([row]), folder / f"part-0000{at}-c000.snappy.parquet")
    assert own_rows("out.parquet", training=True)[0] == [ONE, TWO]


def test_rows_to_test_on_are_not_trained_on(place: Callable[..., Path]) -> None:
    """All files of a folder were one set, whatever they were called."""
    place(d__train_0_dot_jsonl=jsonl(ONE), d__train_1_dot_jsonl=jsonl(TWO),
          d__my_testing_dot_jsonl=jsonl(THREE))  # fmt: skip
    assert own_rows("d", training=True) == ([ONE, TWO], "d:train")
    assert own_rows("d", training=False) == ([THREE], "d:test")
    assert load_set("d").origin == "d:train"
    assert sets.load(sets.custom("d", "prompt")).origin == "d:test"
    assert own_rows("d:test", training=True) == ([THREE], "d:test")
    with pytest.raises(DataError, match=r"d has 'test', 'train', not 'tset'; did you mean 'test'"):
        own_rows("d:tset", training=True)


def test_words_that_only_look_like_splits_are_none(place: Callable[..., Path]) -> None:
    place(d__valued_dot_jsonl=jsonl(TWO), d__trained_dot_jsonl=jsonl(ONE))
    assert own_rows("d", training=True) == ([ONE, TWO], "d")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"d__a_dot_csv": "prompt\nx\n", "d__b_dot_jsonl": "{}"}, r"several kinds \(csv, jsonl\)"),
        ({"d__a_dot_txt": "x"}, "a folder with no file of rows, expected shards of one kind"),
        ({"d__data__a_dot_csv": "prompt\nx\n"}, r"within it \('data'\); name one, as 'd/data'"),
        ({"d__a_dot_csv": "x\n", "d__e__b_dot_csv": "x\n"}, "within it beside its own files"),
        ({"d__train_dot_csv": "x\n", "d__more_dot_csv": "x\n"}, "'train' and files of none; say which"),
        ({"d__dev_dot_csv": "x\n", "d__eval_dot_csv": "x\n"}, "'dev', 'eval'; say which, as 'd:dev'"),
        ({"d__a_dot_csv": "x\n1\n", "d__b_dot_csv": "x,x\n"}, r"d/b\.csv: .* 'x' twice"),
        ({"d__a_dot_csv": "x\n1\n", "d__b_dot_csv": "x\n"}, r"d/b\.csv: the file holds no rows"),
        ({"d__dataset_dict_dot_json": "{"}, "expected a list of names under 'splits'"),
        ({"d__dataset_dict_dot_json": '{"splits": [1]}'}, "expected a list of names under 'splits'"),
        ({"d__dataset_dict_dot_json": '{"splits": ["train"]}'}, "as a set that datasets saved"),
        ({"d__state_dot_json": "{}"}, "as a set that datasets saved"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_meant(
    files: dict[str, str], words: str, place: Callable[..., Path]
) -> None:
    place(**files)
    with pytest.raises(DataError, match=words) as e:
        own_rows("d", training=True)
    assert "\n" not in str(e.value)


def test_a_set_that_datasets_saved(place: Callable[..., Path]) -> None:
    datasets.Dataset.from_list([ONE, TWO, THREE]).select([2, 0]).save_to_disk(str(place() / "d"))
    assert own_rows("d", training=True) == ([THREE, ONE], "d")
    with pytest.raises(DataError, match="d has no splits, not 'train'"):
        own_rows("d:train", training=True)


def test_a_set_that_is_set_to_a_format(place: Callable[..., Path]) -> None:
    """Its rows were tensors, or lacked the columns that the format leaves out."""
    made = datasets.Dataset.from_list([{**ONE, "n": 7}]).with_format("numpy", columns=["n"])
    made.save_to_disk(str(place() / "d"))
    assert own_rows("d", training=True)[0] == [{**ONE, "n": 7}]


def test_splits_that_datasets_saved(place: Callable[..., Path]) -> None:
    folder = place() / "d"
    saved(folder, train=[ONE, TWO], test=[THREE])
    assert own_rows("d", training=True) == ([ONE, TWO], "d:train")
    assert own_rows("d:test", training=True) == ([THREE], "d:test")
    assert own_rows("d/test", training=True) == ([THREE], "d/test")
    saved(folder.with_name("e"), a=[ONE], b=[TWO])
    with pytest.raises(DataError, match="e has the splits 'a', 'b'; say which, as 'e:a'"):
        own_rows("e", training=True)
    saved(folder.with_name("f"), all=[ONE])
    assert own_rows("f", training=False) == ([ONE], "f:all")


def test_a_saved_set_that_is_damaged(place: Callable[..., Path]) -> None:
    saved(place() / "d", train=[ONE] * 50)
    [file] = Path("d/train").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:-400])
    with pytest.raises(
        DataError, match=r"d/train: cannot be read as a set that datasets saved"
    ) as e:
        own_rows("d", training=True)
    assert "\n" not in str(e.value)


def test_what_datasets_saved_is_a_folder_of_sets(
    place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``load_dataset(...).save_to_disk("$PTST_DATA_DIR/gsm8k")`` is a set without a network."""
    worked = [{"question": f"{i}?", "answer": f"#### {i}"} for i in range(3)]
    saved(place() / "data/gsm8k", train=worked, test=worked[:1])
    monkeypatch.setenv("PTST_DATA_DIR", "data")
    assert [r["prompt"] for r in sets.load("gsm8k").rows] == ["0?"]
    assert len(load_set("gsm8k").examples) == 3
    Path("data/gsm8k/test.jsonl").write_text(jsonl(*worked))
    with pytest.raises(DataError, match=r"test.jsonl' and 'data/gsm8k/test' are both there"):
        sets.load("gsm8k")


def test_the_held_out_part_of_a_folder_is_not_halved_again(
    place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"input": f"patient {i}", "output": "rest"} for i in range(40)]
    saved(place() / "data/chatdoctor", test=rows)
    monkeypatch.setenv("PTST_DATA_DIR", "data")
    assert len(sets.load("chatdoctor").rows) == 40


def test_words_that_are_no_data(place: Callable[..., Path]) -> None:
    place()
    assert not is_data("gsm8")
    assert not is_data("a b/c")
    assert not is_data("x" * 5000)
    assert not is_data("a\0b/c")
    assert is_data("owner/name")
    assert is_data("https://example.org/rows.csv")
    with pytest.raises(UnknownNameError, match="known: a file, alpaca, an id of the hub"):
        training_set("gsm9k")


def test_a_home_folder(place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    home = place(r_dot_jsonl=jsonl(ONE))
    monkeypatch.setenv("HOME", str(home))
    assert own_rows("~/r.jsonl", training=True) == ([ONE], str(home / "r.jsonl"))
    with pytest.raises(DataError, match="No such file"):
        own_rows("~nobody-here/r.jsonl", training=True)


def test_a_file_that_only_the_hub_could_have(place: Callable[..., Path]) -> None:
    place()
    with pytest.raises(
        DataNotFoundError, match=r"'data/mine': there is no such file or folder here"
    ):
        own_rows("data/mine", training=True)


def test_a_path_of_a_study_with_its_split(place: Callable[..., Path]) -> None:
    folder = place(study__d__train_dot_csv="x\n") / "study"
    assert own_data.split_off("d:train", folder) == ("d", ":train")
    assert own_data.split_off("study/d:train", folder) == ("study/d", ":train")
    assert own_data.split_off("owner/name:train", folder) == ("owner/name:train", "")
    assert own_data.split_off("d", folder) == ("d", "")
    for said in ("d:train", "d", "none.csv", "./owner/name"):
        assert own_data.beside(said, folder) == str(folder / said)
    for said in ("owner/name:train", "https://example.org/r.csv", str(folder / "d:train")):
        assert own_data.beside(said, folder) == said


@pytest.mark.parametrize(
    ("train", "test", "split"),
    [
        ("trainData", "testData", "test"),
        ("gsm8kTrain", "gsm8kTest", "test"),
        ("trainset", "testset", "test"),
        ("train", "tests", "test"),
        ("train", "held_out", "held_out"),
        ("train", "my-holdout", "held_out"),
        ("train", "HeldOut", "held_out"),
        ("TRAIN_1", "EVALUATION_1", "eval"),
        ("XMLTrain", "XMLDev", "dev"),
        ("train-00000-of-00001", "valid-00000-of-00001", "valid"),
    ],
)
def test_a_split_is_seen_in_every_way_to_write_it(
    train: str, test: str, split: str, tmp_path: Path
) -> None:
    """Such folders were one set, and trained on their test rows."""
    (tmp_path / f"{train}.jsonl").write_text(jsonl(ONE))
    (tmp_path / f"{test}.jsonl").write_text(jsonl(TWO))
    assert own_rows(str(tmp_path), training=True) == ([ONE], f"{tmp_path}:train")
    assert own_rows(f"{tmp_path}:{split}", training=False)[0] == [TWO]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["rows", "gsm8ktest"], "'gsm8ktest.jsonl' has 'test', or a word with it in its name"),
        (["latest", "older"], "'latest.jsonl' has 'test'"),
        (
            ["train_test", "rows"],
            "'train_test.jsonl' has the splits 'train' and 'test' in its name",
        ),
        (
            ["train-00000-of-00003", "train-00002-of-00003"],
            "of the 3 shards 'train-...' 1 are not there, the first of them number 1",
        ),
        (["train", "train copy"], "'train copy.jsonl' is a copy of 'train.jsonl', as it seems"),
        (["train", "train (1)"], r"'train \(1\).jsonl' is a copy of 'train.jsonl'"),
        (["rows", "rows - Copy (2)"], r"'rows - Copy \(2\).jsonl' is a copy of 'rows.jsonl'"),
    ],
)
def test_a_folder_that_may_hold_rows_twice_or_to_test_on(
    names: list[str], message: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / f"{name}.jsonl").write_text(jsonl(ONE))
    with pytest.raises(DataError, match=message):
        own_rows(str(tmp_path), training=True)


def test_a_name_in_doubt_is_read_where_it_is_alone(tmp_path: Path) -> None:
    (tmp_path / "latest.jsonl").write_text(jsonl(ONE))
    assert own_rows(str(tmp_path), training=True) == ([ONE], str(tmp_path))
    (tmp_path / "latest.jsonl").rename(tmp_path / "part (1).jsonl")
    (tmp_path / "part (2).jsonl").write_text(
        jsonl(TWO)
    )  # as a system numbers files renamed at once
    assert own_rows(str(tmp_path), training=True)[0] == [ONE, TWO]
