"""`ptst score` and its canaries: counted before, asked with what is paid for, said and written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import leaderboards
from ptst_tasks.errors import PTSTError
from tests.leaderboards.judging import score_runs as runs
from tests.ptst_tasks.judges.server import FakeServer, grade
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
    assert "note: canaries are not asked: the cache of verdicts is off" in ran.stderr


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
