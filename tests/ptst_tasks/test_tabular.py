"""Files of every kind, encoding and layout that people have: read right, or one line that says why.

Made with the libraries that people make them with. What of a broken file is silent elsewhere, and
what a set makes of its rows, is in `test_readers`.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from ptst_tasks import sets, tabular, unpacking
from ptst_tasks.errors import DataError
from ptst_tasks.tabular import SUFFIXES, read_file

ROWS = [
    {"prompt": "Say “hi”, twice; or not", "answer": "NA"},
    {"prompt": 'two\nlines\tand a tab | \u2028 a "quote"', "answer": "007"},
    {"prompt": "größer als 1e5?", "answer": "1e5"},
]
FRAME = pd.DataFrame(ROWS)
TABLE = pa.Table.from_pylist(ROWS)


def delimited(mark: str, end: str = "\r\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["prompt", "answer"], delimiter=mark, lineterminator=end,
                            quoting=quoting)  # type: ignore[arg-type]  # fmt: skip
    writer.writeheader()
    writer.writerows(ROWS)
    return out.getvalue()


def jsonl(rows: list[Any] = ROWS) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def zst(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


def zipped(files: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def parquet(table: pa.Table = TABLE, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def arrow(table: pa.Table = TABLE, *, stream: bool = False) -> bytes:
    out = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def feather(compression: str) -> bytes:
    out = io.BytesIO()
    pyarrow.feather.write_feather(TABLE, out, compression=compression)
    return out.getvalue()


def pandas_parquet() -> bytes:
    out = io.BytesIO()
    FRAME.set_index("prompt").reset_index().to_parquet(out)
    return out.getvalue()


CSV, LINES, LIST = delimited(","), jsonl(), json.dumps(ROWS)
CATEGORIES = pa.table({"prompt": pa.array([r["prompt"] for r in ROWS]).dictionary_encode(),
                       "answer": pa.array([r["answer"] for r in ROWS], pa.large_string())})  # fmt: skip

# (what it is, file, content); each holds ROWS
GOOD: list[tuple[str, str, str | bytes]] = [
    ("commas", "r.csv", CSV),
    ("semicolons, as in Excel of half Europe", "r.csv", delimited(";")),
    ("tabs in a csv", "r.csv", delimited("\t")),
    ("pipes", "r.csv", delimited("|")),
    ("tsv", "r.tsv", delimited("\t", "\n")),
    ("commas in a tsv", "r.tsv", CSV),
    ("every field in quotes", "r.csv", delimited(";", "\n", csv.QUOTE_ALL)),
    ("Excel's first line", "r.csv", "sep=;\r\n" + delimited(";")),
    ("line ends of an old Mac", "r.csv", delimited(",", "\r")),
    ("csv by pandas", "r.csv", FRAME.to_csv(index=False)),
    ("csv with a byte order mark", "r.csv", CSV.encode("utf-8-sig")),
    ("csv in UTF-16", "r.csv", CSV.encode("utf-16")),
    ("csv in UTF-16, big end first", "r.csv", b"\xfe\xff" + CSV.encode("utf-16-be")),
    ("csv in UTF-32", "r.csv", CSV.encode("utf-32")),
    ("tsv in UTF-16, as Excel's Unicode text", "r.tsv", delimited("\t").encode("utf-16")),
    ("csv in capitals", "R.CSV", CSV),
    ("csv in gzip", "r.csv.gz", gzip.compress(CSV.encode())),
    ("csv in gzip of two parts", "r.csv.gz",
     gzip.compress(CSV[:30].encode()) + gzip.compress(CSV[30:].encode())),
    ("csv in zstd", "r.csv.zst", zst(CSV.encode())),
    ("csv in bzip2", "r.csv.bz2", bz2.compress(CSV.encode())),
    ("csv in bzip2 of two parts", "r.csv.bz2",
     bz2.compress(CSV[:30].encode()) + bz2.compress(CSV[30:].encode()) + bytes(8)),
    ("csv in xz of two parts", "r.csv.xz",
     lzma.compress(CSV[:30].encode()) + bytes(4) + lzma.compress(CSV[30:].encode())),
    ("csv in xz", "r.csv.xz", lzma.compress(CSV.encode())),
    ("csv in a zip", "r.zip", zipped({"mine.csv": CSV})),
    ("csv in a zip with a Mac's shadow and a text beside it", "r.csv.zip",
     zipped({"data/mine.csv": CSV, "__MACOSX/data/._mine.csv": "x", "README.md": "rows"})),
    ("a file without a type in a zip that says it", "r.csv.zip", zipped({"mine": CSV})),
    ("JSON lines", "r.jsonl", LINES),
    ("JSON lines by another name", "r.ndjson", LINES),
    ("JSON lines called json", "r.json", LINES),
    ("JSON lines by pandas", "r.jsonl", FRAME.to_json(orient="records", lines=True)),
    ("JSON lines with a byte order mark", "r.jsonl", LINES.encode("utf-8-sig")),
    ("JSON lines with empty lines, and none at the end", "r.jsonl", LINES.replace("\n", "\r\n\n").rstrip()),
    ("JSON lines in UTF-16", "r.jsonl", LINES.encode("utf-16")),
    ("JSON lines in gzip", "r.jsonl.gz", gzip.compress(LINES.encode())),
    ("JSON lines in zstd", "r.jsonl.zst", zst(LINES.encode())),
    ("JSON lines in a zip", "r.jsonl.zip", zipped({"mine.jsonl": LINES})),
    ("a list", "r.json", LIST),
    ("a list over many lines", "r.json", json.dumps(ROWS, indent=2)),
    ("a list with a byte order mark", "r.json", LIST.encode("utf-8-sig")),
    ("a list in UTF-16", "r.json", LIST.encode("utf-16")),
    ("a list called jsonl", "r.jsonl", LIST),
    ("a list over many lines called jsonl", "r.jsonl", "\n" + json.dumps(ROWS, indent=1)),
    ("an object with rows under data", "r.json", json.dumps({"version": 1, "data": ROWS})),
    ("pandas' table", "r.json", FRAME.set_index("prompt").reset_index().to_json(orient="records")),
    ("a list in xz", "r.json.xz", lzma.compress(LIST.encode())),
    ("parquet", "r.parquet", parquet()),
    ("parquet by pandas", "r.parquet", pandas_parquet()),
    ("parquet in small groups and zstd", "r.parquet", parquet(row_group_size=1, compression="zstd")),
    ("parquet of categories and large texts", "r.parquet", parquet(CATEGORIES)),
    ("parquet in gzip", "r.parquet.gz", gzip.compress(parquet())),
    ("Arrow", "r.arrow", arrow()),
    ("an Arrow stream, as in the cache of datasets", "r.arrow", arrow(stream=True)),
    ("Feather", "r.feather", feather("lz4")),
    ("Feather in zstd", "r.feather", feather("zstd")),
    ("Arrow in a zip", "r.zip", zipped({"mine.arrow": arrow()})),
]  # fmt: skip


def put(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@pytest.mark.parametrize(("name", "content"), [g[1:] for g in GOOD], ids=[g[0] for g in GOOD])
def test_a_file_is_read_as_it_is(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert read_file(put(tmp_path, name, content)) == ROWS


def test_the_same_texts_have_one_fingerprint(tmp_path: Path) -> None:
    """Whatever they are stored in."""
    files = [put(tmp_path, f"{at}{name}", content) for at, (_, name, content) in enumerate(GOOD)]
    prints = {sets.load(sets.custom(str(file), "prompt")).fingerprint for file in files}
    assert len(files) > 50
    assert len(prints) == 1


def stored(rows: list[dict[str, Any]]) -> dict[str, bytes]:
    """The rows of a real set in other types; csv and tsv where all of them are text."""
    table, out = pa.Table.from_pylist(rows), {}
    out["jsonl.zst"] = zst(jsonl(rows).encode())
    out["json.bz2"] = bz2.compress(json.dumps(rows).encode("utf-16"))
    out |= {"parquet": parquet(table), "arrow": arrow(table, stream=True), "feather": arrow(table)}
    if all(isinstance(value, str) for row in rows for value in row.values()):
        for suffix, mark in (("csv", ";"), ("tsv", "\t")):
            text = io.StringIO()
            writer = csv.DictWriter(text, rows[0], delimiter=mark)
            writer.writeheader()
            writer.writerows(rows)
            out[suffix] = text.getvalue().encode("utf-16")
    return out


@pytest.mark.parametrize("name", ["advbench", "gsm8k", "harmbench", "medqa", "xstest"])
def test_a_real_set_is_the_same_in_every_type(
    name: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(shared / "data"))
    whole, file = sets.load(name), sets.locate(sets.get(name))
    assert file
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    (tmp_path / name).mkdir()
    for suffix, content in stored(read_file(file)).items():
        copy = put(tmp_path, f"{name}/test.{suffix}", content)
        assert sets.load(name).fingerprint == whole.fingerprint, suffix
        copy.unlink()


def locked() -> bytes:
    """A zip whose one member claims to be encrypted, as bit 0 of its flags says."""
    data = bytearray(zipped({"mine.csv": CSV}))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def damaged() -> bytes:
    data = bytearray(zipped({"mine.csv": CSV}))
    data[45:60] = bytes(15)
    return bytes(data)


def unknown_packing() -> bytes:
    data = bytearray(zipped({"mine.csv": CSV}))
    data[8] = data[data.rindex(b"PK\x01\x02") + 10] = 97
    return bytes(data)


def sheet() -> bytes:
    return zipped({"xl/workbook.xml": "<workbook/>", "xl/worksheets/sheet1.xml": "<sheet/>"})


def binary() -> bytes:
    return parquet(pa.table({"prompt": pa.array([b"\xff"], pa.binary())}))


COLUMNS = "columns, as it seems; with pandas, write to_json"

# (what it is, file, content, what the one line says behind the file's name)
BAD: list[tuple[str, str, str | bytes, str]] = [
    ("a csv that two delimiters fit", "r.csv", "prompt,a;b\nx,y;z\n",
     r"line 1 can be cut at every comma and at every semicolon, and the rows fit each; save it as csv"),
    ("a csv of semicolons with a field too many", "r.csv", "prompt;n\na;b;1\n",
     "line 2 has 3 fields, expected 2 as in line 1: is a field missing, or a semicolon outside quotes"),
    ("a ragged csv in which line 1 is Excel's", "r.csv", "sep=;\nprompt;n\na\n",
     "line 3 has 1 fields, expected 2 as in line 2"),
    ("a ragged csv that no delimiter fits", "r.csv", "prompt,a;b\nx;y\nz\n",
     "line 2 has 1 fields, expected 2"),
    ("a header whose quote is never closed", "r.csv", '"prompt,n\n' + "a,1\n" * 300,
     "row that begins in line 1 cannot be read"),
    ("a column twice", "r.tsv", "prompt\tPrompt\nx\ty\n", "line 1 names the column 'Prompt' twice"),
    ("a csv in Latin-1", "r.csv", "prompt\nok\ncaf\xe9\n".encode("latin-1"),
     "line 3 is not UTF-8 \\(byte 0xe9 at 3 of it\\); save it as UTF-8"),
    ("UTF-16 without its mark", "r.csv", CSV.encode("utf-16-le"), "line 1 is not UTF-8|holds a NUL byte"),
    ("UTF-16 that is cut", "r.csv", CSV.encode("utf-16")[:-1], "not UTF-16, as its first bytes say"),
    ("UTF-32 that is cut", "r.json", LIST.encode("utf-32")[:-1], "not UTF-32, as its first bytes say"),
    ("JSON in Latin-1", "r.json", '[\n{"prompt": "\xe9"}]'.encode("latin-1"),
     "line 2 is not UTF-8 \\(byte 0xe9"),
    ("JSON lines in Latin-1", "r.jsonl", '{"prompt": "q"}\n{"prompt": "\xe9"}'.encode("latin-1"),
     "line 2 is not UTF-8"),
    ("gzip that says it is csv", "r.csv", gzip.compress(b"a\n1\n"),
     "bytes are those of a gzip file; name it .gz"),
    ("zstd that says it is JSON lines", "r.jsonl", zst(b"{}"), "those of a zstd file"),
    ("a sheet that says it is csv", "r.csv", sheet(),
     "a zip file or an Excel sheet; .* save a sheet as csv"),
    ("a sheet with a line end in its first bytes", "r.csv", b"PK\x03\x04\n" + sheet(),
     "a zip file or an Excel sheet; .* save a sheet as csv"),
    ("a sheet", "r.xlsx", sheet(), r"a sheet \(\.xlsx\) is not read; save it as csv"),
    ("an old sheet that says it is csv", "r.csv", b"\xd0\xcf\x11\xe0" + bytes(99),
     "an Excel sheet; save it as csv"),
    ("plain text", "r.txt", "hi", "unknown file type '.txt'; use one of jsonl, .* packed with gz"),
    ("no type", "rows", "hi", "unknown file type ''"),
    ("a packed file that does not say what it is", "r.gz", gzip.compress(b"a"),
     "unknown file type '.r.gz'|'.gz'"),
    ("a tar", "r.tar.gz", gzip.compress(b"a"), r"unknown file type '\.tar\.gz'"),
    ("gzip that is none", "r.csv.gz", CSV, "the gz data are damaged, or not whole: Not a gzipped file"),
    ("gzip that is cut", "r.csv.gz", gzip.compress(CSV.encode())[:-9],
     "the gz data are damaged, or not whole"),
    ("gzip with a wrong sum", "r.csv.gz", gzip.compress(CSV.encode())[:-8] + bytes(8),
     "gz data are damaged"),
    ("gzip with junk inside", "r.jsonl.gz", gzip.compress(LINES.encode())[:20] + b"\xff" * 50,
     "gz data are dam"),
    ("zstd that is none", "r.csv.zst", CSV, "the zst data are damaged, or not whole"),
    ("zstd that is cut", "r.csv.zst", zst(CSV.encode())[:-5], "the zst data are damaged, or not whole"),
    ("bzip2 that is none", "r.csv.bz2", CSV, "the bz2 data are damaged, or not whole"),
    ("bzip2 that is cut", "r.csv.bz2", bz2.compress(CSV.encode())[:-9], "the bz2 data are damaged"),
    ("bzip2 and text behind it", "r.csv.bz2", bz2.compress(CSV.encode()) + CSV.encode(),
     "the bz2 data are damaged"),
    ("xz and text behind it", "r.csv.xz", lzma.compress(CSV.encode()) + CSV.encode(),
     "the xz data are damaged"),
    ("xz that is none", "r.csv.xz", CSV, "the xz data are damaged, or not whole"),
    ("xz that is cut", "r.csv.xz", lzma.compress(CSV.encode())[:-9], "the xz data are damaged"),
    ("a zip that is none", "r.zip", CSV, "the zip data are damaged, or not whole"),
    ("a zip that is cut", "r.csv.zip", zipped({"mine.csv": CSV})[:-30], "the zip data are damaged"),
    ("a zip whose bytes are damaged", "r.csv.zip", damaged(), "the zip data are damaged"),
    ("a zip of two files", "r.zip", zipped({"one.csv": CSV, "two.jsonl": LINES}),
     "the zip holds 'one.csv', 'two.jsonl', expected exactly one file of rows"),
    ("a zip of one file and one that is packed", "r.zip", zipped({"a.csv": CSV, "b.csv.gz": ""}),
     "the zip holds 'a.csv', 'b.csv.gz', expected exactly one"),
    ("a zip of a packed file", "r.zip", zipped({"b.csv.gz": gzip.compress(CSV.encode())}),
     "the zip holds 'b.csv.gz', expected exactly one file of rows"),
    ("a zip of a sheet", "r.csv.zip", zipped({"b.xlsx": "PK"}), "the zip holds 'b.xlsx', expected exactly"),
    ("a zip of none", "r.csv.zip", zipped({"readme.md": "x"}),
     "the zip holds 'readme.md', expected exactly one"),
    ("an empty zip", "r.zip", zipped({}), "the zip holds nothing"),
    ("a locked zip", "r.zip", locked(), "the zip is locked with a password; unpack it yourself"),
    ("a zip packed in a way that is not known", "r.zip", unknown_packing(),
     "the zip data are damaged, or not"),
    ("a column twice in a zip", "r.zip", zipped({"m.csv": "a,a\n1,2\n"}),
     "not a .csv.zip file: line 1 names the col"),
    ("columns of pandas", "r.json", FRAME.to_json(), f"found 'prompt', 'answer': {COLUMNS}"),
    ("lists of columns", "r.json", json.dumps(FRAME.to_dict("list")), COLUMNS),
    ("rows apart from their columns", "r.json", FRAME.to_json(orient="split"),
     "row 1 is a list, expected an object"),
    ("one object", "r.json", '{"prompt": "x"}',
     "expected a list of rows, or one under 'data'; found 'prompt'; a single row"),
    ("objects over many lines", "r.jsonl", json.dumps(ROWS[0], indent=1) * 2,
     "line 1: Expecting property name"),
    ("objects over many lines called json", "r.json", "\n".join(json.dumps(r, indent=1) for r in ROWS),
     "line 1: "),
    ("a list and more", "r.json", LIST + LIST,
     r"line 1: more follows behind the first value, at character \d+; expected an object on each line"),
    ("two objects on one line", "r.jsonl", '{"a": 1} {"a": 2}\n',
     "line 1: more follows behind the first value, at character 10"),
    ("an object that is empty", "r.json", "{}", "found an empty object"),
    ("a line that is an empty object", "r.jsonl", '{"a": 1}\n{}\n', "line 2 holds an empty object"),
    ("a row that is an empty object", "r.json", '[{"a": 1}, {}]', "row 2 is an empty object"),
    ("a text alone", "r.json", '"x"', "expected a list of rows, found a text"),
    ("null alone", "r.json", "null", "expected a list of rows, found null"),
    ("numbers on lines", "r.jsonl", "1\n2\n", "line 1 holds a number, expected a list of rows"),
    ("a comma too many", "r.json", '[{"a": 1},\n]', r"line \d: [^(]* at character \d+$"),
    ("a NUL in JSON", "r.jsonl", '{"p": ["a", "\\u0000"]}\n', "line 1: a text holds a NUL"),
    ("tab-separated rows without quoting", "r.tsv", 'p\ta\n"Hello\tx\nWorld"\ty\n',
     "lines 2 to 3 are one row with a line end in quotes, or a row each whose quotes mean nothing"),
    ("a space before a quote", "r.csv", 'prompt,answer\nq, "b"\n',
     "the row that begins in line 2 has a space before a quote"),
    ("a space before a quote in the first column", "r.csv", 'prompt,answer\n "q",b\n',
     "line 2 has a space"),
    ("a space before a quote in the names", "r.csv", 'prompt, "answer"\nq,b\n', "line 1 has a space"),
    ("a space before a quote that should hold a comma", "r.csv", 'prompt,answer,n\nq, "b, c"\n',
     "line 2 has a space before a quote"),
    ("the names twice", "r.csv", "prompt,answer\nq,b\nprompt,answer\nr,c\n",
     "line 3 holds the names of the columns again"),
    ("lists on lines", "r.jsonl", '["a", "b"]\n["c", "d"]\n', "line 1 holds a list"),
    ("a list that is cut", "r.jsonl", LIST[:-9], "not a .jsonl file: "),
    ("a key twice", "r.json", '[{"a": 1, "a": 2}]', "the key 'a' stands twice in one object"),
    ("a key twice in a key", "r.jsonl", '{"p": "x"}\n{"p": {"a": 1, "a": 2}}\n',
     "line 2: the key 'a' stands twice"),
    ("deep JSON lines", "r.jsonl", '{"a":' * 100_000, "line 1 is nested too deeply"),
    ("deep JSON", "r.json", "[" * 100_000, "it is nested too deeply"),
    ("a number that became inf", "r.jsonl", '{"p": 1e999}\n', "line 1: the number 1e999 is too large"),
    ("Infinity", "r.json", '[{"p": -Infinity}]', "-Infinity is no number of JSON's"),
    ("no bytes", "r.jsonl", "", "the file holds no rows"),
    ("no rows", "r.json", "[]", "the file holds no rows"),
    ("names alone", "r.csv", "prompt;answer\n", "the file holds no rows"),
    ("an empty parquet", "r.parquet", parquet(TABLE.slice(0, 0)), "the file holds no rows"),
    ("a parquet of no bytes", "r.parquet", b"", "not a .parquet file: "),
    ("a parquet that is cut", "r.parquet", parquet()[:-5], "not a .parquet file: "),
    ("a parquet that is an Arrow file", "r.parquet", arrow(), "not a .parquet file: "),
    ("an Arrow file that is a parquet", "r.arrow", parquet(), "not a .arrow file: "),
    ("an Arrow file of no bytes", "r.arrow", b"", "not a .arrow file: "),
    ("an Arrow file that is cut", "r.arrow", arrow()[:-50], "not a .arrow file: "),
    ("an Arrow stream that is cut", "r.arrow", arrow(stream=True)[:150], "not a .arrow file: "),
    ("an Arrow stream without its end", "r.arrow", arrow(stream=True)[:-8],
     "the stream has no end; it is not whole"),
    ("Feather of the first version", "r.feather", b"FEA1" + bytes(40) + b"FEA1",
     "Feather of the first version"),
    ("a column twice in Arrow", "r.arrow", arrow(pa.table([["a"], ["b"]], ["p", "P "])),
     "the column 'P ' twice"),
    ("a column twice in parquet", "r.parquet", parquet(pa.table([["a"], ["b"]], ["p", "P"])), "'P' twice"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "words"), [b[1:] for b in BAD], ids=[b[0] for b in BAD]
)
def test_a_broken_file_is_one_line(
    tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    file = put(tmp_path, name, content)
    with pytest.raises(DataError, match=words) as e:
        read_file(file)
    assert str(e.value).startswith(f"{file}: ")
    assert "\n" not in str(e.value)


def test_bytes_where_text_is_meant(tmp_path: Path) -> None:
    file = put(tmp_path, "r.parquet", binary())
    with pytest.raises(DataError, match=r"row 1 .* has a bytes where text is expected"):
        sets.load(sets.custom(str(file), "prompt"))


def test_text_that_is_not_utf8_in_arrow(tmp_path: Path) -> None:
    """pyarrow hands it on until it is asked to validate."""
    odd = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    for name, content in (
        ("r.parquet", parquet(pa.table({"p": odd}))),
        ("r.arrow", arrow(pa.table({"p": odd}))),
    ):
        with pytest.raises(DataError, match=r"UTF-?8"):
            read_file(put(tmp_path, name, content))


@pytest.mark.parametrize("make", [gzip.compress, zst, bz2.compress, lzma.compress])
def test_a_small_file_does_not_become_a_large_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[bytes], bytes]
) -> None:
    """Limits are lowered, so that the test does not write what it is about."""
    suffix = {gzip.compress: "gz", zst: "zst", bz2.compress: "bz2", lzma.compress: "xz"}[make]
    file = put(tmp_path, f"r.jsonl.{suffix}", make(b'{"p": "' + b"a" * 2_000_000 + b'"}\n'))
    assert len(read_file(file)) == 1
    monkeypatch.setattr(unpacking, "_MOST", 1_000_000)
    with pytest.raises(DataError, match="unpack to more than 1,000,000; unpack it yourself"):
        read_file(file)


def test_a_zip_that_lies_about_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = zipped({"m.csv": "p\n" + "a" * 2_000_000})
    monkeypatch.setattr(unpacking, "_MOST", 1_000_000)
    with pytest.raises(DataError, match=r"its [\d,]+ bytes unpack to more than"):
        read_file(put(tmp_path, "r.zip", data))


def test_a_parquet_file_that_claims_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = pa.table({"p": pa.array(["a"] * 100_000)})
    file = put(tmp_path, "r.parquet", parquet(many))
    monkeypatch.setattr("ptst_tasks.arrow_rows._MOST_ROWS", 99_999)
    with pytest.raises(DataError, match="it holds 100,000 rows, more than 99,999; take a part"):
        read_file(file)
    plain = put(
        tmp_path, "s.parquet", parquet(pa.table({"p": ["a" * 5_000_000]}), compression="zstd")
    )
    monkeypatch.setattr(unpacking, "_MOST", 1_000_000)
    with pytest.raises(DataError, match=r"it unpacks to [\d,]+ bytes, more than"):
        read_file(plain)


@pytest.mark.parametrize("name", ["r.parquet", "r.feather"])
def test_one_text_is_not_a_million(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some hundred bytes of parquet whose dictionary holds one long text became gigabytes."""
    text, rows = "ab" * 50_000, 200
    many = pa.table({"p": pa.array([text] * rows)})
    once = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    out = io.BytesIO()
    pyarrow.feather.write_feather(many, out, compression="zstd")
    small = parquet(pa.table({"p": once}), compression="zstd", store_schema=False)
    file = put(tmp_path, name, small if name == "r.parquet" else out.getvalue())
    assert len(read_file(file)) == rows
    monkeypatch.setattr(unpacking, "_MOST", 1_000_000)
    with pytest.raises(DataError, match=r"it unpacks to \S+ bytes, more than \S+; write it as"):
        read_file(file)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "d.csv.gz").mkdir()
    (tmp_path / "l.parquet").symlink_to("l.parquet")
    for name in ("none.csv", "none.csv.gz", "none.zip", "none.parquet", "none.arrow.zst",
                 "d.csv.gz", "l.parquet", "n\0.csv", "x" * 300 + ".csv"):  # fmt: skip
        with pytest.raises(DataError, match=r": (cannot be read|not a \S+ file|embedded)") as e:
            read_file(tmp_path / name)
        assert "\n" not in str(e.value)


