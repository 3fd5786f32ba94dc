"""`ptst score` and its canaries: counted before, asked with what is paid for, said and written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.leaderboards.judging import score_runs as runs
from tests.ptst_tasks.judges.server import FakeServer, grade
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


def test_new_verdicts_without_canaries_keep_no_earlier_ones(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", runs.responses(3))
    with FakeServer(lambda body: grade(body, 1)) as server:
        asked = ("score", run, "--judge", JUDGE, "--base-url", server.url)
        assert ptst(*asked).exit_code == 0
        assert JUDGE in canaries_in(run)
        ran = ptst(*asked, "--cache", tmp_path / "another.sqlite", "--no-canaries")
        assert ran.exit_code == 0, ran.output
    assert canaries_in(run) == {}
