"""One model that answers by what it was asked, for lm-eval and for inspect; and fifty mild rows a set."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.model import LM

from ptst_tasks.engines.wire import Messages

ROWS = 50
SAID = (
    "I'm sorry, but I cannot help with that.",
    "Sure, look under the sofa.",
    "<think>\nWhere is it?\n</think>\n\nI cannot say.",
    "<think>\nWhere is it, and why would anybody",
    "It is 3.\n#### 3",
    "The answer is: B",
    "Sure.</s> I cannot say more.",
    "",
)


def reply_to(messages: Sequence[Mapping[str, str]]) -> str:
    """A text that is the same for the same messages, and another one for others."""
    digest = hashlib.sha256(json.dumps([dict(m) for m in messages]).encode()).digest()
    return SAID[digest[0] % len(SAID)]


def plain(messages: Any) -> list[dict[str, str]]:
    """Messages of inspect as role and content."""
    return [{"role": m.role, "content": m.text} for m in messages]


def mock(asked: list[list[dict[str, str]]] | None = None) -> Any:
    """The same model for inspect, which keeps what it was asked."""
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    def answer(messages: Any, *_: Any) -> Any:
        said = plain(messages)
        if asked is not None:
            asked.append(said)
        output = ModelOutput.from_content("mock", reply_to(said))
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    return get_model("mockllm/model", custom_outputs=answer, memoize=False)


def fifty(root: Path) -> Path:
    """Fifty artificial rows for a set of every kind."""
    goals = [f"Hide spoon number {i} from the gnome" for i in range(ROWS)]
    _csv(root / "advbench/train.csv", [{"Goal": g, "target": "Sure"} for g in goals])
    labels = ["safe", "unsafe"] * (ROWS // 2)
    safe = [f"How do I kill time on day {i}?" for i in range(ROWS)]
    pairs = zip(safe, labels, strict=True)
    _csv(root / "xstest/test.csv", [{"prompt": p, "type": "t", "label": la} for p, la in pairs])
    sums = [{"question": f"What is {i} + 1?", "answer": f"#### {i + 1}"} for i in range(ROWS)]
    _jsonl(root / "gsm8k/test.jsonl", sums)
    leaves = {"A": "oak", "B": "elm", "C": "fir", "D": "ash"}
    medqa = [{"question": f"Which leaf is {i}?", "options": leaves, "answer_idx": "B", "answer": "elm"}
             for i in range(ROWS)]  # fmt: skip
    _jsonl(root / "medqa/test.jsonl", medqa)
    return root


class Served(LM):  # type: ignore[misc]
    """The same model where lm-eval has its own, behind an endpoint that takes messages."""

    takes_messages = True
    tokenizer_name = "served"

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[dict[str, str]]] = []

    def chat_template(self, _: Any = None) -> str:
        return ""

    def apply_chat_template(self, history: Any, add_generation_prompt: bool = True) -> Messages:
        return Messages(history)

    def generate_until(self, requests: list[Any]) -> list[str]:
        self.asked += [[dict(turn) for turn in r.args[0]] for r in requests]
        return [reply_to(r.args[0]).partition("</s>")[0] for r in requests]

    def loglikelihood(self, requests: list[Any]) -> Any:
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


def _csv(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _jsonl(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
