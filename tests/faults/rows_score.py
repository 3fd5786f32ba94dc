"""`ptst score`: whatever is wrong is said before a judge is asked; nothing of the run is touched.

The judge's endpoint is a port where nobody listens: a row that asked it would fail otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.table import Fault, text

PAID = "rubric:model=m,base_url=http://127.0.0.1:9/v1,attempts=1"
SCORE = f"score run --judge '{PAID}'"
KEY = "sk-proj-0123456789abcdef"
DEEP = "[" * 100_000
VERDICT = '{"query": "a", "response": "b", "harmful": true, "score": %s}\n'


def spec(settings: str) -> str:
    return f"score run --judge 'rubric:model=m,base_url=http://127.0.0.1:9/v1,{settings}'"


def samples(change: Callable[[list[bytes]], bytes]) -> Callable[[Path], object]:
    """Damages the samples of one cell of harmful prompts."""

    def prepare(folder: Path) -> object:
        file = sorted((folder / "run").rglob("samples_ptst_advbench_*.jsonl"))[0]
        return file.write_bytes(change(file.read_bytes().split(b"\n")[:-1]))

    return prepare


def line(number: int, **fields: Any) -> Callable[[Path], object]:
    """Changes fields of one line of samples."""

    def change(lines: list[bytes]) -> bytes:
        lines[number - 1] = json.dumps({**json.loads(lines[number - 1]), **fields}).encode()
        return b"\n".join([*lines, b""])

    return samples(change)


def results(*path: str, value: Any) -> Callable[[Path], object]:
    """Puts a wrong value into the results of one cell; TASK stands for its task."""

    def prepare(folder: Path) -> object:
        [file, *_] = sorted(
            f for f in (folder / "run").rglob("results_*.json") if "ptst_advbench" in f.read_text()
        )
        data = json.loads(file.read_text())
        where, task = data, next(iter(data["configs"]))
        for name in path[:-1]:
            where = where[task if name == "TASK" else name]
        where[task if path[-1] == "TASK" else path[-1]] = value
        return file.write_text(json.dumps(data))

    return prepare


def link_to(pattern: str) -> Callable[[Path], object]:
    """Makes a link ``out`` to a file of the run."""

    def prepare(folder: Path) -> object:
        return (folder / "out").symlink_to(next((folder / "run").rglob(pattern)))

    return prepare


OURS = ("configs", "TASK", "metadata", "ptst")
OUTPUTS = [
    Fault(
        "score: --json into no folder",
        f"{SCORE} --json no/r.json",
        ("--json 'no/r.json'", "no such folder"),
    ),
    Fault("score: --json is a folder", f"{SCORE} --json run", ("--json 'run'", "is a folder")),
    Fault(
        "score: --json cannot be written",
        f"{SCORE} --json /proc/r.json",
        ("--json '/proc/r.json' cannot be written",),
    ),
    Fault(
        "score: --json is a file of the run",
        f"{SCORE} --json out",
        ("--json 'out' is read here or was measured",),
        link_to("results_*.json"),
    ),
    Fault(
        "score: --record is a file of the run",
        f"{SCORE} --record out",
        ("--record 'out' is read here or was measured",),
        link_to("samples_ptst_advbench*.jsonl"),
    ),
    Fault(
        "score: --json and --record are one",
        f"{SCORE} --json a --record a",
        ("--json and --record are the same file",),
    ),
    Fault(
        "score: --json would replace the labels",
        f"{SCORE} --json l.csv --human l.csv",
        ("--json 'l.csv' is read here",),
        text("l.csv", "id,label\n0,1\n"),
    ),
    Fault(
        "score: --record cannot be written",
        f"{SCORE} --record /proc/r",
        ("--record '/proc/r' cannot be written",),
    ),
    Fault(
        "score: --record is a folder", f"{SCORE} --record run", ("--record 'run'", "is a folder")
    ),
    Fault(
        "score: --record to standard output", f"{SCORE} --record -", ("--record", "expected a file")
    ),
    Fault(
        "score: --record on another file",
        f"{SCORE} --record board.csv",
        ("'board.csv', line 1", "not a recorded verdict"),
    ),
    Fault(
        "score: --record on half a line",
        f"{SCORE} --record r",
        ("ends in half a line",),
        text("r", VERDICT.strip() % 1),
    ),
    Fault("score: --cache is a folder", f"{SCORE} --cache run", ("judge cache 'run'", "--cache")),
    Fault(
        "score: --cache is no cache",
        f"{SCORE} --cache study.yaml",
        ("judge cache 'study.yaml'", "not a database"),
    ),
    Fault("score: --cache is in no place", f"{SCORE} --cache /proc/c", ("judge cache '/proc/c'",)),
    Fault(
        "score: $PTST_JUDGE_CACHE is a folder",
        SCORE,
        ("$PTST_JUDGE_CACHE",),
        env={"PTST_JUDGE_CACHE": "run"},
    ),
]


def labels(name: str, content: str | bytes, *says: str) -> Fault:
    return Fault(f"labels: {name}", f"{SCORE} --human l.csv", ("--human 'l.csv'", *says),
                 text("l.csv", content))  # fmt: skip


LABELS = [
    Fault("labels: no file", f"{SCORE} --human no.csv", ("--human 'no.csv' does not exist",)),
    Fault("labels: a folder", f"{SCORE} --human run", ("--human 'run' cannot be read",)),
    labels("empty", "", "needs the columns id and label"),
    labels("no rows", "id,label\n", "no labels"),
    labels("a column is missing", "id\n0\n", "needs the columns id and label"),
    labels("a column is misspelt", "id,lable\n0,1\n", "did you mean 'label'"),
    labels("an unknown class", "id,label\n0,maybe\n", "line 2", "'maybe'"),
    labels("a field of 200 kB", "id,label\n" + "x" * 200_000 + ",1\n", "field larger"),
    labels("not UTF-8", b"id,label\n\xff,1\n", "not UTF-8 (byte 0xff)"),
    labels("UTF-16", "id,label\n0,1\n".encode("utf-16"), "not UTF-8"),
    labels("ids of another set", "\ufeffid,label\nnobody,1\n", "none of its 1 ids"),
    labels("cells too many", "id,label\n0,1,2,3\n", "line 2: not 2 fields"),
]
VALUES = [
    *(
        Fault(f"score: --price {v}", f"{SCORE} --price={v}", ("--price",))
        for v in ("nan,1", "inf,1", "-1,1", "1", "1,2,3")
    ),
    *(
        Fault(f"score: --max-cost {v}", f"{SCORE} --price 1,1 --max-cost={v}", ("--max-cost",))
        for v in ("nan", "inf", "-1")
    ),
    *(
        Fault(f"score: --max-unscored {v}", f"{SCORE} --max-unscored={v}", ("--max-unscored",))
        for v in ("nan", "2", "-1")
    ),
    Fault("score: --max-calls -1", f"{SCORE} --max-calls=-1", ("--max-calls",)),
    Fault(
        "score: --batch-id is a path", f"{SCORE} --batch-id ../files", ("--batch-id '../files'",)
    ),
    Fault("score: --batch-id is empty", f"{SCORE} --batch-id ''", ("--batch-id ''",)),
    Fault("score: no judge", "score run", ("--judge NAME",)),
    Fault(
        "score: an unknown judge", "score run --judge rubrik", ("--judge", "did you mean 'rubric'")
    ),
    Fault(
        "score: an unknown keyword list",
        "score run --judge keywords:zoo",
        ("--judge", "did you mean 'zou'"),
    ),
    Fault(
        "score: an unknown guard",
        "score run --judge guards:wildgard",
        ("did you mean 'wildguard'",),
    ),
    Fault(
        "score: a guard of a folder that is none",
        "score run --judge guards:wildguard,model=./none",
        ("it is no folder",),
    ),
    Fault(
        "score: a guard of a folder without weights",
        "score run --judge guards:wildguard,model=data",
        ("no weights",),
    ),
    Fault(
        "score: settings of a judge that has none",
        "score run --judge organism:x",
        ("takes no settings",),
    ),
    Fault(
        "score: a panel of one",
        "score run --judge 'panel:mean;keywords:zou'",
        ("1 of the two members",),
    ),
    Fault(
        "score: a panel of two rules",
        "score run --judge 'panel:most;keywords:zou;keywords:qi'",
        ("rule of a panel",),
    ),
    Fault("score: a setting is misspelt", spec("temprature=1"), ("did you mean 'temperature'",)),
    Fault("score: a setting twice", f"{SCORE} --model b", ("--model", "stands there twice")),
    Fault("score: half a price", spec("price_in=1"), ("price_in and price_out",)),
    *(
        Fault(f"score: {s}", spec(s), ("--judge", s.partition("=")[0]))
        for s in (
            "temperature=inf",
            "temperature=hot",
            "max_tokens=0",
            "max_tokens=99999999",
            "concurrency=0",
            "timeout=nan",
            "attempts=0",
            "backoff=inf",
            "outage=0",
            "output=xml",
            "harmful_at=9",
            "price_in=nan,price_out=1",
        )
    ),
    Fault(
        "score: --base-url is no address",
        "score run --judge rubric:model=m --base-url there",
        ("--base-url", "no http(s) address"),
    ),
    Fault(
        "score: $OPENAI_BASE_URL is no address",
        "score run --judge rubric:model=m",
        ("$OPENAI_BASE_URL",),
        env={"OPENAI_BASE_URL": "there"},
    ),
    Fault(
        "score: no key for OpenAI",
        "score run --judge keywords:qi --judge rubric:model=m",
        ("$OPENAI_API_KEY",),
        env={"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""},
    ),
    Fault(
        "score: --rubric-file is missing",
        f"{SCORE} --rubric-file no.txt",
        ("--rubric-file", "'no.txt' cannot be read"),
    ),
    Fault(
        "score: --rubric-file is a folder",
        f"{SCORE} --rubric-file run",
        ("--rubric-file", "Is a directory"),
    ),
    Fault(
        "score: --rubric-file has no places",
        f"{SCORE} --rubric-file study.yaml",
        ("has no {query}",),
    ),
    Fault(
        "score: --rubric-file is not UTF-8",
        f"{SCORE} --rubric-file r",
        ("not UTF-8",),
        text("r", b"\xff{query}{response}"),
    ),
    Fault("score: --compare with one judge", "score run --compare", ("needs two judges",)),
]


KEYS = [
    Fault(
        "score: a key as --model",
        f"score run --judge rubric --model {KEY}",
        ("--model", "looks like a key", "not shown"),
    ),
    Fault(
        "score: a key as api_key",
        spec(f"api_key={KEY}"),
        ("unknown setting 'api_key'", "did you mean 'api_key_env'"),
    ),
    Fault(
        "score: a key as api_key_env",
        spec(f"api_key_env={KEY}"),
        ("name of an environment variable",),
    ),
    Fault(
        "score: a key in base_url",
        f"score run --judge rubric:model=m,base_url=http://u:{KEY}@h/v1",
        ("with a user, a password",),
    ),
    Fault(
        "score: a key in the path of base_url",
        f"score run --judge rubric:model=m,base_url=http://h/{KEY}/v1",
        ("keys belong",),
    ),
    Fault(
        "score: a key in a panel",
        f"score run --judge 'panel:mean;rubric:model={KEY};keywords:zou'",
        ("looks like a key",),
    ),
    Fault("score: a key as a judge", f"score run --judge {KEY}", ("unknown judge '***'",)),
    Fault("score: a key as a rubric's file", spec(f"rubric={KEY}"), ("'***' cannot be read",)),
]


def replay(name: str, content: str | bytes) -> Fault:
    return Fault(f"replay: {name}", "score run --judge replay:r", ("'r', line 1", "not a recorded verdict"),
                 text("r", content))  # fmt: skip


RECORDS = [
    Fault("replay: no file", "score run --judge replay:no", ("--judge", "'no' cannot be read")),
    Fault("replay: a folder", "score run --judge replay:run", ("'run' cannot be read",)),
    Fault("replay: no name", "score run --judge replay:", ("replay:file=NAME",)),
    replay("junk", "hello\n"),
    replay("deep JSON", DEEP),
    replay("not UTF-8", b"\xff\xfe\n"),
    replay("a score that is none", VERDICT % "NaN"),
    replay("a score without end", VERDICT % "1e999"),
    replay("a score of 400 digits", VERDICT % ("9" * 400)),
    replay("a score of text", VERDICT % '"high"'),
]
DAMAGE = [
    Fault(
        "samples: a line is cut",
        SCORE,
        ("samples_ptst_advbench", "line", "damaged"),
        samples(lambda b: b"\n".join(b)[:-20]),
    ),
    Fault(
        "samples: not UTF-8",
        SCORE,
        ("line 1", "damaged"),
        samples(lambda b: b"\n".join([b"\xff" + b[0], *b[1:]])),
    ),
    Fault(
        "samples: deep JSON",
        SCORE,
        ("damaged",),
        samples(lambda b: b"\n".join([*b, DEEP.encode()])),
    ),
    Fault("samples: NUL", SCORE, ("damaged",), samples(lambda b: b"\n".join([*b, b"\0\0"]))),
    Fault(
        "samples: a prompt twice",
        SCORE,
        ("prompt 0 stands there twice",),
        samples(lambda b: b"\n".join([*b, b[0]])),
    ),
    Fault(
        "samples: resps is no list", SCORE, ("line 2", "resps holds no response"), line(2, resps=5)
    ),
    Fault(
        "samples: resps is text", SCORE, ("line 2", "resps holds no response"), line(2, resps="abc")
    ),
    Fault("samples: doc is a number", SCORE, ("line 1", "doc holds no prompt"), line(1, doc=3)),
    Fault(
        "samples: doc has no id",
        f"{SCORE} --compare",
        ("line 1", "doc holds no id"),
        line(1, doc={"prompt": "p"}),
    ),
    Fault(
        "samples: filter is a list", SCORE, ("line 1", "filter is no name"), line(1, filter=["a"])
    ),
    Fault("samples: doc_id is text", SCORE, ("doc_id is no prompt's number",), line(1, doc_id="1")),
    Fault(
        "samples: doc_id is huge", SCORE, ("doc_id is no prompt's number",), line(1, doc_id=1 << 29)
    ),
    Fault("samples: metrics is a number", SCORE, ("metrics is no list",), line(1, metrics=3)),
    Fault(
        "samples: metrics names the prompt",
        SCORE,
        ("metrics names a field",),
        line(1, metrics=["doc"]),
    ),
    Fault(
        "results: configs is a list",
        SCORE,
        ("results_", "configs is '[]', expected an object"),
        results("configs", value=[]),
    ),
    Fault(
        "results: a config is null",
        SCORE,
        ("expected an object",),
        results("configs", "TASK", value=None),
    ),
    Fault(
        "results: metadata is null",
        SCORE,
        (".metadata is 'None'",),
        results("configs", "TASK", "metadata", value=None),
    ),
    Fault(
        "results: metadata.ptst is text",
        SCORE,
        (".metadata.ptst is 'x'",),
        results(*OURS, value="x"),
    ),
    Fault("results: kind is a list", SCORE, ("ptst.kind",), results(*OURS, "kind", value=[1])),
    Fault(
        "results: judges is a number",
        SCORE,
        ("ptst.judges is '5'",),
        results(*OURS, "judges", value=5),
    ),
    Fault(
        "results: judge_settings is a list",
        SCORE,
        ("ptst.judge_settings",),
        results(*OURS, "judge_settings", value=[1]),
    ),
    Fault(
        "results: a judge's settings are text",
        SCORE,
        ("judge_settings of 'j'",),
        results(*OURS, "judge_settings", value={"j": "x"}),
    ),
    Fault("results: results is a list", SCORE, ("results is '[]'",), results("results", value=[])),
    Fault(
        "results: n-samples is text", SCORE, ("n-samples is 'x'",), results("n-samples", value="x")
    ),
    Fault(
        "results: effective is text",
        SCORE,
        ("effective is '3'",),
        results("n-samples", "TASK", value={"effective": "3"}),
    ),
    Fault(
        "results: higher_is_better is a list",
        SCORE,
        ("higher_is_better",),
        results("higher_is_better", value=[1]),
    ),
]
PATHS = [
    Fault("score: no such run", f"score no --judge '{PAID}'", ("'no' does not exist",)),
    Fault(
        "score: an empty folder",
        f"score empty --judge '{PAID}'",
        ("nothing to judge",),
        lambda d: (d / "empty").mkdir(),
    ),
    Fault(
        "score: a leaderboard",
        f"score board.csv --judge '{PAID}'",
        ("'board.csv' is no results file",),
    ),
    Fault("score: a study", f"score study.yaml --judge '{PAID}'", ("no results file",)),
    Fault(
        "score: a JSON list",
        f"score a.json --judge '{PAID}'",
        ("'a.json' holds no JSON object",),
        text("a.json", "[1]"),
    ),
    Fault(
        "score: deep JSON",
        f"score a.json --judge '{PAID}'",
        ("'a.json' cannot be read",),
        text("a.json", DEEP),
    ),
    Fault(
        "score: one of two runs is damaged",
        f"score run two --judge '{PAID}'",
        ("'two/", "line 1", "damaged"),
        lambda d: _copy_damaged(d),
    ),
]


def _copy_damaged(folder: Path) -> object:
    import shutil

    shutil.copytree(folder / "run", folder / "two")
    file = sorted((folder / "two").rglob("samples_ptst_advbench_*.jsonl"))[-1]
    return file.write_text("{cut\n")


ROWS = [*OUTPUTS, *LABELS, *VALUES, *KEYS, *RECORDS, *DAMAGE, *PATHS]
