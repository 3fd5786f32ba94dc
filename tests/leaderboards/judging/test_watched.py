"""`ptst score` and its canaries: counted before, asked with what is paid for, said and written down."""

from __future__ import annotations

import json
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import leaderboards
from leaderboards.judging import saved, score
from ptst_tasks.errors import PTSTError
from ptst_tasks.judges import canaries
from ptst_tasks.judges.rounds import Round
from tests.leaderboards.judging import score_runs as runs
from tests.ptst_tasks.judges.server import FakeServer, error, grade, judged_text
from tests.ptst_tasks.judges.test_batch import BatchServer
from tests.support import ptst

JUDGE = "rubric:model=fake"


@pytest.fixture(autouse=True)
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTST_JUDGE_CACHE", str(tmp_path / "cache" / "judge.sqlite"))
    monkeypatch.setenv("PTST_CANARIES", "on")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")


def canaries_in(run: Path) -> dict[str, Any]:
    (file,) = run.rglob("results_*.json")
    (config,) = json.loads(file.read_text())["configs"].values()
    found: dict[str, Any] = config["metadata"]["ptst"].get("judge_canaries", {})
    return found


def test_a_judge_that_changed_is_told_of_and_its_new_verdicts_say_so(tmp_path: Path) -> None:
    first, second = (
        runs.write(tmp_path / name, runs.responses(n)) for name, n in (("a", 3), ("b", 7))
    )
    level, model = [1], ["m-1"]
    with FakeServer(lambda body: grade(body, level[0], model=model[0])) as server:
        ran = ptst("score", first, "--judge", JUDGE, "--base-url", server.url)
        assert ran.exit_code == 0, ran.output
        assert "53 calls to make, 50 of them canaries" in ran.stdout
        assert len(server.bodies) == 53
        assert canaries_in(first)[JUDGE]["models"] == {"m-1": 50}
        ran = ptst("score", first, "--judge", JUDGE, "--base-url", server.url)
        assert len(server.bodies) == 53  # all in the cache: nothing is paid for, nothing is watched
        level[0], model[0] = 5, "m-2"
        told = tmp_path / "told.json"
        ran = ptst("score", second, "--judge", JUDGE, "--base-url", server.url, "--json", told)
    assert ran.exit_code == 0, ran.output
    assert (
        f"note: {JUDGE}: 50 of 50 canaries are called something else and its replies name m-2 in"
        in ran.stderr
    )
    assert canaries_in(second)[JUDGE]["changed"] == 50
    assert json.loads(told.read_text())["canaries"] == {JUDGE: canaries_in(second)[JUDGE]}
    assert "changed" not in canaries_in(first)[JUDGE]


