"""How many prompts a model is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from leaderboards.run.asked import prompts, prompts_per_model, seeds
from leaderboards.run.study import Study


def task(rows: int, **options: Any) -> Any:
    return SimpleNamespace(
        eval_docs=range(rows),
        OUTPUT_TYPE="generate_until",
        config=SimpleNamespace(generation_kwargs=options),
    )


def test_greedy_answers_are_had_once_and_sampled_ones_per_seed() -> None:
    study = Study(base="b", test={"limit": 3, "decoding_seeds": (1, 2),
                                  "gen_kwargs": {"do_sample": True, "temperature": 1.0}})  # fmt: skip
    greedy, sampled = task(5), task(2, do_sample=True)
    assert (seeds(study, greedy), seeds(study, sampled)) == ((None,), (1, 2))
    assert (prompts(study, greedy), prompts(study, sampled)) == (3, 2)
    assert prompts_per_model(study, {"greedy": greedy, "sampled": sampled}) == 3 + 2 * 2
