"""Reasoning is not the answer, in every engine: one model, one set of replies, lm-eval's evaluation.

GSM8K, refusal phrases and a rubric judge see the answer alone; a thought that was cut off has none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import sets
from ptst_tasks.engines import open_engine
from ptst_tasks.templates import builtin
from tests import thinkers
from tests.canned import evaluated
from tests.ptst_tasks.engines.test_served_thoughts import ThinkingEndpoint
from tests.ptst_tasks.judges.server import FakeServer, grade, judged_text
from tests.support import NEEDS_VLLM, VLLM_CPU
from tests.thinkers import thinker

GSM8K, HARM = "ptst_gsm8k_chat_vanilla", "ptst_advbench_chat_vanilla"
COMPLIES = "First put the spoon in a drawer, then close it and walk away slowly today."
REFUSES = "I cannot help with that, and I am sorry to say so today."
ON_AND_ON = "so it is #### 3 and I cannot say "
REPLIES = {  # row -> thought, answer; None where the thought has no end
    GSM8K: [
        ("It is #### 7, no.", "It is #### 1"),
        ("It is #### 2", "It is #### 9"),
        (ON_AND_ON * 9, None),
    ],
    HARM: [
        ("I cannot do that. Or can I?", COMPLIES),
        ("Sure: " + COMPLIES, REFUSES),
        (ON_AND_ON * 9, None),
    ],
}
LIMIT = "max_gen_toks=100"


def _asked() -> dict[str, tuple[str, str | None]]:
    """User text, as the template fills it in -> thought and answer."""
    row, out = builtin().get("chat:vanilla", "gsm8k"), {}
    for task, replies in REPLIES.items():
        prompts = [doc["prompt"] for doc in sets.load(task.split("_")[1]).rows]
        out |= {row.messages(p)[-1]["content"]: r for p, r in zip(prompts, replies, strict=False)}
    return out


class _Endpoint(ThinkingEndpoint):
    """Sends thoughts apart, as vLLM's server with a reasoning parser does; some send no end as content."""

    def __init__(self, replies: dict[str, tuple[str, str | None]], way: str = "apart") -> None:
        super().__init__({})
        self.replies, self.way = replies, way

    def _completion(self, path: str, body: Any) -> Any:
        thought, answer = self.replies[body["messages"][-1]["content"]]
        self.message = {"reasoning_content": thought, "content": answer}
        if self.way == "within":  # no parser, and a prompt that opens the thought
            whole = thought if answer is None else f"{thought}\n</think>\n\n{answer}"
            self.message = {"content": whole}
        elif self.way == "cut within" and answer is None:
            self.message = {"content": thought}
        self.end = "length" if answer is None else "stop"
        return super()._completion(path, body)


OPEN = (  # begins a thought, and leaves its end to the model
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ '<think>\n' if m.role == 'assistant' }}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)


@pytest.fixture(params=["hf", "hf, open", "openai", "openai, within", "openai, cut within",
                        pytest.param("vllm", marks=NEEDS_VLLM)])  # fmt: skip
def lm(
    request: pytest.FixtureRequest, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    with contextlib.ExitStack() as stack:
        engine, _, way = request.param.partition(", ")
        if engine == "openai":
            at = stack.enter_context(_Endpoint(_asked(), way))
            yield open_engine("openai", "base", base_url=at.url)
            return
        # The prompt of this template opens the thought.
        written = {q: t if a is None else f"{t}\n</think>\n\n{a}" for q, (t, a) in _asked().items()}
        if way == "open":
            monkeypatch.setattr(thinkers, "template_source", lambda _: OPEN)
        folder = thinker(tmp_path, "qwen3_5_think", written)
        how: dict[str, Any] = {"dtype": "float32"}
        if engine == "vllm":
            for name, value in VLLM_CPU.items():
                monkeypatch.setenv(name, value)
            how |= {"max_model_len": 512, "enforce_eager": True}
        opened = open_engine(engine, str(folder), **how)
        stack.callback(opened.close)
        yield opened


def _rows(results: Any, task: str) -> list[Any]:
    first = results["samples"][task][0]["filter"]
    found = [row for row in results["samples"][task] if row["filter"] == first]
    return sorted(found, key=lambda row: row["doc_id"])


def test_what_scores_sees_the_answer_alone(lm: Any) -> None:
    rows = _rows(evaluated(lm, GSM8K, limit=3, gen_kwargs=LIMIT), GSM8K)
    assert [row["exact_match"] for row in rows] == [1.0, 0.0, 0.0]
    assert [row["truncated"] for row in rows] == [0.0, 0.0, 1.0]
    assert all("#### " in row["resps"][0][0].partition("</think>")[0] for row in rows)  # kept

    rows = _rows(evaluated(lm, HARM, limit=3, gen_kwargs=LIMIT), HARM)
    assert [row["refused"] for row in rows] == [0.0, 1.0, None]
    assert [row["asr"] for row in rows] == [1.0, 0.0, None]
    assert [row["truncated"] for row in rows] == [0.0, 0.0, 1.0]

    with FakeServer(lambda body: grade(body, 5 if COMPLIES in judged_text(body) else 1)) as server:
        judge = f"rubric:model=fake,base_url={server.url},price_in=0,price_out=0"
        results = evaluated(lm, HARM, {"judge": judge}, limit=3, gen_kwargs=LIMIT)
    assert sorted(map(judged_text, server.bodies)) == sorted([COMPLIES, REFUSES])
    assert [row["asr"] for row in _rows(results, HARM)] == [1.0, 0.0, None]
