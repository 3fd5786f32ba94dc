"""Data sets, templates and the commands that show them; `ptst demo` before its work."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

from tests.faults.table import Fault, text

OWN = {"PTST_TEMPLATES": "t.yaml"}
GSM8K = "validate --set gsm8k --template TV"
ADV = "validate --set advbench --template TV"
FILE = "validate --set custom --template TV --metadata"
TALK = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi."}]
GOOD = "- {name: 'chat:x', abbr: CX, user: 'a {input}'}\n"


def row(**fields: str) -> Callable[[Path], object]:
    """A file of templates with one row, written as YAML."""
    told = {"name": "chat:x", "abbr": "CX", "user": "a {input}", **fields}
    return text("t.yaml", "- " + "\n  ".join(f"{k}: {v!r}" for k, v in told.items()) + "\n")


def gsm8k(content: str | bytes, name: str = "test.jsonl") -> Callable[[Path], object]:
    """The set gsm8k as this file alone."""

    def write(folder: Path) -> object:
        (folder / "data/gsm8k/test.jsonl").unlink()
        return text(f"data/gsm8k/{name}", content)(folder)

    return write


def _folder(folder: Path) -> None:
    (folder / "data/gsm8k/test.jsonl").unlink()
    (folder / "data/gsm8k/test.jsonl").mkdir()


def _circle(folder: Path) -> None:
    (folder / "data/gsm8k/test.jsonl").unlink()
    (folder / "data/gsm8k/test.jsonl").symlink_to("test.jsonl")


def _two(*steps: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: [step(folder) for step in steps]


def _tokenizer(config: str) -> Callable[[Path], object]:
    def write(folder: Path) -> object:
        text("tok/tokenizer.json", (folder / "base/tokenizer.json").read_bytes())(folder)
        return text("tok/tokenizer_config.json", config)(folder)

    return write


ROWS = [
    # names on the command line
    Fault("path: an argument too many", "path x", ("unexpected extra argument", "ptst path --help")),
    Fault("tasks: no such set", "tasks --set gsm9k", ("unknown set 'gsm9k'", "did you mean 'gsm8k'?")),
    Fault("tasks: no such template", "tasks --template chat:lama", ("did you mean 'chat:llama'?",)),
    Fault("templates: no such style", "templates --style opnai", ("did you mean 'openai'?",)),
    Fault("validate: no rows", "validate --set gsm8k --rows 0", ("--rows", "ptst validate --help")),
    # outputs
    Fault("tasks: JSON where nothing can be written", "tasks --json /proc/x", ("--json '/proc/x'",)),
    Fault("templates: JSON into a folder", "templates --json base", ("--json 'base'", "a folder")),
    Fault("datasets: JSON below a file", "datasets --json study.yaml/x", ("--json 'study.yaml/x'",)),
    Fault("validate: JSON where nothing can be written", f"{GSM8K} --json /proc/x", ("--json",)),
    Fault("tasks: nothing of one's own to write", "tasks --write out", ("$PTST_TEMPLATES",)),
    Fault("tasks: written into a file", "tasks --write study.yaml", ("--write 'study.yaml",
          "cannot be written"), text("t.yaml", GOOD), env=OWN),
    Fault("tasks: written where nothing can be", "tasks --write /proc/x", ("--write '/proc/x",),
          text("t.yaml", GOOD), env=OWN),
    Fault("tasks: a file where a set's folder is meant", "tasks --write w", ("--write 'w/advbench'",
          "it is a file"), _two(text("t.yaml", GOOD), text("w/advbench", "")), env=OWN),
    # templates of one's own
    Fault("templates: no such file", "tasks", ("templates file 't.yaml'", "No such file"), env=OWN),
    Fault("templates: a folder", "tasks", ("'base'", "Is a directory"), env={"PTST_TEMPLATES": "base"}),
    Fault("templates: an empty file", "tasks", ("'t.yaml'", "valid list"), text("t.yaml", ""), env=OWN),
    Fault("templates: not UTF-8", "tasks", ("'t.yaml' is not UTF-8",),
          text("t.yaml", b"\xff\xfe"), env=OWN),
    Fault("templates: not YAML", "tasks", ("'t.yaml' is not YAML",), text("t.yaml", "- {a: ["), env=OWN),
    Fault("templates: deep", "tasks", ("nested too deeply",), text("t.yaml", "[" * 5000), env=OWN),
    Fault("templates: a mapping", "tasks", ("'t.yaml'", "valid list"), text("t.yaml", "a: 1"), env=OWN),
    Fault("templates: a number", "tasks", ("'t.yaml': 0:", "got 3"), text("t.yaml", "- 3"), env=OWN),
    Fault("templates: a key twice", "tasks", ("'name' stands twice",),
          text("t.yaml", "- {name: 'chat:x', name: 'chat:y', user: '{input}'}"), env=OWN),
    Fault("templates: a field with a slip", "tasks", ("unknown field 'usr'", "did you mean 'user'?"),
          row(usr="x"), env=OWN),
    Fault("templates: a name that is a path", "tasks --write w", ("'chat:../../x'", "of the form"),
          row(name="chat:../../x"), env=OWN),
    Fault("templates: a name with a line end", "tasks", ("of the form",),
          text("t.yaml", '- {name: "chat:x\\n", user: "{input}"}'), env=OWN),
    Fault("templates: a name with a NUL", "tasks", ("of the form",),
          text("t.yaml", '- {name: "chat:x\\0", user: "{input}"}'), env=OWN),
    Fault("templates: a name longer than a file's", "tasks", ("has 305 characters", "60 at most"),
          row(name="chat:" + 300 * "x"), env=OWN),
    Fault("templates: an abbreviation of two", "tasks", ("'C,X'", "without commas"),
          row(abbr="C,X"), env=OWN),
    Fault("templates: a name that is taken", "tasks", ("'chat:vanilla'", "choose another"),
          row(name="chat:vanilla"), env=OWN),
    Fault("templates: no place for the question", "tasks", ("no '{input}'",), row(user="hi"), env=OWN),
    Fault("templates: an attribute of the question", "tasks", ("no '{input}'",),
          row(user="{input.__class__}"), env=OWN),
    Fault("templates: the question in the system message", "tasks", ("'{input}' in its system",),
          row(system="{input}"), env=OWN),
    Fault("templates: a text with a system message", "tasks", ("is a text template",),
          row(name="text:x", system="hi"), env=OWN),
    Fault("templates: half a turn", "tasks", ("turns",),
          text("t.yaml", GOOD.replace("user:", "turns: [[a]], user:")), env=OWN),
    Fault("templates: no such style of a row", "tasks", ("unknown style 'nope' in t.yaml",),
          text("t.yaml", GOOD.replace("user:", "styles: [nope], user:")), env=OWN),
    Fault("templates: half a character", "tasks", ("0.user",),
          text("t.yaml", '- {name: "chat:x", user: "{input}\\ud800"}'), env=OWN),
    # $PTST_DATA_DIR
    Fault("datasets: no such folder", "datasets", ("$PTST_DATA_DIR is 'nowhere'", "not a folder"),
          env={"PTST_DATA_DIR": "nowhere"}),
    Fault("datasets: a file for a folder", "tasks --available", ("$PTST_DATA_DIR is 'study.yaml'",),
          env={"PTST_DATA_DIR": "study.yaml"}),
    Fault("datasets: damaged files are told", "datasets --check", ("damaged: gsm8k",), gsm8k("{")),
    Fault("data: empty", GSM8K, ("test.jsonl", "no rows"), gsm8k("")),
    Fault("data: a byte order mark alone", GSM8K, ("no rows",), gsm8k(b"\xef\xbb\xbf")),
    Fault("data: UTF-16 that is cut", GSM8K, ("not UTF-16", "save it as UTF-8"),
          gsm8k("{}".encode("utf-16")[:-1])),
    Fault("data: deep JSON", GSM8K, ("it is nested too deeply",), gsm8k("[" * 100_000)),
    Fault("data: deep JSON lines", GSM8K, ("line 1 is nested too deeply",), gsm8k('{"a":' * 100_000)),
    Fault("data: a number of 5,000 digits", GSM8K, ("line 1", "digits"),
          gsm8k('{"question": "q", "answer": ' + 5000 * "1" + "}")),
    Fault("data: half a character", GSM8K, ("row 1", "half a character", "'question'"),
          gsm8k('{"question": "a\\ud800b", "answer": "#### 1"}')),
    Fault("data: a key twice", GSM8K, ("line 1", "'answer' stands twice"),
          gsm8k('{"question": "q", "answer": "#### 1", "answer": "#### 2"}')),
    Fault("data: a list on a line", GSM8K, ("row 1 is a number",), gsm8k("[1]")),
    Fault("data: a number on a line", GSM8K, ("line 1 holds a number",), gsm8k("1")),
    Fault("data: an empty folder", GSM8K, ("test.jsonl", "a folder with no file of rows"), _folder),
    Fault("data: a link to itself", GSM8K, ("test.jsonl", "symbolic links"), _circle),
    Fault("data: of a type that is not read", GSM8K, ("holds no gsm8k/test.*", "'gsm8k/test.txt'"),
          gsm8k("{}", "test.txt")),
    Fault("data: packed, and cut", GSM8K, ("test.jsonl.gz", "the gz data are damaged, or not whole"),
          gsm8k(gzip.compress(b"{}")[:-4], "test.jsonl.gz")),
    Fault("data: packed, and not so called", GSM8K, ("those of a gzip file; name it .gz",),
          gsm8k(gzip.compress(b"{}"))),
    Fault("data: a zip of nothing", GSM8K, ("the zip holds nothing",),
          gsm8k(b"PK\x05\x06" + bytes(18), "test.zip")),
    Fault("data: Arrow that is none", GSM8K, ("not a .arrow file",), gsm8k(b"ARROW1\0\0x", "test.arrow")),
    Fault("data: parquet that is none", GSM8K, ("not a .parquet file",),
          gsm8k(b"PAR1xxPAR1", "test.parquet")),
    Fault("data: parquet of no bytes", GSM8K, ("not a .parquet file",), gsm8k(b"", "test.parquet")),
    Fault("data: a quote that is never closed", ADV, ("begins in line 2", "never closed"),
          text("data/advbench/train.csv", 'Goal\n"' + 200_000 * "x")),
    Fault("data: NUL in a CSV", ADV, ("line 2 holds a NUL byte",),
          text("data/advbench/train.csv", "Goal\na\0b\n")),
    Fault("data: a CSV of no bytes", ADV, ("no rows",), text("data/advbench/train.csv", b"")),
    Fault("data: a file of one's own that is not there", f"""{FILE} '{{"custom": "no.csv"}}'""",
          ("no.csv", "No such file")),
    Fault("data: a folder of one's own with two splits", f"""{FILE} '{{"custom": "d"}}'""",
          ("has the splits 'dev', 'train'", "'d:dev'"),
          _two(text("d/dev.csv", "prompt\nx\n"), text("d/train.csv", "prompt\nx\n"))),
    Fault("data: a split that is not there", f"""{FILE} '{{"custom": "d:tran"}}'""",
          ("has 'train', not 'tran'", "did you mean 'train'"), text("d/train.csv", "prompt\nx\n")),
    Fault("data: a split of a file", f"""{FILE} '{{"custom": "d.csv:train"}}'""",
          ("a file has no splits",), text("d.csv", "prompt\nx\n")),
    Fault("data: a folder of several kinds", f"""{FILE} '{{"custom": "d"}}'""",
          ("files of several kinds (csv, jsonl)",), _two(text("d/a.csv", "x"), text("d/b.jsonl", "x"))),
    Fault("data: neither here nor on the hub", f"""{FILE} '{{"custom": "data/nothing"}}'""",
          ("'data/nothing': there is no such file or folder here", "owner/name[/config][:split]")),
    Fault("data: a csv that can be cut in two ways", f"""{FILE} '{{"custom": "d.csv"}}'""",
          ("line 1 can be cut at every comma and at every semicolon",), text("d.csv", "a,b;c\n1,2;3\n")),
    Fault("data: a sheet", f"""{FILE} '{{"custom": "d.xlsx"}}'""",
          ("is not read; save it as csv",), text("d.xlsx", "PK")),
    Fault("data: a type that is not read", f"""{FILE} '{{"custom": "d.txt"}}'""",
          ("unknown file type '.txt'", "jsonl"), text("d.txt", "hi")),
    Fault("data: no such column", f"""{FILE} '{{"custom": "d.csv", "column": "nope"}}'""",
          ("columns a, b", "nope"), text("d.csv", "a,b\n1,2\n")),
    Fault("data: an object where text is meant", f"""{FILE} '{{"custom": "d.json"}}'""",
          ("row 1", "a dict where text is expected"), text("d.json", '[{"prompt": {"a": [[1]]}}]')),
    Fault("data: a conversation of several turns", f"""{FILE} '{{"custom": "d.json"}}'""",
          ("row 1", "2 questions", "a test asks one"),
          text("d.json", json.dumps([{"messages": 2 * TALK}]))),
    Fault("data: roles out of order", f"""{FILE} '{{"custom": "d.json"}}'""",
          ("row 1", "message 1 of 'messages'"), text("d.json", json.dumps([{"messages": TALK[1:]}]))),
    Fault("data: a list for a context", f"""{FILE} '{{"custom": "d.json"}}'""",
          ("row 1", "a list where text is expected", "'context'"),
          text("d.json", '[{"prompt": "q", "context": ["a"]}]')),
    Fault("data: a kind that is none", f"""{FILE} '{{"custom": "d.csv", "kind": "benign"}}'""",
          ("unknown kind 'benign'", "did you mean 'harmless'?"), text("d.csv", "prompt\nx\n")),
    Fault("data: safe prompts taken for questions", f"""{FILE} '{{"custom": "d.csv", "kind": "choice"}}'""",
          ("columns prompt", "choices, options"), text("d.csv", "prompt\nx\n")),
    Fault("data: sets with names in the metadata",
          f"""{FILE} '{{"custom": {{"a": {{"path": "d.csv"}}}}}}'""",
          ("names 'a'", "ptst tasks --custom FILE.yaml --write DIR")),
    Fault("tasks: sets of one's own in no file", "tasks --custom no.yaml --write w",
          ("--custom 'no.yaml'",)),
    Fault("tasks: sets of one's own, and nowhere to write", "tasks --custom c.yaml", ("--write DIR",),
          text("c.yaml", "a: {path: d.csv, kind: harmful}\n")),
    Fault("tasks: a set of one's own without a kind", "tasks --custom c.yaml --write w",
          ("--custom 'c.yaml': a: kind: no kind is said",), text("c.yaml", "a: {path: d.csv}\n")),
    Fault("tasks: a set of one's own that is not there", "tasks --custom c.yaml --write w",
          ("d.csv", "No such file"), text("c.yaml", "a: {path: d.csv, kind: harmful}\n")),
    # validate
    Fault("validate: metadata is deep", f"{GSM8K} --metadata '" + '{"a":' * 5000 + "'", ("too deeply",)),
    Fault("validate: metadata says a name twice",
          f"""{GSM8K} --metadata '{{"style": "openai", "style": "gsm8k"}}'""", ("'style' stands twice",)),
    Fault("validate: no such tokenizer", f"{GSM8K} --tokenizer nowhere",
          ("the tokenizer 'nowhere'", "no folder here")),
    Fault("validate: a folder that is no tokenizer", f"{GSM8K} --tokenizer data",
          ("the tokenizer 'data' cannot be loaded",)),
    Fault("validate: a tokenizer that is garbage", f"{GSM8K} --tokenizer tok", ("the tokenizer 'tok'",),
          _two(text("tok/tokenizer.json", b"\xff\x00"), text("tok/tokenizer_config.json", "{}"))),
    Fault("validate: a tokenizer's settings are a list", f"{GSM8K} --tokenizer tok",
          ("the tokenizer 'tok'",), _tokenizer("[]")),
    Fault("validate: a chat template that does not parse",
          "validate --set gsm8k --template CV --tokenizer tok", ("the chat template fails",),
          _tokenizer('{"chat_template": "{% if %}", "tokenizer_class": "PreTrainedTokenizerFast"}')),
    Fault("validate: a chat template that divides by zero",
          "validate --set gsm8k --template CV --tokenizer tok", ("the chat template fails",),
          _tokenizer('{"chat_template": "{{ 1 / 0 }}", "tokenizer_class": "PreTrainedTokenizerFast"}')),
    # demo, of which a fault was found after two minutes
    Fault("demo: a file for its folder", "demo --out study.yaml --csv d.csv", ("--out 'study.yaml'",)),
    Fault("demo: a file for a run's folder", "demo --out o --csv d.csv", ("--out 'o/organism-0'",),
          text("o/organism-0", "x")),
    Fault("demo: nowhere to write", "demo --out /proc/x --csv d.csv", ("--out '/proc/x",)),
    Fault("demo: a folder for the leaderboard", "demo --out o --csv base", ("--csv 'base'", "a folder")),
    Fault("demo: a leaderboard where nothing can be written", "demo --csv /proc/x", ("--csv '/proc/x'",)),
    Fault("demo: two outputs, one file", "demo --csv d --json d", ("--csv and --json are the same file",)),
    Fault("demo: no models", "demo --seeds 0", ("--seeds", "ptst demo --help")),
    Fault("demo: no templates", "demo --templates ,", ("--templates is ','",)),
    Fault("demo: no such template", "demo --templates CV,CZ", ("unknown prompt template 'CZ'",)),
    Fault("demo: a template that it has not", "demo --templates ICD", ("'chat:icd'", "'organism'")),
    Fault("organism: a file for its folder", "organism --out study.yaml", ("study.yaml' is a file",)),
    Fault("organism: no such control", "organism --out o --control x", ("--control is 'x'",)),
]  # fmt: skip
