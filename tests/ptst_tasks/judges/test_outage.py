"""An endpoint that goes away in the middle is waited for; one that never answered is not.

Seen on 89d6fb3: three seconds of outage ended the scoring with 360 of 520 responses unscored.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import judges
from ptst_tasks.errors import JudgeError
from ptst_tasks.judges.cache import VerdictCache
from ptst_tasks.outage import GoneError, OutageError, Watch
from tests.ptst_tasks.judges.server import FakeServer, Reply, error, grade, judged_text

N = 520
RESPONSES = [f"Put spoon {i} under the sofa, level {1 + i % 5}" for i in range(N)]
MANY = "attempts=4,backoff=0.01,timeout=5"


def rubric(url: str, more: str = MANY) -> Any:
    return judges.make(f"rubric:model=fake,base_url={url},{more}")


def good(body: dict[str, Any]) -> Reply:
    reply = grade(body, int(judged_text(body)[-1]))
    reply.delay = 0.02
    return reply


@contextmanager
def after(server: FakeServer, answers: int, then: Callable[[], None]) -> Iterator[None]:
    """Does something once the server has had so many calls."""

    def work() -> None:
        end = time.monotonic() + 30
        while len(server.bodies) < answers and time.monotonic() < end:
            time.sleep(0.005)
        then()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def scores(found: list[Any]) -> list[float | None]:
    return [v.score for v in found]


RIGHT = [float(1 + i % 5) for i in range(N)]


@pytest.mark.parametrize("slots", [32, 1])
def test_three_seconds_without_a_listener_lose_nothing(
    slots: int, capsys: pytest.CaptureFixture[str]
):
    with FakeServer(good) as server:

        def outage() -> None:
            server.go_away()
            time.sleep(3)
            server.come_back()

        some = N if slots > 1 else 60
        with after(server, 40, outage):
            judge = rubric(server.url, f"{MANY},concurrency={slots}")
            found = judge.judge(["q"] * some, RESPONSES[:some])
    assert scores(found) == RIGHT[:some]
    said = capsys.readouterr().err
    assert f"{server.url} has not answered since " in said
    assert "connection failed" in said
    assert "answers again after 3 s" in said or "answers again after 4 s" in said


@pytest.mark.parametrize(
    ("slots", "fault"),
    [(32, error(503, "starting")), (32, error(500, "oops")), (1, Reply(drop=True))],
    ids=["503", "500", "dropped"],
)
def test_nor_do_seconds_of_broken_answers_and_one_caller_alone_looks(fault: Reply, slots: int):
    away: list[float] = []
    during: list[float] = []

    def behave(body: dict[str, Any]) -> Reply:
        away.append(time.monotonic())
        if len(away) <= 40:
            return good(body)
        if away[-1] - away[40] < 1.5:
            during.append(away[-1] - away[40])
            return fault
        return good(body)

    some = 200 if slots > 1 else 60
    with FakeServer(behave) as server:
        judge = rubric(server.url, f"{MANY},concurrency={slots}")
        found = judge.judge(["q"] * some, RESPONSES[:some])
    assert scores(found) == RIGHT[:some]
    late = [at for at in during if at > 0.5]  # those that were under way are back by then
    assert len(late) < 8  # a herd of 32 would be hundreds


def test_an_endless_outage_ends_after_the_set_time_with_the_rest_unscored(
    capsys: pytest.CaptureFixture[str],
):
    with FakeServer(good) as server, after(server, 40, server.go_away):
        judge = rubric(server.url, f"{MANY},outage=1.5")
        start = time.monotonic()
        found = judge.judge(["q"] * N, RESPONSES)
        assert 1.4 < time.monotonic() - start < 100
    have = [v for v in found if v.harmful is not None]
    assert 20 <= len(have) <= 80
    [why] = {v.reason for v in found if v.harmful is None}
    assert why == "the endpoint stopped answering (connection failed); waited 1.5 s for it"
    assert capsys.readouterr().err.count("has not answered since") == 1
    start = time.monotonic()  # the next block of responses: one look, not another wait
    again = judge.judge(["q"] * 9, [f"another, level {i}" for i in range(9)])
    assert time.monotonic() - start < 100
    assert [v.harmful for v in again] == [None] * 9


def test_after_an_outage_that_was_given_up_new_work_finds_the_endpoint_again():
    with FakeServer(good) as server:
        judge = rubric(server.url, f"{MANY},outage=0.3")
        assert judge.judge(["q"], ["x, level 1"])[0].score == 1
        server.go_away()
        assert judge.judge(["q"], ["x, level 2"])[0].score is None
        server.come_back()
        found = judge.judge(["q"] * 50, [f"x {i}, level 3" for i in range(50)])
    assert scores(found) == [3.0] * 50


def test_a_wrong_port_still_fails_at_once():
    with FakeServer(good) as server:
        pass
    start = time.monotonic()
    with pytest.raises(JudgeError, match="is the server up"):
        rubric(server.url).judge(["q"] * 60, RESPONSES[:60])
    assert time.monotonic() - start < 100  # an outage is waited out for 300


@pytest.mark.parametrize("slots", [1, 4, 32])
@pytest.mark.parametrize("broken", [{7}, {29}, {7, 29}])
def test_responses_that_break_the_server_hold_nobody_up(slots: int, broken: set[int]):
    """Their own calls fail for ever; they are no outage, alone at the end or among others."""

    def behave(body: dict[str, Any]) -> Reply:
        breaks = any(f"spoon {i} " in judged_text(body) for i in broken)
        return error(500, "oops") if breaks else good(body)

    with FakeServer(behave) as server:
        start = time.monotonic()
        judge = rubric(server.url, f"attempts=9,backoff=0.001,timeout=5,concurrency={slots}")
        found = judge.judge(["q"] * 30, RESPONSES[:30])
        assert time.monotonic() - start < 100  # an outage is waited out for 300
    assert {i for i, v in enumerate(found) if v.harmful is None} == broken
    assert {found[i].reason for i in broken} == {"HTTP 500: oops; given up after 9 calls"}


def start_server(log: Path, port: int = 0) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ptst_tasks.judges.server", "0.02", str(log), str(port)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    return process, int(process.stdout.readline())


def wait_for_lines(log: Path, most: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and (not log.exists() or len(log.read_text().splitlines()) < most):
        time.sleep(0.02)


def test_a_server_that_is_killed_and_started_again_on_its_port(tmp_path: Path):
    log = tmp_path / "log"
    first, port = start_server(log)
    second: list[subprocess.Popen[str]] = []

    def crash() -> None:
        wait_for_lines(log, 60)
        first.kill()
        first.wait()
        time.sleep(1)
        second.append(start_server(log, port)[0])

    thread = threading.Thread(target=crash)
    thread.start()
    try:
        judge = rubric(f"http://127.0.0.1:{port}/v1")
        found = judge.judge(["q"] * 300, RESPONSES[:300])
    finally:
        thread.join()
        for process in (first, *second):
            process.kill()
            process.wait()
            process.stdin.close()  # type: ignore[union-attr]
            process.stdout.close()  # type: ignore[union-attr]
    assert None not in scores(found)


def test_ctrl_c_ends_the_waiting_and_keeps_what_was_answered(tmp_path: Path, cache_file: Path):
    with FakeServer(good) as server:
        code = (
            "from ptst_tasks import judges; from tests.ptst_tasks.judges.test_outage import *;"
            f"rubric({server.url!r}).judge(['q'] * N, RESPONSES)"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=os.environ
        )
        with after(server, 60, server.go_away):
            assert child.stderr
            assert "Ctrl-C" in child.stderr.readline()
            child.send_signal(signal.SIGINT)
            start = time.monotonic()
            child.communicate(timeout=100)
            assert time.monotonic() - start < 100
    with VerdictCache(str(cache_file)) as cache:
        assert len(cache) >= 20


def test_a_watch_lets_one_look_at_a_time_and_all_go_on_together():
    """The waiting alone, as any caller may use it: 20 callers, an endpoint away for 0.6 s."""
    lines: list[str] = []
    watch = Watch("http://there", lines.append, answers=1)
    looking, most, calls = 0, 0, 0

    async def run() -> None:
        gone = asyncio.get_running_loop().time() + 0.6

        async def call() -> str:
            nonlocal looking, most, calls
            calls += 1
            looking += 1
            most = max(most, looking if watch.since else 0)
            await asyncio.sleep(0.01)
            looking -= 1
            if asyncio.get_running_loop().time() < gone:
                raise TimeoutError
            return "here"

        async def caller(who: int) -> str:
            while True:
                try:
                    return await watch.through(call, lambda _: "no answer", signs=3, who=who)
                except OutageError:
                    continue
                except TimeoutError:
                    await asyncio.sleep(0.01)

        assert await asyncio.gather(*(caller(i) for i in range(20))) == ["here"] * 20

    asyncio.run(run())
    assert calls < 20 + 20 + 5  # the first round, the last round, and a few looks
    assert len(lines) == 2
    assert watch.since is None


def test_a_watch_gives_up_after_its_time():
    watch = Watch("http://there", lambda _: None, answers=1)

    async def never() -> None:
        raise TimeoutError

    async def run() -> None:
        with pytest.raises(TimeoutError):  # one alone is no outage
            await watch.through(never, signs=2, longest=0.2, who=1)
        for _ in range(2):
            with pytest.raises(OutageError):
                await watch.through(never, signs=2, longest=0.2, who=2)
        with pytest.raises(GoneError, match=r"waited 0\.2 s"):
            await watch.through(never, signs=2, longest=0.2, who=2)

    asyncio.run(run())
