"""What a loaded lm-eval model does to prompts and to thoughts: its chat template, its markers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ptst_tasks.chat import Renderer
from ptst_tasks.errors import ChatFormatError, ConfigError
from ptst_tasks.reasoning import Known, Unseen
from ptst_tasks.thinking import SERVED, THINK, Markers, custom_markers

__all__ = ["check_decoding", "expected", "own_tokenizer", "renderer_for_lm", "takes_messages",
           "takes_text"]  # fmt: skip

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


def own_tokenizer(apply: Apply | None) -> Any | None:
    """The tokenizer of a model that is asked with token ids; None for one that is behind an endpoint."""
    lm = _owner(apply)
    tokenizer = getattr(lm, "tokenizer", None)
    served = lm is None or takes_messages(lm) or not callable(getattr(tokenizer, "decode", None))
    return None if served else tokenizer


def _for_messages(lm: Any, apply: Apply, fmt: str, thinking: str) -> Renderer:
    if thinking != "auto" and not _is_ours(lm):
        raise ChatFormatError(
            f"thinking is {thinking!r}, and lm-eval's {type(lm).__name__} cannot tell an endpoint so; "
            "use --model ptst-openai, or leave it out"
        )

    told = {} if thinking == "auto" else {"thinking": thinking}
    return Renderer(
        fmt, apply=lambda messages, _: apply(messages, **told), thinking=thinking, markers=SERVED
    )


def _template_args(lm: Any) -> dict[str, Any]:
    """What the model's arguments tell its chat template."""
    args = dict(getattr(lm, "chat_template_args", None) or {})
    said = getattr(lm, "enable_thinking", None)  # lm-eval's vLLM class keeps it apart
    return args if said is None else {"enable_thinking": said, **args}


def expected(
    apply: Apply | None, renderer: Renderer, end: str = "", *, prefilled: bool = False
) -> Known:
    """By what a model's thoughts are known, and what may be there unseen.

    Args:
        apply: As in `renderer_for_lm`.
        renderer: Made of it.
        end: The option ``think_end_token``; it goes before what is known, and beside it.
        prefilled: Whether prompts begin the answers, which stand behind the thought.

    Raises:
        ChatFormatError: If the model drops a marker: nothing tells a thought from an answer then.
        ConfigError: If `end` is a token's number.
    """
    lm = _owner(apply)
    stock = lm is not None and not _is_ours(lm)
    if stock and (stripped := getattr(lm, "think_end_token", None)):
        log.warning(
            "lm-eval itself takes off what stands before %r (think_end_token in --model_args): "
            "thoughts are not kept, and one that was cut off is scored as an answer; leave it out "
            "there, and ptst takes thoughts off (--metadata think_end_token for an unknown marker)",
            stripped,
        )
        return Known(only_seen=True, stripped=True)
    off, behind = renderer.thinking == "off", takes_messages(lm)
    said = _said(end, off, prefilled)
    families = renderer.markers
    if said and all(family.close != said.close for family in families):
        families = (said, *families)
    # An endpoint decodes by itself.
    if stock and not behind and (tokenizer := getattr(lm, "tokenizer", None)) is not None:
        check_decoding(tokenizer, families, type(lm).__name__)
    if hasattr(lm, "think"):
        lm.think(said.close if said else "")
    asked: Unseen = "sure" if said or renderer.thinking == "on" else "maybe"
    hides = (behind or said) and not off and not prefilled
    return Known(
        families,
        only_seen=not said and (behind or off),
        unseen=asked if hides else "no",
        hidden=tuple(m for m in families if m in (THINK, said)),
        instead=_instead(lm) if stock else "",
    )


def _said(end: str, off: bool, prefilled: bool) -> Markers | None:
    """The family of ``think_end_token``, where it says anything.

    Of a response that need not begin with a thought an end alone does not tell whether it has one.
    """
    if end.isdigit():
        raise ConfigError(
            f"think_end_token is {end}, a token's number; say its text, such as '</think>'"
        )
    said = custom_markers(end) if end else None
    if said and not said.open and (off or prefilled):
        why = "thinking is off" if off else "a prefill stands behind the thought"
        log.warning("think_end_token %r does nothing here: %s, so that an answer without it is no "
                    "thought that was cut off", end, why)  # fmt: skip
        return None
    return said


def _instead(lm: Any) -> str:
    """Which engine of ours serves the same model as a class of lm-eval's."""
    if takes_messages(lm):
        return "ptst-openai"
    return "ptst-vllm" if "vllm" in type(lm).__name__.lower() else "ptst-hf"


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
                f"the model may think, told or not, and lm-eval's {who!r} drops {family.close!r}, a "
                "special token that ends its thoughts, so that a thought cannot be told from an "
                "answer; use `ptst eval --model ptst-hf` or ptst-vllm, which keep it"
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
