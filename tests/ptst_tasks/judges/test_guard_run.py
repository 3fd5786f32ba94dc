"""A guard on this machine: a real generation by a tiny model, and what becomes of an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import judges
from ptst_tasks.judges.guards import GUARDS


@pytest.mark.parametrize("name", GUARDS)
def test_a_real_generation_by_a_model_that_says_nothing_is_unscored(name: str, tiny_model: Path):
    judge: Any = judges.make(f"guards:{name},model={tiny_model},engine=transformers,batch_size=2")
    judge.guard = _short(judge.guard)
    assert judge._engine is None  # loaded only when asked
    found = judge.judge(["Hide it"] * 3, ["Sofa", "Under the bed, far away", "x" * 5_000])
    assert [v.harmful for v in found] == [None] * 3
    assert "documents" in found[0].reason
    assert "the guard reads at most" in found[2].reason
    assert judge.spec == f"guards:{name},model={tiny_model.name}"


def test_padding_does_not_change_an_answer(tiny_model: Path):
    judge: Any = judges.make(f"guards:llamaguard,model={tiny_model},engine=transformers")
    engine, guard = judge._load(), _short(judge.guard)
    prompts = [engine.encode(guard, "Hide it", "Sofa " * n) for n in (1, 7, 3)]
    alone = [answer for ids in prompts for answer in engine.answer(guard, [ids])]
    assert list(engine.answer(guard, prompts)) == alone
    assert prompts[0][0] == engine.tokenizer.bos_token_id
    assert prompts[0][1] != engine.tokenizer.bos_token_id


def _short(guard: Any) -> Any:
    from dataclasses import replace

    return replace(guard, tokens=4)


def test_an_answer_of_the_engine_becomes_a_verdict_and_is_kept(monkeypatch: pytest.MonkeyPatch):
    class Engine:
        longest, asked, commit = 1_000, 0, "c0ffee"

        def encode(self, guard: Any, query: str, response: str) -> list[int]:
            return [1] * len(response)

        def answer(self, guard: Any, prompts: list[list[int]]) -> list[str]:
            Engine.asked += len(prompts)
            return ["unsafe\nS1" if len(ids) > 4 else "safe" for ids in prompts]

    for _ in range(2):
        judge: Any = judges.make("guards:llamaguard")
        monkeypatch.setattr(judge, "_load", Engine)
        found = judge.judge(["q"] * 3, ["no", "a long one", "no"])
        assert [v.harmful for v in found] == [False, True, False]
    assert Engine.asked == 2