def test_they_count_against_the_limit_and_can_be_left_out(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", runs.responses(3))
    with FakeServer(lambda body: grade(body, 1)) as server:
        asked = ("score", run, "--judge", JUDGE, "--base-url", server.url, "--max-calls", 5)
        ran = ptst(*asked)
        assert (ran.exit_code, len(server.bodies)) == (2, 0)
        assert "53 calls are more than --max-calls 5" in ran.stderr
        assert ptst(*asked, "--no-canaries").exit_code == 0
        assert len(server.bodies) == 3
    assert canaries_in(run) == {}


def test_a_panels_members_are_watched_each_once(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", runs.responses(3))
    with FakeServer(lambda body: grade(body, 5)) as server:
        member = f"rubric:model=fake,base_url={server.url}"
        ran = ptst(
            "score", run, "--judge", f"panel:majority;keywords:zou;{member}", "--judge", member
        )
        assert ran.exit_code == 0, ran.output
        assert len(server.bodies) == 53
    assert canaries_in(run)[JUDGE]["harmful"] == "1" * 50


def test_without_a_cache_none_is_paid_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTST_JUDGE_CACHE", "off")
    run = runs.write(tmp_path / "run", runs.responses(3))
    with FakeServer(lambda body: grade(body, 1)) as server:
        ran = ptst("score", run, "--judge", JUDGE, "--base-url", server.url)
        assert (ran.exit_code, len(server.bodies)) == (0, 3)
    assert f"note: {JUDGE}: canaries are not asked: the cache of verdicts is off" in ran.stderr


def batch(server: FakeServer, api: BatchServer, run: Path, *more: object) -> Any:
    """`ptst score` of a run by way of the Batch API."""
    api.server = server  # type: ignore[attr-defined]
    return ptst("score", run, "--judge", JUDGE, "--base-url", server.url, *more)


class Batches(BatchServer):
    """Calls everything `level`, as `model`, and fails the canary that is told to it."""

    def __init__(self, level: int, model: str = "m-1", lost: int | None = None) -> None:
        super().__init__()
        self.level, self.model, self.lost = level, model, lost

    def lines(self) -> list[str]:
        return [
            json.dumps({
                "custom_id": request["custom_id"],
                "response": {
                    "status_code": 500 if at == self.lost else 200,
                    "body": grade(request["body"], self.level, model=self.model).body,
                },
            })
            for at, request in enumerate(self.requests)
        ]  # fmt: skip


def test_canaries_ride_in_a_batch_and_are_told_of_when_it_is_collected(tmp_path: Path) -> None:
    first, second = (
        runs.write(tmp_path / name, runs.responses(n)) for name, n in (("a", 3), ("b", 7))
    )
    api = Batches(1)
    with FakeServer(api) as server:
        ran = batch(server, api, first, "--batch")
        assert "53 calls to make, 50 of them canaries" in ran.stdout
        assert "submitted 53 requests, 50 of them canaries" in ran.stdout
        assert len(api.requests) == 53
        assert "not all batches are done" in batch(server, api, first, "--batch-id", "b_1").stdout
        api.done = True
        ran = batch(server, api, first, "--batch-id", "b_1", "--max-unscored", 0)
        assert ran.exit_code == 0, ran.output
        assert "completed; 3 verdicts, 0 unusable, 0 not of these runs, 50 canaries" in ran.stdout
        assert "0 calls to make, about" in ran.stdout
        assert ran.stderr == ""
    assert canaries_in(first)[JUDGE]["harmful"] == "0" * 50
    api = Batches(5, "m-2", lost=0)
    with FakeServer(api) as server:
        assert batch(server, api, second, "--batch").exit_code == 0  # 4 of 7 are in the cache
        assert len(api.requests) == 54
        api.done = True
        for _ in range(2):  # the second time it is the same batch, not another look
            ran = batch(server, api, second, "--batch-id", "b_2")
            assert (
                "49 of 49 canaries are called something else and its replies name m-2 in"
                in ran.stderr
            )
            told = canaries_in(second)[JUDGE]
            assert (told["changed"], told["compared"]) == (49, 49)
        assert not any("chat" in path for path in server.paths)


def test_a_batch_is_compared_with_calls_one_by_one(tmp_path: Path) -> None:
    first, second = (
        runs.write(tmp_path / name, runs.responses(n)) for name, n in (("a", 3), ("b", 7))
    )
    with FakeServer(lambda body: grade(body, 1)) as server:
        assert ptst("score", first, "--judge", JUDGE, "--base-url", server.url).exit_code == 0
    api = Batches(1, "fake")
    with FakeServer(api) as server:
        batch(server, api, second, "--batch")
        api.done = True
        ran = batch(server, api, second, "--batch-id", "b")
    assert f"{JUDGE}: the canaries are called what they were on 2" in ran.stdout
    assert canaries_in(second)[JUDGE]["changed"] == 0


def test_batches_without_canaries_leave_no_earlier_word(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", runs.responses(3))
    with FakeServer(lambda body: grade(body, 1)) as server:
        asked = ("score", run, "--judge", JUDGE, "--base-url", server.url)
        assert ptst(*asked, "--cache", tmp_path / "other.sqlite").exit_code == 0
    assert JUDGE in canaries_in(run)
    api = Batches(1)
    with FakeServer(api) as server:
        batch(server, api, run, "--batch", "--no-canaries")
        assert len(api.requests) == 3
        api.done = True
        assert batch(server, api, run, "--batch-id", "b").exit_code == 0
    assert canaries_in(run) == {}


def test_canaries_of_a_batch_can_be_left_where_they_are(tmp_path: Path) -> None:
    run, api = runs.write(tmp_path / "run", runs.responses(3)), Batches(1)
    with FakeServer(api) as server:
        batch(server, api, run, "--batch")
        api.done = True
        ran = batch(server, api, run, "--batch-id", "b", "--no-canaries")
    assert "0 not of these runs, 50 canaries" in ran.stdout
    assert canaries_in(run) == {}


def test_a_batch_with_canaries_counts_them_against_the_limit(tmp_path: Path) -> None:
    run, api = runs.write(tmp_path / "run", runs.responses(3)), Batches(1)
    with FakeServer(api) as server:
        ran = batch(server, api, run, "--batch", "--max-calls", 52)
        assert ran.exit_code == 2
        assert "53 calls are more than --max-calls 52; nothing sent" in ran.stderr
        assert not server.bodies


def test_score_runs_is_watched_too(tmp_path: Path) -> None:
    first, second = (
        runs.write(tmp_path / name, runs.responses(n)) for name, n in (("a", 3), ("b", 7))
    )
    level = [1]
    with FakeServer(lambda body: grade(body, level[0])) as server:
        judge = f"{JUDGE},base_url={server.url}"
        with pytest.raises(PTSTError, match="53 calls are more than"):
            leaderboards.score_runs(first, judge, max_calls=52)
        leaderboards.score_runs(first, judge, max_calls=53)
        level[0] = 5
        with pytest.warns(UserWarning, match="50 of 50 canaries are called something else"):
            leaderboards.score_runs(second, judge)
        assert len(server.bodies) == 3 + 50 + 4 + 50
    assert canaries_in(second)[JUDGE]["changed"] == 50


def test_new_verdicts_without_canaries_keep_no_earlier_ones(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", runs.responses(3))
    with FakeServer(lambda body: grade(body, 1)) as server:
        asked = ("score", run, "--judge", JUDGE, "--base-url", server.url)
        assert ptst(*asked).exit_code == 0
        assert JUDGE in canaries_in(run)
        ran = ptst(*asked, "--cache", tmp_path / "another.sqlite", "--no-canaries")
        assert ran.exit_code == 0, ran.output
    assert canaries_in(run) == {}


def test_a_change_outlives_a_kill_before_the_verdicts_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canaries are asked and what they say is kept, and no results file has it."""
    first, second, third = (
        runs.write(tmp_path / name, runs.responses(n)) for name, n in (("a", 3), ("b", 7), ("c", 9))
    )
    level = [1]
    with FakeServer(lambda body: grade(body, level[0])) as server:
        asked = ("--judge", JUDGE, "--base-url", server.url)
        assert ptst("score", first, *asked).exit_code == 0
        level[0] = 5
        with monkeypatch.context() as patch:
            patch.setattr(score, "put_column", interrupted)
            with pytest.raises(KeyboardInterrupt):
                leaderboards.score_runs(second, f"{JUDGE},base_url={server.url}")
        calls = len(server.bodies)
        for _ in range(2):
            ran = ptst("score", second, *asked)
            assert "0 calls to make, about" in ran.stdout
            assert len(server.bodies) == calls
            assert "50 of 50 canaries are called something else" in ran.stderr
            assert canaries_in(second)[JUDGE]["changed"] == 50
        ran = ptst(
            "score", third, *asked
        )  # what is new is as what is known, what is there is of two
    assert f"{JUDGE}: the canaries are called what they were" not in ran.stdout
    assert (canaries_in(third)[JUDGE]["changed"], canaries_in(third)[JUDGE]["verdicts"]) == (50, 9)


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def test_what_a_killed_run_owes_is_in_the_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.write(tmp_path / "run", runs.responses(3))
    with FakeServer(lambda body: grade(body, 1)) as server:
        asked = ("score", run, "--judge", JUDGE, "--base-url", server.url)
        with monkeypatch.context() as patch:
            patch.setattr(canaries, "ask", interrupted)
            with pytest.raises(KeyboardInterrupt):
                leaderboards.score_runs(run, f"{JUDGE},base_url={server.url}")
        assert "50 calls to make, 50 of them canaries" in ptst(*asked, "--dry-run").stdout
        assert ptst(*asked, "--max-calls", 49).exit_code == 2
        assert ptst(*asked, "--no-canaries").exit_code == 0
        assert (len(server.bodies), canaries_in(run)) == (3, {})
        assert ptst(*asked).exit_code == 0
        assert (len(server.bodies), canaries_in(run)[JUDGE]["verdicts"]) == (53, 3)


def test_a_change_is_told_when_it_is_seen_and_stays_in_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "BLOCK", 3)
    monkeypatch.setattr(saved.blocks, "__defaults__", (3,))
    first = runs.write(tmp_path / "a", runs.responses(2))
    early = runs.write(tmp_path / "b", ["early 1", "early 2", "early 3"])
    late = runs.write(tmp_path / "c", ["late 1"])
    level = [1]

    def behave(body: dict[str, Any]) -> Any:
        if level[0] == 5 and judged_text(body).startswith("late"):
            return error(401, "no more")
        return grade(body, level[0])

    with FakeServer(behave) as server:
        judge = f"{JUDGE},base_url={server.url},backoff=0"
        leaderboards.score_runs(first, judge)
        level[0] = 5
        with (pytest.warns(UserWarning, match="50 of 50 canaries") as warned,
              pytest.raises(PTSTError, match="no more")):  # fmt: skip
            leaderboards.score_runs([early, late], judge)
        assert [Path(one.filename).name for one in warned] == [Path(__file__).name]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UserWarning, match="50 of 50 canaries"):
                leaderboards.score_runs(early, judge)
    assert canaries_in(early)[JUDGE]["changed"] == 50
    assert canaries_in(late) == {}


def test_a_batch_whose_canaries_are_lost_says_so(tmp_path: Path) -> None:
    run, api = runs.write(tmp_path / "run", runs.responses(3)), Lossy(1)
    with FakeServer(api) as server:
        batch(server, api, run, "--batch")
        api.done = True
        ran = batch(server, api, run, "--batch-id", "b")
        assert ran.exit_code == 0, ran.output
        assert (
            f"note: {JUDGE}: whether it changed is not known, no canaries came with its verdicts"
            in ran.stderr
        )
        assert canaries_in(run) == {}
        calls = len(server.bodies)
        assert ptst("score", run, "--judge", JUDGE, "--base-url", server.url).exit_code == 0
        assert len(server.bodies) == calls  # nobody is asked for what was told to be lost


class Lossy(Batches):
    """Brings none of the canaries back."""

    def lines(self) -> list[str]:
        return super().lines()[50:]


def test_a_batch_that_is_killed_while_it_is_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, api = runs.write(tmp_path / "run", runs.responses(3)), Batches(1)
    with FakeServer(api) as server:
        batch(server, api, run, "--batch")
        api.done = True
        with monkeypatch.context() as patch:
            patch.setattr(Round, "take_batch", interrupted)
            assert batch(server, api, run, "--batch-id", "b").exit_code != 0
        assert batch(server, api, run, "--batch-id", "b").exit_code == 0
        assert not any("chat" in path for path in server.paths)
    assert canaries_in(run)[JUDGE]["verdicts"] == 3


def test_what_is_recorded_is_watched_too(tmp_path: Path) -> None:
    run, file = runs.write(tmp_path / "run", runs.responses(3)), tmp_path / "said.jsonl"
    with FakeServer(lambda body: grade(body, 1)) as server:
        ran = ptst("score", run, "--judge", JUDGE, "--base-url", server.url, "--record", file)
    assert ran.exit_code == 0, ran.output
    assert canaries_in(run)[JUDGE]["verdicts"] == 3


def test_a_look_that_cannot_be_kept_is_told_and_costs_no_verdict(tmp_path: Path) -> None:
    first, second = (
        runs.write(tmp_path / name, runs.responses(n)) for name, n in (("a", 3), ("b", 7))
    )
    level, cache = [1], tmp_path / "c.sqlite"
    with FakeServer(lambda body: grade(body, level[0])) as server:
        asked = ("--judge", JUDGE, "--base-url", server.url, "--cache", cache)
        assert ptst("score", first, *asked).exit_code == 0
        with closing(sqlite3.connect(cache)) as db, db:
            db.execute(
                "CREATE TRIGGER full BEFORE INSERT ON looks BEGIN SELECT RAISE(FAIL, 'disk full'); END"
            )
        level[0] = 5
        ran = ptst("score", second, *asked)
        assert ran.exit_code == 0, ran.output
        assert "50 of 50 canaries are called something else" in ran.stderr
        assert "its canaries failed: judge cache" in ran.stderr
        assert canaries_in(second)[JUDGE]["verdicts"] == 3  # those of the first look
        with closing(sqlite3.connect(cache)) as db, db:
            db.execute("DROP TRIGGER full")
        third = runs.write(tmp_path / "c", ["one more"])
        assert "50 of 50 canaries are called something else" in ptst("score", third, *asked).stderr
    assert canaries_in(third)[JUDGE]["changed"] == 50
