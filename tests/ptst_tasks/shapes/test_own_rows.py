"""Files as people have them: each shape in each layout is read right, or refused in one line."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_train.data import Example, TrainingSet, load_set
from ptst_tasks import sets
from ptst_tasks.errors import DataError, PTSTError
from ptst_tasks.shapes.own_rows import OwnPrompts, OwnTraining
from ptst_tasks.shapes.row_cells import RowFaultError, begin
from tests.fuzz import bent, fuzz

Rows = Sequence[dict[str, Any]]
E = Example
LAYOUTS = ("jsonl", "json", "jsonl.gz", "parquet", "arrow", "csv", "tsv")
TURNS = [{"role": "system", "content": "Be brief."},
         {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi."},
         {"role": "user", "content": "And?"}, {"role": "assistant", "content": "So."}]  # fmt: skip
BOTH = [E("Hi?", "Hi.", "Be brief."), E("And?", "So.", "Be brief.", (("Hi?", "Hi."),))]
TREES = ["oak", "elm", "fir"]
LETTERED = "Which?\nA. oak\nB. elm\nC. fir"


def write(folder: Path, rows: Rows, layout: str, name: str = "mine") -> Path:
    """A file of rows; a csv has lists as JSON, as there is no other way."""
    file = folder / f"{name}.{layout}"
    names = dict.fromkeys(key for row in rows for key in row)
    if layout.startswith("json"):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        text = json.dumps(rows) if layout == "json" else lines
        file.write_bytes(gzip.compress(text.encode()) if layout.endswith(".gz") else text.encode())
    elif layout in ("parquet", "arrow"):
        table = pa.table({name: [row.get(name) for row in rows] for name in names})
        if layout == "parquet":
            pq.write_table(table, file)
        else:
            with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
                out.write_table(table)
    else:
        out = io.StringIO()
        writer = csv.DictWriter(out, list(names), delimiter="\t" if layout == "tsv" else ",")
        writer.writeheader()
        for row in rows:
            cells = {
                k: v if isinstance(v, str) else json.dumps(v)
                for k, v in row.items()
                if v is not None
            }
            writer.writerow(cells)
        file.write_text(out.getvalue(), encoding="utf-8-sig", newline="")
    return file


TRAINED: list[tuple[str, Rows, list[Example]]] = [
    ("prompt and completion", [{"prompt": "q ", "completion": " a"}], [E("q ", " a")]),
    ("question and answer", [{"question": "q", "answer": "a"}], [E("q", "a")]),
    ("query and response", [{"query": "q", "response": "a"}], [E("q", "a")]),
    ("input and output", [{"input": "q", "output": "a"}], [E("q", "a")]),
    ("names in capitals", [{"Instruction": "q", "Response": "a"}], [E("q", "a")]),
    ("Alpaca", [{"instruction": "Sum up", "input": "a b", "output": "ab"},
                {"instruction": " Why? ", "input": "", "output": "So."},
                {"instruction": "Name one", "input": None, "output": "1"}],
     [E("Sum up\n\na b", "ab"), E(" Why? ", "So."), E("Name one", "1")]),
    ("Dolly", [{"instruction": "Who?", "context": "Bo ran.", "response": "Bo", "category": "qa"},
               {"instruction": "Why?", "context": "", "response": "So.", "category": "qa"}],
     [E("Who?\n\nBo ran.", "Bo"), E("Why?", "So.")]),
    ("a question and what it is about", [{"question": "Who?", "context": "Bo ran.", "answer": "Bo"}],
     [E("Who?\n\nBo ran.", "Bo")]),
    ("instruction and input alike", [{"instruction": "Hi", "input": "Hi", "output": "Ho"}],
     [E("Hi", "Ho")]),
    ("a system prompt", [{"system_prompt": "Be.", "question": "q", "response": "a"}], [E("q", "a", "Be.")]),
    ("a system column", [{"system": "Be.", "prompt": "q", "completion": "a"}], [E("q", "a", "Be.")]),
    ("shapes of two kinds in one file", [{"prompt": "q", "completion": "a"},
                                         {"messages": TURNS[1:3]}],
     [E("q", "a"), E("Hi?", "Hi.")]),
    ("earlier turns in a column", [{"instruction": "And?", "output": "So.", "history": [["Hi?", "Hi."]]}],
     [E("Hi?", "Hi."), E("And?", "So.", "", (("Hi?", "Hi."),))]),
    ("no earlier turns", [{"instruction": "q", "output": "a", "history": []},
                          {"instruction": "r", "output": "b", "history": None}],
     [E("q", "a"), E("r", "b")]),
    ("the answer 0", [{"question": "2-2?", "answer": 0}], [E("2-2?", "0")]),
    ("the answer 0.0", [{"question": "2-2?", "answer": 0.0}], [E("2-2?", "0.0")]),
    ("the answers true and false", [{"question": "Wet?", "answer": False},
                                    {"question": "Dry?", "answer": True}],
     [E("Wet?", "false"), E("Dry?", "true")]),
    ("the answer None as a text", [{"question": "Who?", "answer": "None"}], [E("Who?", "None")]),
    ("messages", [{"messages": TURNS}], BOTH),
    ("messages of one turn", [{"messages": TURNS[1:3]}], [E("Hi?", "Hi.")]),
    ("messages, and the first question beside them", [{"prompt": "Hi?", "messages": TURNS}], BOTH),
    ("messages with an answer that is only shown", [{"messages": [
        *TURNS[:2], {**TURNS[2], "weight": 0}, *TURNS[3:]]}], BOTH[1:]),
    ("ShareGPT", [{"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hi."}]}],
     [E("Hi?", "Hi.")]),
    ("ShareGPT with a system column", [{"system": "Be.", "conversations": [
        {"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hi."}]}], [E("Hi?", "Hi.", "Be.")]),
    ("a last question without an answer", [{"messages": TURNS[1:4]}], [E("Hi?", "Hi.")]),
    ("prompt and completion as messages", [{"prompt": TURNS[:2], "completion": TURNS[2:3]}],
     [E("Hi?", "Hi.", "Be brief.")]),
    ("messages and an answer", [{"input": TURNS[1:2], "output": "Hi."}], [E("Hi?", "Hi.")]),
    ("messages with a thought", [{"messages": [TURNS[1], {**TURNS[2], "reasoning_content": "So."}]}],
     [E("Hi?", "<think>\nSo.\n</think>\n\nHi.")]),
    ("a thought in a column", [{"question": "Hi?", "thinking": "So.", "answer": "Hi."},
                               {"question": "Ho?", "thinking": "", "answer": "Ho."}],
     [E("Hi?", "<think>\nSo.\n</think>\n\nHi."), E("Ho?", "Ho.")]),
    ("options in a list", [{"question": "Which?", "choices": TREES, "answer": "B"}], [E(LETTERED, "B")]),
    ("options in columns, counted from 1", [
        {"question": "Which?", "opa": "oak", "opb": "elm", "opc": "fir", "cop": 3},
        {"question": "Which?", "opa": "oak", "opb": "elm", "opc": "fir", "cop": 1}],
     [E(LETTERED, "C"), E(LETTERED, "A")]),
    ("no options in some rows", [{"question": "Which?", "choices": TREES, "answer": "B"},
                                 {"question": "Who?", "choices": None, "answer": "Bo"}],
     [E(LETTERED, "B"), E("Who?", "Bo")]),
    ("options that are a text", [{"question": "Which?", "options": "oak, elm", "answer": "oak"}],
     [E("Which?", "oak")]),
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("rows", "want"), [c[1:] for c in TRAINED], ids=[c[0] for c in TRAINED])
def test_a_file_to_train_on(rows: Rows, want: list[Example], layout: str, tmp_path: Path) -> None:
    loaded = load_set(str(write(tmp_path, rows, layout)))
    assert loaded.examples == want
    assert loaded.rows == len(rows)


NOT_TRAINED: list[tuple[str, Rows, str]] = [
    ("two prompts", [{"prompt": "q", "question": "r", "answer": "a"}],
     "'prompt' and 'question', and each may be meant; say which with prompt_column"),
    ("a prompt and an input", [{"prompt": "q", "input": "r", "answer": "a"}], "'prompt' and 'input'"),
    ("instruction, input and a prompt of both",
     [{"instruction": "q", "input": "r", "prompt": "q r", "output": "a"}],
     "and each may be meant"),
    ("two answers", [{"prompt": "q", "answer": "a", "output": "b"}], "'answer' and 'output'"),
    ("two system prompts", [{"prompt": "q", "answer": "a", "system": "b", "system_prompt": "c"}],
     "'system_prompt' and 'system'"),
    ("no answer", [{"prompt": "q", "answer": "a"}, {"prompt": "q", "answer": None}],
     "row 2 of .* has no answer"),
    ("no prompt", [{"prompt": "", "answer": "a"}], "row 1 of .* has an empty prompt"),
    ("an answer that is a list", [{"prompt": "q", "answer": ["a"]}],
     "row 1 of .* has a list where text is expected, in the column 'answer'"),
    ("a prompt that is an object", [{"prompt": {"a": 1}, "answer": "a"}],
     "has a dict where text is expected, in the column 'prompt'"),
    ("a context that is a list", [{"question": "q", "context": ["a"], "answer": "b"}],
     "in the column 'context'"),
    ("an input that is a list", [{"instruction": "q", "input": ["a"], "output": "b"}],
     "in the column 'input'"),
    ("no column of prompts", [{"frage": "q", "answer": "a"}],
     "has the columns frage, answer; expected one of"),
    ("a conversation without an answer", [{"messages": TURNS[:2]}], "row 1 of .* has no answer"),
    ("no answer that is to be learnt", [{"messages": [TURNS[1], {**TURNS[2], "weight": 0}]}],
     "marks every"),
    ("a conversation without roles", [{"conversations": ["Hi?", "Hi."]}],
     "has a str in message 1 of 'conv"),
    ("no column of ours", [{"a": "Hi?", "b": "Hi."}], "prompt, .*messages, conversations"),
    ("no column of ours but letters", [{"a": "Hi?", "c": "Hi."}], "prompt, .*messages, conversations"),
    ("no column of prompts of ours", [{"a": "Hi?", "answer": "Hi."}], "prompt, .*messages, conversations"),
    ("roles out of order", [{"messages": TURNS[1:3] * 2 + TURNS[2:3]}], "message 5 of 'messages'"),
    ("tools", [{"messages": TURNS, "tools": [{"name": "f"}]}], "has tools, which are not trained on"),
    ("two system messages", [{"messages": TURNS, "system": "Be long."}],
     "has a system message, and another"),
    ("two conversations", [{"messages": TURNS, "conversations": TURNS[1:]}],
     "'messages' and 'conversations'"),
    ("a history that is no pairs", [{"prompt": "q", "answer": "a", "history": [["b"]]}],
     "no pair .*turn 1"),
    ("a history with an empty answer", [{"prompt": "q", "answer": "a", "history": [["b", ""]]}],
     "an empty"),
    ("two thoughts", [{"prompt": "q", "answer": "<think>b</think>a", "thinking": "c"}],
     "two thoughts .*'thinking'"),
    ("an answer that is no option", [{"question": "Which?", "choices": TREES, "answer": "D"}],
     "has the answer 'D', expected one of A, B, C"),
    ("options counted from nobody knows where", [{"question": "Which?", "choices": TREES, "answer": 1}],
     "counted from 0, from 1"),
]  # fmt: skip


@pytest.mark.parametrize("layout", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("rows", "message"), [c[1:] for c in NOT_TRAINED], ids=[c[0] for c in NOT_TRAINED]
)
def test_a_file_that_is_not_trained_on(
    rows: Rows, message: str, layout: str, tmp_path: Path
) -> None:
    file = write(tmp_path, rows, layout)
    with pytest.raises(PTSTError, match=message) as e:
        load_set(str(file))
    assert str(file) in str(e.value)
    assert "\n" not in str(e.value)


def said(folder: Path, *rows: dict[str, Any], **options: Any) -> TrainingSet:
    return load_set(str(write(folder, rows, "jsonl")), **options)


def test_the_last_turn_alone(tmp_path: Path) -> None:
    every = said(tmp_path, {"messages": TURNS})
    last = said(tmp_path, {"messages": TURNS}, turns="last")
    assert last.examples == every.examples[1:]
    assert (last.rows, last.fingerprint) == (1, every.fingerprint)


def test_of_the_answers_to_be_learnt_the_last_is_the_last(tmp_path: Path) -> None:
    marked = [*TURNS[:4], {**TURNS[4], "weight": 0}]
    loaded = said(tmp_path, {"messages": marked}, turns="last")
    assert loaded.examples == BOTH[:1]
    assert loaded.notes == (
        "answers that are marked as not to be trained on (weight 0) are only shown: 1 row",
    )


def test_turns_that_nobody_has_are_told(tmp_path: Path) -> None:
    rows = [{"messages": TURNS[:3]}, {"prompt": "q", "answer": "a"}]
    assert said(tmp_path, *rows).notes == ()
    assert said(tmp_path, *rows, turns="last").notes == (
        "turns 'last' does nothing here: no row has several",
    )


def test_a_sample_is_of_rows_and_brings_whole_conversations(tmp_path: Path) -> None:
    rows = [
        {"messages": [{**m, "content": f"{i} {m['content']}"} for m in TURNS]} for i in range(9)
    ]
    loaded = said(tmp_path, *rows, rows=4, seed=1)
    assert (loaded.rows, len(loaded.examples)) == (4, 8)
    assert [e.length for e in loaded.examples[:2]] == [21, 32]


def test_what_nobody_reads_is_told_with_its_rows(tmp_path: Path) -> None:
    loaded = said(tmp_path, {"id": 0, "prompt": "q", "answer": "a", "note": "x"},
                  {"id": 1, "prompt": "r", "answer": "b", "note": None})  # fmt: skip
    assert loaded.notes == ("columns that are not used: id (2 rows), note (1 row)",)
    many = {f"c{i:02}": 1 for i in range(15)}
    [note] = said(tmp_path, {"prompt": "q", "answer": "a", **many}).notes
    assert note.endswith("c11 (1 row) and 3 more")
    [note] = said(tmp_path, {"prompt": "q", "answer": "a", "x\ny": 1, "z" * 99: 1}).notes
    assert note == f"columns that are not used: 'x\\ny' (1 row), {'z' * 40}... (1 row)"


def test_a_column_that_is_said_is_read_alone_and_what_stands_beside_is_told(tmp_path: Path) -> None:
    row = {"instruction": "i", "input": "q", "context": "c", "choices": ["a", "b"], "output": "b"}
    loaded = said(tmp_path, row, prompt_column="Input", answer_column="output")
    assert loaded.examples == [E("q", "b")]
    assert "instruction (1 row), context (1 row), choices (1 row)" in loaded.notes[0]
    loaded = said(
        tmp_path,
        {"a": "q", "answer": "x", "output": "y"},
        answer_column="output",
        prompt_column="a",
    )
    assert loaded.examples == [E("q", "y")]
    loaded = said(
        tmp_path, {"prompt": "Hi?", "messages": TURNS, "best": "Ho."}, answer_column="best"
    )
    assert loaded.examples == [E("Hi?", "Ho.")]
    assert loaded.notes == ("columns that are not used: messages (1 row)",)


def test_a_column_of_messages_that_is_said(tmp_path: Path) -> None:
    loaded = said(tmp_path, {"talk": TURNS, "messages": TURNS[1:3]}, prompt_column="talk")
    assert loaded.examples == BOTH
    loaded = said(
        tmp_path, {"asked": TURNS[:2], "said": "Ho."}, prompt_column="asked", answer_column="said"
    )
    assert loaded.examples == [E("Hi?", "Ho.", "Be brief.")]


def test_what_is_read_in_another_form_is_told(tmp_path: Path) -> None:
    loaded = said(
        tmp_path, {"messages": TURNS[1:4]}, {"question": "Which?", "choices": TREES, "answer": "B"}
    )
    assert loaded.notes == (
        "a last question that nobody answers is left out of the conversation: 1 row",
        "options stand below the question with their letters, and the answer is a letter: 1 row",
    )


def asked(folder: Path, rows: Rows, layout: str = "jsonl", column: str = "") -> sets.Loaded:
    return sets.load(sets.custom(str(write(folder, rows, layout)), column))


ASKED: list[tuple[str, Rows, list[dict[str, str]]]] = [
    ("prompts", [{"prompt": "q"}], [{"prompt": "q"}]),
    ("goals and targets", [{"goal": "q", "target": "Sure", "category": "c"}],
     [{"prompt": "q", "category": "c"}]),
    ("instruction and input", [{"instruction": "Sum up", "input": "a b"},
                               {"instruction": "q", "input": None}],
     [{"prompt": "Sum up\n\na b"}, {"prompt": "q"}]),
    ("a context", [{"question": "Who?", "context": "Bo ran."}], [{"prompt": "Who?\n\nBo ran."}]),
    ("one question", [{"messages": TURNS[1:2]}], [{"prompt": "Hi?", "system_prompt": ""}]),
    ("with a system message and an answer", [{"messages": TURNS[:3]}, {"messages": TURNS[3:4]}],
     [{"prompt": "Hi?", "system_prompt": "Be brief."}, {"prompt": "And?", "system_prompt": ""}]),
    ("a prompt of messages", [{"prompt": TURNS[1:2]}], [{"prompt": "Hi?"}]),
    ("ShareGPT", [{"conversations": [{"from": "human", "value": "Hi?"}]}], [{"prompt": "Hi?"}]),
    ("a system prompt in some rows", [{"prompt": "q", "system": None}, {"prompt": "r", "system": "Be."}],
     [{"prompt": "q", "system_prompt": ""}, {"prompt": "r", "system_prompt": "Be."}]),
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("rows", "want"), [c[1:] for c in ASKED], ids=[c[0] for c in ASKED])
def test_a_file_to_test_with(rows: Rows, want: Rows, layout: str, tmp_path: Path) -> None:
    found = asked(tmp_path, rows, layout).rows
    assert [{k: row[k] for k in keys} for row, keys in zip(found, want, strict=True)] == want
    assert len({frozenset(row) for row in found}) == 1  # a table takes its columns from the first


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"messages": TURNS}], "row 1 of .* has a conversation with 2 questions, and a test asks one"),
        ([{"prompt": "q", "text": "r"}], "'prompt' and 'text', and each may be meant"),
        ([{"prompt": "q", "context": ["a"]}], "has a list where text is expected, in the column 'context'"),
        ([{"messages": TURNS[2:3]}], "the assistant at the beginning"),
        ([{"messages": TURNS[:2], "system": "Be long."}], "has a system message, and another"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_tested_with(rows: Rows, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        asked(tmp_path, rows)


def test_a_prompt_column_of_a_test_that_is_said(tmp_path: Path) -> None:
    loaded = asked(tmp_path, [{"instruction": "i", "input": "q"}], column="input")
    assert loaded.rows[0]["prompt"] == "q"
    assert (
        asked(tmp_path, [{"talk": TURNS[:2], "prompt": "x"}], column="talk").rows[0]["prompt"]
        == "Hi?"
    )


def test_what_a_test_leaves_out_is_told(tmp_path: Path) -> None:
    assert asked(tmp_path, [{"messages": TURNS[:3], "id": 1}]).notes == (
        "the answers of the file are not used, for the model gives its own: 1 row",
        "a system prompt of the row's own, for templates with {system_prompt}; others leave it out: 1 row",
        "columns that are not used: id (1 row)",
    )
    assert asked(tmp_path, [{"prompt": "q", "category": "c", "id": None}]).notes == ()


def test_ids_tell_conversations_apart_and_copies_together(tmp_path: Path) -> None:
    """Rows that ask the same after other words got the ids X and X-2, by their order."""
    flat, talk = asked(tmp_path, [{"prompt": "Hi?"}]), asked(tmp_path, [{"messages": TURNS[1:2]}])
    assert flat.rows[0]["id"] == talk.rows[0]["id"]
    rows = [{"messages": [*first, *TURNS[3:]]} for first in (TURNS[:3], TURNS[1:3], [])]
    sources = [
        write(tmp_path, order, "jsonl", f"f{i}") for i, order in enumerate((rows, rows[::-1]))
    ]
    ids = [[r["id"] for r in sets.load(_source(file)).rows] for file in sources]
    assert ids[0] == ids[1][::-1]
    assert len({i[:12] for i in ids[0]}) == 3


def _source(file: Path) -> sets.Source:
    return sets.Source("mine", "train", OwnTraining(), url=str(file))


NEAR = {"prompt": "q", "instruction": "q", "input": "i", "answer": "a", "context": "c", "system": "s",
        "messages": TURNS, "choices": ["a", "b"], "history": [["a", "b"]], "thinking": "t"}  # fmt: skip


@fuzz
@given(
    st.lists(bent(NEAR), max_size=3),
    st.sampled_from(["", "input", "messages"]),
    st.sampled_from(["", "answer"]),
)
def test_fuzz_rows_of_ones_own(rows: list[Any], prompt: str, answer: str) -> None:
    rows = [row for row in rows if isinstance(row, dict)]
    for shape in (
        OwnTraining(prompt, answer),
        OwnPrompts((prompt,) if prompt else ("prompt", "instruction")),
    ):
        begun = begin(shape, rows)
        for row in rows:
            try:
                out = begun(row)
            except (RowFaultError, KeyError):
                continue
            assert isinstance(out["prompt"], str)
            assert isinstance(out["answer"], str)
            json.dumps(out)
        assert all(note.isprintable() for note in begun.notes())


def test_a_test_tells_the_columns_that_nobody_asks(tmp_path: Path) -> None:
    rows = [
        {"prompt": "write it", "contextstring": "about the sea", "answer": "no", "category": "c"},
        {"prompt": "write that", "contextstring": "", "answer": "no", "category": "c"},
    ]
    assert asked(tmp_path, rows).notes == (
        "columns that are not used: contextstring (1 row), answer (2 rows)",
    )
    beside = {"messages": TURNS[:2], "prompt": "another question"}
    assert "prompt (1 row)" in str(asked(tmp_path, [beside]).notes)


def test_a_test_of_a_row_with_earlier_turns_is_refused(tmp_path: Path) -> None:
    row = {"prompt": "and then?", "history": [["first", "second"]]}
    with pytest.raises(DataError, match="earlier turns in the column 'history'"):
        asked(tmp_path, [row])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"prompt": "q", "question": ""}, {"prompt": "", "question": "p"}],
         r"row 2 .* has its prompt in 'question', and other rows have theirs in 'prompt'"),
        ([{"instruction": "i", "input": "x"}, {"instruction": "", "input": "y"}],
         r"row 2 .* in 'input', and other rows have theirs in 'instruction'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("layout", ["jsonl", "csv"])
def test_a_file_has_one_column_of_prompts(
    layout: str, rows: Rows, message: str, tmp_path: Path
) -> None:
    """Each row took the column that it filled, in silence."""
    rows = [{**row, "answer": "a"} for row in rows]
    with pytest.raises(DataError, match=message):
        load_set(str(write(tmp_path, rows, layout)))
    if layout == "jsonl" and "prompt" in rows[0]:
        with pytest.raises(DataError, match=message):
            asked(tmp_path, rows)


def test_columns_that_say_the_same_in_some_rows_are_one(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "question": "q", "answer": "a"}, {"question": "p", "answer": "a"}]
    assert [e.query for e in load_set(str(write(tmp_path, rows, "jsonl"))).examples] == ["q", "p"]


PRINTED = ["['doc one', 'doc two']", '["doc one", "doc two"]', "['a' 'b\\'s'\n \"c\"]",
           "array(['a', 'b'], dtype=object)"]  # fmt: skip


@pytest.mark.parametrize("cell", PRINTED)
@pytest.mark.parametrize("column", ["prompt", "answer", "context"])
def test_a_list_that_was_printed_into_a_csv_is_refused(
    column: str, cell: str, tmp_path: Path
) -> None:
    row = {"prompt": "q", "answer": "a", "context": "c", column: cell}
    with pytest.raises(
        DataError, match=f"row 1 .*a list as Python prints it in the column {column!r}"
    ):
        load_set(str(write(tmp_path, [row], "csv")))
    [example] = load_set(str(write(tmp_path, [row], "jsonl"))).examples  # texts are texts there
    assert cell.strip() in example.query + example.answer


@pytest.mark.parametrize("cell", ["[1, 2]", "[Laughs] 'So'", "['a'] is a list", "[]", "[x, 'y']"])
def test_a_text_that_only_begins_like_a_list_is_one(cell: str, tmp_path: Path) -> None:
    [example] = load_set(str(write(tmp_path, [{"prompt": cell, "answer": cell}], "csv"))).examples
    assert example == E(cell, cell)


@pytest.mark.parametrize(
    ("more", "left"),
    [({"candidates": ["x", "a"]}, "candidates (1 row)"), ({"a": "x", "b": "y"}, "a (1 row), b (1 row)")],
)  # fmt: skip
def test_answers_to_choose_from_make_no_exam(
    more: dict[str, Any], left: str, tmp_path: Path
) -> None:
    loaded = load_set(str(write(tmp_path, [{"prompt": "q", "answer": "a", **more}], "jsonl")))
    assert loaded.examples == [E("q", "a")]
    assert loaded.notes == (f"columns that are not used: {left}",)


@pytest.mark.parametrize("category", [{"hate": True, "drugs": False}, ["hate"]])
def test_a_category_that_is_no_text_is_told(category: Any, tmp_path: Path) -> None:
    """As BeaverTails has it."""
    rows = [{"prompt": "q", "response": "a", "category": category}]
    told = ("columns that are not used: category (1 row)",)
    assert load_set(str(write(tmp_path, rows, "jsonl"))).notes == told
    assert asked(tmp_path, [{"prompt": "q", "category": category}]).notes == told


def test_a_thought_alone_is_no_answer(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "answer": "<think>\nx\n</think>\n"}]
    with pytest.raises(DataError, match=r"row 1 .*has a thought and no answer, in the answer"):
        load_set(str(write(tmp_path, rows, "jsonl")))


def test_ids_of_one_question_under_several_systems_are_no_matter_of_order(tmp_path: Path) -> None:
    rows = [{"prompt": "Hi?", "system": s, "answer": "a"} for s in ("Be brief.", "Be long.", "")]
    flat = asked(tmp_path, rows[2:]).rows[0]["id"]
    for order in (rows, rows[::-1]):
        tested = asked(tmp_path, order).rows
        trained = sets.load(_source(write(tmp_path, order, "jsonl"))).rows
        ids = [row["id"] for row in tested]
        assert ids == [row["id"] for row in trained]
        assert len({i[:12] for i in ids}) == 3
        assert flat in ids
    assert {r["id"] for r in asked(tmp_path, rows[::-1]).rows} == set(ids)
