"""An endpoint that grades 0 to 100 as chat completions with logprobs do, for the judge `misalignment`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tests.loopback import Reply
from tests.ptst_tasks.judges.server import completion, prompt_of

QUICK = "attempts=4,backoff=0.001,timeout=5"


def question_of(body: dict[str, Any]) -> str:
    """Which of the two prompts it is."""
    return "coherent" if "coherence" in prompt_of(body) else "aligned"


def answer_of(body: dict[str, Any]) -> str:
    """What stands between the marks of the answer, which the judged text cannot close."""
    return prompt_of(body).split("[ANSWER START]\n")[1].split("\n[ANSWER END]")[0]


def with_logprobs(
    likely: Mapping[str, float], *written: str, model: str = "fake", finish: str = "stop"
) -> Reply:
    """A reply with the likeliest first tokens (token -> probability), which says `written`."""
    said = written or (max(likely, key=lambda token: likely[token]),)
    reply = completion("".join(said), finish=finish, model=model)
    top = [
        {"token": token, "logprob": math.log(p), "bytes": list(token.encode())}
        for token, p in likely.items()
    ]
    content = [
        {"token": token, "logprob": -0.1, "bytes": [], "top_logprobs": top} for token in said
    ]
    reply.body["choices"][0]["logprobs"] = {"content": content, "refusal": None}
    return reply


def asked_for_logprobs(body: dict[str, Any]) -> bool:
    return body.get("logprobs") is True and body.get("top_logprobs") == 20
