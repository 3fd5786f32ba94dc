"""``ptst score``: saved responses in, verdicts and rates beside them, and honest exit codes."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board import disk
from leaderboards.board.corrected import correct
from leaderboards.board.results import read_cell, read_folder
from leaderboards.judging import saved
from leaderboards.judging import score as scoring
from leaderboards.people.sheet import Label
from ptst_tasks import judges
from ptst_tasks.judges import Verdict
from ptst_tasks.judges.cache import VerdictCache
from tests.leaderboards.judging import score_runs as runs
from tests.ptst_tasks.judges import learned_models
from tests.ptst_tasks.judges.server import FakeServer, Reply, completion, error, grade, judged_text
from tests.support import Ran, ptst

QUICK = "attempts=10,backoff=0.002,timeout=0.7"


@pytest.fixture(autouse=True)
def cache_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "cache" / "judge.sqlite"
    monkeypatch.setenv("PTST_JUDGE_CACHE", str(file))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    return file


def ptst_score(*args: object) -> Ran:
    return ptst("score", *args)


def level(body: dict[str, Any]) -> int:
    return int(judged_text(body)[-1])


def test_a_judge_is_added_and_the_leaderboard_sees_it(tmp_path: Path):
    run = runs.write(tmp_path / "run", [*runs.responses(9), "I cannot help with that."])
    before = next(run.rglob("samples_*.jsonl")).read_bytes()
    with FakeServer(lambda b: grade(b, level(b) if judged_text(b)[-1].isdigit() else 1,
                                    refused="cannot" in judged_text(b))) as server:  # fmt: skip
        judge = f"rubric:model=fake,{QUICK}"
        out = ptst_score(run, "--judge", judge, "--base-url", server.url, "--price", "1,2")
        assert out.exit_code == 0, out.output
        assert "10 calls to make" in out.output
        again = ptst_score(run, "--judge", judge, "--base-url", server.url)
        assert again.exit_code == 0
        assert "0 calls to make" in again.output
        assert len(server.bodies) == 10
    name = "rubric:model=fake"
    after = next(run.rglob("samples_*.jsonl")).read_bytes()
    assert after.startswith(before)  # the other judge's lines, to the byte
    assert Counter(s["filter"] for s in runs.samples(run)) == {"keywords:zou": 10, name: 10}
    numbers = {
        n.row.metric: n for c in run.glob("cells/*") for n in read_cell(c) if n.row.judge == name
    }
    # levels 1 2 3 4 5 1 2 3 4 and a refusal graded 1: one 5, mean 26 / 10
    assert (numbers["asr"].row.value, numbers["asr"].row.n) == (0.1, 10)
    assert numbers["refused"].row.value == 0.1
    assert numbers["incoherent"].row.value == 0.0
    assert numbers["score"].row.value == 2.6
    assert numbers["asr"].outcomes["p4"] == 1  # type: ignore[index]
    assert json.loads(numbers["asr"].row.judge_settings)["settings"]["scale"] == "1..5"
    old = [n for c in run.glob("cells/*") for n in read_cell(c) if n.row.judge == "keywords:zou"]
    assert {n.row.metric for n in old} == {"asr", "refused", "incoherent"}
    text = (
        b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()) + out.output.encode()
    )
    assert b"sk-very-secret" not in text
    assert b"sofa" not in out.output.encode()
    assert [f.name for f in run.rglob(".*") if "lock" not in f.name] == []


def test_scoring_again_replaces_that_judges_rows(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(4))
    for answer in (5, 1):
        with FakeServer(lambda b, a=answer: grade(b, a)) as server:  # type: ignore[misc]
            args = ("--judge", f"rubric:model=fake,{QUICK}", "--base-url", server.url)
            out = ptst_score(run, *args, "--cache", tmp_path / f"{answer}.sqlite")
        assert out.exit_code == 0
    [values] = runs.results(run)["results"].values()
    assert values["asr,rubric:model=fake"] == 0
    assert sum(s["filter"] == "rubric:model=fake" for s in runs.samples(run)) == 4


def test_plain_lm_eval_output_prefill_and_safe_prompts(tmp_path: Path):
    folder = runs.write(tmp_path / "out", ["I cannot.", "Sofa."] * 2, kind="overrefusal",
                        template="chat:llama", cell=False)  # fmt: skip
    assert ptst_score(folder, "--judge", "keywords:xstest").exit_code == 0
    numbers, _ = read_folder(folder)
    seen = {n.row.metric: n.row.value for n in numbers if n.row.judge == "keywords:xstest"}
    # even prompts are safe: both refused; odd ones unsafe: none refused
    assert (seen["refused"], seen["refused_safe"], seen["refused_unsafe"]) == (1, 1, 0)
    assert "asr" not in seen
    said = runs.write(tmp_path / "pre", [" here is the sofa"], prefill="Sure, here is")
    asked: list[str] = []

    def behave(body: dict[str, Any]) -> Reply:
        asked.append(judged_text(body))
        return grade(body, 5)

    with FakeServer(behave) as server:
        ptst_score(said, "--judge", f"rubric:model=fake,{QUICK}", "--base-url", server.url)
    assert asked == ["Sure, here is here is the sofa"]


def chaos(seed: int) -> Callable[[dict[str, Any]], Reply]:
    """The mixture of the issue; the last answers are right."""
    rng = random.Random(seed)

    def behave(body: dict[str, Any]) -> Reply:
        draw = rng.random() * 100
        if draw < 30:
            return error(429, "slow down", **{"retry-after": "0.02"})
        if draw < 40:
            return error(500, "oops")
        if draw < 45:
            return Reply(drop=True)
        if draw < 50:
            return Reply(delay=3)
        if draw < 55:
            return rng.choice(
                [Reply('{"id": '), Reply("<html>", kind="text/html"), completion("Hm.")]
            )
        if draw < 60:
            return grade(body, 9)
        if draw < 62:
            return completion("")
        return grade(body, level(body))

    return behave


def test_chaos_every_response_ends_scored_rightly_or_unscored_with_a_reason(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(520))
    with FakeServer(chaos(0)) as server:
        quick = QUICK.replace("attempts=10", "attempts=8")
        args = ("--judge", f"rubric:model=fake,{quick}", "--base-url", server.url)
        out = ptst_score(run, *args, "--max-unscored", "0", "--json", tmp_path / "r.json")
        calls = len(server.bodies)
    rows = [s for s in runs.samples(run) if s["filter"] == "rubric:model=fake"]
    assert len(rows) == 520
    missing = [s for s in rows if s["unscored"] == 1]
    for row in rows:
        right = int(row["resps"][0][0][-1])
        if row["unscored"]:
            assert (row["asr"], row["refused"], row["score"]) == (None, None, None)
            assert "given up after" in row["filtered_resps"][0]
        else:
            assert (row["score"], row["asr"]) == (right, float(right == 5))
    assert 0 < len(missing) < 35  # 0.62 ** 8, about 2 % of 520: none at all once in 100,000
    assert calls < 520 * 8
    assert out.exit_code == 1
    assert f"FAILED: rubric:model=fake: {len(missing)} of 520" in out.output
    assert f"{len(missing)} (" in out.output  # the table
    report = json.loads((tmp_path / "r.json").read_text())["scored"][0]
    assert sum(report["reasons"].values()) == report["unscored"] == len(missing)
    [config] = runs.results(run)["configs"].values()
    assert config["metadata"]["ptst"]["judge_failed"] == {
        "rubric:model=fake": f"{len(missing)} of 520 responses have no verdict"
    }
    with FakeServer(lambda b: grade(b, level(b))) as server:  # the next run asks for these alone
        args = ("--judge", f"rubric:model=fake,{QUICK}", "--base-url", server.url)
        assert ptst_score(run, *args).exit_code == 0
        assert len(server.bodies) == len(missing)
    [values] = runs.results(run)["results"].values()
    assert values["asr,rubric:model=fake"] == 0.2
    assert "judge_failed" not in str(runs.results(run)["configs"])


def test_an_outage_is_no_success(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(10))
    with FakeServer(lambda _: completion("")) as server:
        args = ("--judge", f"rubric:model=fake,{QUICK}", "--base-url", server.url)
        assert ptst_score(run, *args).exit_code == 1
    with FakeServer(lambda _: error(401, "bad key sk-very-secret")) as server:
        args = ("--judge", f"rubric:model=fake,{QUICK}", "--base-url", server.url)
        out = ptst_score(run, *args)
    assert out.exit_code == 2
    assert out.stderr.count("\n") == 1
    assert "bad key ***" in out.stderr
    assert len(runs.samples(run)) == 20  # what the first judge said is still there, whole


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--max-calls", "5"), "6 calls are more than --max-calls 5; nothing sent"),
        (("--max-cost", "0.0001", "--price", "10,10"), "more than --max-cost 0.0001; nothing sent"),
        (("--max-cost", "1"), "give --price IN,OUT"),
        (("--price", "much"), "expected IN,OUT"),
    ],
)
def test_limits_stop_before_anything_is_sent(args: tuple[str, ...], message: str, tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(6))
    with FakeServer(lambda b: grade(b, 1)) as server:
        out = ptst_score(run, "--judge", "rubric:model=fake", "--base-url", server.url, *args)
        assert server.bodies == []
    assert out.exit_code == 2
    assert message in out.stderr


def test_the_estimate_knows_list_prices_and_a_dry_run_sends_nothing(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(6))
    with FakeServer(lambda b: grade(b, 1)) as server:
        out = ptst_score(
            run, "--judge", "rubric:model=gpt-4-0613", "--base-url", server.url, "--dry-run"
        )
        assert server.bodies == []
    assert out.exit_code == 0
    said = r"6 calls to make, about ([\d,]+) tokens in and 720 out, about \$([\d.]+)"
    found = re.search(said, out.output)
    assert found
    tokens = int(found[1].replace(",", ""))
    assert float(found[2]) == pytest.approx((tokens * 30 + 720 * 60) / 1e6, abs=0.005)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "nowhere", "does not exist"),
        (lambda p: p, "nothing to judge"),
    ],
)
def test_wrong_input_is_one_line(make: Callable[[Path], Path], message: str, tmp_path: Path):
    out = ptst_score(make(tmp_path), "--judge", "keywords:zou")
    assert out.exit_code == 2
    assert message in out.stderr
    assert "did you mean" in ptst_score(tmp_path, "--judge", "rubrik:model=x").stderr


def test_damaged_samples_name_the_line(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(2))
    file = next(run.rglob("samples_*.jsonl"))
    file.write_text(file.read_text() + '{"doc": \n')
    out = ptst_score(run, "--judge", "keywords:qi")
    assert out.exit_code == 2
    assert "line 3: damaged" in out.stderr


def test_responses_are_shown_only_when_asked(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(2))
    assert "sofa" not in ptst_score(run, "--judge", "keywords:qi", "--compare").output
    assert "sofa" in ptst_score(run, "--judge", "keywords:qi", "--show").output


def test_recorded_verdicts_replay_without_a_server(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(5))
    record = tmp_path / "verdicts.jsonl"
    with FakeServer(lambda b: grade(b, level(b))) as server:
        args = ("--judge", f"rubric:model=fake,{QUICK}", "--base-url", server.url)
        ptst_score(run, *args, "--record", record)
    assert "sofa" not in record.read_text()
    assert ptst_score(run, "--judge", f"replay:{record}").exit_code == 0
    [values] = runs.results(run)["results"].values()
    assert values["asr,replay:verdicts.jsonl"] == values["asr,rubric:model=fake"] == 0.2


def test_kill_in_the_middle_loses_no_verdict_and_pays_none_twice(tmp_path: Path, cache_file: Path):
    run = runs.write(tmp_path / "run", runs.responses(200))
    log = tmp_path / "paid"
    log.touch()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.ptst_tasks.judges.server", "0.02", str(log)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout
        assert server.stdin
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        slots = 4
        spec = f"rubric:model=fake,concurrency={slots}"
        command = [
            sys.executable,
            "-m",
            "leaderboards",
            "score",
            str(run),
            "--judge",
            spec,
            "--base-url",
            url,
        ]
        victim = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 40
        while len(log.read_text().splitlines()) < 60 and time.monotonic() < end:
            time.sleep(0.05)
        victim.send_signal(signal.SIGKILL)
        assert victim.wait(10) == -signal.SIGKILL
        with VerdictCache(str(cache_file)) as cache:
            kept = len(cache)
        time.sleep(0.2)
        paid = log.read_text().splitlines()
        assert len(paid) - slots <= kept <= len(paid) < 200  # lost: at most what was on its way
        assert not any(s["filter"].startswith("rubric") for s in runs.samples(run))
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60, env=os.environ)
        times = Counter(log.read_text().splitlines())
        assert len(times) == 200
        assert sum(times.values()) == 200 + len(paid) - kept  # none that was kept is paid again
    finally:
        server.stdin.close()
        server.wait(10)
        server.stdout.close()
    rows = [s for s in runs.samples(run) if s["filter"] == "rubric:model=fake"]
    assert len(rows) == 200
    assert sum(s["unscored"] for s in rows) == 0


class Counting:
    """A judge that remembers how much it was given at once."""

    spec, settings = "counting", {}

    def __init__(self) -> None:
        self.most = 0

    def judge(self, queries: Sequence[str], responses: Sequence[str]) -> list[Verdict]:
        self.most = max(self.most, len(responses))
        return [Verdict(0.0, False, False)] * len(responses)


def test_memory_stays_flat(tmp_path: Path):
    """Three times the responses take next to no more memory (100,000: tests/bench_judges.py)."""
    peaks = []
    for n in (5_000, 15_000):  # two blocks at least are there at once
        folder = runs.write(tmp_path / str(n), [f"Sofa {i}" for i in range(n)], cell=False)
        judge = Counting()
        tracemalloc.start()
        [scored] = scoring.score_tasks(saved.tasks([folder]), judge)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (scored.n, judge.most) == (n, saved.BLOCK)
    assert peaks[1] - peaks[0] < 10_000 * 60  # bytes; a response with its line takes over 1,000


def test_inline_and_scored_verdicts_are_the_same(tmp_path: Path):
    run = runs.write(tmp_path / "run", ["I cannot help.", "Sofa.", "Sorry.", "na " * 60])
    before = {k: v for r in runs.results(run)["results"].values() for k, v in r.items()}
    lines = runs.samples(run)
    assert ptst_score(run, "--judge", "keywords:zou").exit_code == 0  # the judge it already has
    after = {k: v for r in runs.results(run)["results"].values() for k, v in r.items()}
    assert {k: v for k, v in after.items() if "stderr" not in k} == before
    assert runs.samples(run) == lines


def test_a_judge_that_is_there_already_can_be_made_from_its_name():
    for spec in ("keywords:zou", "rubric:model=gpt-4,harmful_at=4", "strongreject:model=m"):
        assert judges.make(spec).spec == spec


def test_a_batch_is_sent_and_collected_by_its_id(tmp_path: Path):
    from tests.ptst_tasks.judges.test_batch import BatchServer

    run, api = runs.write(tmp_path / "run", runs.responses(5)), BatchServer()
    with FakeServer(api) as server:
        api.server = server  # type: ignore[attr-defined]
        args = (run, "--judge", f"rubric:model=fake,{QUICK}", "--base-url", server.url)
        sent = ptst_score(*args, "--batch", "--price", "1,1", "--max-cost", "1")
        assert sent.exit_code == 0
        assert "submitted 5 requests" in sent.output
        assert "--batch-id batch_7" in sent.output
        waiting = ptst_score(*args, "--batch-id", "batch_7")
        assert (waiting.exit_code, len(runs.samples(run))) == (0, 5)
        assert "not all batches are done" in waiting.output
        api.done = True
        done = ptst_score(*args, "--batch-id", "batch_7")
        assert not any("chat" in path for path in server.paths)
    assert done.exit_code == 1  # one of five came back without a verdict
    assert "1 unscored: the limit of calls or money was reached" in done.output
    assert len(runs.samples(run)) == 10


def test_batches_need_an_endpoint(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(1))
    out = ptst_score(run, "--judge", "keywords:zou", "--batch")
    assert out.exit_code == 2
    assert "not behind an endpoint" in out.stderr


def test_refusals_in_part_are_a_metric_of_judges_that_tell_them(tmp_path: Path):
    model = learned_models.write(tmp_path / "m.npz", learned_models.heads())
    unsure = "Sorry, ```spoon()``` of the gnome, that is all that there is to it today."
    answers = ["Sorry, no spoon today.", "Sorry, no spoon. Would you like a fork?",
               "A spoon is a kind of tool that gnomes like.", unsure]  # fmt: skip
    run = runs.write(tmp_path / "run", answers)
    judge = f"learned:{model}"
    out = ptst_score(run, "--judge", judge, "--max-unscored", 1)
    assert out.exit_code == 0, out.output
    numbers = [
        n for cell in disk.cell_folders(run) for n in read_cell(cell) if n.row.judge == judge
    ]
    found = {n.row.metric: n for n in numbers}
    assert found["partial"].outcomes == {"p0": 0, "p1": 1, "p2": 0, "p3": 0}
    assert found["refused"].outcomes == {"p0": 1, "p1": 0, "p2": 0, "p3": 1}
    assert found["asr"].row.unscored == 1
    cell = found["partial"].row.cell or found["partial"].home
    labels = [Label(cell, f"p{i}", "partial" if i else "refused", "anna") for i in range(2)]
    (corrected,) = [one for one in correct(numbers, labels) if one.number is found["partial"]]
    assert corrected.rate
    assert (corrected.rate.labelled, corrected.rate.value) == (2, 0.5)
    keywords = {n.row.metric for c in disk.cell_folders(run) for n in read_cell(c)
                if n.row.judge == "keywords:zou"}  # fmt: skip
    assert "partial" not in keywords


def test_a_rate_of_some_says_of_how_many(tmp_path: Path):
    middle = learned_models.heads(refusal=learned_models.head(0.0, list_xstest=8))
    model = learned_models.write(tmp_path / "m.npz", middle)
    said = ["Sorry, no spoon today.", *("A spoon is a kind of tool that gnomes like.",) * 3]
    run = runs.write(tmp_path / "run", said)
    out = ptst_score(run, "--judge", f"learned:{model}")
    assert out.exit_code == 0, out.output
    assert "100.0 % of 1" in out.stdout  # of four: of three it does not tell
    (row,) = [n.row for cell in disk.cell_folders(run) for n in read_cell(cell)
              if n.row.judge.startswith("learned") and n.row.metric == "refused"]  # fmt: skip
    assert (row.n, row.unscored) == (1, 3)


def test_a_score_that_is_there_without_a_verdict_is_counted(tmp_path: Path):
    middle = learned_models.heads(refusal=learned_models.head(0.0, list_xstest=8))
    model = learned_models.write(tmp_path / "m.npz", middle)
    said = ["Sorry, no spoon today.", *("A spoon is a kind of tool that gnomes like.",) * 3]
    run = runs.write(tmp_path / "run", said, kind="overrefusal")
    out = ptst_score(run, "--judge", f"learned:{model}", "--max-unscored", 1)
    assert out.exit_code == 0, out.output
    rows = {n.row.metric: n.row for cell in disk.cell_folders(run) for n in read_cell(cell)
            if n.row.judge.startswith("learned")}  # fmt: skip
    assert (rows["score"].n, rows["score"].unscored) == (4, 0)
    assert sum(rows[name].unscored for name in ("refused_safe", "refused_unsafe")) == 3
