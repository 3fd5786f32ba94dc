"""Judges inside lm-eval are asked the canaries once, after their verdicts, and cost none of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks.errors import ConfigError
from ptst_tasks.judges import canaries, group
from ptst_tasks.judges.budget import Ledger
from ptst_tasks.judges.watching import current, round_of
from ptst_tasks.validate import load_tasks
from tests.canned import Canned, evaluated
from tests.ptst_tasks.judges.server import FakeServer, error, grade, judged_text

TASKS = ["ptst_advbench_chat_vanilla", "ptst_xstest_chat_vanilla"]
ANSWERS = ["Spoons go under the sofa.", "Forks go behind the clock.", "Plates go on the roof."]
NAME = "rubric:model=fake"


class Endpoint:
    """Calls everything `level`, as `model`; with `broken` it turns canaries away."""

    def __init__(self) -> None:
        self.level, self.model, self.broken = 1, "m-1", False

    def behave(self, body: dict[str, Any]) -> Any:
        if self.broken and is_canary(body):
            return error(401, "not any more")
        return grade(body, self.level, model=self.model)


def is_canary(body: dict[str, Any]) -> bool:
    return judged_text(body) in {response for _, response in canaries.rows()}


@pytest.fixture
def judge(
    monkeypatch: pytest.MonkeyPatch, cache_file: Path, data_dir: Path
) -> Iterator[tuple[Endpoint, FakeServer, str]]:
    """(what it does, what it was asked, its spec), in a round and under limits of its own."""
    monkeypatch.setenv("PTST_CANARIES", "on")
    monkeypatch.setattr(group, "_INLINE", Ledger())
    endpoint = Endpoint()
    with FakeServer(endpoint.behave) as server:
        yield endpoint, server, f"rubric:model=fake,base_url={server.url},backoff=0"


def evaluate(judge: str, answers: list[str], **options: Any) -> dict[str, Any]:
    """lm-eval's results of two tasks, each answered with these."""
    return dict(evaluated(Canned(answers), TASKS, {"judge": judge, **options}))


def watched(results: dict[str, Any]) -> list[Any]:
    return [c["metadata"]["ptst"].get("judge_canaries") for c in results["configs"].values()]


def unscored(results: dict[str, Any], name: str = NAME) -> list[float]:
    return [one[f"unscored,{name}"] for one in results["results"].values()]


def test_a_judge_of_two_tasks_is_asked_once_after_all_verdicts(judge: Any) -> None:
    _, server, spec = judge
    with round_of(print):
        results = evaluate(spec, ANSWERS)
    # three prompts of each of the two sets
    assert [is_canary(body) for body in server.bodies] == [False] * 6 + [True] * 50
    one, other = watched(results)
    assert one == other
    assert (one[NAME]["harmful"], one[NAME]["models"]) == ("0" * 50, {"m-1": 50})


def test_a_change_is_told_once_and_stands_in_every_task(judge: Any) -> None:
    endpoint, _, spec = judge
    said: list[str] = []
    with round_of(said.append):
        evaluate(spec, ANSWERS)
    endpoint.level, endpoint.model = 5, "m-2"
    with round_of(said.append):
        results = evaluate(spec, ["Cups go home.", "Jugs go far.", "Pots go off."])
    assert len(said) == 1
    assert said[0].startswith(f"{NAME}: 50 of 50 canaries are called something else and its replies "
                              "name m-2 in place of m-1 since 2")  # fmt: skip
    assert [one[NAME]["changed"] for one in watched(results)] == [50, 50]


def test_a_process_tells_by_its_log(judge: Any, caplog: pytest.LogCaptureFixture) -> None:
    endpoint, _, spec = judge
    with round_of(print):
        evaluate(spec, ANSWERS)
    endpoint.model = "m-2\x1b[31m"
    evaluate(spec, ["Cups go home.", "Jugs go far.", "Pots go off."])
    lines = [r.getMessage() for r in caplog.records if "in place of m-1" in r.getMessage()]
    assert len(lines) == 1
    assert "\x1b" not in lines[0]


def test_what_is_all_in_the_cache_pays_for_nothing(judge: Any) -> None:
    _, server, spec = judge
    for _ in range(2):
        with round_of(print):
            results = evaluate(spec, ANSWERS)
        calls = len(server.bodies)
    assert calls == len(server.bodies)
    assert watched(results) == [None, None]


def test_canaries_that_fail_cost_no_verdict(judge: Any) -> None:
    endpoint, server, spec = judge
    endpoint.broken = True
    said: list[str] = []
    with round_of(said.append):
        results = evaluate(spec, ANSWERS)
    assert unscored(results) == [0, 0]
    assert watched(results) == [None, None]
    [line] = said
    assert "whether it changed is not known, its canaries failed" in line
    assert "HTTP 401: not any more" in line
    assert server.bodies


def test_they_can_be_left_out(judge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, server, spec = judge
    said: list[str] = []
    monkeypatch.setenv("PTST_CANARIES", "off")
    with round_of(said.append):
        results = evaluate(spec, ANSWERS)
    assert not any(map(is_canary, server.bodies))
    assert (watched(results), said) == ([None, None], [])


def test_without_a_cache_none_is_asked_and_that_is_said_once(
    judge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, server, spec = judge
    said: list[str] = []
    monkeypatch.setenv("PTST_JUDGE_CACHE", "off")
    with round_of(said.append):
        evaluate(spec, ANSWERS)
    assert not any(map(is_canary, server.bodies))
    assert said == [f"{NAME}: {canaries.UNCACHED}"]


@pytest.mark.parametrize(("room", "asked"), [(49, False), (50, True)])
def test_what_a_limit_leaves_is_first_for_verdicts(judge: Any, room: int, asked: bool) -> None:
    _, server, spec = judge
    said: list[str] = []
    with round_of(said.append):
        results = evaluate(spec, ANSWERS, max_calls=6 + room)
    assert unscored(results) == [0, 0]
    assert any(map(is_canary, server.bodies)) is asked
    assert ["leaves no room for their 50 calls" in line for line in said] == [True] * (not asked)


def test_a_panels_members_are_watched(judge: Any) -> None:
    _, server, spec = judge
    with round_of(print):
        results = evaluate(f"panel:majority;keywords:zou;{spec}", ANSWERS)
    assert sum(map(is_canary, server.bodies)) == 50
    assert [list(one) for one in watched(results)] == [[NAME], [NAME]]


def test_a_setting_that_says_nothing_is_found_before_a_call(
    judge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, server, spec = judge
    monkeypatch.setenv("PTST_CANARIES", "maybe")
    with pytest.raises(ConfigError, match="PTST_CANARIES is 'maybe'"):
        load_tasks([TASKS[0]], {"judge": spec})
    assert load_tasks([TASKS[0]], {"judge": "keywords:qi"})
    assert not server.bodies


def test_they_are_in_what_is_said_before_money_is_spent(
    judge: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _, _, spec = judge
    with round_of(print):
        evaluate(spec.replace("model=fake", "model=gpt-4"), ANSWERS)
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    first, second = (line for line in said if "calls to make" in line)
    assert "53 calls to make, 50 of them canaries, about $" in first
    assert "3 calls to make, about $" in second


def test_rounds_are_one_inside_the_other() -> None:
    outer = current()
    with round_of(print) as mine:
        assert current() is mine
    assert current() is outer
