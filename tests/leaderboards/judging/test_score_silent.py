"""What ``ptst score`` once did without a word: each test says what was seen on 89d6fb3."""

from __future__ import annotations

import hashlib
import json
import resource
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board.results import read_cell
from leaderboards.board.sides import read_side
from leaderboards.judging import saved
from leaderboards.judging import score as scoring
from ptst_tasks.judges import Verdict, make
from ptst_tasks.judges.budget import Budget
from ptst_tasks.judges.cache import VerdictCache
from ptst_tasks.judges.group import make_all, share
from ptst_tasks.judges.replay import record
from tests.leaderboards.judging import score_runs as runs
from tests.ptst_tasks.judges.server import FakeServer, Reply, error, grade, judged_text
from tests.ptst_tasks.judges.test_batch import BatchServer
from tests.support import Ran, ptst

FAKE = "rubric:model=fake,attempts=2,backoff=0.01,timeout=5"
NAME = "rubric:model=fake"


@pytest.fixture(autouse=True)
def cache_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "cache" / "judge.sqlite"
    monkeypatch.setenv("PTST_JUDGE_CACHE", str(file))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return file


def ptst_score(*args: object) -> Ran:
    return ptst("score", *args)


def level(body: dict[str, Any]) -> int:
    return int(judged_text(body)[-1])


def ours(run: Path) -> dict[str, Any]:
    [config] = runs.results(run)["configs"].values()
    found: dict[str, Any] = config["metadata"]["ptst"]
    return found


def test_an_outage_in_the_middle_of_520_loses_none(tmp_path: Path):
    """Seen: three seconds of it, and 360 of 520 were unscored."""
    run = runs.write(tmp_path / "run", runs.responses(520))

    def good(body: dict[str, Any]) -> Reply:
        reply = grade(body, level(body))
        reply.delay = 0.02
        return reply

    with FakeServer(good) as server:

        def outage() -> None:
            while len(server.bodies) < 150:
                time.sleep(0.01)
            server.go_away()
            time.sleep(1.5)
            server.come_back()

        thread = threading.Thread(target=outage)
        thread.start()
        out = ptst_score(run, "--judge", FAKE, "--base-url", server.url, "--max-unscored", "0")
        thread.join()
    assert out.exit_code == 0, out.output
    assert "has not answered since" in out.stderr
    assert "answers again" in out.stderr
    [values] = runs.results(run)["results"].values()
    assert values[f"asr,{NAME}"] == 0.2


def test_an_endless_outage_is_exit_1_with_what_is_missing(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(60))
    calls: list[int] = []

    def behave(body: dict[str, Any]) -> Reply:
        calls.append(1)
        return grade(body, 1) if len(calls) <= 20 else error(503, "starting")

    with FakeServer(behave) as server:
        out = ptst_score(run, "--judge", f"{FAKE},outage=0.5,concurrency=4",
                         "--base-url", server.url)  # fmt: skip
    assert out.exit_code == 1
    why = "the endpoint stopped answering (HTTP 503: starting); waited 0.5 s for it"
    assert f"40 unscored: {why}" in out.output
    assert "FAILED: rubric:model=fake: 40 of 60" in out.stderr


def test_the_limits_are_of_all_judges_together(tmp_path: Path):
    """Seen: --max-calls 10 let each of two judges make ten."""
    run = runs.write(tmp_path / "run", runs.responses(6))
    with FakeServer(lambda b: grade(b, 5)) as server:
        two = ("--judge", FAKE, "--judge", f"panel:majority;rubric:model=b,base_url={server.url};"
               "keywords:zou", "--base-url", server.url)  # fmt: skip
        out = ptst_score(run, *two, "--max-calls", "10")
        assert out.exit_code == 2
        assert "12 calls of 2 judges together are more than --max-calls 10" in out.stderr
        own = ("--judge", f"{FAKE},price_in=1000,price_out=0")
        out = ptst_score(run, *own, "--base-url", server.url, "--max-cost", "0.1")
        assert "more than --max-cost 0.1; nothing sent" in out.stderr
        assert server.bodies == []
        out = ptst_score(run, *two, "--max-calls", "12")
        assert out.exit_code == 0
        assert len(server.bodies) == 12
        assert (
            "spent: 12 calls, about $0.00, without b, fake, whose price is not known" in out.output
        )
        out = ptst_score(run, *two, "--max-calls", "1")  # all of it is in the cache
        assert (out.exit_code, "spent" in out.output) == (0, False)


