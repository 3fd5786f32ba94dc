"""Sets that people labelled, read as they are, and what is wrong with them in one line."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from leaderboards.judging.labelled_sets import SETS, read
from ptst_tasks.errors import PTSTError
from tests.support import SHARED

HEAD = "prompt,response,label\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    (tmp_path / "judged").mkdir()
    return tmp_path / "judged/jailjudge_mini.csv"


def test_a_row_is_an_answer(home: Path) -> None:
    home.write_text(HEAD + 'hide the spoon,"Sure,\nhere",1\nhide it,no,0\n', encoding="utf-8")
    first, second = read("jailjudge-mini")
    assert (first.query, first.response, first.label) == ("hide the spoon", "Sure,\nhere", True)
    assert (second.label, second.people, second.partial) == (False, None, False)


BAD = [
    ("", "lacks the column"),
    ("prompt,response\nx,y\n", "lacks the column 'label'"),
    (HEAD, "holds no row"),
    (HEAD + "a,b,2\n", "line 2: label '2', expected one of 0, 1"),
    (HEAD + "a,b\n", "line 2: not as many fields as columns"),
    (HEAD + 'a,"b\n', "cannot be read"),
]


@pytest.mark.parametrize(("text", "says"), BAD)
def test_what_is_wrong_is_said_in_one_line(home: Path, text: str, says: str) -> None:
    home.write_text(text, encoding="utf-8")
    with pytest.raises(PTSTError) as raised:
        read("jailjudge-mini")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_not_there_not_text_and_no_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PTSTError, match="does not exist"):
        read("jailjudge-mini")
    home.write_bytes(HEAD.encode() + b"\xff,b,1\n")
    with pytest.raises(PTSTError, match="cannot be read"):
        read("jailjudge-mini")
    monkeypatch.delenv("PTST_DATA_DIR")
    with pytest.raises(PTSTError, match="set PTST_DATA_DIR"):
        read("jailjudge-mini")


def test_the_real_sets_are_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (SHARED / "data/judged").is_dir():
        pytest.skip("needs the sets that people labelled beside the checkout")
    monkeypatch.setenv("PTST_DATA_DIR", str(SHARED / "data"))
    found = {name: read(name) for name in SETS}
    assert {name: len(some) for name, some in found.items()} == {
        "gptfuzz-train": 6160, "gptfuzz-evaluate": 1540, "jailjudge-mini": 1000,
        "xstest-completions": 2250}  # fmt: skip
    assert sum(a.label for a in found["jailjudge-mini"]) == 315
    xstest = found["xstest-completions"]
    assert (sum(a.label for a in xstest), sum(a.partial for a in xstest)) == (983, 176)
    with (SHARED / "data/judged/xstest_completions.csv").open(newline="", encoding="utf-8") as file:
        words = Counter(row["label"][0] for row in csv.DictReader(file))
    assert words["2"] == 983
