"""``ptst templates --model NAME``: every prompt as one tokenizer sends it, on one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ptst_tasks.chat import CHAT_FORMATS, Renderer
from ptst_tasks.errors import ChatFormatError, check_choice
from ptst_tasks.shown import in_lines, quoted, thinking_state, visible
from ptst_tasks.templates import PromptTemplate
from ptst_tasks.thinking import THINKING

__all__ = ["QUESTION", "page", "show"]

QUESTION = "How many legs has a spider?"
SYSTEM = "Answer in one word."
"""The row's own system prompt, in the style that has one."""
_ROUGH = "How many legs\n\n\n  has a spider?  \n"
"""A question with blank lines, leading and trailing white space: what a template trims shows."""


def page(
    model: str, rows: Sequence[PromptTemplate], *, thinking: str = "auto", chat_format: str = "auto"
) -> dict[str, Any]:
    """Renders a mild question under each template, as a model would get it.

    Args:
        model: Folder or hub id of a tokenizer.
        rows: The templates, of one style.
        thinking: ``auto``, ``on`` or ``off``.
        chat_format: ``auto``, ``llama2`` or ``mistral``.

    Returns:
        What the chat template does on its own, and under ``prompts`` a record for each template, with
        ``error`` in place of a prompt that cannot be made.

    Raises:
        PTSTError: If the tokenizer cannot be loaded, a value is wrong, or the switch is one that no
            prompt here would hear of.
    """
    from ptst_tasks.model_checks import load_tokenizer

    check_choice(thinking, THINKING, "thinking")
    check_choice(chat_format, CHAT_FORMATS, "chat format")
    if thinking != "auto" and chat_format != "auto":
        raise ChatFormatError(
            f"--thinking {thinking} does nothing with --chat-format {chat_format}, whose strings know no "
            "thoughts; leave one of them out"
        )
    tokenizer = load_tokenizer(model)
    renderer = Renderer.for_tokenizer(tokenizer, chat_format, thinking=thinking)
    does = _described(renderer)
    default = does["default_system"] if does else ""
    prompts = [_prompt(tokenizer, renderer, row, default) for row in rows]
    return {
        "model": model,
        "tokenizer": type(tokenizer).__name__,
        "style": rows[0].style,
        "chat_format": chat_format,
        "thinking": thinking,
        "state": thinking_state(renderer),
        "chat_template": does,
        "alters": _alters(renderer, rows),
        "bos": tokenizer.bos_token or "",
        "eos": tokenizer.eos_token or "",
        "prompts": prompts,
    }


def _described(renderer: Renderer) -> dict[str, Any] | None:
    """What the chat template does on its own; None where none is used or it fails."""
    if renderer.fmt != "auto" or renderer.apply is None:
        return None
    try:
        return renderer.describe()
    except ChatFormatError:
        return None  # each prompt says why


def _alters(renderer: Renderer, rows: Sequence[PromptTemplate]) -> list[str]:
    """What the chat template says of a question with odd white space, and not of a plain one."""
    for row in rows:
        try:
            plain, rough = (renderer.render(row, query).notes for query in (QUESTION, _ROUGH))
        except ChatFormatError:
            continue
        if row.is_chat:
            return [note for note in rough if note not in plain]
    return []


def _prompt(
    tokenizer: Any, renderer: Renderer, row: PromptTemplate, default: str
) -> dict[str, Any]:
    """One template's prompt, or why there is none; `default` is the chat template's own system text."""
    told: dict[str, Any] = {"name": row.name, "abbr": row.abbr}
    if row.is_chat and renderer.fmt == "auto" and renderer.apply is None:
        return {**told, "error": f"{renderer.missing}; --chat-format llama2 or mistral needs none"}
    try:
        shown = renderer.render(
            row, QUESTION, SYSTEM if row.style == "openorca" else "", training=True
        )
    except ChatFormatError as e:
        return {**told, "error": str(e)}
    takes_default = row.is_chat and renderer.fmt == "auto" and row.system is None
    bos = tokenizer.bos_token
    written = bool(bos) and shown.prompt.startswith(bos)
    ids = [int(i) for i in tokenizer(shown.prompt, add_special_tokens=not written)["input_ids"]]
    return {
        **told,
        "text": shown.prompt,
        "ids": ids,
        "bos": tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id],
        "opens": shown.opens.open if shown.opens else "",
        "lead": shown.lead,
        "thought": list(shown.thought) if shown.thought else None,
        "end": shown.end,
        "default_system": default if takes_default and default in shown.prompt else "",
        "notes": list(shown.notes),
    }


def show(told: dict[str, Any]) -> None:
    """Prints a page; what stands in a prompt is shown as it is and obeyed by nobody."""
    from rich.text import Text

    from ptst_tasks.command import screen

    console = screen()

    def say(line: str, style: str = "") -> None:
        console.print(Text(line, style), soft_wrap=True)

    say(f"{visible(told['model'])}: {told['tokenizer']}, style {told['style']}", "bold")
    for name, value in _head(told):
        say(f"  {name:<16}{value}")
    for prompt in told["prompts"]:
        say("")
        say(f"── {prompt['name']} ({prompt['abbr']}) " + "─" * 40, "bold")
        if "error" in prompt:
            say(f"cannot be sent: {visible(prompt['error'])}", "red")
            continue
        say(in_lines(prompt["text"]) + "▌")
        for line in _foot(prompt):
            say(f"  {line}", "dim")
    say("")
    say(
        "↵ is the end of a line, · white space before it; other unseen characters are escaped.",
        "dim",
    )


def _head(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What holds for every prompt of a page."""
    yield "chat format", told["chat_format"]
    does = told["chat_template"]
    if does is not None:
        switch = does.get("thinking", {})
        yield "thinking", visible(told["state"])
        yield "switch", visible(switch.get("switch") or "none that is used or known")
        yield "system role", "taken" if does["system_role"] else "not taken: folded, see the notes"
        default = does["default_system"]
        yield (
            "default system",
            f"{quoted(default)}, where a template has none" if default else "none",
        )
        yield "date", "printed, and pinned to 26 July 2024" if does["dated"] else "none is printed"
        yield "content", "goes as a list of parts" if does.get("parts") else "goes as text"
        yield "user's text", visible("; ".join(told["alters"])) or "kept to the byte"
    first = [p for p in told["prompts"] if "error" not in p]
    with_bos = sum(p["bos"] for p in first)
    bos = quoted(told["bos"]) if told["bos"] else "none is known"
    yield "BOS", f"{bos}; first token of {with_bos} of {len(first)} prompts"
    yield "end of sequence", quoted(told["eos"])


def _foot(prompt: dict[str, Any]) -> Iterator[str]:
    """What stands around an answer, and what a reader must know."""
    lead = f"before an answer: {quoted(prompt['lead'])}"
    if prompt["opens"]:
        lead += f" (the prompt leaves a thought open, {quoted(prompt['opens'])})"
    yield lead
    if prompt["thought"]:
        before, between = map(quoted, prompt["thought"])
        yield f"an answer with a thought: {before}, the thought, {between}, the answer"
    yield f"end of turn: {quoted(prompt['end'])}"
    yield f"{len(prompt['ids'])} tokens, the first {prompt['ids'][:4]}"
    if prompt["default_system"]:
        yield f"the chat template adds a system text of its own: {quoted(prompt['default_system'])}"
    for note in prompt["notes"]:
        yield f"note: {visible(note)}"
