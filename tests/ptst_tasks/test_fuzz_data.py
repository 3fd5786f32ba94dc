"""Files of rows, templates and decoding options with anything in them: read, or one of our errors."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapters_train.data import TRAINING_SETS
from ptst_tasks import decoding, own_data, sets, user_templates
from ptst_tasks.errors import PTSTError
from ptst_tasks.set_source import Source
from ptst_tasks.shapes.own_rows import OwnTraining
from ptst_tasks.shapes.row_cells import begin
from ptst_tasks.tabular import SUFFIXES, read_file
from tests.fuzz import TEXT, bent, fuzz, json_like

ROW = {
    "id": 3,
    "prompt": "How many?",
    "question": "How many?",
    "answer": "#### 3",
    "category": "c",
    "choices": {"text": ["a", "b"], "label": ["A", "B"]},
    "options": {"A": "a", "B": "b"},
    "answer_idx": "A",
    "answerKey": "B",
    "label": "safe",
    "type": "homonyms",
    "messages": [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "3"}],
    "system": "Be brief.",
}
OWN = Source("own", "train", OwnTraining())
SOURCES = {**sets.REGISTRY, **{f"train {name}": s for name, s in TRAINING_SETS.items()}, "own": OWN}
BYTES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"\0", b"a", b"{", b"}", b"[", b":", b"1", b"e",
                              b"\xef\xbb\xbf", b"\xff", "\u2028".encode(), b"PAR1", b"goal", b"null", b";",
                              b"|", b"\t", b"[", b"sep=;", b"\xff\xfe", b"\0a", b"\x1f\x8b", b"PK\x03\x04",
                              b"ARROW1\0\0", b"FEA1"]),
             max_size=40).map(b"".join),
)  # fmt: skip
TEMPLATES = [{"name": "chat:x", "abbr": "CX", "system": "Hi.", "user": "a {input}",
              "turns": [["a", "b"]], "styles": ["gsm8k"]}]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def load(name: str, file: Path) -> None:
    """Reads a file as a set would."""
    rows = read_file(file)
    source = replace(SOURCES[name], shape=begin(SOURCES[name].shape, rows))
    for number, row in enumerate(rows, start=1):
        sets._shaped(source, row, f"row {number}")


@fuzz
@given(st.sampled_from(SUFFIXES), BYTES)
def test_fuzz_bytes(place: Path, kind: str, content: bytes) -> None:
    file = place / f"f.{kind}"
    file.write_bytes(content)
    with suppress(PTSTError):
        read_file(file)


@fuzz
@given(st.sampled_from(sorted(SOURCES)), st.lists(bent(ROW), max_size=3), st.booleans())
def test_fuzz_rows(place: Path, name: str, rows: list[Any], lined: bool) -> None:
    file = place / ("r.jsonl" if lined else "r.json")
    text = "\n".join(json.dumps(r) for r in rows) if lined else json.dumps(rows)
    file.write_text(text, encoding="utf-8")
    with suppress(PTSTError):
        load(name, file)


@fuzz
@given(
    st.sampled_from(["advbench", "xstest", "custom", "own"]),
    st.lists(st.lists(TEXT, max_size=4), max_size=4),
)
def test_fuzz_csv(place: Path, name: str, rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["goal", "label"], *rows])
    file = place / "r.csv"
    file.write_text(out.getvalue(), encoding="utf-8", errors="surrogatepass", newline="")
    with suppress(PTSTError):
        load(name, file)


def _whole() -> dict[str, bytes]:
    """A good file of each kind that is not text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"goal": ["a", "b"], "n": [1, None], "m": [["x"], []],
                      "c": pa.array(["u", "v"]).dictionary_encode()})  # fmt: skip
    text = b'{"goal": "a"}\n{"goal": "b"}\n' * 9
    outs = {name: io.BytesIO() for name in ("parquet", "arrow", "feather", "jsonl.zip")}
    pq.write_table(table, outs["parquet"])
    for kind, make in (("arrow", pa.ipc.new_stream), ("feather", pa.ipc.new_file)):
        with make(outs[kind], table.schema) as writer:
            writer.write_table(table)
    with zipfile.ZipFile(outs["jsonl.zip"], "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", text)
    return {
        **{name: out.getvalue() for name, out in outs.items()},
        "jsonl.gz": gzip.compress(text), "jsonl.bz2": bz2.compress(text),
        "jsonl.xz": lzma.compress(text), "jsonl.zst": pa.compress(text, codec="zstd", asbytes=True),
    }  # fmt: skip


WHOLE = _whole()


@fuzz
@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.binary(max_size=6), max_size=4),
    st.integers(0, 2000),
    st.integers(0, 8),
)
def test_fuzz_damaged_files(place: Path, kind: str, junk: list[bytes], at: int, cut: int) -> None:
    whole = WHOLE[kind]
    place_of = at % len(whole)
    file = place / f"d.{kind}"
    file.write_bytes(whole[:place_of] + b"".join(junk) + whole[place_of + cut :])
    with suppress(PTSTError):
        load("custom", file)


@fuzz
@given(TEXT, st.lists(TEXT, max_size=3))
def test_fuzz_names_of_data(place: Path, said: str, parts: list[str]) -> None:
    """What is written where data are named is data or not; nothing else comes of it."""
    for name in (said, "/".join(parts), ":".join([said, *parts])):
        own_data.is_data(name)
        own_data.find(name)
        own_data.split_off(name, place)


@fuzz
@given(st.one_of(bent(TEMPLATES), json_like()))
def test_fuzz_templates(place: Path, said: Any) -> None:
    file = place / "t.yaml"
    file.write_text(yaml.safe_dump(said, allow_unicode=False), encoding="utf-8")
    _templates(file)


@fuzz
@given(st.lists(st.sampled_from(["- ", "name: ", "'chat:x'", "\n", "  ", "{", "}", "[", "]", ": ", "&a ",
                                 "*a", "!!", "2001-13-01", "<<: ", "user: ", "'{input}'", "|", ">", "#"]),
                max_size=25).map("".join))  # fmt: skip
def test_fuzz_the_yaml_of_templates(place: Path, said: str) -> None:
    file = place / "y.yaml"
    file.write_text(said, encoding="utf-8")
    _templates(file)


def _templates(file: Path) -> None:
    """Reads templates; what can be read can be filled, and has a name that a file can have."""
    try:
        rows = user_templates.load(file)
    except PTSTError:
        return
    for row in rows:
        assert "/" not in row.slug
        assert len(row.slug.encode()) < 100
        query = "{q} %s \\1"
        filled = row.messages(query)[-1]["content"] if row.is_chat else row.text(query)
        assert query in filled


@fuzz
@given(bent({"do_sample": True, "temperature": 0.7, "top_p": 0.9, "max_gen_toks": 4, "until": ["a"],
             "eos_token_id": [1], "seed": 0, "min_p": 0.1, "num_beams": 1}))  # fmt: skip
def test_fuzz_decoding_options(said: Any) -> None:
    if not isinstance(said, Mapping):
        return
    try:
        decoding.merge({"until": ["x"], "max_gen_toks": 8}, decoding.check(said, seed=True))
        decoding.read(said, 8)
    except PTSTError:
        pass
