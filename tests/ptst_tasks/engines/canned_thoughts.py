"""Questions to small models that think, and the replies that these have learnt by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from transformers import AutoTokenizer

from tests.thinkers import asked_alone

OPENED = (
    "I add two and three.\n\nQuestion: is it 6? No.\n</think>\n\nIt is 5.\n\nQuestion: and 3 + 4?"
)
REPLIES = {
    "qwen3_5_think": {
        "stop in the thought": OPENED,
        "cut off": "and on " * 40 + "\n</think>\n\nDone.",
        "marker in the answer": "Hm.\n</think>\n\nWrite </think> like this.",
    },
    "qwen3": {
        "stop in the thought": f"<think>\n{OPENED}",
        "no thought": "It is 5.\n\nQuestion: and 3 + 4?",
    },
    "gptoss": {
        "stop in the thought": "<|channel|>analysis<|message|>I add.\n\nQuestion: is it 6?<|end|>"
        "<|start|>assistant<|channel|>final<|message|>It is 5.\n\nQuestion: and 3 + 4?",
        "no thought": "<|channel|>final<|message|>It is 5.\n\nQuestion: and 3 + 4?",
        "cut off": "<|channel|>analysis<|message|>" + "and on " * 40 + "<|end|>",
    },
    "nemotron_3_nano": {"opened by the prompt": "I add.\n\nQuestion: is it 6?</think>It is 5."},
}
STOPS = ["\n\n", "Question:"]


def ask(prompt: str, until: list[str] = STOPS, limit: int = 60, **more: Any) -> Instance:
    options = {"until": until, "max_gen_toks": limit, "do_sample": False, **more}
    return Instance("generate_until", {}, (prompt, options), 0, ("t", 0, 1))


def prompts(folder: Path, questions: Any) -> list[str]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [asked_alone(tokenizer, question)[0] for question in questions]


def answers(lm: Any, folder: Path, questions: Any, **how: Any) -> dict[str, str]:
    asked = [ask(prompt, **how) for prompt in prompts(folder, questions)]
    return dict(zip(questions, lm.generate_until(asked), strict=True))