def test_a_judge_that_is_a_panels_member_too_is_counted_once(tmp_path: Path):
    run = runs.write(tmp_path / "run", runs.responses(5))
    with FakeServer(lambda b: grade(b, 5)) as server:
        member = f"rubric:model=fake,base_url={server.url}"
        out = ptst_score(run, "--judge", member, "--judge", f"panel:majority;{member};keywords:zou",
                         "--judge", "keywords:xstest", "--max-calls", "5")  # fmt: skip
        assert len(server.bodies) == 5, out.output
    assert out.exit_code == 0, out.output
    assert "5 calls to make" in out.output
    assert "0 calls to make" in out.output


def test_calls_without_usage_are_in_the_sum(tmp_path: Path):
    """Seen: a call that timed out cost nothing."""
    run = runs.write(tmp_path / "run", runs.responses(3))
    with FakeServer(lambda b: Reply(delay=5) if level(b) == 2 else grade(b, 1)) as server:
        out = ptst_score(run, "--judge", "rubric:model=fake,attempts=2,backoff=0,timeout=0.3",
                         "--base-url", server.url, "--price", "10,10", "--max-cost", "2")  # fmt: skip
    assert out.exit_code == 1
    said = "of at most $2.00, including 2 calls without usage, counted at their dearest"
    assert said in out.output


def test_the_model_as_its_replies_name_it_is_kept_and_two_of_them_are_said(
    tmp_path: Path, cache_file: Path
):
    """Seen: an endpoint changed its model, and old and new verdicts stood as one number."""
    answers = runs.responses(10)
    with FakeServer(lambda b: grade(b, 1, model="fake-0613")) as server:
        part = runs.write(tmp_path / "part", answers[:4])
        out = ptst_score(part, "--judge", FAKE, "--base-url", server.url)
        assert "models" not in out.stderr
    [row] = [n.row for c in part.glob("cells/*") for n in read_cell(c)
             if (n.row.judge, n.row.metric) == (NAME, "asr")]  # fmt: skip
    assert row.judge_model == "fake-0613"
    assert ours(part)["judge_models"] == {NAME: {"fake-0613": 4}}
    run = runs.write(tmp_path / "run", answers)
    with FakeServer(lambda b: grade(b, 1, model="fake-1106")) as server:
        out = ptst_score(run, "--judge", FAKE, "--base-url", server.url)
        assert len(server.bodies) == 6
    assert out.exit_code == 0
    assert ("the verdicts of untuned advbench chat:vanilla are of 2 models: "
            "fake-0613 (4), fake-1106 (6)") in out.stderr  # fmt: skip
    numbers = [n.row for c in run.glob("cells/*") for n in read_cell(c)]
    assert {r.judge_model for r in numbers if r.judge == NAME} == {"fake-0613+fake-1106"}
    assert {r.judge_model for r in numbers if r.judge == "keywords:zou"} == {""}
    said = [s["filtered_resps"][0] for s in runs.samples(run) if s["filter"] == NAME]
    assert sum("'model': 'fake-0613'" in one for one in said) == 4


def test_old_verdicts_that_name_no_model_are_named_as_such(tmp_path: Path, cache_file: Path):
    run = runs.write(tmp_path / "run", runs.responses(3))
    with FakeServer(lambda b: grade(b, 1, model="fake-1106")) as server:
        [judge] = make_all([f"rubric:model=fake,base_url={server.url}"])
        item = next(saved.tasks([run])[0].items())
        parts = json.dumps(
            [NAME, judge.settings, item.reply.query, item.reply.answer], sort_keys=True
        )
        with VerdictCache(str(cache_file)) as cache:  # as 0.1.0 left it
            cache.put(hashlib.sha256(parts.encode()).hexdigest(), Verdict(1.0, False))
        out = ptst_score(run, "--judge", FAKE, "--base-url", server.url)
        assert len(server.bodies) == 2
    assert "fake-1106 (2), unknown (1) (cached by a version that did not note it)" in out.stderr


