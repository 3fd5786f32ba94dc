"""Judges inside lm-eval are asked the canaries once, after their verdicts, and cost none of them."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import judges
from ptst_tasks.errors import ConfigError
from ptst_tasks.judges import canaries, group
from ptst_tasks.judges.budget import Budget, Ledger
from ptst_tasks.judges.rounds import Round
from ptst_tasks.judges.watching import checked, current, round_of
from ptst_tasks.validate import load_tasks
from tests.canned import Canned, evaluated
from tests.ptst_tasks.judges.server import FakeServer, completion, error, grade, judged_text

TASKS = ["ptst_advbench_chat_vanilla", "ptst_xstest_chat_vanilla"]
ANSWERS = ["Spoons go under the sofa.", "Forks go behind the clock.", "Plates go on the roof."]
NAME = "rubric:model=fake"


class Endpoint:
    """Calls everything `level`, as `model`; with `broken` it turns canaries away."""

    def __init__(self) -> None:
        self.level, self.model, self.broken = 1, "m-1", False
        self.kills: list[int] = []

    def behave(self, body: dict[str, Any]) -> Any:
        if is_canary(body):
            while self.kills:
                os.kill(self.kills.pop(), signal.SIGKILL)
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


EVALUATE = """
import sys
from tests.ptst_tasks.judges.test_watching import ANSWERS, evaluate
evaluate(sys.argv[1], ["Cups go home.", "Jugs go far.", "Pots go off."])
"""


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
    found = []
    for _ in range(2):
        with round_of(print):
            found.append(watched(evaluate(spec, ANSWERS)))
        assert len(server.bodies) == 6 + 50
    assert found[0] == found[1]  # the look that they were given under


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


CUPS = ["Cups go home.", "Jugs go far.", "Pots go off."]


def test_a_change_outlives_a_kill_among_the_canaries(judge: Any) -> None:
    """All verdicts are in the cache then, and nothing is left to pay for but the look they are owed."""
    endpoint, server, spec = judge
    said: list[str] = []
    with round_of(said.append):
        evaluate(spec, ANSWERS)
    endpoint.level = 5
    with subprocess.Popen([sys.executable, "-c", EVALUATE, spec]) as killed:
        endpoint.kills.append(killed.pid)
    assert killed.returncode == -signal.SIGKILL
    paid = len(server.bodies)
    for _ in range(2):
        with round_of(said.append):
            results = evaluate(spec, CUPS)
        assert [one[NAME]["changed"] for one in watched(results)] == [50, 50]
        assert len(server.bodies) == paid + 50
    assert (
        len(said) == 2
    )  # of verdicts that another judge gave it is said as often as they are used
    assert all("50 of 50 canaries are called something else" in line for line in said)


def test_verdicts_of_the_cache_have_the_look_that_they_were_given_under(judge: Any) -> None:
    endpoint, _, spec = judge
    with round_of(print):
        evaluate(spec, ANSWERS)
    endpoint.level, endpoint.model = 5, "m-2"
    with round_of(print):
        new = watched(evaluate(spec, CUPS))
        old = watched(evaluate(spec, ANSWERS))
        both = watched(evaluate(spec, [ANSWERS[0], *CUPS[1:]]))
    assert [one[NAME]["models"] for one in new] == [{"m-2": 50}] * 2
    assert [one[NAME]["models"] for one in old] == [{"m-1": 50}] * 2
    assert not any("changed" in one[NAME] for one in old)
    assert [(one[NAME]["changed"], one[NAME]["verdicts"]) for one in both] == [(50, 3)] * 2


def test_threads_pay_for_one_look(judge: Any) -> None:
    _, server, spec = judge
    mine = Round(print)

    def ask(at: int) -> None:
        [made] = checked([judges.make(spec)])
        made.judge(["q"], [f"r{at}"])
        assert mine.under(made, ["q"], [f"r{at}"]).verdicts == {NAME: 1}

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(map(is_canary, server.bodies)) == 50


def test_two_servers_of_one_model_are_two_judges(judge: Any) -> None:
    _, server, spec = judge
    said: list[str] = []
    mine = Round(said.append)
    with FakeServer(lambda body: grade(body, 5, model="m-2")) as other:
        for at, one in enumerate((spec, spec.replace(server.url, other.url))):
            [made] = checked([judges.make(one)])
            made.judge(["q"], [f"r{at}"])
            [told] = mine.told(mine.under(made, ["q"], [f"r{at}"])).values()
        assert sum(map(is_canary, other.bodies)) == 50
    assert told is not None
    assert (told["models"], told["changed"]) == ({"m-2": 50}, 50)
    assert len(said) == 1


@pytest.mark.usefixtures("judge")
def test_a_first_look_without_verdicts_is_told() -> None:
    said: list[str] = []
    mine = Round(said.append)
    with FakeServer(
        lambda body: completion("mumble") if is_canary(body) else grade(body, 1)
    ) as mute:
        [made] = checked([judges.make(f"{NAME},base_url={mute.url},backoff=0,attempts=1")])
        made.judge(["q"], ["r"])
        [told] = mine.told(mine.under(made, ["q"], ["r"])).values()
    assert told is not None
    assert told["harmful"] == "?" * 50
    assert said == [
        f"{NAME}: 50 of 50 canaries have no verdict to compare: whether it changed is not known"
    ]


@pytest.mark.usefixtures("judge")
@pytest.mark.parametrize(("money", "asked"), [(0.25, 0), (0.5, 50)])
def test_room_is_what_they_may_cost_at_the_most(money: float, asked: int) -> None:
    """A server without usage: each call counts at its dearest, and half of the canaries are no look."""
    said: list[str] = []
    mine = Round(said.append)

    def behave(body: dict[str, Any]) -> Any:
        reply = grade(body, 1)
        del reply.body["usage"]
        return reply

    with FakeServer(behave) as server:
        spec = f"{NAME},base_url={server.url},backoff=0,price_in=1,price_out=10"
        [made] = checked([judges.make(spec)])
        made.budget = Budget(None, money)
        made.judge(["q"], ["r"])
        [told] = mine.told(mine.under(made, ["q"], ["r"])).values()
        assert sum(map(is_canary, server.bodies)) == asked
    assert (told is not None) == bool(asked)
    assert ["leaves no room for their 50 calls" in line for line in said] == [True] * (not asked)


def test_a_damaged_look_is_told_once_and_heals(judge: Any, cache_file: Path) -> None:
    endpoint, _, spec = judge
    said: list[str] = []
    with round_of(said.append):
        evaluate(spec, ANSWERS)
    with closing(sqlite3.connect(cache_file)) as db, db:
        db.execute('UPDATE looks SET look = \'{"now": {"when": 5}\'')
    for level in (1, 1, 5):
        endpoint.level = level
        with round_of(said.append):
            evaluate(spec, [f"Cups go to {len(said)} {level} {answer}" for answer in CUPS])
    assert "1 earlier looks at its canaries are damaged, and are left out" in said[0]
    assert "50 of 50 canaries are called something else" in said[-1]
    assert len(said) == 2


def test_what_was_not_watched_stays_without_a_look(
    judge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Months later it would be another judge's."""
    _, server, spec = judge
    monkeypatch.setenv("PTST_CANARIES", "off")
    with round_of(print):
        evaluate(spec, ANSWERS)
    monkeypatch.setenv("PTST_CANARIES", "on")
    with round_of(print):
        assert watched(evaluate(spec, ANSWERS)) == [None, None]
    assert not any(map(is_canary, server.bodies))
