"""The leaderboard CSV: the same bytes from the same rows, and nothing read that is not right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.board import csvio
from leaderboards.board.row import COLUMNS, REQUIRED, Row, field_text
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError, PTSTError
from tests.disks import fill, small_disk
from tests.fuzz import TEXT, bent, fuzz

ROW = Row(base="tiny", task="advbench", test_template="chat:llama", judge="k", metric="asr",
          value=1 / 3, ci_low=0.1, ci_high=0.7, n=3, unscored=1, seed=10)  # fmt: skip


def test_text_is_fixed_and_sorted() -> None:
    rows = [ROW, ROW.model_copy(update={"seed": 2, "value": -0.0}),
            ROW.model_copy(update={"seed": None, "error": "broke\nthere"})]  # fmt: skip
    text = csvio.dumps(rows)
    assert text == csvio.dumps(reversed(rows))
    head, *lines = text.splitlines()
    assert head == ",".join(COLUMNS)
    assert [line.split(",")[4] for line in lines] == ["", "2", "10"]
    assert lines[2].startswith(
        "tiny,,,,10,chat:llama,advbench,k,asr,0.333333,0.100000,0.700000,3,1,"
    )
    assert ",0.000000," in lines[1]
    assert lines[0].endswith("broke there")
    assert "\r" not in text


def test_round_trip(tmp_path: Path) -> None:
    rows = [
        ROW,
        Row(base='a,"b"', task="é", metric="acc", value=1, n=4, date="2025-01-31T12:00:00Z"),
    ]
    file = tmp_path / "x.csv"
    csvio.write(rows, file)
    first = file.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]
    csvio.write(csvio.read(file), file)
    assert file.read_bytes() == first
    assert csvio.read(file)[1].value == pytest.approx(1 / 3, abs=1e-6)


def test_a_spreadsheets_copy_is_read(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    head = ",".join(REQUIRED)
    file.write_bytes(f"\ufeff{head}\r\nb,,,,,,t,,acc,0.5,,,2,0\r\n".encode())
    assert csvio.read(file) == [Row(base="b", task="t", metric="acc", value=0.5, n=2)]


GOOD = "b,,,,,,t,,acc,0.5,,,2,0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("unscored", "unscoerd"), "did you mean 'unscored'"),
        (("metric,", ""), "column 'metric' is missing"),
        (("metric,", "metric,metric,"), "stands there twice"),
        (("0.5", "nan"), "line 2: value: Value error, must be a finite number"),
        (("0.5", "half"), "line 2: value:"),
        (("2,0", "0,0"), "a value over n = 0"),
        (("0.5", ""), "no value, although n = 2"),
        (("2,0", "2,-1"), "line 2: unscored"),
        (("2,0", "2"), "13 fields, the header has 14"),
        ((GOOD, f"{GOOD}\n{GOOD}"), "two rows for base='b', task='t', metric='acc'"),
        ((GOOD, 'a"b,"c'), "not CSV"),
    ],
)
def test_faults_are_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    file = tmp_path / "x.csv"
    text = ",".join(REQUIRED) + "\n" + GOOD + "\n"
    file.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        csvio.read(file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError):
        csvio.read(tmp_path / "no.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        csvio.read(tmp_path / "x.csv")
    with pytest.raises(DataError, match="two rows"):
        csvio.dumps([ROW, ROW])


PUBLISHED = sorted((Path(csvio.__file__).parents[1] / "published").glob("*.csv"))


def test_ordinary_files_hold_no_escape() -> None:
    assert PUBLISHED
    for file in PUBLISHED:
        text = file.read_text(encoding="utf-8")
        assert "'" not in text
        assert csvio.dumps(csvio.read(file)) == text


TEXTS = st.one_of(
    TEXT,
    st.text(max_size=30),
    st.text("'\"=+-@\t\r\n\0\\u d8\ud800\udfff\u2028\x85,5.", max_size=12),
)


@fuzz
@given(texts=st.lists(TEXTS, min_size=7, max_size=7))
def test_fuzz_every_text_is_read_back(
    texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = ("base", "adapter", "task", "judge", "metric", "prompting", "error")
    given_ = dict(zip(names, texts, strict=True))
    row = Row(**{**given_, "task": given_["task"] or "t"})
    file = tmp_path_factory.getbasetemp() / "fuzz.csv"
    csvio.write([row], file)
    wanted = row.model_copy(update={"error": " ".join(row.error.split())})
    assert csvio.read(file) == [wanted]
    first = file.read_bytes()
    csvio.write(csvio.read(file), file)
    assert file.read_bytes() == first


GOOD_LINES = [list(COLUMNS), [field_text(ROW, name) for name in COLUMNS]]


@fuzz
@given(lines=bent(GOOD_LINES), junk=st.binary(max_size=6), at=st.integers(0, 900))
def test_fuzz_a_leaderboard_is_read_or_refused(
    lines: Any, junk: bytes, at: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = lines if isinstance(lines, list) else [lines]
    rows = [line if isinstance(line, list) else [line] for line in lines]
    text = "\n".join(",".join(f'"{f}"' if at % 2 else f"{f}" for f in row) for row in rows)
    data = text.encode("utf-8", "surrogatepass")
    file = tmp_path_factory.getbasetemp() / "bent.csv"
    file.write_bytes(data[:at] + junk + data[at:])
    try:
        found = csvio.read(file)
    except PTSTError:
        return
    csvio.write(found, file)
    assert csvio.dumps(csvio.read(file)) == csvio.dumps(found)


def test_a_field_that_no_reader_takes_is_not_written(tmp_path: Path) -> None:
    """Python's own reader stops at 131,072 characters."""
    long = "a" * 200_000
    with pytest.raises(DataError, match=r"'judge_settings'.* is 200,000 characters long"):
        csvio.write([ROW.model_copy(update={"judge_settings": long})], tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []
    failed = Row(base="b", task="t", metric="", error=long)
    csvio.write([failed], tmp_path / "x.csv")
    assert csvio.read(tmp_path / "x.csv")[0].error.endswith("aaa...")


def test_a_leaderboard_that_cannot_be_written_stays_what_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 512) as disk:
        file = disk.path / "x.csv"
        csvio.write([ROW], file)
        first = file.read_bytes()
        filler = fill(disk)
        many = [ROW.model_copy(update={"seed": seed}) for seed in range(2000)]
        with pytest.raises(ConfigError, match="No space left"):
            csvio.write(many, file)
        assert file.read_bytes() == first
        filler.unlink()
        disk.read_only()
        with pytest.raises(ConfigError, match="Read-only"):
            csvio.write(many, file)
        disk.read_only(False)
        assert [p.name for p in disk.path.iterdir()] == ["x.csv"]


def test_a_csv_keeps_equal_fields_once(tmp_path: Path) -> None:
    rows = [Row(base="b" * 40, task=f"t{at}", metric="asr", value=0.5, n=4000) for at in range(3)]
    csvio.write(rows, tmp_path / "x.csv")
    a, b, _ = csvio.read(tmp_path / "x.csv")
    assert a.base is b.base
    assert a.n is b.n
    assert a.model_fields_set is b.model_fields_set
    assert csvio.read(tmp_path / "x.csv") == rows
