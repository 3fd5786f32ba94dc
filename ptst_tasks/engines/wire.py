"""OpenAI's protocol as served models use it: bodies of calls, and what is read from replies.

Messages go to ``/chat/completions``, texts to ``/completions``
(https://platform.openai.com/docs/api-reference).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ptst_tasks.engines.base import PROBE, cut, read_options, sampled
from ptst_tasks.engines.served_settings import ServedSettings

__all__ = ["CHAT", "MODELS", "TEXT", "Job", "MalformedError", "Messages", "answer", "body",
           "log_probabilities", "model_names", "probes"]  # fmt: skip

CHAT, TEXT, MODELS = "/chat/completions", "/completions", "/models"
_MOST_STOPS = 4  # OpenAI takes no more; an answer is cut by all of them afterwards


class MalformedError(Exception):
    """A reply that is not what the protocol says."""


class Messages(list[dict[str, str]]):
    """A prompt that goes as messages."""

    def encode(self, encoding: str = "utf-8") -> bytes:
        """Their bytes as JSON; lm-eval takes a digest of every prompt by this."""
        return json.dumps(self).encode(encoding)


@dataclass(slots=True)
class Job:
    """One prompt to be asked.

    Attributes:
        path: The route.
        body: Of the call.
        stops: All stop strings.
        task: The task it belongs to.
        places: Where its answer goes.
    """

    path: str
    body: dict[str, Any]
    stops: tuple[str, ...]
    task: str
    places: list[int] = field(default_factory=list)

    @property
    def samples(self) -> bool:
        """Whether asking twice gives two answers."""
        return bool(self.body.get("temperature", 1))


def body(
    model: str, prompt: Any, given: dict[str, Any], limit: int, settings: ServedSettings
) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    """Writes one call.

    Args:
        model: As the endpoint calls it.
        prompt: Text, or messages.
        given: lm-eval's generation options.
        limit: New tokens where they do not say.
        settings: Of the engine.

    Returns:
        The route, the body, and all stop strings.
    """
    limit, stops, rest = read_options(given, limit)
    options = sampled(rest)
    if not options.pop("do_sample", False):
        options["temperature"] = 0.0
    chat = isinstance(prompt, list)
    sent: dict[str, Any] = {
        "model": model,
        "messages" if chat else "prompt": prompt,
        settings.token_field if chat else "max_tokens": limit,
        "stop": [s for s in stops if s][:_MOST_STOPS] or None,
        **options,
        **settings.extra,
    }
    return CHAT if chat else TEXT, {k: v for k, v in sent.items() if v is not None}, stops


def answer(reply: Any, stops: tuple[str, ...]) -> str:
    """Reads an answer, up to its first stop string; a refusal's own words are an answer, too.

    Raises:
        MalformedError: If there is none.
    """
    try:
        choice = reply["choices"][0]
        message = choice.get("message")
        text = (message.get("content") or message.get("refusal")) if message else choice["text"]
    except (KeyError, IndexError, TypeError, AttributeError):
        raise MalformedError from None
    if text is not None and not isinstance(text, str):
        raise MalformedError
    # A server may send half a character (a lone surrogate), which no file can hold.
    return cut((text or "").encode("utf-8", "replace").decode(), stops)


def probes(model: str, settings: ServedSettings) -> list[tuple[str, dict[str, Any]]]:
    """The calls that ask for log-probabilities of one token: as messages, and as text."""
    asked = {
        CHAT: ([{"role": "user", "content": PROBE}], {"logprobs": True, "top_logprobs": 5}),
        TEXT: (PROBE, {"logprobs": 5}),
    }
    one = {"max_gen_toks": 1}
    return [(path, {**body(model, prompt, one, 1, settings)[1], **more})
            for path, (prompt, more) in asked.items()]  # fmt: skip


def log_probabilities(reply: Any) -> list[tuple[str, float]]:
    """Reads a probe: the likeliest tokens with their log-probabilities; empty without any."""
    try:
        found = reply["choices"][0]["logprobs"]
        if "content" in found:
            top = [(t["token"], t["logprob"]) for t in found["content"][0]["top_logprobs"]]
        else:
            top = list(found["top_logprobs"][0].items())
        return sorted((str(token), float(value)) for token, value in top)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        return []


def model_names(reply: Any) -> list[str]:
    """Reads what an endpoint serves; empty if it does not say."""
    try:
        return sorted(str(model["id"]) for model in reply["data"])
    except (KeyError, TypeError):
        return []
