"""Names, working files and lines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptst_tasks import files
from ptst_tasks.errors import ConfigError, DataError

ANY = st.text(st.characters(exclude_categories=()))


@given(ANY)
def test_a_name_is_one_part_of_a_path(name: str) -> None:
    made = files.file_name(name)
    assert made
    assert not {"/", "\\", "\0"} & set(made)
    assert not made.startswith(".")
    assert len(made.encode()) <= 120
    assert Path("a", made).parent == Path("a")


@given(ANY, ANY)
def test_two_names_are_two_files(one: str, other: str) -> None:
    assert (files.file_name(one) == files.file_name(other)) == (one == other)


@pytest.mark.parametrize("name", ["chat_vanilla-s0", "cv@12", "seed=3", "llama2-gsm8k", "模型"])
def test_usual_names_stay(name: str) -> None:
    assert files.file_name(name) == name


def test_names_that_are_paths_are_none() -> None:
    assert files.file_name("../../notes") == "%2E.%2F..%2Fnotes"
    assert files.file_name("") == "%"
    assert files.file_name("x" * 200) != files.file_name("x" * 201)


def test_what_fails_leaves_the_old_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), files.replacing(target) as aside:
        print(aside.write_text("half") / 0)
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]
    assert target.read_text() == "old"
    files.write_text(target, "new\udc80")
    assert target.read_text() == "new\\udc80"


def test_working_names_are_nobody_elses() -> None:
    made = {files.working(Path("a/b.csv")) for _ in range(100)}
    assert len(made) == 100
    assert all(p.name.startswith(".b.csv.") and str(os.getpid()) in p.name for p in made)


def test_outputs_are_tried_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for bad in (tmp_path, tmp_path / "file/x.json", Path("/proc/none/x.json")):
        with pytest.raises(ConfigError, match=r"^--json .* cannot be written: "):
            files.check_writable(bad, "--json")
    with pytest.raises(ConfigError, match="--json and --junit are the same file"):
        files.check_outputs(json=tmp_path / "x", junit=tmp_path / "x")
    files.check_outputs(json=Path("-"), markdown=None, junit=tmp_path / "deep/x")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["deep", "file"]


def test_a_line_ends_with_a_line_feed_alone(tmp_path: Path) -> None:
    text = "a\u2028b\u2029c\x85d\x0ce\rf\n\n  \ng"
    (tmp_path / "x").write_text(text, encoding="utf-8", newline="")
    found = [(at, line.decode()) for at, line in files.lines(tmp_path / "x")]
    assert found == [(1, "a\u2028b\u2029c\x85d\x0ce\rf\n"), (4, "g")]
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        list(files.lines(tmp_path))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1\nb: 2\na: 3\n", "'a' stands twice"),
        ("a: [", "not YAML"),
        ("a: 2024-13-45", "not YAML: month must be"),
        ("[" * 3000, "not YAML"),
        (b"a: \xff", "not UTF-8 (byte 0xff at 3)"),
    ],
)
def test_yaml_that_is_none(tmp_path: Path, text: str | bytes, why: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        files.read_yaml(file, what="study")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_printable() -> None:
    assert files.printable("a\udc80b\x1b[31m\u202e\tü") == "a\\udc80b\\x1b[31m\\u202e\tü"