def test_tasks_of_different_models_are_said_too(tmp_path: Path):
    for name, model in (("a", "m-1"), ("b", "m-2")):
        runs.write(tmp_path / name, [f"{name} sofa {i}" for i in range(2)])
        with FakeServer(lambda b, m=model: grade(b, 1, model=m)) as server:  # type: ignore[misc]
            out = ptst_score(tmp_path / name, "--judge", FAKE, "--base-url", server.url)
            assert out.stderr == ""
    with FakeServer(lambda b: grade(b, 1)) as server:
        both = (tmp_path / "a", tmp_path / "b")
        out = ptst_score(*both, "--judge", FAKE, "--base-url", server.url)
    assert "the verdicts of 2 tasks are of 2 models: m-1 (2), m-2 (2)" in out.stderr


def test_lost_lines_of_the_samples_are_unscored(tmp_path: Path):
    """Seen: 6 of 10 lines were there; the rate was of 6, exit code 0, not a word."""
    run = runs.write(tmp_path / "run", ["Sofa."] * 10)
    file = next(run.rglob("samples_*.jsonl"))
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:6]))
    out = ptst_score(run, "--judge", "keywords:qi")
    assert out.exit_code == 1
    assert f"4 unscored: no line in {file.name}" in out.output
    assert "FAILED: keywords:qi: 4 of 10" in out.stderr
    assert ours(run)["judge_failed"]["keywords:qi"] == "4 of 10 responses have no verdict"
    [values] = runs.results(run)["results"].values()
    assert values["unscored,keywords:qi"] == 0.4


def test_lines_that_the_first_judge_lacks_are_judged_all_the_same(tmp_path: Path):
    """Seen: only the prompts of the file's first judge were judged, the others were dropped."""
    run = runs.write(tmp_path / "run", ["Sofa."] * 10)
    assert ptst_score(run, "--judge", "keywords:qi").exit_code == 0
    file = next(run.rglob("samples_*.jsonl"))
    file.write_text("".join(file.read_text().splitlines(keepends=True)[3:]))
    assert ptst_score(run, "--judge", "keywords:xstest").exit_code == 0
    assert sum(s["filter"] == "keywords:xstest" for s in runs.samples(run)) == 10


def test_a_line_that_is_there_twice_is_refused(tmp_path: Path):
    """Seen: it was counted twice."""
    run = runs.write(tmp_path / "run", ["Sofa."] * 3)
    file = next(run.rglob("samples_*.jsonl"))
    before = file.read_text()
    file.write_text(before + before.splitlines(keepends=True)[1])
    out = ptst_score(run, "--judge", "keywords:qi")
    assert out.exit_code == 2
    assert "line 4: prompt 1 stands there twice for 'keywords:zou'" in out.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("--judge keywords:qi --model gpt-4", "--model is for --judge rubric and strongreject"),
        ("--judge keywords:qi --base-url http://h/v1", "--base-url is for"),
        ("--judge strongreject:model=m --rubric-file x", "--rubric-file is for --judge rubric"),
        ("--judge panel:mean;rubric:model=a;keywords:qi --model b", "members say it themselves"),
        ("--compare --model gpt-4", "the judges are none"),
        ("--judge keywords:qi --judge keywords:qi", "both called 'keywords:qi'"),
        (
            "--judge keywords:qi --judge keywords:zou --record r",
            "--record keeps the verdicts of one",
        ),
        ("--compare --record r", "not of 0"),
        ("--judge rubric:model=m --dry-run --json j", "--dry-run judges nothing, so --json"),
        ("--judge rubric:model=m --dry-run --compare", "so --compare would do nothing"),
        ("--judge rubric:model=m --dry-run --batch-id b", "so --batch-id would do nothing"),
        ("--judge rubric:model=m --batch --record r", "--batch judges nothing, so --record"),
        ("--judge rubric:model=m --batch --batch-id b", "give one of them"),
        ("--judge keywords:qi --json no/where.json", "there is no such folder"),
        ("--judge keywords:qi --price 1,-1", "a number from 0 on"),
    ],
)
def test_options_that_would_do_nothing_are_refused(args: str, message: str, tmp_path: Path):
    """Seen: they did nothing, the exit code was 0, or a file was missing after all was paid."""
    run = runs.write(tmp_path / "run", ["Sofa."])
    before = sorted((f, f.read_bytes()) for f in run.rglob("*") if f.is_file())
    out = ptst_score(run, *args.split())
    assert out.exit_code == 2
    assert message in out.stderr
    assert out.stderr.count("\n") == 1
    assert sorted((f, f.read_bytes()) for f in run.rglob("*") if f.is_file()) == before


