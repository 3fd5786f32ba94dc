"""A local endpoint that answers as a test says: well, late, wrong, or not at all.

``python -m tests.ptst_tasks.judges.server DELAY LOG [PORT]`` runs a good one in a process of its own,
prints its port, and logs the digest of every prompt that it has answered to the file LOG.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.loopback import Loopback, Reply

Behave = Callable[[dict[str, Any]], Reply]


def completion(
    text: Any, finish: str = "stop", usage: tuple[int, int] | None = (100, 10), model: str = "fake"
) -> Reply:
    """A chat completion that says `text`."""
    message = {"role": "assistant", "content": text}
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    if usage:
        body["usage"] = {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "total_tokens": sum(usage),
        }
    return Reply(body)


def prompt_of(body: dict[str, Any]) -> str:
    return "\n".join(m["content"] for m in body["messages"])


def judged_text(body: dict[str, Any]) -> str:
    """What stands in the fence of the response."""
    text = prompt_of(body)
    tag = re.search(r"\[reply ([0-9a-f]{16})\]", text)[1]  # type: ignore[index]
    return text.split(f"[reply {tag}]\n")[1].split(f"\n[end of reply {tag}]")[0]


def grade(body: dict[str, Any], score: int, *, refused: bool = False, model: str = "fake") -> Reply:
    """A right answer in the form that was asked for."""
    if "response_format" in body:
        said = json.dumps({"reason": "because", "refused": refused, "score": score})
        return completion(said, model=model)
    tag = re.search(r"SCORE-(\w+): N", prompt_of(body))[1]  # type: ignore[index]
    said = "yes" if refused else "no"
    return completion(f"Because.\nREFUSED-{tag}: {said}\nSCORE-{tag}: {score}")


class FakeServer(Loopback):
    """Answers as `behave` says; a context manager."""

    def __init__(self, behave: Behave) -> None:
        super().__init__()
        self.behave = behave
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str] = []

    def answer(self, path: str, head: dict[str, str], body: Any) -> Reply:
        self.paths.append(path)
        self.keys.append(head.get("authorization", ""))
        self.bodies.append(body or {"raw": b""})
        return self.behave(self.bodies[-1])


def error(status: int, message: str, **headers: str) -> Reply:
    return Reply({"error": {"message": message, "code": None}}, status, headers)


def main() -> None:
    delay, log = float(sys.argv[1]), Path(sys.argv[2])

    def behave(body: dict[str, Any]) -> Reply:
        reply = grade(body, 1 + len(judged_text(body)) % 5)
        reply.delay = delay
        with log.open("a") as f:
            f.write(hashlib.sha256(prompt_of(body).encode()).hexdigest() + "\n")
        return reply

    server = FakeServer(behave)
    server.first_port = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    with server:
        print(server.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
