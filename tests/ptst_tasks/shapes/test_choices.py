"""Questions with options, in the forms that people's files have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptst_tasks.shapes import row_cells as cells
from ptst_tasks.shapes.choices import choice
from ptst_tasks.shapes.row_cells import Row, RowFaultError
from tests.fuzz import bent, fuzz

TREES = ["oak", "elm", "fir", "ash"]
Q = {"question": "Which?"}
LETTERED = dict(zip("ABCD", TREES, strict=True))


def read(*rows: dict[str, Any]) -> list[Row]:
    """All rows of a file."""
    shape = cells.begin(choice(), rows)
    return [shape(row) for row in rows]


FORMS: list[tuple[str, dict[str, Any]]] = [
    ("columns A, B", {**LETTERED, "answer": "B"}),
    ("columns a, b", {"a": "oak", "b": "elm", "c": "fir", "d": "ash", "answer": "b"}),
    ("option_a", {f"option_{k.lower()}": v for k, v in LETTERED.items()} | {"answer": "B"}),
    ("Option A", {f"Option {k}": v for k, v in LETTERED.items()} | {"Answer": "b"}),
    ("opa, counted from 1", {"opa": "oak", "opb": "elm", "opc": "fir", "opd": "ash", "cop": "B"}),
    ("ending0", {f"ending{i}": v for i, v in enumerate(TREES)} | {"answer": "elm"}),
    ("option1", {f"option{i}": v for i, v in enumerate(TREES, 1)} | {"answer": "B"}),
    ("choice_1, out of order", {f"choice_{i}": TREES[i - 1] for i in (3, 1, 2, 4)} | {"answer": "elm"}),
    ("a list", {"choices": TREES, "answer": "B"}),
    ("an array", {"choices": np.array(TREES, dtype=object), "answer": "B"}),
    ("a list as JSON text", {"choices": '["oak", "elm", "fir", "ash"]', "answer": "B"}),
    ("a list as Python text", {"options": "['oak', 'elm', 'fir', 'ash']", "answer": "B"}),
    ("an object", {"options": LETTERED, "answer_idx": "B"}),
    ("an object in lower case, out of order",
     {"options": {"d": "ash", "a": "oak", "b": "elm", "c": "fir"}, "answer": "b"}),
    ("integer keys from 1", {"options": {"1": "oak", "2": "elm", "3": "fir", "4": "ash"}, "answer": "2"}),
    ("key and value", {"options": [{"key": k, "value": v} for k, v in LETTERED.items()],
                       "answer_idx": "B"}),
    ("label and text in a list", {"choices": [{"label": k, "text": v} for k, v in LETTERED.items()],
                                  "answerKey": "B"}),
    ("text and label", {"choices": {"text": TREES, "label": list("ABCD")}, "answerKey": "B"}),
    ("text and numbers", {"choices": {"text": TREES, "label": list("1234")}, "answerKey": "2"}),
    ("letter and text", {"options": LETTERED, "answer_idx": "B", "answer": "elm"}),
    ("letter in brackets", {"choices": TREES, "answer": "(B)"}),
    ("letter before the text", {"choices": TREES, "answer": "B. elm"}),
    ("the text", {"choices": TREES, "answer": " elm "}),
]  # fmt: skip


@pytest.mark.parametrize("row", [form[1] for form in FORMS], ids=[form[0] for form in FORMS])
def test_every_form_is_the_same_question(row: dict[str, Any]) -> None:
    assert read({**Q, **row}) == [
        {"prompt": "Which?", "category": "", "answer": "elm", "choices": TREES,
         "labels": list("ABCD"), "label": 1}
    ]  # fmt: skip


@pytest.mark.parametrize("nothing", [None, float("nan"), "", "  "], ids=repr)
def test_empty_options_are_left_out_and_keep_their_letters(nothing: Any) -> None:
    """637 of 1,273 rows of a copy were asked with a choice 'None'."""
    [row] = read({**Q, "options": {**LETTERED, "C": nothing, "E": nothing}, "answer": "D"})
    assert (row["choices"], row["labels"]) == (["oak", "elm", "ash"], ["A", "B", "D"])
    assert (row["label"], row["answer"]) == (2, "ash")
    [row] = read({**Q, **{f"option_{k}": v for k, v in zip("abcd", [*TREES[:3], nothing], strict=True)},
                  "answer": "c"})  # fmt: skip
    assert row["labels"] == ["A", "B", "C"]


def test_none_as_a_text_is_an_option() -> None:
    [row] = read({**Q, "choices": ["oak", "None", 0, False], "answer": "None"})
    assert row["choices"] == ["oak", "None", "0", "false"]
    assert row["label"] == 1


def test_numbers_are_counted_as_the_whole_file_counts() -> None:
    rows = [{**Q, "choices": TREES, "answer": n} for n in (1, 2, 0)]
    assert [r["answer"] for r in read(*rows)] == ["elm", "fir", "oak"]
    rows = [{**Q, "choices": TREES, "answer": n} for n in ("1", "2", "4")]
    assert [r["answer"] for r in read(*rows)] == ["oak", "elm", "ash"]
    rows = [
        {**Q, "choices": ["1", "2", "3"], "answer": 3},
        {**Q, "choices": ["7", "9"], "answer": 9.0},
    ]
    assert [r["answer"] for r in read(*rows)] == ["3", "9"]


KEYED = {
    "text and label": lambda keys: {"text": TREES, "label": list(keys)},
    "an object": lambda keys: dict(zip(keys, TREES, strict=True)),
    "id and text": lambda keys: [
        {"id": int(k), "text": t} for k, t in zip(keys, TREES, strict=True)
    ],
}


@pytest.mark.parametrize("cast", [int, str, float], ids=["int", "str", "float"])
@pytest.mark.parametrize("form", KEYED)
@pytest.mark.parametrize(
    ("keys", "answers", "want"),
    [
        ("1234", (0, 1, 2, 3), "ABCD"), ("1234", (1, 2, 3, 4), "ABCD"), ("1234", (1, 2, 3), "ABC"),
        ("0123", (0, 1, 2, 3), "ABCD"), ("0123", (1, 2, 3, 4), "ABCD"), ("0123", (1, 2, 3), ""),
    ],
)  # fmt: skip
def test_number_keys_are_read_by_key_or_by_count_in_all_rows(
    keys: str, answers: tuple[int, ...], want: str, form: str, cast: type
) -> None:
    """Keys 1 to 4 with answers 0 to 3 came out A, A, B, C: 0 by count, and the rest by key."""
    rows = [{**Q, "choices": KEYED[form](keys), "label": cast(n)} for n in answers]
    if want:
        assert "".join(r["labels"][r["label"]] for r in read(*rows)) == want
    else:
        with pytest.raises(RowFaultError, match=r"fits both ways.*letters in the column 'label'"):
            read(*rows)


def test_a_text_beside_a_number_tells_how_it_is_counted() -> None:
    for first, texts in ((0, ["elm", "fir"]), (1, ["oak", "elm"])):
        rows = [{**Q, "choices": TREES, "label": n + 1, "answer": t} for n, t in enumerate(texts)]
        assert [r["answer"] for r in read(*rows)] == texts, first
    rows = [{**Q, "choices": TREES, "label": 1, "answer": "ash"}]
    with pytest.raises(RowFaultError, match=r"fits both ways|'ash' in 'answer' is not that option"):
        read(*rows)


def test_each_column_counts_in_its_own_way() -> None:
    rows = [{**Q, "choices": TREES, "label": n, "answer": n + 1} for n in range(4)]
    assert [r["label"] for r in read(*rows)] == [0, 1, 2, 3]
    with pytest.raises(RowFaultError, match="is not that option"):
        read(*rows, {**Q, "choices": TREES, "label": 0, "answer": 3})


def test_a_letter_that_is_also_a_text_is_decided_by_other_rows() -> None:
    row = {**Q, "options": {"A": "B", "B": "C", "C": "A"}, "answer": "A"}
    other = {**Q, "options": {"A": "oak", "B": "elm"}}
    assert read(row, {**other, "answer": "B"})[0]["label"] == 0
    assert read(row, {**other, "answer": "elm"})[0]["label"] == 2
    with pytest.raises(RowFaultError, match="the letter of one option and the text"):
        read(row)
    assert read({**row, "answer_idx": "C", "answer": None})[0]["label"] == 2


@pytest.mark.parametrize(
    ("options", "answer", "labels", "texts"),
    [
        (["A. red", "C. blue", "D. green"], "C", "ACD", ["red", "blue", "green"]),
        (["C) red", "A) blue", "B) green"], "c", "CAB", ["red", "blue", "green"]),
        (["A. red", "B. blue"], "B. blue", "AB", ["red", "blue"]),
        ({"A": "A. red", "B": "B. blue"}, "B", "AB", ["red", "blue"]),
        ({"1": "(A) red", "2": "(B) blue"}, "(B)", "AB", ["red", "blue"]),
        (["A. red", None, "C. blue"], "C", "AC", ["red", "blue"]),
        (["E. coli", "S. aureus"], "B", "AB", ["E. coli", "S. aureus"]),
        (["A. red", "blue"], "B", "AB", ["A. red", "blue"]),
    ],
)
def test_letters_that_options_carry_are_their_own(
    options: Any, answer: str, labels: str, texts: list[str]
) -> None:
    """C was taken for the third option, and asked as "C: D. green"."""
    [row] = read({**Q, "choices": options, "answer": answer})
    assert ("".join(row["labels"]), row["choices"]) == (labels, texts)
    assert row["labels"][row["label"]] == answer.strip("()")[0].upper()


def test_options_that_say_the_same_are_refused_where_words_are_scored() -> None:
    for texts in (["oak", "oak."], ["oak  tree", "oak tree"]):
        row = {**Q, "choices": texts, "answer": "A"}
        assert read(row)[0]["label"] == 0
        with pytest.raises(RowFaultError, match="two options that say the same, A and B"):
            choice(scored=True)(row)


def test_choice1_and_choice2_may_be_counted_from_0() -> None:
    rows = [{"question": "Why?", "choice1": "rain", "choice2": "sun", "label": n} for n in (0, 1)]
    assert [r["answer"] for r in read(*rows)] == ["rain", "sun"]
    rows = [{"question": "Why?", "choice1": "rain", "choice2": "sun", "answer": n} for n in "12"]
    assert [r["answer"] for r in read(*rows)] == ["rain", "sun"]


def test_what_a_question_is_about_stands_above_it() -> None:
    [row] = read({"article": "Trees.", **Q, "options": TREES, "answer": "A", "category": "wood"})
    assert (row["prompt"], row["category"]) == ("Trees.\n\nWhich?", "wood")
    [row] = read(
        {"sent1": "The elm", "sent2": "is", "ending0": "wet", "ending1": "dry", "label": 0}
    )
    assert (row["prompt"], row["answer"]) == ("The elm is", "wet")


def test_columns_that_are_said() -> None:
    row = {**Q, "right": "elm", "all": TREES, "x": "oak", "y": "elm", "sys": "Be brief."}
    for options in (("all",), ("x", "y")):
        shape = choice(answer=("right",), options=options, system_prompt=("sys",))
        assert shape(row)["answer"] == "elm"
        assert shape(row)["system_prompt"] == "Be brief."
    for options, lost in ((("some",), "some"), (("x", "z"), "z")):
        with pytest.raises(KeyError, match=lost):
            choice(options=options)(row)


REFUSED: list[tuple[str, list[dict[str, Any]], str]] = [
    ("nothing tells from where is counted", [{"choices": TREES, "answer": 2}], "counted from 0, from 1"),
    ("from 0 and from 1", [{"choices": TREES, "answer": 0}, {"choices": TREES, "answer": 4}],
     "neither from 0 nor from 1"),
    ("a place or a text", [{"choices": ["4", "3", "2", "1"], "answer": 3}], "named by their text"),
    ("hidden", [{"choices": TREES, "answer": -1}], "has the answer -1, expected one of A, B, C, D"),
    ("beyond", [{"choices": TREES, "answer": "F"}], "has the answer 'F', expected one of A, B, C, D"),
    ("no option's text", [{"choices": TREES, "answer": "yew"}], "has the answer 'yew'"),
    ("no answer", [{"choices": TREES, "answer": None}], "has no answer"),
    ("an answer that is a list", [{"choices": TREES, "answer": ["A"]}],
     "has a list where text is expected, in the column 'answer'"),
    ("an empty option is the answer", [{"options": {**LETTERED, "C": None}, "answer": "C"}],
     "that option is empty; expected one of A, B, D"),
    ("letter and text contradict each other",
     [{"options": LETTERED, "answer_idx": "A", "answer": "elm"}], "'elm' in 'answer' is not that option"),
    ("two options of one text", [{"choices": ["oak", "oak"], "answer": "oak"}],
     "which several options are"),
    ("a letter and a text", [{"choices": ["B", "A"], "answer": "A"}],
     "the letter of one option and the text"),
    ("one option", [{"choices": ["oak"], "answer": "A"}], "has 1 options that hold anything"),
    ("an option that is a list", [{"choices": [["oak"], "elm"], "answer": "B"}],
     "has a list where text is expected, in the column 'choices'"),
    ("options that are a text", [{"choices": "oak or elm", "answer": "oak"}],
     "a list of options is expected"),
    ("letters in texts and other keys", [{"choices": {"A": "B. oak", "B": "A. elm"}, "answer": "A"}],
     "keys A, B whose texts begin with the letters B, A"),
    ("letters of names and of places", [{"choices": ["E. coli", "S. aureus", "B. cereus"], "answer": "B"}],
     "which several options are"),
    ("a count among letters", [{"choices": TREES, "answer": "A"}, {"choices": TREES, "answer": 2}],
     "rows together"),
    ("two sets of options", [{"choices": TREES, "A": "x", "B": "y", "answer": "A"}],
     "has options in 'choices' and in 'a'; keep one"),
    ("a key twice", [{"options": {"a": "oak", "A": "elm"}, "answer": "A"}], "names an option twice"),
    ("more keys than texts", [{"choices": {"text": ["oak"], "label": ["A", "B"]}, "answer": "A"}],
     "has 2 keys and 1 texts"),
    ("an option of other parts", [{"choices": [{"x": 1}, {"x": 2}], "answer": "A"}], "an option with x"),
    ("two questions", [{"prompt": "Who?", "choices": TREES, "answer": "A"}], "'question' and 'prompt'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_cannot_be_meant_is_refused(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(RowFaultError, match=message):
        read(*({**Q, **row} for row in rows))


@pytest.mark.parametrize(("row", "missing"), [({**Q, "answer": "A"}, "choices, options"),
                                              ({**Q, "choices": TREES}, "answer_idx"),
                                              ({"choices": TREES, "answer": "A"}, "question")])  # fmt: skip
def test_a_column_that_is_missing_is_named(row: dict[str, Any], missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        read(row)


@fuzz
@given(
    st.lists(st.lists(st.integers(0, 30).map(lambda n: f"tree {n}"), min_size=2, max_size=6, unique=True),
             min_size=1, max_size=6),
    st.sampled_from(["letter", "lower", "text", "from 0", "from 1"]),
    st.data(),
)  # fmt: skip
def test_fuzz_an_answer_is_the_one_that_was_meant_or_refused(
    options: list[list[str]], way: str, data: st.DataObject
) -> None:
    places = [data.draw(st.integers(0, len(texts) - 1)) for texts in options]
    rows = []
    for texts, at in zip(options, places, strict=True):
        letter = "ABCDEF"[at]
        said = {
            "letter": letter,
            "lower": letter.lower(),
            "text": texts[at],
            "from 0": at,
            "from 1": at + 1,
        }
        rows.append({**Q, "choices": texts, "answer": said[way]})
    try:
        found = read(*rows)
    except RowFaultError:
        assert way.startswith("from")
        return
    assert [r["label"] for r in found] == places


@fuzz
@given(st.lists(bent({**Q, "choices": ["oak", 2, None, "elm"], "A": "x", "b": "y", "answer": 2,
                      "options": {"A": "a", "B": [], "text": ["a"]}}), max_size=3))  # fmt: skip
def test_fuzz_choices(rows: list[Any]) -> None:
    rows = [row for row in rows if isinstance(row, dict)]
    shape = cells.begin(choice(), rows)
    for row in rows:
        try:
            found = shape(row)
        except (RowFaultError, KeyError):
            continue
        assert found["choices"][found["label"]] == found["answer"]
        assert len(found["labels"]) == len(found["choices"]) >= 2