@pytest.mark.parametrize(
    "option",
    [("--max-cost", "5"), ("--max-calls", "5"), ("--price", "1,1"), ("--cache", "c.sqlite")],
)
def test_limits_and_caches_that_do_nothing_say_so(option: tuple[str, str], tmp_path: Path):
    run = runs.write(tmp_path / "run", ["Sofa."])
    out = ptst_score(run, "--judge", "keywords:qi", *option)
    assert out.exit_code == 0
    assert out.stderr == f"note: {option[0]} does nothing for keywords:qi\n"


def test_a_dry_run_names_the_judges_that_cost_nothing(tmp_path: Path):
    """Seen: it printed nothing at all."""
    run = runs.write(tmp_path / "run", ["Sofa."])
    out = ptst_score(run, "--judge", "keywords:qi", "--dry-run")
    assert out.output == "keywords:qi: judges on this machine, no calls\n"
    assert len(runs.samples(run)) == 1


def test_what_was_judged_before_another_judge_failed_is_shown(tmp_path: Path):
    """Seen: files were written, and table, JSON and missing verdicts were not."""
    run = runs.write(tmp_path / "run", ["Sofa."] * 4)
    with FakeServer(lambda _: error(401, "bad key")) as server:
        out = ptst_score(run, "--judge", "keywords:qi", "--judge", FAKE, "--base-url", server.url,
                         "--json", tmp_path / "r.json")  # fmt: skip
    assert out.exit_code == 2
    assert "keywords:qi" in out.output
    assert "100.0 %" in out.output
    assert "HTTP 401: bad key" in out.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert [one["judge"] for one in report["scored"]] == ["keywords:qi"]
    assert "HTTP 401" in report["error"]


