"""``ptst board | plot``: what they read, and where they write."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from leaderboards.board.row import REQUIRED
from tests.faults.table import Fault, text

GOOD = {"base": "m", "task": "advbench", "test_template": "chat:llama", "judge": "k", "metric": "asr",
        "value": "0.5", "n": "10", "unscored": "0"}  # fmt: skip


def board(*rows: dict[str, str], header: tuple[str, ...] = REQUIRED) -> str:
    """A leaderboard; a good row, changed."""
    out = io.StringIO()
    writer = csv.DictWriter(out, header, lineterminator="\n", extrasaction="ignore", restval="")
    out.write(",".join(header) + "\n")
    writer.writerows({**GOOD, **row} for row in rows)
    return out.getvalue()


def cell(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """Changes the first cell of the run."""
    return lambda folder: change(sorted(folder.glob("run/cells/*"))[0])


def results(folder: Path, **fields: object) -> None:
    """Changes fields of the lm_eval output's results file."""
    (file,) = folder.glob("lm/**/results_*.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def samples(folder: Path, content: bytes) -> None:
    """Writes another samples file."""
    (file,) = folder.glob("lm/**/samples_*.jsonl")
    file.write_bytes(content)


ONE = "x.csv"
ROWS = [
    Fault("board: a mistyped run", "board runn", ("'runn' does not exist", "run folder")),
    Fault("board: a mistyped run beside a good one", "board run runn", ("'runn' does not exist",)),
    Fault("board: a YAML", "board study.yaml", ("'study.yaml' cannot be read as JSON",)),
    Fault("board: a folder named as a CSV", "board x.csv", ("'x.csv' cannot be read", "directory"),
          lambda folder: (folder / ONE).mkdir()),
    Fault("board: an empty CSV", "board x.csv", ("'x.csv' is empty", "base,adapter"), text(ONE, "")),
    Fault("board: a header alone", "board x.csv", ("a header and no rows",), text(ONE, board())),
    Fault("board: a column twice", "board x.csv", ("'task' stands there twice",),
          text(ONE, board({}, header=(*REQUIRED, "task")))),
    Fault("board: an unknown column", "board x.csv", ("unknown column 'metrics'", "'metric'"),
          text(ONE, board({}, header=(*REQUIRED, "metrics")))),
    Fault("board: not UTF-8", "board x.csv", ("'x.csv' is not UTF-8 (byte 0xe9)", "save it"),
          text(ONE, board({"base": "é"}).encode("latin-1"))),
    Fault("board: UTF-16", "board x.csv", ("'x.csv' is not UTF-8",),
          text(ONE, board({}).encode("utf-16"))),
    Fault("board: a field of 200 kB", "board x.csv", ("line 2", "more than 131,072 characters"),
          text(ONE, board({"judge": "a" * 200_000}))),
    Fault("board: an open quote", "board x.csv", ("'x.csv', line 3: not CSV",),
          text(ONE, board({}) + '"m')),
    Fault("board: a rate of 1.5", "board x.csv", ("line 2: value of asr is 1.5", "0..1"),
          text(ONE, board({"value": "1.5"}))),
    Fault("board: a rate that is no number", "board x.csv", ("line 2: value", "finite"),
          text(ONE, board({"value": "nan"}))),
    Fault("board: n below 0", "board x.csv", ("line 2: n", "'-4'"), text(ONE, board({"n": "-4"}))),
    Fault("board: n of 30 digits", "board x.csv", ("line 2: n",),
          text(ONE, board({"n": "9" * 30}))),
    Fault("board: a row without a set", "board x.csv", ("line 2: task", "is empty"),
          text(ONE, board({"task": ""}))),
    Fault("board: a run without cells", "board run", ("'run' has no finished cell",),
          lambda folder: shutil.rmtree(folder / "run/cells")),
    Fault("board: an empty folder", "board new", ("'new' holds neither", "--output_path"),
          lambda folder: (folder / "new").mkdir()),
    Fault("board: a cell.json of wrong types", "board run", ("cell", "base"),
          cell(lambda c: (c / "cell.json").write_text('{"base": 3, "seed": "x"}')), code=0),
    Fault("board: a cell.json that is a list", "board run", ("cell.json", "no JSON object"),
          cell(lambda c: (c / "cell.json").write_text("[]")), code=0),
    Fault("board: results of wrong types", "board lm", ("configs", "expected an object"),
          lambda folder: results(folder, configs={"t": 3}, results={"t": {"acc,none": 1}})),
    Fault("board: results that are a list", "board lm", ("results_", "no results and configs"),
          lambda folder: results(folder, results=[])),
    Fault("board: n-samples of a wrong type", "board lm", ("n-samples is 'many'", "damaged"),
          lambda folder: results(folder, **{"n-samples": "many"})),
    Fault("board: results nested too deeply", "board lm", ("results_", "cannot be read as JSON"),
          lambda folder: next(folder.glob("lm/**/results_*")).write_text("[" * 100_000)),
    Fault("board: samples that are not UTF-8", "board lm", ("samples_", "line 1: damaged"),
          lambda folder: samples(folder, b'{"doc": "\xe9"}\n')),
    Fault("board: samples without ids", "board lm", ("samples_", "line 1: damaged"),
          lambda folder: samples(folder, b'{"doc": [], "filter": 3}\n')),
    Fault("board: -o is a folder", "board run -o run", ("--out 'run'", "it is a folder")),
    Fault("board: -o cannot be written", "board run -o /proc/x/y.csv", ("--out '/proc/x/y.csv'",)),
    Fault("board: -o below a file", "board run -o study.yaml/x.csv", ("--out", "'study.yaml'")),
    Fault("board: -o is the study", "board run -o study.yaml", ("'.yaml' says no format", ".csv")),
    Fault("board: -o is what is read", "board board.csv -o board.csv",
          ("--out 'board.csv' is read here", "name another file")),
    Fault("board: --json is a measured file", "board run --json run/study.json",
          ("--json 'run/study.json'", "was measured")),
    Fault("board: --json and -o are one", "board run -o x.csv --json x.csv",
          ("--out and --json are the same file",)),
    Fault("board: quiet and no file", "board run -q", ("--quiet", "-o")),
    Fault("board: compared with nothing", "board run --compare llama2-gsm9k",
          ("--compare", "did you mean 'llama2-gsm8k'?")),
    Fault("board: compared with a folder", "board run --compare run", ("--compare 'run' is a folder",)),
    Fault("board: compared with a header", "board run --compare x.csv", ("--compare", "no rows"),
          text(ONE, board())),
    Fault("plot: a mistyped run", "plot runn", ("'runn' does not exist",)),
    Fault("plot: -o is a file", "plot run -o study.yaml", ("--out 'study.yaml'", "expected a folder")),
    Fault("plot: -o is below a file", "plot run -o board.csv/x", ("board.csv' is a file",)),
    Fault("plot: -o cannot be written", "plot run -o /proc/x", ("--out '/proc/x'",)),
    Fault("plot: --json cannot be written", "plot run --json /proc/x/y", ("--json '/proc/x/y'",)),
    Fault("plot: nothing to draw", "plot x.csv", ("there is nothing to draw",),
          text(ONE, board({"test_template": ""}))),
    Fault("plot: names that lead out of the folder", "plot x.csv -o o -q", (),
          text(ONE, board({"task": "../../x", "base": "/etc/y", "judge": ".."}, {"task": ".."})),
          code=0, lines=0, makes=("o", "o/*")),
    Fault("plot: a formula, a control and a half", "plot x.csv -o o -q", (),
          text(ONE, board({"base": "$x_{", "judge": "a\u2028\x1b[1m"}, {"task": '\'"a\\ud800"'})),
          code=0, lines=0, makes=("o", "o/*")),
]  # fmt: skip
