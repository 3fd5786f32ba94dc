"""OpenAI's protocol as served models use it: bodies of calls, and what is read from replies.

Messages go to ``/chat/completions``, texts to ``/completions``
(https://platform.openai.com/docs/api-reference).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ptst_tasks.decoding import NEUTRAL, DecodingOptions
from ptst_tasks.endpoints import OPENAI
from ptst_tasks.engines.base import PROBE
from ptst_tasks.engines.served_reply import APART, OPENS, PLAIN, answer, sign_of
from ptst_tasks.engines.served_settings import WHO, ServedSettings
from ptst_tasks.engines.served_thoughts import UNSAID, Expected, expected, switched
from ptst_tasks.errors import EngineError, check_choice
from ptst_tasks.thinking import THINKING

__all__ = [
    "CHAT",
    "MODELS",
    "TEXT",
    "TOKENIZE",
    "HttpJob",
    "Messages",
    "body",
    "fields",
    "is_vllm",
    "log_probabilities",
    "probes",
    "served_names",
    "thinking_of",
    "token_ids",
]  # fmt: skip

CHAT, TEXT, MODELS = "/chat/completions", "/completions", "/models"
TOKENIZE = "/tokenize"  # of vLLM's server and SGLang's, beside /v1
_MOST_STOPS = 4  # OpenAI takes no more; an answer is cut by all of them afterwards
_OPENAIS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_OTHERS = ("top_k", "min_p", "repetition_penalty")  # of vLLM, llama.cpp and what follows them


class Messages(list[dict[str, str]]):
    """A prompt that goes as messages.

    Args:
        messages: Role and content of each.
        thinking: ``auto``, ``on`` or ``off``: what the endpoint's chat template is told.
    """

    def __init__(self, messages: Iterable[dict[str, str]] = (), thinking: str = "auto") -> None:
        super().__init__(messages)
        self.thinking = check_choice(thinking, THINKING, "thinking")

    def encode(self, encoding: str = "utf-8") -> bytes:
        """Their bytes as JSON; lm-eval takes a digest of every prompt by this."""
        said = list(self) if self.thinking == "auto" else [list(self), self.thinking]
        return json.dumps(said).encode(encoding)


_KNOWN = [(apart, thinks) for apart in (False, True) for thinks in (False, True)]


@dataclass(slots=True)
class HttpJob:
    """One prompt to be asked.

    Attributes:
        path: The route.
        body: Of the call.
        stops: All stop strings.
        task: The task it belongs to.
        thinking: ``auto``, ``on`` or ``off``, as its messages say.
        how: How its reply is read.
        places: Where its answer goes.
        text: Its response, once it is settled.
        sign: What its reply tells of the server: see `served_reply.sign_of`.
        readings: What its reply is, by whether the server is known to take thoughts off, and whether all
            its whole replies thought; empty where that is all the same.
    """

    path: str
    body: dict[str, Any]
    stops: tuple[str, ...]
    task: str
    thinking: str = "auto"
    how: Expected = UNSAID
    places: list[int] = field(default_factory=list)
    text: str = ""
    sign: str = ""
    readings: dict[tuple[bool, bool], str] = field(default_factory=dict)

    @property
    def samples(self) -> bool:
        """Whether asking twice gives two answers."""
        return bool(self.body.get("temperature", 1))

    @property
    def way(self) -> tuple[str, ...]:
        """How it is asked: replies to the same are alike in what becomes of thoughts."""
        return self.task, self.path, self.thinking

    def read(self, reply: Any) -> str:
        """Reads its answer, as it is where nothing is known of the server; see `answer`."""
        sent = "stop" in self.body
        readings = {
            (apart, thinks): answer(
                reply, self.stops, self.how, sent=sent, apart=apart, thinks=thinks
            )
            for apart, thinks in _KNOWN
        }
        self.text = readings[False, False]
        self.readings = readings if len(set(readings.values())) > 1 else {}
        self.sign = sign_of(reply, self.text, self.how)
        return self.text

    @property
    def settled(self) -> bool:
        """Whether its reply is the same whatever the server is."""
        return not self.readings

    def settle(self, signs: Collection[str]) -> None:
        """Reads it by what the replies asked in its way tell of the server."""
        thinks = PLAIN not in signs and bool({APART, OPENS} & {*signs})
        self.text, self.readings = self.readings[APART in signs, thinks], {}

    def kept(self) -> list[str]:
        """What a journal keeps of its reply."""
        return [*(self.readings.values() or [self.text]), self.sign]

    def take(self, kept: Sequence[str]) -> bool:
        """Takes it from there; whether it is one."""
        *texts, sign = kept if len(kept) > 1 else (*kept, "")  # without a sign in earlier ones
        if len(texts) not in (1, len(_KNOWN)):
            return False
        self.text, self.sign = texts[0], sign
        self.readings = dict(zip(_KNOWN, texts, strict=True)) if len(texts) > 1 else {}
        return True


def fields(options: DecodingOptions, settings: ServedSettings) -> dict[str, Any]:
    """The fields of a body that say how an answer is drawn, without its limit, stops and seed.

    All sampling options are said, also those that are off: a vLLM server would take what is left out
    from the model's generation_config. OpenAI's own API knows fewer, and is told no other.

    Raises:
        EngineError: If the endpoint has no such option.
    """
    openai = settings.endpoint.url.rstrip("/") == OPENAI
    known = _OPENAIS if openai else (*_OPENAIS, *_OTHERS)
    out = {} if options.do_sample else {"temperature": 0.0}
    for name, value in options.rest.items():
        if name in known:
            out[name] = value
        elif value not in (None, NEUTRAL.get(name)):
            whose = "OpenAI's API" if openai else WHO
            raise EngineError(
                f"{whose} has no {name}, and it is {value!r}; leave it out, or say in engine_args what "
                "the server calls it: extra: {...}"
            )
    return out


def body(
    model: str,
    prompt: Any,
    options: DecodingOptions,
    settings: ServedSettings,
    seed: int | None = None,
    end: str = "",
) -> tuple[str, dict[str, Any]]:
    """Writes one call.

    Args:
        model: As the endpoint calls it.
        prompt: Text, or messages.
        options: Decoding options.
        settings: Of the engine.
        seed: Of this answer, if it is drawn; an endpoint is free to ignore it.
        end: ``think_end_token``, if one was said.

    Returns:
        The route and the body.

    Raises:
        ConfigError: If the endpoint has no switch for thinking, or ``extra`` says otherwise.
    """
    chat, thinking = isinstance(prompt, list), thinking_of(prompt)
    # A stop string would end a thought, too; where one may come, the answer is cut afterwards.
    stops = () if expected(thinking, end, settings).thought else options.until
    sent: dict[str, Any] = {
        "model": model,
        "messages" if chat else "prompt": prompt,
        settings.token_field if chat else "max_tokens": options.limit,
        "stop": [s for s in stops if s][:_MOST_STOPS] or None,
        **fields(options, settings),
        "seed": seed,
        **settings.extra,
        **switched(thinking, settings),
    }
    return CHAT if chat else TEXT, {k: v for k, v in sent.items() if v is not None}


def thinking_of(prompt: Any) -> str:
    """What a prompt says of thinking; ``auto`` of texts, and of messages that say nothing."""
    return str(getattr(prompt, "thinking", "auto"))


def probes(model: str, settings: ServedSettings) -> list[tuple[str, dict[str, Any]]]:
    """The calls that ask for log-probabilities of one token: as messages, and as text."""
    asked = {
        CHAT: ([{"role": "user", "content": PROBE}], {"logprobs": True, "top_logprobs": 5}),
        TEXT: (PROBE, {"logprobs": 5}),
    }
    one = DecodingOptions(1, (), False)
    return [(path, {**body(model, prompt, one, settings)[1], **more})
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


def served_names(reply: Any) -> list[str]:
    """Reads what an endpoint serves; empty if it does not say."""
    try:
        return sorted(str(model["id"]) for model in reply["data"])
    except (KeyError, TypeError):
        return []


def token_ids(reply: Any) -> list[int]:
    """Reads the token ids of a prompt; empty if there are none."""
    tokens = reply.get("tokens") if isinstance(reply, dict) else None
    return tokens if isinstance(tokens, list) else []


def is_vllm(reply: Any) -> bool:
    """Whether an endpoint's list of models says that it is vLLM's server."""
    try:
        return any(model["owned_by"] == "vllm" for model in reply["data"])
    except (KeyError, TypeError):
        return False
