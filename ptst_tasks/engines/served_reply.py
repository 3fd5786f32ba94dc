"""What is read from the reply to one call: thought, answer, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ptst_tasks.engines.served_thoughts import UNSAID, Expected, reasoning_of, says_none, written
from ptst_tasks.engines.thoughts import cut_answer
from ptst_tasks.thinking import split, unopened

__all__ = ["APART", "OPENS", "PLAIN", "MalformedError", "NoAnswerError", "answer", "sign_of"]

APART, OPENS, PLAIN = "apart", "opens", "plain"
"""A thought that the server took off; one that the prompt began; none, or one within its own markers."""
_STOPPED = (
    "a thought without an answer, which a stop string may have ended; say thinking: on, so that none is "
    "sent and the answer is cut here, or thinking: off"
)


class MalformedError(Exception):
    """A reply that is not what the protocol says."""


class NoAnswerError(Exception):
    """A reply that keeps to the protocol and holds no answer of the model's."""


def answer(
    reply: Any,
    stops: tuple[str, ...],
    how: Expected = UNSAID,
    *,
    sent: bool = False,
    apart: bool = False,
    thinks: bool = False,
) -> str:
    """Reads a response: its thought, if it has one, and its answer up to its first stop string.

    A refusal's own words are an answer, too.

    Args:
        reply: The reply's JSON.
        stops: Stop strings.
        how: How thoughts are read.
        sent: Whether stop strings were sent, so that one may have ended a thought.
        apart: Whether the server is known to send thoughts apart.
        thinks: Whether all its whole replies thought, and none within its markers.

    Raises:
        MalformedError: If there is none.
        NoAnswerError: If the endpoint says that there is none, or that a filter took it, or if a
            stop string may have ended a thought.
    """
    try:
        choice = reply["choices"][0]
        message = choice.get("message")
        refusal = message.get("refusal") if message else None
        text, beside = _parts(message.get("content")) if message else (choice["text"], "")
        text = text or refusal or text  # "" is an empty answer, null is none
        reasoning = (reasoning_of(message) or beside) if message else ""
        end = choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise MalformedError from None
    if end == "content_filter" and not refusal:
        raise NoAnswerError(_no_answer(end))
    if not isinstance(text, str | None):
        raise MalformedError
    told, apart = bool(message) and says_none(message), bool(message) and apart
    cut = end == "length" and not refusal
    whole = written(text, reasoning, how, cut=cut, told=told, apart=apart, thinks=thinks)
    if whole is None:
        raise NoAnswerError(_no_answer(end))
    if sent and end == "stop" and split(whole, how.markers).cut:
        raise NoAnswerError(_STOPPED)
    # A server may send half a character (a lone surrogate), which no file can hold.
    return cut_answer(whole.encode("utf-8", "replace").decode(), stops, how.markers, None)


def sign_of(reply: Any, text: str, how: Expected) -> str:
    """What a reply tells of the server, by how thoughts are in it; nothing where the limit cut it.

    Args:
        reply: The reply's JSON.
        text: Its response, as `answer` reads it where nothing is known.
        how: How thoughts are read.
    """
    message = reply["choices"][0].get("message")
    if message and (reasoning_of(message) or _parts(message.get("content"))[1]):
        return APART
    if reply["choices"][0].get("finish_reason") == "length":
        return ""
    # It ends a thought that it has not begun: its prompt has.
    return OPENS if not how.begun(text) and unopened(text, how.likely) else PLAIN


def _parts(content: Any) -> tuple[Any, str]:
    """Answer and thought of a content, which may be a list of parts (Mistral's API).

    Raises:
        NoAnswerError: If a part is neither.
    """
    if not isinstance(content, list):
        return content, ""
    said: dict[str, list[str]] = {"text": [], "thinking": []}
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        found = part.get(kind) if kind in said else None
        texts = [found] if isinstance(found, str) else [_parts(found)[0]]
        if not isinstance(texts[0], str):
            raise NoAnswerError(
                f"a reply whose content is a list with a part of type {kind!r}, where text was "
                "expected; use a model that answers in text"
            )
        said[str(kind)] += texts
    return "".join(said["text"]) if said["text"] else None, "".join(said["thinking"])


def _no_answer(end: Any) -> str:
    if end == "content_filter":
        return (
            "a filter of the endpoint's took the answer (finish_reason 'content_filter'), so it is not "
            "the model's; switch the filter off there"
        )
    return (
        f"a reply without an answer (its content is null, finish_reason {end!r}); a model that thinks "
        "first may need a higher max_gen_toks"
    )
