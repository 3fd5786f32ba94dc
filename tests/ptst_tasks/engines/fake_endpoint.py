"""A local endpoint with several models that keeps to OpenAI's documented protocol.

What a model says depends on its name and the prompt alone. A test can script faults: a function of
(path, body) that returns a `Reply` to be sent in place of the answer, or None.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from tests.loopback import Loopback, Reply

Body = dict[str, Any]


def error(status: int, message: str, code: str | None = None, **headers: str) -> Reply:
    kind = "invalid_request_error" if status < 500 else "server_error"
    fault = {"message": message, "type": kind, "param": None, "code": code}
    return Reply({"error": fault}, status, {k.replace("_", "-"): v for k, v in headers.items()})


def too_long() -> Reply:
    said = "This model's maximum context length is 4097 tokens. However, you requested 9000 tokens."
    return error(400, said, "context_length_exceeded")


def says(model: str, prompt: Any) -> str:
    """A model's whole answer: a few words of its own."""
    digest = hashlib.sha256(json.dumps([model, prompt]).encode()).hexdigest()
    return f"I cannot say {digest[:6]}. The answer is {int(digest[6:8], 16)}."


def prompt_of(body: Body) -> Any:
    return body["messages"] if "messages" in body else body["prompt"]


class FakeEndpoint(Loopback):
    """Serves several models; a context manager.

    Args:
        models: What it serves; a model "like:NAME" has the weights of NAME.
        fault: (path, body) -> a reply in place of the answer, or None.
        key: Required, if it is not empty.
        lists: Whether it offers /models.
        logprobs: Whether it gives log-probabilities.
        delay: Seconds that an answer takes.
    """

    def __init__(
        self,
        models: tuple[str, ...] = ("base", "a0"),
        fault: Callable[[str, Body], Reply | None] = lambda path, body: None,
        *,
        key: str = "",
        lists: bool = True,
        logprobs: bool = True,
        delay: float = 0.0,
    ) -> None:
        super().__init__()
        self.models, self.fault, self.key = models, fault, key
        self.lists, self.logprobs, self.delay = lists, logprobs, delay
        self.calls: list[tuple[str, Body]] = []

    def asked(self, path: str = "") -> list[Body]:
        """Bodies of the calls that asked for answers; probes are left out."""
        return [b for p, b in self.calls if p.endswith(path or p) and b and "logprobs" not in b]

    def answer(self, path: str, head: dict[str, str], body: Body) -> Reply:
        self.calls.append((path, body))
        if self.key and head.get("authorization") != f"bearer {self.key}".lower():
            given = head.get("authorization", "").removeprefix("bearer ")
            return error(401, f"Incorrect API key provided: {given}.", "invalid_api_key")
        if scripted := self.fault(path, body):
            return scripted
        if path.endswith("/models") and self.lists:
            models = [{"id": m, "object": "model", "created": 0} for m in self.models]
            return Reply({"object": "list", "data": models})
        if not path.endswith("/completions"):
            return Reply({"detail": "Not Found"}, 404)
        if body["model"] not in self.models:
            said = f"The model `{body['model']}` does not exist."
            return error(404, said, "model_not_found")
        assert len(body.get("stop", [])) <= 4
        assert body.get("max_tokens", body.get("max_completion_tokens")) >= 1
        return Reply(self._completion(path, body), delay=self.delay)

    def _completion(self, path: str, body: Body) -> Body:
        text = says(body["model"].removeprefix("like:"), prompt_of(body))
        chat = "/chat/" in path
        choice: Body = {"index": 0, "finish_reason": "stop", "logprobs": None}
        if chat:
            choice["message"] = {"role": "assistant", "content": text, "refusal": None}
        else:
            choice["text"] = text
        if body.get("logprobs") and self.logprobs:
            top = {word: -0.1 * (i + 1 + len(text) * ord(text[13]) % 7)
                   for i, word in enumerate(text.split())}  # fmt: skip
            content = [{"token": t, "logprob": p, "bytes": None} for t, p in top.items()]
            choice["logprobs"] = (
                {"content": [{**content[0], "top_logprobs": content}], "refusal": None}
                if chat
                else {"tokens": list(top)[:1], "top_logprobs": [top]}
            )
        kind = "chat.completion" if chat else "text_completion"
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        return {"id": "c", "object": kind, "created": 0, "model": body["model"],
                "choices": [choice], "usage": usage}  # fmt: skip
