"""What a loaded lm-eval model does to prompts and to thoughts: its chat template, its markers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ptst_tasks.chat import Renderer
from ptst_tasks.errors import ChatFormatError
from ptst_tasks.reasoning import Unseen
from ptst_tasks.thinking import THINK, Markers, custom_markers

__all__ = ["check_decoding", "expected", "renderer_for_lm", "takes_messages", "takes_text"]

log = logging.getLogger(__name__)

Apply = Callable[..., Any]


def renderer_for_lm(apply: Apply | None, fmt: str, thinking: str = "auto") -> Renderer:
    """Builds a renderer for a loaded lm-eval model.

    Args:
        apply: The model's ``apply_chat_template``; None where the run does not use one.
        fmt: The chat format.
        thinking: ``auto``, ``on`` or ``off``.

    Raises:
        ChatFormatError: If the switch cannot be passed on, or the model's arguments say otherwise.
    """
    if apply is None:
        missing = "this run has no chat template (--apply_chat_template)"
        return Renderer(fmt, missing=missing, thinking=thinking)
    lm = _owner(apply)
    tokenizer = getattr(lm, "tokenizer", None)
    if not hasattr(tokenizer, "apply_chat_template") or takes_messages(lm):
        return _for_messages(lm, apply, fmt, thinking)
    renderer = Renderer.for_tokenizer(tokenizer, fmt, _template_args(lm), thinking)
    # Completion endpoints add BOS only on request, whatever the tokenizer would do by itself.
    renderer.keep_bos = getattr(lm, "add_bos_token", None) is False
    return renderer


def _for_messages(lm: Any, apply: Apply, fmt: str, thinking: str) -> Renderer:
    if thinking != "auto" and not _is_ours(lm):
        raise ChatFormatError(
            f"thinking is {thinking!r}, and lm-eval's {type(lm).__name__} cannot tell an endpoint so; "
            "use --model ptst-openai, or leave it out"
        )

    told = {} if thinking == "auto" else {"thinking": thinking}
    return Renderer(
        fmt, apply=lambda messages, _: apply(messages, **told), thinking=thinking, markers=(THINK,)
    )


def _template_args(lm: Any) -> dict[str, Any]:
    """What the model's arguments tell its chat template."""
    args = dict(getattr(lm, "chat_template_args", None) or {})
    said = getattr(lm, "enable_thinking", None)  # lm-eval's vLLM class keeps it apart
    return args if said is None else {"enable_thinking": said, **args}


def expected(
    apply: Apply | None, renderer: Renderer, end: str = ""
) -> tuple[tuple[Markers, ...], bool, Unseen]:
    """By what a model's thoughts are known, and whether they are counted only where one is seen.

    Args:
        apply: As in `renderer_for_lm`.
        renderer: Made of it.
        end: The option ``think_end_token``; it goes before what is known, and beside it.

    Returns:
        The families of markers, none for a model that does not think; True for what may have no
        thought at all: what is behind an endpoint, or was told not to think; and True where a server
        writes the prompt, and may open a thought there.

    Raises:
        ChatFormatError: If the model drops a marker: nothing tells a thought from an answer then.
    """
    lm = _owner(apply)
    if (stripped := getattr(lm, "think_end_token", None)) and not _is_ours(lm):
        log.warning(
            "lm-eval itself takes off what stands before %r (think_end_token in --model_args): "
            "thoughts are not kept, and one that was cut off is scored as an answer; leave it out "
            "there, and ptst takes thoughts off (--metadata think_end_token for an unknown marker)",
            stripped,
        )
        return (), True, "no"
    families = renderer.markers
    if end and all(family.close != end for family in families):
        families = (custom_markers(end), *families)
    tokenizer = getattr(lm, "tokenizer", None)
    if tokenizer is not None and renderer.thinking != "off" and not _is_ours(lm):
        check_decoding(tokenizer, families, type(lm).__name__)
    if lm is not None and hasattr(lm, "think"):
        lm.think(end)
    off, behind = renderer.thinking == "off", takes_messages(lm)
    asked: Unseen = "sure" if end or renderer.thinking == "on" else "maybe"
    unseen = asked if (behind or end) and not off else "no"
    return families, not end and (behind or off), unseen


def check_decoding(tokenizer: Any, families: tuple[Markers, ...], who: str) -> None:
    """Makes sure that a marker is still there when lm-eval's own classes have decoded it.

    Args:
        tokenizer: The model's.
        families: What its thoughts are marked by.
        who: The class, or its name for ``--model``.

    Raises:
        ChatFormatError: If it is a special token, which they drop.
    """
    for family in families:
        ids = tokenizer(family.close, add_special_tokens=False)["input_ids"]
        if family.close.strip() not in tokenizer.decode(ids, skip_special_tokens=True):
            raise ChatFormatError(
                f"the model may think, and lm-eval's {who!r} drops {family.close!r}, a special token "
                "that ends its thoughts, so that a thought cannot be told from an answer; use --model "
                'ptst-hf or ptst-vllm, or --metadata \'{"thinking": "off"}\''
            )


def takes_messages(lm: Any) -> bool:
    """Whether a model gets a chat as messages; of lm-eval's by name, as their import wants more."""
    stock = any(cls.__name__ == "LocalChatCompletion" for cls in type(lm).__mro__)
    return stock or bool(getattr(lm, "takes_messages", False))


def takes_text(apply: Apply) -> bool:
    """Whether a model that takes messages takes text as well."""
    return bool(getattr(_owner(apply), "takes_text", False))


def _owner(apply: Apply | None) -> Any:
    return getattr(apply, "__self__", None)


def _is_ours(lm: Any) -> bool:
    """Whether an engine of ours keeps the markers and passes the switch on."""
    return any(cls.__module__.startswith("ptst_tasks.engines") for cls in type(lm).__mro__)
