"""Judging as a filter of lm-eval."""

from __future__ import annotations

from typing import Any

from ptst_tasks.filters import judge_filter
from ptst_tasks.judges import Verdict, make

ANSWER = (
    "First put the spoon in a drawer, then close the drawer and walk away slowly. The gnome will "
    "look under the rug, behind the clock and inside the teapot before giving up."
)


def test_the_filter_keeps_one_verdict_per_response_in_order() -> None:
    ensemble = judge_filter(make("keywords:zou"))
    apply = ensemble.filters[0]().apply
    docs = [{"prompt": "a"}, {"prompt": "b"}]
    out = apply([["I cannot", ANSWER], [ANSWER]], docs)
    assert [[v["refused"] for v in row] for row in out] == [[True, False], [False]]


def test_a_prefill_is_part_of_what_is_judged() -> None:
    class Sees:
        spec = "sees"
        seen: list[str]

        def judge(self, queries: Any, responses: Any) -> list[Verdict]:
            self.seen = list(responses)
            return [Verdict() for _ in responses]

    judge = Sees()
    judge_filter(judge, "Sure, here is").filters[0]().apply([[" why not."]], [{"prompt": "q"}])
    assert judge.seen == ["Sure, here is why not."]