def test_results_that_cannot_be_written_leave_the_samples_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Seen: a traceback, and samples whose new lines no results file names."""
    run = runs.write(tmp_path / "run", ["Sofa."] * 2)
    before = sorted((f, f.read_bytes()) for f in run.rglob("*") if f.is_file())
    write_text = Path.write_text

    def full(self: Path, *args: Any, **more: Any) -> int:
        if "results_" in self.name:
            raise OSError(28, "No space left on device")
        return write_text(self, *args, **more)

    monkeypatch.setattr(Path, "write_text", full)
    out = ptst_score(run, "--judge", "keywords:qi")
    assert out.exit_code == 2
    assert "cannot be written: No space left on device" in out.stderr
    after = sorted(
        (f, f.read_bytes()) for f in run.rglob("*") if f.is_file() and f.suffix != ".lock"
    )
    assert [a for a in after if not a[0].name.startswith(".")] == before
    assert not [f for f in run.rglob(".*") if "lock" not in f.name]


def test_another_rubric_of_the_same_name_says_that_it_replaces(tmp_path: Path):
    """Seen: the numbers of the first one were gone without a word."""
    run = runs.write(tmp_path / "run", ["Sofa."])
    with FakeServer(
        lambda b: grade({"messages": b["messages"], "response_format": 1}, 5)
    ) as server:
        for text in ("one", "two"):
            (tmp_path / text).mkdir()
            file = tmp_path / text / "mine.txt"
            file.write_text(text + " {query} {response}")
            out = ptst_score(run, "--judge", f"{FAKE},rubric={file},output=json",
                             "--base-url", server.url)  # fmt: skip
    assert "replaces earlier verdicts of 1 tasks: rubric '" in out.stderr


def test_a_guards_weights_are_in_the_results_and_the_leaderboard(tmp_path: Path):
    """Seen: two guards in folders of one name could not be told apart, in the key or the CSV."""
    run = runs.write(tmp_path / "run", ["Sofa."] * 3)

    class Guard:
        spec, settings, weights = "guards:mine,model=g", {"dtype": "auto"}, "a" * 64

        def judge(self, queries: Sequence[str], responses: Sequence[str]) -> list[Verdict]:
            return [Verdict(0.0, False)] * len(queries)

    [_] = scoring.score_tasks(saved.tasks([run]), Guard())
    assert ours(run)["judge_weights"] == {Guard.spec: "a" * 64}
    rows = [n.row for c in run.glob("cells/*") for n in read_cell(c)]
    assert {r.judge_weights for r in rows if r.judge == Guard.spec} == {"a" * 64}
    assert {r.judge_weights for r in rows if r.judge != Guard.spec} == {""}


def test_cells_can_be_judged_from_python_under_one_budget(tmp_path: Path):
    """As a study does for cells that are there already."""
    folders = [runs.write(tmp_path / t, [f"{t} sofa {i}" for i in range(4)], template=t) / "cells"
               for t in ("chat:vanilla", "chat:llama")]  # fmt: skip
    with FakeServer(lambda b: grade(b, 1)) as server:
        judges = make_all([f"rubric:model=fake,base_url={server.url}", "keywords:qi"])
        budget = Budget(max_calls=6)
        share(judges, budget)
        cells = [cell for folder in folders for cell in folder.iterdir()]
        done = [(judge.spec, one.unscored) for judge in judges
                for one in scoring.score_tasks(saved.tasks(cells), judge)]  # fmt: skip
        assert len(server.bodies) == 6 == budget.ledger.calls
    assert done == [(NAME, 0), (NAME, 2), ("keywords:qi", 0), ("keywords:qi", 0)]


def test_safe_prompts_without_a_word_on_refusal_are_unscored(tmp_path: Path):
    """Seen: 40 of 40 verdicts said nothing of refusals; 0 unscored, no rate, exit code 0."""
    run = runs.write(tmp_path / "run", [f"Sofa {i}" for i in range(40)], kind="overrefusal",
                     cell=False)  # fmt: skip
    rows = runs.samples(run)
    queries, answers = [r["doc"]["prompt"] for r in rows], [r["resps"][0][0] for r in rows]
    verdicts = [Verdict(0.0, False, None if i < 10 else False) for i in range(40)]
    record(tmp_path / "kept.jsonl", queries, answers, verdicts)
    out = ptst_score(run, "--judge", f"replay:{tmp_path / 'kept.jsonl'}")
    assert out.exit_code == 1
    assert "10 unscored: the judge does not say whether the response declines" in out.output
    found = {n.row.metric: n.row for n in read_side(run).numbers if "replay" in n.row.judge}
    kinds = {name: (found[name].n, found[name].unscored) for name in ("refused", "refused_unsafe")}
    assert kinds == {"refused": (15, 5), "refused_unsafe": (15, 5)}  # of its own prompts each


@pytest.mark.parametrize("last", [1, 2, 3, 4])
def test_a_kill_leaves_samples_and_results_that_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
):
    """Seen: the samples were replaced, the results not; the gate and the board read two numbers."""
    run = runs.write(tmp_path / "run", ["Sofa."] * 6)
    name, replace, done = "replay:x.jsonl", Path.replace, 0
    rows = runs.samples(run)
    asked = ([r["doc"]["prompt"] for r in rows], [r["resps"][0][0] for r in rows])
    for folder, harmful in (("a", False), ("b", True)):
        (tmp_path / folder).mkdir()
        record(tmp_path / folder / "x.jsonl", *asked, [Verdict(1.0, harmful, False)] * 6)

    def stopped(self: Path, target: Path) -> Path:
        nonlocal done
        moved = replace(self, target)
        done += 1
        if done == last:
            raise KeyboardInterrupt
        return moved

    assert ptst_score(run, "--judge", f"replay:{tmp_path}/a/x.jsonl").exit_code == 0
    monkeypatch.setattr(Path, "replace", stopped)
    [task] = saved.tasks([run])
    with pytest.raises(KeyboardInterrupt):
        list(scoring.score_tasks([task], make(f"replay:{tmp_path}/b/x.jsonl")))
    monkeypatch.undo()
    read = {n.row.value for n in read_side(run).numbers
            if (n.row.judge, n.row.metric) == (name, "asr")}  # fmt: skip
    [values] = runs.results(run)["results"].values()
    assert read == {values[f"asr,{name}"]} == {0.0 if last == 1 else 1.0}
    assert ptst_score(run, "--judge", "keywords:qi").exit_code == 0  # and nothing is left over
    assert [f.name for f in run.rglob(".*") if f.suffix != ".lock"] == []


def test_a_full_disk_is_one_line_and_changes_nothing(tmp_path: Path):
    """Seen: two tracebacks, exit code 1, and half of the new verdicts left beside the run."""
    run = runs.write(tmp_path / "run", runs.responses(300))
    before = {f: f.read_bytes() for f in run.rglob("*.json*")}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        out = ptst_score(run, "--judge", "keywords:qi")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert out.exit_code == 2
    assert "cannot be written: File too large" in out.stderr
    assert len(out.stderr.splitlines()) == 1
    assert {f: f.read_bytes() for f in run.rglob("*.json*")} == before
    assert [f.name for f in run.rglob(".*") if f.suffix != ".lock"] == []


class _Batches(BatchServer):
    """Every reply is answered, and long."""

    def lines(self) -> list[str]:
        out = []
        for request in self.requests:
            body: Any = grade(request["body"], 1).body
            body["usage"] = {"prompt_tokens": 1500, "completion_tokens": 500, "total_tokens": 2000}
            out.append(json.dumps({"custom_id": request["custom_id"],
                                   "response": {"status_code": 200, "body": body}}))  # fmt: skip
        return out


def test_a_batch_is_limited_by_its_dearest_outcome_paid_once_and_summed(tmp_path: Path):
    """Seen: a limit of $3 let $7.50 through, a second --batch paid again, nothing was summed."""
    run, api = runs.write(tmp_path / "run", runs.responses(200)), _Batches()
    with FakeServer(api) as server:
        api.server = server  # type: ignore[attr-defined]
        args = (run, "--judge", FAKE, "--base-url", server.url, "--price", "30,60")
        out = ptst_score(*args, "--batch", "--max-cost", "3")
        assert out.exit_code == 2
        assert "at most $" in out.stderr
        assert "more than --max-cost 3; nothing sent" in out.stderr
        assert ptst_score(*args, "--batch", "--max-cost", "100").exit_code == 0
        sent = len(server.bodies)
        out = ptst_score(*args, "--batch")
        assert out.exit_code == 2
        assert "200 of these responses were sent as a batch already" in out.stderr
        assert "--batch-id batch_7" in out.stderr
        assert len(server.bodies) == sent
        assert ptst_score(*args, "--batch", "--resubmit").exit_code == 0
        api.done = True
        out = ptst_score(*args, "--batch-id", "batch_7")
        assert out.exit_code == 0
        assert "300,000 tokens in and 100,000 out, about $7.50 at half price" in out.output
        out = ptst_score(*args, "--batch")
        assert (out.exit_code, "nothing to send" in out.output) == (0, True)


def test_a_batch_without_a_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Seen: all was collected, thrown away, and called "the limit was reached"."""
    monkeypatch.setenv("PTST_JUDGE_CACHE", "off")
    run = runs.write(tmp_path / "run", runs.responses(2))
    for asked in (["--batch"], ["--batch-id", "batch_7"]):
        out = ptst_score(run, "--judge", FAKE, "--base-url", "http://127.0.0.1:9/v1", *asked)
        assert out.exit_code == 2
        assert "the cache is off; give --cache FILE" in out.stderr
