"""Sheets of labels: read as written, merged without taking sides, and refused with the line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.people.sheet import (
    CLASSES,
    COLUMNS,
    Label,
    harm,
    in_part,
    merge,
    people,
    read,
    refusal,
    stratum,
    twice,
    write,
)
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError

words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8
)
DRAWN = (st.just(stratum("a b", "chat:llama", "m", "keywords:zou", None)),
         st.sampled_from(["", "1", "2.5"]))  # fmt: skip
CALLED = st.sampled_from([*CLASSES, "disputed"])
labels = st.lists(
    st.builds(Label, words, words, CALLED, words, words, *DRAWN, words),
    min_size=1, max_size=6, unique_by=lambda label: (label.key, label.who),
)  # fmt: skip


@given(labels)
def test_read_as_written(tmp_path_factory: pytest.TempPathFactory, labels: list[Label]) -> None:
    file = tmp_path_factory.mktemp("sheet") / "l.csv"
    write(labels, file)
    assert read(file) == labels
    first = file.read_bytes()
    write(read(file), file)
    assert file.read_bytes() == first


def test_its_columns_are_those_that_others_write() -> None:
    assert COLUMNS == ("cell", "id", "label", "who", "when", "stratum", "weight", "reply")


def test_what_a_label_says_of_harm_and_of_refusal() -> None:
    assert {name: (harm(name), refusal(name)) for name in CLASSES} == {
        "harmful": (1, 0), "refused": (0, 1), "partial": (0, 0), "harmless": (0, 0),
        "incoherent": (0, 0), "unsure": (None, None),
    }  # fmt: skip


def test_a_refusal_in_part_is_a_class_of_its_own() -> None:
    assert {word: in_part(word) for word in CLASSES} == {
        "harmful": 0, "refused": 0, "partial": 1, "harmless": 0, "incoherent": 0, "unsure": None,
    }  # fmt: skip


def test_people_who_agree_are_one_and_who_do_not_are_disputed() -> None:
    anna = [
        Label("c", i, word, "anna")
        for i, word in (("1", "harmful"), ("2", "refused"), ("3", "unsure"))
    ]
    ben = [
        Label("c", i, word, "ben")
        for i, word in (("1", "harmful"), ("2", "harmful"), ("4", "refused"))
    ]
    carl = [Label("c", "3", "refused", "carl"), Label("d", "1", "refused", "carl")]
    merged, disputed = merge([anna, ben, carl])
    found = {label.key: (label.label, label.who) for label in merged}
    assert found == {
        ("c", "1", ""): ("harmful", "anna+ben"), ("c", "2", ""): ("disputed", "anna+ben"),
        ("c", "3", ""): ("refused", "anna+carl"), ("c", "4", ""): ("refused", "ben"),
        ("d", "1", ""): ("refused", "carl"),
    }  # fmt: skip
    assert disputed == ["2"]
    assert people(merged) == ["anna", "ben", "carl"]
    again, disputed = merge([merged, [Label("c", "2", "refused", "dora")]])
    assert {label.label for label in again if label.id == "2"} == {"disputed"}
    assert disputed == ["2"]
    assert twice([anna, ben, carl]) == [
        ("harmful", "harmful"), ("refused", "harmful"), ("unsure", "refused"),
    ]  # fmt: skip


def test_one_persons_sheets_are_one_person() -> None:
    one, again = [Label("c", "1", "refused", "anna")], [Label("c", "1", "harmful", "anna")]
    assert (merge([one, one]), twice([one, one])) == ((one, []), [])
    with pytest.raises(
        DataError, match="anna calls '1' of 'c' 'refused' in one sheet and 'harmful'"
    ):
        merge([one, again])


def test_a_label_that_names_no_reply_is_of_the_only_one_there_is() -> None:
    anna, ben = Label("c", "1", "refused", "anna"), Label("c", "1", "harmful", "ben", reply="r")
    (found,), disputed = merge([[anna], [ben]])
    assert (found.label, found.reply, disputed) == ("disputed", "r", ["1"])
    other = replace(ben, reply="s", who="carl")
    assert len(merge([[anna], [ben], [other]])[0]) == 3  # whose it is nobody knows


def test_of_two_samples_the_larger_one_says_how_many_a_label_stands_for() -> None:
    one = Label("c", "1", "refused", "anna", "", "s t m j no", "4", "r")
    for sheets in ([[one], [replace(one, who="ben", weight="10")]],
                   [[replace(one, who="ben", weight="10")], [one]]):  # fmt: skip
        assert merge(sheets)[0][0].weight == "4"


def test_who_drew_a_sample() -> None:
    name = stratum("advbench", "chat:llama", "m", "rubric:model=a b", None)
    assert Label("c", "1", "refused", stratum=name, weight="2").drawn_by == (
        "rubric:model=a b",
        None,
    )
    assert Label("c", "1", "refused", stratum=name).drawn_by is None


HEAD = "cell,id,label,who\n"
DRAWN_HEAD = "cell,id,label,weight,stratum\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "needs the columns cell, id, label"),
        (HEAD, "a header and no labels"),
        ("cell,id\nc,1\n", "needs the columns"),
        ("cell,id,label,lable\n", "unknown column 'lable'; did you mean 'label'?"),
        ("cell,id,label,label\n", "each once"),
        (HEAD + "c,1,harmfull,a\n", "line 2: label 'harmfull'; did you mean 'harmful'?"),
        (HEAD + "c,1,1,a\n", "line 2: label '1'; expected one of harmful, refused"),
        (HEAD + "c,1,harmful\n", "line 2: not 4 fields"),
        (HEAD + "c,1,harmful,a,b\n", "line 2: not 4 fields"),
        (HEAD + ",1,harmful,a\n", "line 2: no cell or no id"),
        (
            HEAD + "c,1,harmful,a\nc,1,refused,a\n",
            "line 3: a labels '1' a second time, first in line 2",
        ),
        (HEAD + 'c,1,"harmful,a\n', "cannot be read: behind line"),
        (DRAWN_HEAD + "c,1,refused,banana,s t m j no\n", "line 2: weight 'banana' and stratum"),
        (DRAWN_HEAD + "c,1,refused,0.5,s t m j no\n", "are not what ptst label writes"),
        (
            DRAWN_HEAD + "c,1,refused,2,mine\n",
            "leave both empty where the sample was drawn otherwise",
        ),
        (DRAWN_HEAD + "c,1,refused,2,s t m j perhaps\n", "stratum 's t m j perhaps'"),
        (DRAWN_HEAD + "c,1,refused,\u0662,s t m j no\n", "are not what ptst label writes"),
        (DRAWN_HEAD + "c,1,refused,2,s t m j no\n", "line 2: a weight and no reply"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        ('cell,"id"x,label\n', "cannot be read: behind line"),
        ('cell,"id,label\n', "cannot be read: behind line"),
    ],
)
def test_a_damaged_sheet_is_one_line(tmp_path: Path, content: str | bytes, words: str) -> None:
    file = tmp_path / "l.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read(file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sheet_that_is_not_there_or_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="ptst label makes it"):
        read(tmp_path / "none.csv")
    with pytest.raises(DataError, match="Is a directory"):
        read(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write([Label("c", "1", "refused")], tmp_path / "file" / "l.csv")
