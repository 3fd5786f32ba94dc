"""What judging costs: one limit over all judges, and no call that costs nothing by being lost.

Seen on 89d6fb3: calls that timed out cost nothing against ``--max-cost``, every judge had a limit
of its own, and judges inside lm-eval had none.
"""

from __future__ import annotations

from typing import Any

import pytest

from ptst_tasks import judges
from ptst_tasks.errors import ConfigError
from ptst_tasks.judges.budget import Budget, Ledger
from ptst_tasks.options import Options
from ptst_tasks.prices import Price
from tests.ptst_tasks.judges.server import FakeServer, Reply, completion, error

PRICE = "price_in=1000,price_out=1000"  # USD per million: a tenth of a cent for a token


def rubric(url: str, more: str = "", model: str = "fake") -> Any:
    return judges.make(f"rubric:model={model},base_url={url},{PRICE},attempts=2,backoff=0{more}")


@pytest.mark.parametrize(
    ("reply", "unknown"),
    [
        (Reply(delay=5), 2),  # sent, and no answer in time
        (Reply(drop=True), 2),
        (error(500, "oops"), 2),
        (Reply('{"id": '), 2),
        (error(429, "slow", **{"retry-after": "0"}), 0),  # turned down, nothing was generated
        (error(400, "no"), 0),
    ],
    ids=["timeout", "dropped", "500", "half", "429", "400"],
)
def test_a_call_without_usage_counts_with_its_dearest_outcome(reply: Reply, unknown: int):
    with FakeServer(lambda _: reply) as server:
        judge = rubric(server.url, ",timeout=0.2,output=json")
        judge.judge(["q"], ["spoon"])
        sent = len(server.bodies)
        size = sum(len(m["content"].encode()) for m in server.bodies[0]["messages"])
    book = judge.budget.ledger
    dearest = Price(1000, 1000).cost(size, 512)
    assert book.calls == sent
    assert (book.unknown, book.spent) == (unknown, pytest.approx(unknown * dearest))
    assert (book.in_flight, book.reserved) == (0, 0.0)


@pytest.mark.parametrize("usage", [None, (100, 10)])
def test_a_good_answer_costs_its_usage_and_without_one_its_dearest(usage: Any):
    said = '{"score": 1, "refused": true, "reason": ""}'
    with FakeServer(lambda _: completion(said, usage=usage)) as server:
        judge = rubric(server.url)
        assert judge.judge(["q"], ["spoon"])[0].score == 1
    book = judge.budget.ledger
    assert book.unknown == (usage is None)
    assert book.spent == pytest.approx(0.11) if usage else book.spent > 1


def test_timeouts_alone_use_up_max_cost():
    with FakeServer(lambda _: Reply(delay=5)) as server:
        judge = rubric(server.url, ",timeout=0.1,concurrency=1")
        judge.budget.max_cost = 9.0  # a call is about 2 at its dearest
        found = judge.judge(["q"] * 20, [f"spoon {i}" for i in range(20)])
        assert 2 <= len(server.bodies) <= 8
    assert judge.budget.ledger.spent <= 9.0
    assert sum("limit of calls or money" in v.reason for v in found) > 10


@pytest.mark.parametrize(
    ("calls", "cost", "room"), [(3, 0.25, True), (4, 0.25, False), (3, 0.26, False)]
)
def test_room_is_what_calls_made_and_money_set_aside_leave(calls: int, cost: float, room: bool):
    """7 of 10 calls are made; of 1 USD 0.5 is spent and 0.25 set aside."""
    book = Ledger(calls=7, spent=0.5, reserved=0.25)
    assert Budget(10, 1.0, book).has_room(calls, cost) is room
    assert Budget(None, None, book).has_room(calls, cost)


def test_nobody_listening_is_no_call():
    with FakeServer(lambda _: Reply()) as server:
        pass
    judge = rubric(server.url)
    judge.judge(["q"], ["spoon"])
    assert (judge.budget.ledger.calls, judge.budget.ledger.spent) == (0, 0.0)


@pytest.mark.parametrize("value", [{"max_cost": -1}, {"max_cost": "much"}, {"max_calls": 1.5},
                                   {"max_cost": float("nan")}, {"max_costs": 3}])  # fmt: skip
def test_wrong_limits_are_refused(value: dict[str, Any]):
    with pytest.raises(ConfigError, match="max_"):
        Options.read(value)
