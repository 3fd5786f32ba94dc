"""Scoring on bad days: odd texts, full and read-only disks, kills, missing packages, strange names."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from leaderboards.judging import saved
from ptst_tasks.errors import ConfigError
from ptst_tasks.judges import make
from ptst_tasks.judges.cache import VerdictCache
from tests.disks import fill, small_disk
from tests.faults import rows_score
from tests.leaderboards.judging import score_runs as runs
from tests.ptst_tasks.judges.server import FakeServer, grade, judged_text
from tests.ptst_tasks.judges.test_batch import BatchServer
from tests.support import Ran, ptst

FAKE = "rubric:model=fake,attempts=2,backoff=0.01,timeout=20"
NAME = "rubric:model=fake"
ODD = [
    "a\u2028b\u2029c\x85d\x0ce\x1cf",
    "half \ud83d of it",
    "\udc80",
    "cr\r\nlf\rnul\0",
    "\ufeff\u202e\U0001f600",
]


@pytest.fixture(autouse=True)
def cache_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "cache" / "judge.sqlite"
    monkeypatch.setenv("PTST_JUDGE_CACHE", str(file))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return file


def ptst_score(*args: object) -> Ran:
    return ptst("score", *args)


def files(folder: Path) -> dict[Path, bytes]:
    """All files but locks and what fills a disk."""
    return {f: f.read_bytes() for f in folder.rglob("*")
            if f.is_file() and f.suffix != ".lock" and f.name != ".filler"}  # fmt: skip


def odd_run(folder: Path) -> Path:
    """A run whose answers, prompts and ids are odd."""
    run = runs.write(folder, ["Sofa."] * len(ODD))
    file = next(run.rglob("samples_*.jsonl"))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    with file.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as out:
        for i, (row, odd) in enumerate(zip(rows, ODD, strict=True)):
            row["resps"] = [[odd]]
            row["doc"] |= {"prompt": f"{odd} {i}", "id": f"{i}{odd}"}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return run


def lines(run: Path) -> list[dict[str, Any]]:
    file = next(run.rglob("samples_*.jsonl"))
    return [json.loads(line) for line in file.read_bytes().split(b"\n") if line]


def test_every_text_survives_samples_cache_record_and_prompts(tmp_path: Path):
    """Seen on 89d6fb3: a lone surrogate in an answer ended `ptst score` after all was paid."""
    run, record = odd_run(tmp_path / "run"), tmp_path / "r.jsonl"
    asked: list[str] = []

    def behave(body: dict[str, Any]) -> Any:
        asked.append(judged_text(body))
        return grade(body, 5, model="m\ud83d\u2028")

    with FakeServer(behave) as server:
        out = ptst_score(run, "--judge", FAKE, "--base-url", server.url, "--record", record)
        assert out.exit_code == 0, out.output
        out = ptst_score(run, "--judge", FAKE, "--base-url", server.url)
        assert (out.exit_code, len(asked)) == (0, len(ODD))  # the cache knows them again
    assert sorted(asked) == sorted(t.encode("utf-8", "replace").decode() for t in ODD)
    out = ptst_score(run, "--judge", f"replay:{record}", "--compare", "--show",
                     "--json", tmp_path / "o.json", "--max-unscored", 0)  # fmt: skip
    assert out.exit_code == 0, out.output
    by = {name: [r for r in lines(run) if r["filter"] == name]
          for name in ("keywords:zou", NAME, "replay:r.jsonl")}  # fmt: skip
    for rows in by.values():
        assert [r["resps"][0][0] for r in rows] == ODD
        assert [r["doc"]["id"] for r in rows] == [f"{i}{odd}" for i, odd in enumerate(ODD)]
    assert [r["asr"] for r in by["replay:r.jsonl"]] == [1] * len(ODD)
    assert json.loads((tmp_path / "o.json").read_text())["agreement"]


def test_every_text_survives_a_batch(tmp_path: Path):
    run, api = odd_run(tmp_path / "run"), BatchServer()
    api.lines = lambda: [  # type: ignore[method-assign]
        json.dumps({"custom_id": r["custom_id"],
                    "response": {"status_code": 200, "body": grade(r["body"], 5).body}})
        for r in api.requests
    ]  # fmt: skip
    with FakeServer(api) as server:
        api.server = server  # type: ignore[attr-defined]
        args = (run, "--judge", FAKE, "--base-url", server.url)
        assert ptst_score(*args, "--batch").exit_code == 0
        api.done = True
        out = ptst_score(*args, "--batch-id", "batch_7", "--max-unscored", 0)
    assert out.exit_code == 0, out.output
    assert [r["resps"][0][0] for r in lines(run) if r["filter"] == NAME] == ODD


def test_a_full_disk_loses_neither_the_run_nor_what_was_paid(tmp_path: Path):
    with small_disk(tmp_path / "disk", 2048) as disk, FakeServer(lambda b: grade(b, 1)) as server:
        run = runs.write(disk.path / "run", runs.responses(200))
        before, filler = files(run), fill(disk, leave=20)
        args = (run, "--judge", FAKE, "--base-url", server.url)
        out = ptst_score(*args)
        assert out.exit_code == 2
        assert "cannot be written: No space left on device" in out.stderr
        assert out.stderr.count("\n") == 1
        assert files(run) == before
        filler.unlink()
        assert ptst_score(*args).exit_code == 0
        assert len(server.bodies) == 200  # none was paid twice


def test_a_full_disk_under_cache_or_record_ends_with_one_line(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(300))
    with small_disk(tmp_path / "disk", 16_384) as disk, FakeServer(lambda b: grade(b, 1)) as server:
        args = (run, "--judge", FAKE, "--base-url", server.url)
        before = files(run)
        filler = fill(disk, leave=300)
        out = ptst_score(*args, "--cache", disk.path / "c.sqlite")
        assert (out.exit_code, out.stderr.count("\n")) == (2, 1)
        assert "judge cache" in out.stderr
        assert files(run) == before
        filler.unlink()
        with VerdictCache(str(disk.path / "c.sqlite")) as cache:
            kept, paid = len(cache), len(server.bodies)
        assert 0 < kept < 300
        assert ptst_score(*args, "--cache", disk.path / "c.sqlite").exit_code == 0
        assert len(server.bodies) == paid + 300 - kept  # what was kept is not paid again
        record = disk.path / "r.jsonl"
        record.write_text('{"query": "a", "response": "b", "harmful": true, "score": 1}\n')
        old = record.read_bytes()
        filler = fill(disk, leave=8)
        out = ptst_score(*args, "--cache", tmp_path / "other.sqlite", "--record", record)
        assert (out.exit_code, "--record" in out.stderr) == (2, True), out.stderr
        assert record.read_bytes() == old


def test_read_only_places_are_told_before_anything_is_asked(tmp_path: Path):
    with small_disk(tmp_path / "disk", 2048) as disk, FakeServer(lambda b: grade(b, 1)) as server:
        run = runs.write(disk.path / "run", runs.responses(5))
        other = runs.write(tmp_path / "other", runs.responses(5))
        args = ("--judge", FAKE, "--base-url", server.url)
        with VerdictCache(str(disk.path / "c.sqlite")):
            pass
        disk.read_only()
        for bad in ((run,), (other, "--cache", disk.path / "c.sqlite"),
                    (other, "--json", disk.path / "o"), (other, "--record", disk.path / "o")):  # fmt: skip
            out = ptst_score(*bad, *args)
            assert (out.exit_code, out.stderr.count("\n")) == (2, 1), out.output
            assert server.bodies == []
        assert ptst_score(run, *args, "--dry-run").exit_code == 0  # writes nothing


@pytest.mark.parametrize(
    ("package", "args", "says"),
    [
        (
            "openai",
            ("--judge", f"{FAKE},base_url=http://127.0.0.1:9/v1"),
            "pip install 'ptst[judge]'",
        ),
        ("krippendorff", ("--compare",), "pip install 'ptst[judge]'"),
        (
            "torch",
            ("--judge", "guards:wildguard,engine=transformers,model=g"),
            "pip install 'ptst[hf]'",
        ),
        ("vllm", ("--judge", "guards:wildguard,engine=vllm,model=g"), "pip install 'ptst[vllm]'"),
    ],
)
def test_a_missing_package_is_told_before_another_judge_begins(
    package: str, args: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = runs.write(tmp_path / "run", ["Sofa."])
    (tmp_path / "g").mkdir()
    (tmp_path / "g/model.safetensors").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    before = files(run)
    monkeypatch.setitem(sys.modules, package, None)
    out = ptst_score(run, "--judge", "keywords:qi", *args)
    assert (out.exit_code, out.stderr.count("\n")) == (2, 1)
    assert package in out.stderr
    assert says in out.stderr
    assert files(run) == before


def test_verdicts_in_the_cache_need_neither_package_nor_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = runs.write(tmp_path / "run", runs.responses(3))
    with FakeServer(lambda b: grade(b, 1)) as server:
        args = (run, "--judge", FAKE, "--base-url", server.url)
        assert ptst_score(*args).exit_code == 0
    monkeypatch.setitem(sys.modules, "openai", None)
    assert ptst_score(*args).exit_code == 0


def test_what_a_killed_process_left_goes_and_what_lives_stays(tmp_path: Path):
    run = runs.write(tmp_path / "run", ["Sofa."])
    file = next(run.rglob("samples_*.jsonl"))
    dead, young, alive = (file.with_name(f".{file.name[:80]}.{n}.new") for n in ("1", "2", "3"))
    for one in (dead, young, alive):
        one.write_text("half")
    for one in (dead, alive):
        os.utime(one, (0, 0))
    with alive.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert ptst_score(run, "--judge", "keywords:qi").exit_code == 0
    left = {f for f in run.rglob(".*") if f.suffix != ".lock"}
    assert left == {young, alive}
    assert len(runs.samples(run)) == 2


def test_two_judges_at_once_and_one_killed_lose_no_column(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(400))
    before = runs.samples(run)

    def start(judge: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "leaderboards", "score", str(run), "--judge", judge],
            stdout=subprocess.DEVNULL,
        )

    alone = runs.write(tmp_path / "alone", runs.responses(400))
    for judge in ("keywords:qi", "keywords:xstest"):
        assert ptst_score(alone, "--judge", judge).exit_code == 0
    for wait in (0.6, 0.9):
        first, victim = start("keywords:qi"), start("keywords:xstest")
        time.sleep(wait)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        assert first.wait() == 0
        [values] = runs.results(run)["results"].values()
        found = Counter(row["filter"] for row in runs.samples(run))
        assert found["keywords:zou"] == found["keywords:qi"] == 400
        assert found["keywords:xstest"] in (0, 400)
        assert ("asr,keywords:xstest" in values) == (found["keywords:xstest"] == 400)
    first, second = start("keywords:qi"), start("keywords:xstest")
    assert (first.wait(), second.wait()) == (0, 0)
    [ours], [theirs] = (runs.results(r)["results"].values() for r in (run, alone))
    assert ours == theirs
    key = lambda row: json.dumps(row, sort_keys=True)  # noqa: E731
    assert sorted(runs.samples(run), key=key) == sorted(runs.samples(alone), key=key)
    assert runs.samples(run)[: len(before)] == before


def test_the_finished_cells_of_a_run_that_goes_on_can_be_judged(tmp_path: Path):
    run = runs.write(tmp_path / "run", ["Sofa."])
    with FileLock(run / ".lock"):
        assert ptst_score(run, "--judge", "keywords:qi").exit_code == 0
    assert len(runs.samples(run)) == 2


def test_of_two_runs_none_is_judged_if_one_is_damaged(tmp_path: Path, monkeypatch: Any):
    """Seen on 89d6fb3: the first was judged or not, by its size."""
    monkeypatch.setattr(saved, "BLOCK", 2)
    good = runs.write(tmp_path / "good", ["Sofa."] * 6)
    bad = runs.write(tmp_path / "bad", ["Sofa."] * 6, template="chat:llama")
    file = next(bad.rglob("samples_*.jsonl"))
    file.write_text(file.read_text()[:-20])
    before = files(tmp_path)
    out = ptst_score(good, bad, "--judge", "keywords:qi")
    assert out.exit_code == 2
    assert f"{str(file)!r}, line 6: damaged" in out.stderr
    assert files(tmp_path) == before


def test_names_are_no_markup(tmp_path: Path):
    """Seen: an adapter called [/b] was a traceback after all was judged."""
    run = runs.write(tmp_path / "my [run]", ["Sofa.", "I cannot."])
    cell = next(run.rglob("cell.json"))
    cell.write_text(json.dumps({**json.loads(cell.read_text()), "adapter": "[/b]\x1b[31m"}))
    people = tmp_path / "p.csv"
    people.write_text("id,label,annotator\np0,1,[/x]\n")
    out = ptst_score(run, "--judge", "keywords:qi", "--human", people)
    assert out.exit_code == 0, out.output
    assert "[/b]" in out.stdout
    assert "human:[/x]" in out.stdout
    assert "\x1b[31m" not in out.stdout


def test_json_to_standard_output_stands_alone_and_quiet_says_nothing(tmp_path: Path):
    run = runs.write(tmp_path / "run", ["Sofa.", "I cannot."])
    out = ptst_score(run, "--judge", "keywords:qi", "--compare", "--json", "-")
    assert set(json.loads(out.stdout)) == {"scored", "agreement", "ptst_version"}
    assert "keywords:qi" in out.stderr
    assert not Path("-").exists()
    out = ptst_score(run, "--judge", "keywords:qi", "--compare", "--quiet")
    assert (out.exit_code, out.output) == (0, "")
    file = next(run.rglob("samples_*.jsonl"))
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:2]))
    out = ptst_score(run, "--judge", "keywords:zou", "-q", "--json", "-")
    assert (out.exit_code, json.loads(out.stdout)["scored"][0]["unscored"]) == (1, 1)
    assert out.stderr.startswith("FAILED: keywords:zou")


@pytest.mark.parametrize("row", rows_score.KEYS, ids=lambda row: row.name)
def test_keys_are_in_no_message(row: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    runs.write(tmp_path / "run", ["Sofa."])
    monkeypatch.chdir(tmp_path)
    out = ptst(*row.words)
    assert out.exit_code == 2
    assert rows_score.KEY not in out.output


def test_a_batch_that_cannot_be_noted_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run, api = runs.write(tmp_path / "run", runs.responses(3)), BatchServer()

    def full(*_: object) -> None:
        raise ConfigError("the disk is full")

    monkeypatch.setattr(VerdictCache, "note_batch", full)
    with FakeServer(api) as server:
        api.server = server  # type: ignore[attr-defined]
        out = ptst_score(run, "--judge", FAKE, "--base-url", server.url, "--batch")
    assert out.exit_code == 2
    assert "batch batch_7 was sent and could not be noted: the disk is full" in out.stderr
    assert "--batch-id batch_7" in out.stderr


def test_another_programs_database_is_left_alone(tmp_path: Path):
    file = tmp_path / "notes.db"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE notes (text TEXT)")
    db.close()
    before = file.read_bytes()
    with pytest.raises(ConfigError, match="database of another program"):
        VerdictCache(str(file))
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "row", ["[", "[" * 100_000, "[1]", '{"score": "high"}', '{"harmful": 7}', '{"reason": [1]}']
)
def test_a_spoilt_row_of_the_cache_is_one_line(row: str, cache_file: Path):
    judge: Any = make(f"{NAME},base_url=http://127.0.0.1:9/v1")
    with VerdictCache() as cache:
        cache._db.execute("INSERT INTO verdicts VALUES (?, ?)", (judge.key("q", "r"), row))
    with pytest.raises(ConfigError, match="judge cache"):
        judge.judge(["q"], ["r"])


def test_a_scoring_that_fails_replaces_no_better_one(tmp_path: Path):
    """Seen on 89d6fb3: without its cache, verdicts were gone once the endpoint had an outage."""
    run = runs.write(tmp_path / "run", runs.responses(3))
    with FakeServer(lambda b: grade(b, 5)) as server:
        assert ptst_score(run, "--judge", FAKE, "--base-url", server.url).exit_code == 0
    before = files(run)
    dead = (run, "--judge", FAKE, "--base-url", "http://127.0.0.1:9/v1")
    out = ptst_score(*dead, "--cache", tmp_path / "new.sqlite")
    assert out.exit_code == 1
    assert "the earlier verdicts of 1 tasks stay" in out.stderr
    assert "FAILED: rubric:model=fake: 3 of 3" in out.stderr
    assert files(run) == before
    out = ptst_score(*dead, "--cache", tmp_path / "new.sqlite", "--max-unscored", 1)
    assert (out.exit_code, "stay" in out.stderr) == (0, False)  # that was asked for
