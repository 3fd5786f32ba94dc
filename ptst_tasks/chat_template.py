"""A tokenizer's chat template: how it is asked, and what it can be told about thinking."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ptst_tasks.errors import ChatFormatError, said
from ptst_tasks.templates import Message
from ptst_tasks.thinking import SWITCHES, Switch

__all__ = ["PINNED", "ask_tokenizer", "attempt", "check_args", "find_switches", "source_of"]

PINNED = datetime.date(2024, 7, 26)

# Templates that print today's date would give another prompt every day. These names shadow
# what transformers offers to them (`strftime_now`) and what they read (`date_string`).
_PINNED_ARGS: dict[str, Any] = {
    "strftime_now": PINNED.strftime,
    "date_string": PINNED.strftime("%d %b %Y"),
}


def ask_tokenizer(tokenizer: Any, args: Mapping[str, Any]) -> Callable[..., str]:
    """Wraps a tokenizer's chat template; dates are pinned to 26 July 2024.

    Returns:
        (messages, add_generation_prompt, **more) -> text; `more` goes to the template after `args`.
    """

    def apply(messages: list[Message], add_generation_prompt: bool, **more: Any) -> str:
        return str(
            tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                **{**_PINNED_ARGS, **args, **more},
            )
        )

    return apply


def attempt(
    apply: Callable[..., Any], messages: list[Message], prompt: bool, args: Mapping[str, Any]
) -> tuple[Any, str]:
    """Asks a chat template.

    Args:
        apply: (messages, generation prompt?, **args) -> what it renders.
        messages: The conversation.
        prompt: Whether an answer is to come.
        args: What it is handed besides.

    Returns:
        What it renders; or None, and why it fails.
    """
    import jinja2

    try:
        return apply(messages, prompt, **args), ""
    except MemoryError:
        return None, "it writes more than memory holds"
    except (  # templates raise the first two to reject a role, the rest of themselves
        jinja2.TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError
    ) as e:  # fmt: skip
        return None, said(e) if isinstance(e, LookupError) else " ".join(str(e).split())


def source_of(tokenizer: Any) -> str:
    """The source of the chat template that a tokenizer uses for a plain conversation."""
    found = getattr(tokenizer, "chat_template", None) or ""
    if isinstance(found, str):
        return found
    return str(found.get("default") or "\n".join(map(str, found.values())))


@lru_cache(maxsize=256)
def find_switches(source: str) -> tuple[Switch, ...]:
    """The rows of `SWITCHES` that a chat template may listen to, in their order.

    Args:
        source: The template's. A variable counts where the template reads it from outside; a
            value that is a word where the template has that word in quotes.
    """
    names = _variables(source)

    def listens(switch: Switch) -> bool:
        if not switch.name:
            return str(switch.on) in source and str(switch.off) in source
        words = [v for v in (switch.off,) if isinstance(v, str)]
        return switch.name in names and all(f"'{w}'" in source or f'"{w}"' in source for w in words)

    return tuple(s for s in SWITCHES if listens(s))


def _variables(source: str) -> set[str]:
    """The names that a template reads from outside."""
    from jinja2 import TemplateError, meta
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # The block that transformers knows besides jinja's own says nothing about names.
    plain = re.sub(r"\{%-?\s*(end)?generation\s*-?%\}", "", source)
    try:
        tree = ImmutableSandboxedEnvironment(extensions=[loopcontrols]).parse(plain)
    except TemplateError:
        return set()  # it cannot be rendered either, which says more where it is tried
    return set(meta.find_undeclared_variables(tree))


def check_args(thinking: str, switches: tuple[Switch, ...], args: Mapping[str, Any]) -> None:
    """Refuses a template's own arguments that say something else than `thinking` does.

    Args:
        thinking: ``auto``, ``on`` or ``off``.
        switches: What the template may listen to; the first is likely its own, and may only be said
            once.
        args: The user's arguments for the template.

    Raises:
        ChatFormatError: If they do.
    """
    for i, switch in enumerate(switches if thinking != "auto" else ()):
        said, other = args.get(switch.name), switch.value("off" if thinking == "on" else "on")
        if switch.name in args and (said == other or (i == 0 and said != switch.value(thinking))):
            raise ChatFormatError(
                f"thinking: {thinking} and chat_template_args {{{switch.name!r}: {said!r}}} say "
                f"different things to the chat template ({switch.value(thinking)!r} would be the "
                "same); leave one of them out"
            )