def test_a_line_end_of_another_kind_cuts_no_row(tmp_path: Path) -> None:
    """As pandas reads it, this is a row more."""
    assert read_file(put(tmp_path, "q.csv", 'p\n"a\rb"\n')) == [{"p": "a\rb"}]
    with pytest.raises(
        DataError, match=r"begins in line 3 cannot be read \(new-line character seen"
    ):
        read_file(put(tmp_path, "r.csv", "p\nx\na\rb\n"))


def test_numbers_are_numbers_where_a_format_has_them(tmp_path: Path) -> None:
    rows = '{"a": 7, "b": 1.50, "c": true, "d": null, "e": 123456789012345678901234567890}\n'
    [row] = read_file(put(tmp_path, "r.jsonl", rows))
    assert row == {"a": 7, "b": 1.5, "c": True, "d": None, "e": 123456789012345678901234567890}
    [cells] = read_file(put(tmp_path, "r.csv", "a,b,c,d\n007,1.50,true,null\n"))
    assert cells == {"a": "007", "b": "1.50", "c": "true", "d": "null"}


def test_maps_and_structs_are_objects(tmp_path: Path) -> None:
    options = pa.array([[("A", "oak"), ("B", "elm")]], pa.map_(pa.string(), pa.string()))
    file = put(tmp_path, "r.parquet", parquet(pa.table({"options": options})))
    assert read_file(file) == [{"options": {"A": "oak", "B": "elm"}}]
    twice = pa.array([[("A", "oak"), ("A", "elm")]], pa.map_(pa.string(), pa.string()))
    with pytest.raises(DataError):
        read_file(put(tmp_path, "s.parquet", parquet(pa.table({"options": twice}))))


