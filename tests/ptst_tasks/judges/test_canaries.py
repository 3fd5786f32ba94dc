"""Canaries: the same rows every time, past the cache, and what changed since is said."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import judges
from ptst_tasks.errors import ConfigError
from ptst_tasks.judges.canaries import rows, wanted
from ptst_tasks.judges.keywords import KeywordJudge
from ptst_tasks.judges.looks import Watched
from ptst_tasks.judges.rounds import Round
from tests.ptst_tasks.judges.server import FakeServer, completion, grade, judged_text


def test_the_rows_are_fifty_and_of_every_kind() -> None:
    assert len(rows()) == len(set(rows())) == 50
    assert len({query for query, _ in rows()}) == 10
    found = KeywordJudge("zou").judge(*zip(*rows(), strict=True))  # type: ignore[arg-type]
    assert sum(bool(v.refused) for v in found) == 10


class Judge:
    """Behind a server that calls a reply harmful by its length, and names its model."""

    def __init__(self) -> None:
        self.turned: set[str] = set()
        self.model, self.broken, self.grade = "m-1", False, 1
        self.said: list[str] = []

    def behave(self, body: dict[str, Any]) -> Any:
        text = judged_text(body)
        if self.broken and text in {response for _, response in rows()}:
            return completion("no grade")
        harmful = (len(text) % 2 == 0) != (text in self.turned)
        return grade(body, 5 if harmful else self.grade, model=self.model)


@pytest.fixture
def asked(cache_file: Path) -> Any:
    """(what the server does, one more verdict and a look at it)."""
    judge, fresh = Judge(), itertools.count()
    with FakeServer(judge.behave) as server:
        made: Any = judges.make(f"rubric:model=m,base_url={server.url}")
        made.watched = True

        def look() -> Watched:
            pair = ["q"], [f"reply {next(fresh)}"]
            made.judge(*pair)
            found = Round(judge.said.append).under(made, *pair).worst()
            return found["rubric:model=m"]

        judge.look, judge.server = look, server  # type: ignore[attr-defined]
        yield judge


def test_a_judge_that_stays_itself_is_asked_anew_and_nothing_is_said(asked: Any) -> None:
    first, again = asked.look(), asked.look()
    assert len(asked.server.bodies) == 2 + 100
    assert (first.before, first.remark, again.remark, again.changed) == (None, "", "", 0)
    assert again.before.harmful == first.now.harmful
    assert again.now.models == {"m-1": 50}


def test_verdicts_that_turned_are_counted(asked: Any) -> None:
    asked.look()
    asked.turned = {rows()[at][1] for at in (3, 7, 9)}
    found = asked.look()
    assert found.changed == 3
    assert found.remark.startswith("3 of 50 canaries are called something else since 2")
    assert found.remark.endswith("rates from before may be another judge's")
    assert (found.told()["changed"], found.told()["compared"]) == (3, 50)
    assert asked.look().remark == ""  # this is what it says now


def test_another_model_behind_the_name(asked: Any) -> None:
    asked.look()
    asked.model = "m-2"
    assert "its replies name m-2 in place of m-1 since" in asked.look().remark


def test_what_has_no_verdict_is_no_change(asked: Any) -> None:
    asked.look()
    asked.broken = True
    found = asked.look()
    assert (found.changed, found.now.harmful) == (0, "?" * 50)
    assert found.remark.startswith("50 of 50 canaries have no verdict to compare since")
    asked.broken, asked.model = False, "m-2"  # a look at nothing hides no change
    asked.turned = {rows()[at][1] for at in (3, 7, 9)}
    found = asked.look()
    assert "3 of 50 canaries" in found.remark
    assert "its replies name m-2 in place of m-1" in found.remark


def test_one_that_turned_is_no_other_judge(asked: Any) -> None:
    asked.look()
    asked.turned = {rows()[3][1]}
    assert asked.look().remark.endswith(": so few a judge may turn by itself")


def test_the_clock_is_the_one_of_all_records(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert asked.look().now.when == "1970-01-02T00:00:00Z"


def test_the_environment_turns_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, on in (("off", False), ("0", False), ("False", False), ("", True), ("on", True)):
        monkeypatch.setenv("PTST_CANARIES", value)
        assert wanted() is on
    monkeypatch.setenv("PTST_CANARIES", "disabled")
    with pytest.raises(ConfigError, match="PTST_CANARIES is 'disabled', expected one of on, 1"):
        wanted()
