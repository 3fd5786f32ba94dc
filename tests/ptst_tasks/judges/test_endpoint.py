"""Judges behind an endpoint: what is asked, what is read, and what happens when it goes wrong."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import judges
from ptst_tasks.errors import ConfigError, JudgeError
from ptst_tasks.judges.cache import VerdictCache
from tests.ptst_tasks.judges.server import (
    FakeServer,
    Reply,
    completion,
    error,
    grade,
    judged_text,
)

QUICK = "attempts=4,backoff=0.001,timeout=5"


def rubric(server: FakeServer, more: str = QUICK) -> Any:
    return judges.make(f"rubric:model=fake,base_url={server.url},{more}")


def number(body: dict[str, Any]) -> int:
    return int(judged_text(body).rsplit(" ", 1)[1])


def test_a_grade_in_json_is_read_and_asr_is_the_share_of_five():
    with FakeServer(lambda b: grade(b, number(b), refused=number(b) == 1)) as server:
        found = rubric(server).judge(["q"] * 5, [f"spoon {i}" for i in (1, 2, 3, 4, 5)])
        body = server.bodies[0]
    assert [v.score for v in found] == [1, 2, 3, 4, 5]
    assert [v.harmful for v in found] == [False, False, False, False, True]
    assert [v.refused for v in found] == [True, False, False, False, False]
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["additionalProperties"] is False
    assert body["temperature"] == 0


def test_an_endpoint_without_schemas_is_asked_in_text_from_then_on():
    def behave(body: dict[str, Any]) -> Reply:
        return error(400, "no schemas") if "response_format" in body else grade(body, 5)

    with FakeServer(behave) as server:
        found = rubric(server, QUICK + ",concurrency=1").judge(["q"] * 4, list("abcd"))
        sent = ["response_format" in body for body in server.bodies]
    assert [v.score for v in found] == [5] * 4
    assert sent == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (completion(""), "empty"),
        (completion(None), "empty"),
        (completion("I would rather not."), "no grade"),
        (completion('{"reason": "x", "refused": false, "score": 9}'), "outside 1..5"),
        (completion('{"reason": "x", "refused": false, "score": 5.0}'), "no whole number"),
        (completion('{"reason": "x", "refused": false, "score": true}'), "no whole number"),
        (completion('{"score": 5, "score": 1}'), "no JSON"),
        (completion('{"reason": "x", "refused": false, "sc', "length"), "cut off"),
        (Reply('{"id": '), "malformed"),
        (Reply("<html>", kind="text/html"), "malformed"),
        (Reply({"choices": []}), "malformed"),
        (Reply({"choices": None}), "malformed"),
        (error(500, "oops"), "HTTP 500: oops"),
        (Reply(drop=True), "connection failed"),
        (error(429, "slow", **{"retry-after": "0"}), "HTTP 429: slow"),
    ],
)
@pytest.mark.parametrize("output", ["json", "auto"])
def test_what_cannot_be_read_is_unscored_with_a_reason(reply: Reply, why: str, output: str):
    with FakeServer(lambda _: reply) as server:
        [verdict] = rubric(server, f"{QUICK},output={output}").judge(["q"], ["spoon"])
        asked = len(server.bodies)
    assert (verdict.score, verdict.harmful, verdict.refused) == (None, None, None)
    if output == "json":
        assert why in verdict.reason or "no JSON" in verdict.reason
    assert verdict.reason.endswith("given up after 4 calls")
    assert asked == 4


def test_a_hang_ends_with_the_timeout():
    with FakeServer(lambda b: Reply(delay=20)) as server:
        [verdict] = rubric(server, "attempts=2,backoff=0,timeout=0.1").judge(["q"], ["spoon"])
    assert verdict.harmful is None
    assert verdict.reason == "no answer within 0.1 s; given up after 2 calls"


def test_retry_after_is_obeyed():
    answers = [error(429, "slow", **{"retry-after": "0.3"})]
    with FakeServer(lambda b: answers.pop() if answers else grade(b, 2)) as server:
        import time

        start = time.perf_counter()
        [verdict] = rubric(server).judge(["q"], ["spoon"])
        assert time.perf_counter() - start >= 0.3
    assert verdict.score == 2


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_stops_at_once_with_one_line_that_does_not_hold_it(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    caplog.set_level(logging.INFO)
    behave = lambda _: error(status, "Incorrect key: sk-very-secret, see\nour site")  # noqa: E731
    with FakeServer(behave) as server:
        judge = rubric(server, "api_key_env=MY_KEY,concurrency=4")
        with pytest.raises(JudgeError) as caught:
            judge.judge(["q"] * 100, [f"spoon {i}" for i in range(100)])
        assert len(server.bodies) <= 8
        assert server.keys[0] == "bearer sk-very-secret"
    message = str(caught.value)
    assert "\n" not in message
    assert f"HTTP {status}: Incorrect key: ***" in message
    everything = message + caplog.text + judge.spec + json.dumps(judge.settings)
    assert "sk-very-secret" not in everything
    assert caught.value.__cause__ is None


def test_no_key_for_openai_is_an_error_before_anything_is_sent():
    judge = judges.make("rubric:model=gpt-4")
    with pytest.raises(JudgeError, match=r"set \$OPENAI_API_KEY"):
        judge.judge(["q"], ["spoon"])


def test_credit_that_ran_out_stops_at_once():
    reply = Reply({"error": {"message": "no money", "code": "insufficient_quota"}}, 429)
    with FakeServer(lambda _: reply) as server, pytest.raises(JudgeError, match="no money"):
        rubric(server).judge(["q"], ["spoon"])


def test_nobody_there_is_an_error_not_a_rate_of_zero():
    with FakeServer(lambda _: Reply(drop=True)) as server:
        pass
    with pytest.raises(JudgeError, match="is the server up"):
        rubric(server).judge(["q"] * 60, [f"spoon {i}" for i in range(60)])


def test_an_outage_in_the_middle_leaves_the_rest_unscored():
    answered: list[int] = []

    def behave(body: dict[str, Any]) -> Reply:
        answered.append(1)
        return grade(body, 1) if len(answered) <= 20 else Reply(drop=True)

    with FakeServer(behave) as server:
        judge = rubric(server, QUICK + ",outage=0.8")
        found = judge.judge(["q"] * 200, [f"spoon {i}" for i in range(200)])
        assert len(server.bodies) < 150
    assert sum(v.harmful is not None for v in found) == 20
    assert any("stopped answering" in v.reason for v in found)


def test_a_second_run_makes_no_call_and_equal_pairs_are_asked_once():
    with FakeServer(lambda b: grade(b, 3)) as server:
        first = rubric(server).judge(["q", "q", "p"], ["a", "a", "a"])
        assert len(server.bodies) == 2
        assert rubric(server).judge(["q", "q", "p"], ["a", "a", "a"]) == first
        assert len(server.bodies) == 2
        rubric(server, "max_tokens=9").judge(["q"], ["a"])  # other settings, other verdicts
        assert len(server.bodies) == 3


def test_a_missing_verdict_is_asked_again():
    with FakeServer(lambda _: completion("")) as server:
        rubric(server).judge(["q"], ["a"])
    with FakeServer(lambda b: grade(b, 3)) as server:
        assert rubric(server).judge(["q"], ["a"])[0].score == 3


def test_the_cache_holds_no_text(cache_file: Path):
    with FakeServer(lambda b: grade(b, 3)) as server:
        rubric(server).judge(["a query to find"], ["a response to find"])
    data = b"".join(f.read_bytes() for f in cache_file.parent.glob("judge.sqlite*"))
    assert b"to find" not in data
    with VerdictCache() as cache:
        assert len(cache) == 1


def test_max_calls_holds_with_retries_counted():
    with FakeServer(lambda _: error(500, "oops")) as server:
        judge = rubric(server)
        judge.budget.max_calls = 7
        found = judge.judge(["q"] * 5, list("abcde"))
        assert len(server.bodies) == 7
    assert any("limit of calls" in v.reason for v in found)
    assert all(v.harmful is None for v in found)


def test_max_cost_is_never_passed():
    from ptst_tasks.prices import Price

    with FakeServer(lambda b: completion('{"score": 1, "refused": true, "reason": ""}',
                                         usage=(1000, 100))) as server:  # fmt: skip
        judge = rubric(server)
        judge.price, judge.budget.max_cost = Price(1000, 1000), 12.0
        found = judge.judge(["q"] * 30, [f"spoon {i}" for i in range(30)])
        assert len(server.bodies) <= 10  # 1.10 USD each
    assert judge.budget.ledger.spent <= 12.0
    assert 0 < sum(v.harmful is None for v in found) < 30


def test_judging_works_where_a_loop_is_running():
    import asyncio

    async def notebook(judge: Any) -> Any:
        return judge.judge(["q"], ["a"])

    with FakeServer(lambda b: grade(b, 3)) as server:
        assert asyncio.run(notebook(rubric(server)))[0].score == 3


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rubric", "needs model="),
        ("rubric:modell=x", "did you mean 'model'"),
        ("rubric:model=x,model=y", "twice"),
        ("rubric:model=x,harmful_at=9", "less than or equal to 5"),
        ("rubric:model=x,output=xml", "'auto', 'json' or 'text'"),
        ("rubric:model=x,base_url=localhost:80", "no http"),
        ("rubric:model=x,base_url=http://me:sk-1@h/v1", "keys belong in"),
        ("rubric:model=x,api_key_env=sk-1", "not a key"),
        ("rubric:api_key=sk-1", "unknown setting 'api_key'; did you mean 'api_key_env'"),
        ("rubric:model=x,sk-1", "part 2 is not KEY=VALUE"),
        ("rubric:model=x,rubric=nowhere.txt", "cannot be read"),
    ],
)
def test_wrong_settings_are_named_and_secrets_are_not(spec: str, message: str):
    with pytest.raises(ConfigError) as caught:
        judges.make(spec)
    assert message in str(caught.value)
    assert "sk-1" not in str(caught.value)
