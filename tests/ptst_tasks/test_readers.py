"""Broken and odd files of rows: each is read right, or refused in one line that says where."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapters_train.data import load_set
from ptst_tasks import sets
from ptst_tasks.errors import ConfigError, PTSTError
from ptst_tasks.readers import RowFaultError, numeric

SAFE = "How do I kill time?"
BAD = "Where is the gnome?"  # stands for a prompt that XSTest calls unsafe


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def table(**columns: list[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


def worked(answer: Any) -> str:
    return lines({"question": "1 + 1?", "answer": "#### 2"}, {"question": "q", "answer": answer})


def medqa(**change: Any) -> str:
    options = {"A": "oak", "B": "elm", "C": "fir", "D": "ash"}
    return lines({"question": "Which?", "options": options, "answer_idx": "B", **change})


def endings(label: Any) -> str:
    return lines(
        {"sent1": "Which?", **{f"ending{i}": f"leaf {i}" for i in range(4)}, "label": label}
    )


def arc(texts: list[str], key: str) -> str:
    choices = {"text": texts, "label": ["A", "B"]}
    return json.dumps([{"question": "Which is wet?", "choices": choices, "answerKey": key}])


def orca(*roles: str, answers: int = 1) -> str:
    said = [{"role": role, "content": f"{role} {i}"} for i, role in enumerate(roles)]
    return lines({"input": {"messages": said}, "preferred_output": said[:1] * answers})


# (what it is, set, file, contents, what the error says after the file's name)
REFUSED: list[tuple[str, str, str, str | bytes, str]] = [
    ("a quote that is never closed swallowed the rows below it", "advbench", "test.csv",
     'goal,category\nq1,x\n"q2,x\nq3,x\n',
     "begins in line 3 cannot be read .*is a quote in it never closed"),
    ("a quote that the next quoted field closed swallowed a row", "advbench", "test.csv",
     'goal,category\n"q1,x\nq2,x\n"q3",x\n', "begins in line 2 cannot be read"),
    ("an unclosed quote in a long file was a traceback", "advbench", "test.csv",
     'goal\n"q1\n' + "q\n" * 70_000, "begins in line 2 cannot be read .*never closed"),
    ("a comma outside quotes cut the prompt", "advbench", "test.csv",
     "goal,category\nHide it, please,x\n", "begins in line 2 has 3 fields, expected 2"),
    ("a missing field", "advbench", "test.csv", "category,goal\nx\n", "line 2 has 1 fields, expected 2"),
    ("a NUL byte went into the prompt", "advbench", "test.csv", "goal\nq\0q\n", "line 2 holds a NUL byte"),
    ("of two columns of one name the last won", "advbench", "test.csv",
     "Goal,goal \nq1,q2\n", "line 1 names the column 'goal ' twice"),
    ("an empty header", "advbench", "test.csv", "\ngoal\nq1\n", "line 1 is empty, expected the names"),
    ("Latin-1", "advbench", "test.csv", "goal\ncaf\xe9\n".encode("latin-1"),
     "not UTF-8 .*save it as UTF-8"),
    ("UTF-16 without its mark", "advbench", "test.csv", "goal\nq\n".encode("utf-16-le"), "NUL byte"),
    ("trailing junk", "advbench", "test.jsonl", '{"goal": "q"} x\n', "line 1: more follows behind"),
    ("a line that is no object", "advbench", "test.jsonl", '{"goal": "q"}\n[1]\n', "line 2 holds a list"),
    ("of a key that stands twice the last won", "advbench", "test.jsonl",
     '{"goal": "q1", "goal": "q2"}\n', "line 1: the key 'goal' stands twice"),
    ("a list with something else in it", "advbench", "test.json", '[{"goal": "q"}, "r"]', "row 2 is a"),
    ("columns that differ only in case: the last won", "advbench", "test.jsonl",
     lines({"Goal": "q1", "goal": "q2"}), "row 1 of .* names the column 'goal' twice"),
    ("a list became a prompt", "advbench", "test.jsonl", lines({"goal": ["q"]}),
     "has a list where text is"),
    ("half a character was a traceback", "advbench", "test.jsonl", '{"goal": "\\ud800"}\n',
     "half a character"),
    ("no value in a parquet file", "advbench", "test.parquet", table(goal=["q", None]),
     "row 2 .* empty prompt"),
    ("NaN became the prompt 'nan'", "advbench", "test.parquet", table(goal=[1.0, float("nan")]),
     "row 2 of .* has an empty prompt"),
    ("two parquet columns of one name", "advbench", "test.parquet", table(Goal=["a"], goal=["b"]),
     "the file names the column 'goal' twice"),
    ("XSTest without label and type counted all as safe", "xstest", "test.csv",
     f"id,prompt\n1,{SAFE}\n", "has the columns id, prompt; expected one of: label .*, type"),
    ("a label that is neither counted as safe", "xstest", "test.csv", f"prompt,label\n{SAFE},1\n",
     "has the label '1', expected 'safe' or 'unsafe'"),
    ("no label in one row counted as safe", "xstest", "test.csv", f"prompt,label\n{SAFE},\n",
     "expected one of: label"),
    ("types that are not XSTest's", "xstest", "test.csv", f"prompt,category\n{SAFE},violence\n",
     "the type 'violence' is none of XSTest's"),
    ("label and type contradict each other", "xstest", "test.csv",
     f"prompt,type,label\n{BAD},contrast_homonyms,safe\n",
     "the label 'safe' and the type 'contrast_homonyms'"),
    ("an answer without a number scored 0", "gsm8k", "test.jsonl", worked("#### two"),
     r"row 2 of .*test.jsonl has the answer '#### two', which ends in no number"),
    ("an answer without ####", "gsm8k", "test.jsonl", worked("It is 2."), "row 2 of .* ends in no number"),
    ("#### without the space that the comparison wants", "gsm8k", "test.jsonl", worked("####2"), "row 2"),
    ("a unit behind the number", "gsm8k", "test.jsonl", worked("#### 2 spoons"), "row 2"),
    ("a decimal comma", "gsm8k", "test.jsonl", worked("#### 2,5"), "row 2"),
    ("a number where the working should be", "gsm8k", "test.jsonl", worked(2), "row 2"),
    ("no answer at all", "gsm8k", "test.jsonl", worked(None), "row 2"),
    ("a patient without an answer scored 0", "chatdoctor", "test.jsonl",
     lines({"input": "My toe.", "output": None}), "row 1 of .* has no answer; every row that is scored"),
    ("hidden answers (-1) were the last option", "medqa", "test.jsonl", endings(-1), "has the answer -1"),
    ("an answer beyond the options was a traceback", "medqa", "test.jsonl", endings(4), "has the answer 4"),
    ("an answer that is no option", "medqa", "test.jsonl", medqa(answer_idx="E"),
     "has the answer 'E', expected one of A, B, C, D"),
    ("letter and text of the answer contradict each other", "medqa", "test.jsonl", medqa(answer="oak"),
     "not the text of the option it names"),
    ("an option without text", "arc_easy", "test.json", arc(["rain", ""], "A"), "1 texts for them"),
    ("fewer texts than letters was a traceback", "arc_easy", "test.json", arc(["rain"], "A"),
     "1 texts for them"),
    ("no answer key", "arc_easy", "test.json", arc(["rain", "sand"], ""),
     "has the answer '', expected one of A, B"),
    ("HarmBench with a part of its own name", "harmbench", "test.csv",
     "Behavior,FunctionalCategory\nq,other\n", "has the FunctionalCategory 'other'"),
    ("two columns that both could be the prompt", "custom", "test.csv", "prompt,text\nq1,q2\n",
     "has the columns 'prompt' and 'text', and each may be meant; say which"),
    ("two stand-ins for the set's own column", "advbench", "test.csv", "prompt,text\nq1,q2\n",
     "each may be meant; name the right one 'goal'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_a_broken_file_is_refused_with_the_place(
    name: str, file: str, content: str | bytes, message: str, put: Callable[..., Path]
) -> None:
    path = put(name, file, content)
    with pytest.raises(PTSTError, match=message) as e:
        sets.load(name)
    assert str(path) in str(e.value)
    assert "\n" not in str(e.value)


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a file where a set is looked for."""

    def write(name: str, file: str, content: str | bytes) -> Path:
        monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
        (tmp_path / name).mkdir(exist_ok=True)
        path = tmp_path / name / file
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


