"""Thoughts of served models: the switch in a body, and the thought in a reply.

vLLM's server, SGLang's and llama.cpp's hand ``chat_template_kwargs`` to the chat template, which
takes the variables that it knows (https://docs.vllm.ai/en/stable/features/reasoning_outputs/). A
server that takes a thought off an answer sends it as ``reasoning`` or ``reasoning_content``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ptst_tasks.endpoints import OPENAI
from ptst_tasks.engines.served_settings import WHO, ServedSettings
from ptst_tasks.errors import ConfigError
from ptst_tasks.thinking import SERVED, SWITCHES, THINK, Markers, custom_markers, split, unopened

__all__ = ["KWARGS", "UNSAID", "Expected", "astray", "both_ways", "expected", "reasoning_of", "says_none",
           "switched", "written"]  # fmt: skip

KWARGS = "chat_template_kwargs"
_FIELDS = ("reasoning_content", "reasoning")  # the second is vLLM's since 0.11, and OpenRouter's

_ASTRAY = {
    "on": "where the server leaves markers out of its text, thoughts are taken for answers: start it with "
    "a reasoning parser, or say extra: {skip_special_tokens: false} in engine_args",
    "off": "its chat template has another switch, or none: see extra: {chat_template_kwargs: {...}}",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """How the reply to one call is read.

    Attributes:
        likely: The families whose thoughts may lack their beginning, since a prompt opened them.
        thought: Whether one may come, so that no stop strings are sent.
    """

    likely: tuple[Markers, ...] = (THINK,)
    thought: bool = False

    @property
    def markers(self) -> tuple[Markers, ...]:
        """All families that a reply may begin with."""
        return *self.likely, *(m for m in SERVED if m not in self.likely)

    def begun(self, text: str) -> bool:
        """Whether a response begins with a thought of one of them."""
        return text.lstrip().startswith(tuple(m.open.strip() for m in self.markers if m.open))


UNSAID = Expected()
"""Where nothing was said of thinking."""


def _likely(end: str) -> tuple[Markers, ...]:
    """``<think>``, and before it the family of ``think_end_token``."""
    said = custom_markers(end) if end else THINK
    return (THINK,) if said is THINK else (said, THINK)


def switched(thinking: str, settings: ServedSettings) -> dict[str, Any]:
    """The fields of a body that tell the endpoint's chat template whether to think.

    Args:
        thinking: ``auto``, ``on`` or ``off``.
        settings: Of the engine; what its ``extra`` says of the chat template stays.

    Raises:
        ConfigError: If the endpoint has no such switch, or ``extra`` says otherwise.
    """
    told = _told(thinking)
    if not told:
        return {}
    if settings.endpoint.url.rstrip("/") == OPENAI:
        raise ConfigError(
            f"{WHO}: thinking is {thinking!r}, and OpenAI's API has no such switch; leave it out, and say "
            "extra: {reasoning_effort: ...} in engine_args"
        )
    said = settings.extra.get(KWARGS) or {}
    for name, value in told.items():
        if isinstance(said, Mapping) and said.get(name, value) != value:
            raise ConfigError(
                f"{WHO}: thinking is {thinking!r}, and extra says {KWARGS}: {name}: {said[name]!r}; "
                "say one of them"
            )
    return {KWARGS: {**said, **told}}


def _told(thinking: str) -> dict[str, Any]:
    """What every chat template may listen to: which one is there cannot be seen.

    A name that means something else to another model (`reasoning_effort`) is not among them.
    """
    names = [s.name for s in SWITCHES]
    plain = (s for s in SWITCHES if names.count(s.name) == 1)
    return {name: value for s in plain for name, value in s.args(thinking).items()}


def both_ways(settings: ServedSettings) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a chat template is told for a thought and for none, whatever ``extra`` says of the switch."""
    said = settings.extra.get(KWARGS) or {}
    return {**said, **_told("on")}, {**said, **_told("off")}


def expected(thinking: str, end: str, settings: ServedSettings) -> Expected:
    """How replies are read.

    Args:
        thinking: ``auto``, ``on`` or ``off``; ``auto`` of a text.
        end: ``think_end_token``, if one was said.
        settings: Of the engine.
    """
    said = settings.extra.get(KWARGS) or {}
    by_hand = isinstance(said, Mapping) and any(said.get(s.name) == s.on for s in SWITCHES)
    return Expected(_likely(end), thinking == "on" or bool(end) or by_hand)


def reasoning_of(message: Mapping[str, Any]) -> str:
    """The thought that a server has taken off an answer; empty if it sent none."""
    found = (message.get(name) for name in _FIELDS)
    return next((text for text in found if isinstance(text, str) and text), "")


def says_none(message: Mapping[str, Any]) -> bool:
    """Whether a server that takes thoughts off says that there was none; null says nothing."""
    return any(message.get(name) == "" for name in _FIELDS) and not reasoning_of(message)


def written(
    text: str | None,
    reasoning: str,
    how: Expected,
    *,
    cut: bool,
    told: bool = False,
    apart: bool = False,
    thinks: bool = False,
) -> str | None:
    """Thought and answer of one reply as one text.

    Args:
        text: The answer; None if there is none.
        reasoning: The thought, where the server sent it apart.
        how: How replies are read.
        cut: Whether the limit of new tokens ended the reply.
        told: Whether the reply says that it has no thought.
        apart: Whether the server is known to send thoughts apart.
        thinks: Whether all its whole replies thought: then what was cut may be a thought without a marker,
            which its prompt began, or which it would have sent apart.

    Returns:
        The thought in its markers and the answer behind it; a thought without an end where there is
        no answer; None where there is neither.
    """
    if reasoning:
        # What quotes a marker must neither end the thought nor begin another.
        quoted = reasoning.replace(THINK.close, "</ think>").replace(THINK.open, "< think>")
        thought = f"{THINK.open}\n{quoted}"
        done = text is not None and text.strip()
        return f"{thought}\n{THINK.close}\n\n{text}" if done else thought
    cut = cut and (how.thought or thinks)
    if text is None:
        return f"{THINK.open}\n" if cut else None
    if how.begun(text):
        return text
    if told or (apart and not cut):
        return _plain(text, how)
    if how.thought and (family := unopened(text, how.likely, sure=True)):
        return f"{family.open}\n{text}"
    if not cut or any(m.close in text for m in how.likely) or not how.likely[0].open:
        return text
    return f"{how.likely[0].open}\n{text}"


def _plain(text: str, how: Expected) -> str:
    """An answer, with an empty thought before it where it would be taken for one."""
    if all(m.open and m.close not in text for m in how.likely):
        return text
    return f"{THINK.around('')}{text}"


def astray(thinking: str, replies: Sequence[tuple[str, Expected]]) -> str:
    """What to say where replies are not what the switch asked for; empty where they are.

    Args:
        thinking: ``on`` or ``off``.
        replies: Responses, and how each was read.
    """
    parts = [split(text, how.markers) for text, how in replies]
    seen = sum(one.cut or bool(one.reasoning) for one in parts)
    if not parts or (seen if thinking == "on" else not seen):
        return ""
    return f"thinking is {thinking}, and {seen} of {len(parts)} replies hold a thought; {_ASTRAY[thinking]}"
