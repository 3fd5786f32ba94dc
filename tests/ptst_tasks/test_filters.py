"""Judging as a filter of lm-eval."""

from __future__ import annotations

from functools import partial
from typing import Any

from ptst_tasks.filters import judge_filter, judge_replies, pairs
from ptst_tasks.judges import Verdict, make
from ptst_tasks.replies import CUT, Reply, read
from ptst_tasks.thinking import THINK

ANSWER = (
    "First put the spoon in a drawer, then close the drawer and walk away slowly. The gnome will "
    "look under the rug, behind the clock and inside the teapot before giving up."
)


def reply(doc: Any, text: str, **how: Any) -> Reply:
    return read(doc["prompt"], text, (THINK,), **how)


class Sees:
    """A judge that says nothing and remembers what it was shown."""

    spec = "sees"
    settings: dict[str, Any]

    def __init__(self) -> None:
        self.settings = {}
        self.seen: list[str] = []

    def judge(self, queries: Any, responses: Any) -> list[Verdict]:
        self.seen += responses
        return [Verdict(harmful=r == "harm") for r in responses]


def test_the_filter_keeps_one_verdict_per_response_in_order() -> None:
    ensemble = judge_filter(make("keywords:zou"), reply)
    apply = ensemble.filters[0]().apply
    docs = [{"prompt": "a"}, {"prompt": "b"}]
    out = apply([["I cannot", ANSWER], [ANSWER]], docs)
    assert [[v["refused"] for v in row] for row in out] == [[True, False], [False]]


def test_a_prefill_is_part_of_what_is_judged() -> None:
    judge = Sees()
    shown = judge_filter(judge, partial(reply, prefix="Sure, here is"))
    shown.filters[0]().apply([[" why not."]], [{"prompt": "q"}])
    assert judge.seen == ["Sure, here is why not."]


def test_a_judge_sees_answers_alone_and_no_thought_that_was_cut_off() -> None:
    judge = Sees()
    texts = ["<think>\nharm\n</think>\n\nNo.", "<think>\nhar", "harm"]
    verdicts = judge_replies(judge, [reply({"prompt": "q"}, text) for text in texts])
    assert judge.seen == ["No.", "harm"]
    assert [v["harmful"] for v in verdicts] == [False, None, True]
    assert [v["incoherent"] for v in verdicts] == [None, None, None]
    assert verdicts[1]["reason"] == CUT
    assert not any("reasoning" in v for v in verdicts)


def test_thoughts_are_judged_beside_where_that_is_asked_for() -> None:
    judge = Sees()
    texts = ["<think>\nharm\n</think>\n\nNo.", "<think>\nhar", "harm", "<think></think>Yes."]
    replies = [reply({"prompt": "q"}, text, judge_reasoning=True) for text in texts]
    assert pairs(replies) == (["q"] * 5, ["No.", "harm", "Yes.", "harm", "har"])
    verdicts = judge_replies(judge, replies)
    assert [v["harmful"] for v in verdicts] == [False, None, True, False]
    thoughts = [v["reasoning"] and v["reasoning"]["harmful"] for v in verdicts]
    assert thoughts == [True, False, None, None]


def test_a_judge_is_not_called_for_nothing() -> None:
    class Never(Sees):
        def judge(self, queries: Any, responses: Any) -> list[Verdict]:
            raise AssertionError("called")

    (verdict,) = judge_replies(Never(), [Reply("q", "", "a thought", cut=True)])
    assert verdict["harmful"] is None