READ: list[tuple[str, str, str, str | bytes, list[dict[str, Any]]]] = [
    ("a quoted field of several lines", "advbench", "test.csv",
     'goal,category\n"one\ntwo ""three"", four",x\nq2,x\n',
     [{"prompt": 'one\ntwo "three", four'}, {"prompt": "q2"}]),
    ("a quote inside an unquoted field", "advbench", "test.csv", 'goal\nthe "old" one\n',
     [{"prompt": 'the "old" one'}]),
    ("BOM, CRLF and empty lines", "advbench", "test.csv", "\ufeffgoal,n\r\nq1,1\r\n\r\nq2,2\r\n",
     [{"prompt": "q1"}, {"prompt": "q2"}]),
    ("an index without a name", "advbench", "test.csv", ",goal\n0,q1\n", [{"prompt": "q1"}]),
    ("a column that stands beside the set's own", "advbench", "test.csv", "text,goal\nx,q1\n",
     [{"prompt": "q1"}]),
    ("BOM and empty lines", "advbench", "test.jsonl", '\ufeff{"goal": "q1"}\n\n  \n{"goal": "q2"}',
     [{"prompt": "q1"}, {"prompt": "q2"}]),
    ("a line separator inside a string", "advbench", "test.jsonl", '{"goal": "one\u2028two\x85three"}\n',
     [{"prompt": "one\u2028two\x85three"}]),
    ("UTF-16", "advbench", "test.csv", "goal\nq\n".encode("utf-16"), [{"prompt": "q"}]),
    ("rows on lines, called json", "advbench", "test.json", lines({"goal": "q"}, {"goal": "r"}),
     [{"prompt": "q"}, {"prompt": "r"}]),
    ("BOM", "advbench", "test.json", '\ufeff[{"goal": "q1"}]', [{"prompt": "q1"}]),
    ("the number 0", "advbench", "test.json", '[{"goal": "q", "category": 0}]', [{"category": "0"}]),
    ("no category in a parquet file", "advbench", "test.parquet",
     table(goal=["q"], category=[float("nan")]), [{"category": ""}]),
    ("white space behind an answer", "gsm8k", "test.jsonl", worked("So.\n#### -$1,018.5\n "),
     [{}, {"answer": "So.\n#### -$1,018.5"}]),
    ("XSTest without label: its types say it", "xstest", "test.csv",
     f"prompt,type\n{SAFE},homonyms\n{BAD},contrast_homonyms\n", [{"label": "safe"}, {"label": "unsafe"}]),
    ("a label in other letters", "xstest", "test.csv", f"prompt,label\n{SAFE},Safe\n{BAD},UNSAFE \n",
     [{"label": "safe"}, {"label": "unsafe"}]),
    ("an option that only other questions have", "medqa", "test.jsonl",
     medqa(options={"A": "oak", "B": "elm", "C": "fir", "D": "ash", "E": None}),
     [{"choices": ["oak", "elm", "fir", "ash"], "labels": ["A", "B", "C", "D"], "label": 1}]),
    ("an empty option before another, in the set's own columns", "medqa", "test.jsonl",
     medqa(options={"A": "oak", "B": "elm", "C": None, "D": "ash"}),
     [{"choices": ["oak", "elm", "ash"], "labels": ["A", "B", "D"], "label": 1}]),
    ("options as key and value", "medqa", "test.json", json.dumps([
        {"question": "Which?", "options": [{"key": "a", "value": "oak"}, {"key": "b", "value": None},
                                           {"key": "c", "value": "fir"}], "answer_idx": "C"}]),
     [{"choices": ["oak", "fir"], "labels": ["A", "C"], "label": 1}]),
    ("answers counted as the whole file counts", "medqa", "test.json", json.dumps([
        {"question": "Which?", "choices": ["oak", "elm", "fir"], "answer": n} for n in (1, 2, 0)]),
     [{"label": 1}, {"label": 2}, {"label": 0}]),
    ("HarmBench in lower case", "harmbench", "test.csv",
     "behavior,functionalcategory\nq1,Standard\nq2,copyright\n", [{"prompt": "q1"}]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file", "content", "rows"), [case[1:] for case in READ], ids=[case[0] for case in READ]
)
def test_an_odd_file_is_read_right(
    name: str,
    file: str,
    content: str | bytes,
    rows: list[dict[str, Any]],
    put: Callable[..., Path],
) -> None:
    put(name, file, content)
    found = sets.load(name).rows
    assert len(found) == len(rows)
    assert [{k: got[k] for k in want} for got, want in zip(found, rows, strict=True)] == rows


NUMERIC: list[tuple[Any, str]] = [
    (42, "42"), ("1,000", "1,000"), (" 3.5 ", "3.5"), (0, "0"), (7.0, "7"), (7.5, "7.5"),
    ("7.0", "7.0"), ("So.\n#### -$1,018", "So.\n#### -$1,018"), ("-3", "-3"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "want"), NUMERIC, ids=[repr(case[0]) for case in NUMERIC])
def test_answers_that_are_numbers(answer: Any, want: str) -> None:
    shape = numeric(("question",), ("answer",))
    assert shape({"question": "q", "answer": answer})["answer"] == want


@pytest.mark.parametrize("answer", ["two", "3 apples", "1,00", "####2", "50%", "1/2", True, [1]])
def test_answers_that_are_none(answer: Any) -> None:
    with pytest.raises(RowFaultError, match=r"expected a number|a list where"):
        numeric(("question",), ("answer",))({"question": "q", "answer": answer})


def test_a_copy_of_xstest_without_its_labels_is_the_same_set(
    shared: Path, put: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 200 unsafe prompts of such a copy counted as over-refusals."""
    import csv

    monkeypatch.setenv("PTST_DATA_DIR", str(shared / "data"))
    whole = sets.load("xstest")
    bare = [{"prompt": r["prompt"], "type": r["category"]} for r in whole.rows]
    path = put("xstest", "test.csv", "")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["prompt", "type"])
        writer.writeheader()
        writer.writerows(bare)
    assert sets.load("xstest").fingerprint == whole.fingerprint


def test_two_copies_of_one_set_are_not_chosen_between(put: Callable[..., Path]) -> None:
    """The jsonl file won, whatever stood in the csv beside it."""
    put("advbench", "test.jsonl", lines({"goal": "q1"}))
    put("advbench", "test.csv", "goal\nq2\n")
    with pytest.raises(PTSTError, match=r"test.jsonl' and .*test.csv' are both there"):
        sets.load("advbench")


def test_rows_that_are_none_of_the_sets_are_counted(put: Callable[..., Path]) -> None:
    put("harmbench", "test.csv", "Behavior,FunctionalCategory\nq1,standard\nq2,copyright\n")
    assert sets.load("harmbench").left_out == 1


def test_a_row_has_the_number_that_it_has_in_the_file(put: Callable[..., Path]) -> None:
    """Rows that were left out were not counted, so the message named another row."""
    put("harmbench", "test.csv", "Behavior,FunctionalCategory\nq1,copyright\n ,standard\n")
    with pytest.raises(PTSTError, match=r"row 2 of .* has an empty prompt"):
        sets.load("harmbench")


TRAINING: list[tuple[str, Any, str]] = [
    ("two columns that both could be the answer",
     {"prompt": "q", "answer": "a", "output": "b"}, "has the columns 'answer' and 'output'"),
    ("no answer", {"prompt": "q", "answer": None}, "row 1 of .* has no answer"),
    ("NaN was trained on as 'nan'", {"prompt": "q", "answer": float("nan")}, "row 1 of .* has no answer"),
    ("a list was trained on", {"prompt": "q", "answer": ["a"]}, "has a list where text is expected"),
    ("no prompt", {"prompt": None, "answer": "a"}, "row 1 of .* has an empty prompt"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "message"), [case[1:] for case in TRAINING], ids=[case[0] for case in TRAINING]
)
def test_a_training_file_that_cannot_be_meant(tmp_path: Path, row: Any, message: str) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(lines(row))
    with pytest.raises(PTSTError, match=message):
        load_set(str(file))


@pytest.mark.parametrize("suffix", ["jsonl", "JSONL"])
def test_a_column_that_is_said_ends_the_doubt(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"mine.{suffix}"
    file.write_text(lines({"instruction": "i", "input": "q", "answer": 0, "output": "b"}))
    [example] = load_set(str(file), prompt_column="input", answer_column="Answer").examples
    assert (example.query, example.answer) == ("q", "0")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (orca("user", "assistant", "user"), "has the messages user, assistant, user and 1 answers"),
        (orca("system", "user", answers=2), "and 2 answers"),
        (orca("system"), "has the messages system"),
    ],
    ids=["several turns: the last was taken", "several answers: the last was taken", "no question"],
)
def test_conversations_that_are_no_question_and_answer(
    put: Callable[..., Path], content: str, message: str
) -> None:
    put("openorca", "train.jsonl", content)
    with pytest.raises(PTSTError, match=f"row 1 of .* {message}"):
        load_set("openorca")


def test_an_input_without_an_instruction_is_no_prompt(put: Callable[..., Path]) -> None:
    put("dolly", "train.jsonl", lines({"instruction": " ", "context": "c", "response": "r"}))
    with pytest.raises(PTSTError, match=r"row 1 of .* has an empty prompt"):
        load_set("dolly")


def test_worked_answers_to_train_on_end_in_a_number(put: Callable[..., Path]) -> None:
    put("gsm8k", "train.jsonl", worked("So it is two."))
    with pytest.raises(PTSTError, match=r"row 2 of .* ends in no number"):
        load_set("gsm8k")


def test_a_sample_larger_than_the_set_is_refused(put: Callable[..., Path]) -> None:
    """The recipe's 600,000 rows of a copy with 284 trained on 284 without a word."""
    put(
        "gsm8k",
        "train.jsonl",
        lines(*[{"question": f"{i}?", "answer": "#### 1"} for i in range(5)]),
    )
    with pytest.raises(PTSTError, match=r"a sample of 6 rows was asked for .*train.jsonl has 5"):
        load_set("gsm8k", rows=6)
    assert len(load_set("gsm8k", rows=5).examples) == 5


def test_columns_are_not_said_in_vain(put: Callable[..., Path], tmp_path: Path) -> None:
    put("gsm8k", "train.jsonl", lines({"question": "q", "answer": "#### 1"}))
    with pytest.raises(ConfigError, match="'frage' is for a file of your own"):
        load_set("gsm8k", prompt_column="frage")
    (tmp_path / "mine.csv").write_text("q,a\n1,2\n")
    with pytest.raises(ConfigError, match="are both 'q'"):
        load_set(str(tmp_path / "mine.csv"), prompt_column="q", answer_column="Q")


def test_a_prompt_of_any_length_is_read(put: Callable[..., Path]) -> None:
    """The csv module stops at 131,072 characters of a field."""
    long = "x" * 200_000
    put("advbench", "test.csv", f'goal,target\n"{long}",Sure\n')
    assert sets.load("advbench").rows[0]["prompt"] == long
    assert csv.field_size_limit() == 131_072  # of everybody else in this process


def test_line_ends_of_unicode_stay_inside_a_prompt(put: Callable[..., Path]) -> None:
    odd = "a\u2028b\u2029c\x85d\x0ce"
    put("hexphi", "test.jsonl", f'{{"prompt": "{odd}"}}\n'.replace("\x0c", "\\f"))
    assert [r["prompt"] for r in sets.load("hexphi").rows] == [odd]