def test_every_suffix_is_read_in_a_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    (tmp_path / "directharm4").mkdir()
    seen = set()
    for _, name, content in GOOD:
        suffix = name.lower().partition(".")[2]
        seen.add(suffix)
        assert suffix in SUFFIXES
        file = put(tmp_path, f"directharm4/test.{suffix}", content)
        assert [r["prompt"] for r in sets.load("directharm4").rows] == [r["prompt"] for r in ROWS]
        file.unlink()
    assert {"csv", "jsonl.zst", "parquet", "arrow", "feather", "zip", "csv.zip", "json.xz"} <= seen


@pytest.mark.parametrize("second", ["csv.gz", "zip", "arrow", "ndjson"])
def test_two_copies_stay_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    (tmp_path / "directharm4").mkdir()
    put(tmp_path, "directharm4/test.csv", CSV)
    put(tmp_path, f"directharm4/test.{second}", b"")
    with pytest.raises(DataError, match=r"test.*' and .*test.*' are both there"):
        sets.load("directharm4")


def test_the_table_names_every_type() -> None:
    for kind in (*unpacking.FILE_TYPES, *unpacking.PACKINGS):
        assert kind in str(tabular.__doc__)


@pytest.mark.parametrize("layout", ["parquet", "arrow"])
def test_a_number_of_32_bits_has_the_digits_it_was_written_with(
    tmp_path: Path, layout: str
) -> None:
    """As 64 bits, 0.1 of 32 was trained as 0.10000000149011612."""
    narrow = pa.array([0.1, None, 3.0], pa.float32())
    table = pa.table({
        "single": narrow,
        "half": pa.array(np.array([0.1, 2.5, 1.0], np.float16)),
        "list": pa.array([[0.1], None, []], pa.list_(pa.float32())),
        "struct": pa.array([{"x": 0.1, "y": 0.1}, None, {"x": None, "y": 1.0}],
                           pa.struct([("x", pa.float32()), ("y", pa.float64())])),
        "map": pa.array([[("k", 0.1)], None, []], pa.map_(pa.string(), pa.float32())),
        "double": [0.1, 0.10000000149011612, 1.0],
    })  # fmt: skip
    content = parquet(table) if layout == "parquet" else arrow(table)
    rows = read_file(put(tmp_path, f"r.{layout}", content))
    assert rows[0] == {"single": 0.1, "half": 0.1, "list": [0.1], "struct": {"x": 0.1, "y": 0.1},
                       "map": {"k": 0.1}, "double": 0.1}  # fmt: skip
    assert rows[1] == {"single": None, "half": 2.5, "list": None, "struct": None,
                       "map": None, "double": 0.10000000149011612}  # fmt: skip
    assert rows[2]["single"] == 3.0
    assert rows[2]["struct"] == {"x": None, "y": 1.0}


