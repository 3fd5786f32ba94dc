"""Mild questions for real chat models, under every template in turn."""

from __future__ import annotations

from typing import Any

from ptst_tasks.templates import builtin

__all__ = ["ASKED", "PROMPTS", "ROWS", "asks", "differing"]

ROWS = [row for row in builtin() if row.style == "gsm8k"]
ASKED = (
    "Name three trees.", "What is the capital of France?", "Why is the sky blue at noon and red at dusk?",
    "Write one line about rain.", "How many legs have two spiders?", "List the days of the week.",
    "Tom has 3 apples and buys 4 more. How many has he then?", "Say hello in Spanish, and nothing else.",
    "Which is heavier, a kilogram of iron or one of feathers? Explain in a sentence.", "What is 7 times 8?",
    "Give me a name for a cat that sleeps all day, every day, on a warm stove.", "Count to five.",
    "Translate 'good morning' into French.", "Is a whale a fish?", "What do bees make?",
    "A train leaves at nine and arrives at noon, after a stop of half an hour. How long did it drive?",
)  # fmt: skip
PROMPTS, NEW = len(ASKED), 16
HOW: dict[str, Any] = {
    "until": ["</s>"],
    "max_gen_toks": NEW,
    "do_sample": False,
    "temperature": 0.0,
}


def asks(tokenizer: Any) -> list[Any]:
    """Every prompt under a template, in turn."""
    from lm_eval.api.instance import Instance

    from ptst_tasks.chat import Renderer

    renderer, out = Renderer.for_tokenizer(tokenizer), []
    for i, query in enumerate(ASKED):
        prompt = renderer.render(ROWS[i % len(ROWS)], query).prompt
        out.append(Instance("generate_until", {}, (prompt, HOW), i, metadata=("mild", i, 1)))
    return out


def differing(said: list[str], want: list[str]) -> list[tuple[str, str]]:
    return [(a, b) for a, b in zip(said, want, strict=True) if a != b]