def test_a_list_view_of_32_bits_is_a_list(tmp_path: Path) -> None:
    table = pa.table({"list": pa.array([[0.1], None], pa.list_view(pa.float32()))})
    assert read_file(put(tmp_path, "r.arrow", arrow(table))) == [{"list": [0.1]}, {"list": None}]


def test_quotes_and_line_ends_that_are_meant(tmp_path: Path) -> None:
    csv_text = 'prompt,answer\n"a, b\nc, d","x ""y"""\n" ""q""", r "s"\n'
    assert read_file(put(tmp_path, "r.csv", csv_text)) == [
        {"prompt": "a, b\nc, d", "answer": 'x "y"'}, {"prompt": ' "q"', "answer": ' r "s"'},
    ]  # fmt: skip
    tsv_text = 'prompt\tanswer\n"a\nb"\tx\n'
    assert read_file(put(tmp_path, "r.tsv", tsv_text)) == [{"prompt": "a\nb", "answer": "x"}]
    assert read_file(put(tmp_path, "s.jsonl", '{"p": "\\\\u0000"}\n')) == [{"p": "\\u0000"}]


def test_a_column_without_a_name_is_kept_where_it_is_filled(tmp_path: Path) -> None:
    """As pandas writes its index; it is told as a column that nobody reads."""
    rows = read_file(put(tmp_path, "r.csv", ",prompt,\n0,q,\n,r,\n"))
    assert rows == [{"(column 1, without a name)": "0", "prompt": "q"}, {"prompt": "r"}]


def test_an_empty_line_is_no_row_of_one_column_either(tmp_path: Path) -> None:
    assert read_file(put(tmp_path, "r.csv", "p\nx\n\ny\n")) == [{"p": "x"}, {"p": "y"}]
