"""``ptst templates --model NAME``: every prompt as one tokenizer sends it, on one page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ptst_tasks.chat import CHAT_FORMATS, Renderer
from ptst_tasks.errors import ChatFormatError, check_choice
from ptst_tasks.shown import in_lines, quoted, thinking_state, visible
from ptst_tasks.templates import Message, PromptTemplate
from ptst_tasks.thinking import THINKING, Markers, split

__all__ = ["QUESTION", "page", "show"]

QUESTION = "How many legs has a spider?"
SYSTEM = "Answer in one word."
"""The row's own system prompt, in the style that has one."""
_WORDS = 3  # a role's name is one word or two
_LONG = 200
_ROLE = re.compile(r"^\s*(system|developer|user|assistant|model)\n")
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
    does = _described(tokenizer, renderer)
    prompts = [_prompt(tokenizer, renderer, row) for row in rows]
    return {
        "model": model,
        "tokenizer": type(tokenizer).__name__,
        "style": rows[0].style,
        "chat_format": chat_format,
        "thinking": thinking,
        "state": thinking_state(renderer),
        "chat_template": does,
        "alters": _alters(Renderer.for_tokenizer(tokenizer, chat_format), rows),
        "bos": tokenizer.bos_token or "",
        "eos": tokenizer.eos_token or "",
        "prompts": prompts,
    }


def _described(tokenizer: Any, renderer: Renderer) -> dict[str, Any] | None:
    """What the chat template does on its own; None where none is used or it fails."""
    if renderer.fmt != "auto" or renderer.apply is None:
        return None
    for thinking in (renderer.thinking, "auto"):  # each prompt says why it cannot be told
        try:
            does = Renderer.for_tokenizer(tokenizer, thinking=thinking).describe()
        except ChatFormatError:
            continue
        return {**does, "switch": _switch(tokenizer, renderer)}
    return None


def _switch(tokenizer: Any, renderer: Renderer) -> dict[str, Any]:
    """What tells the chat template whether to think, with what it is told for both; empty for none."""
    for thinking in ("on", "off"):
        try:
            told = Renderer.for_tokenizer(tokenizer, thinking=thinking).describe()
        except ChatFormatError:
            continue
        for switch in renderer.switches:
            if str(switch) == told["thinking"]["switch"]:
                return {"name": switch.name, "on": switch.on, "off": switch.off}
    return {}


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


def _prompt(tokenizer: Any, renderer: Renderer, row: PromptTemplate) -> dict[str, Any]:
    """One template's prompt, or why there is none."""
    told: dict[str, Any] = {"name": row.name, "abbr": row.abbr}
    if renderer.asks_chat_template(row) and renderer.apply is None:
        return {**told, "error": f"{renderer.missing}; --chat-format llama2 or mistral needs none"}
    system = SYSTEM if row.style == "openorca" else ""
    try:
        shown = renderer.render(row, QUESTION, system, training=True)
    except ChatFormatError as e:
        return {**told, "error": str(e)}
    own = renderer.asks_chat_template(row)
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
        "added": _added(shown.prompt, row.messages(QUESTION, system), renderer.markers)
        if own
        else "",
        "notes": list(shown.notes),
    }


def _added(prompt: str, messages: Sequence[Message], markers: Sequence[Markers]) -> str:
    """The text that a chat template writes by itself: what is neither a message nor a mark."""
    rest = prompt
    for content in sorted((m["content"] for m in messages), key=len, reverse=True):
        apart = split(content, markers)  # an earlier answer may have lost its thought
        for part in (content, content.strip(), apart.answer.strip(), apart.reasoning):
            rest = rest.replace(part, "\0") if part else rest
    found = []
    for between in re.split(r"\0|<[^<>\s]{1,40}>", rest):
        if len(re.findall(r"\w{2,}", between)) >= _WORDS:
            found.append(_ROLE.sub("", between).strip())
    return "\n".join(found)


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
    before = ""
    for prompt in told["prompts"]:
        say("")
        say(f"── {prompt['name']} ({prompt['abbr']}) " + "─" * 40, "bold")
        if "error" in prompt:
            why = visible(prompt["error"]).replace(prompt["name"], "...")
            say("cannot be sent, for the same reason" if why == before else
                f"cannot be sent: {visible(prompt['error'])}", "red")  # fmt: skip
            before = why
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
        yield "thinking", f"{visible(told['state'])}; {_STATES[does['thinking']['state']]}"
        yield "switch", _told(does["switch"], told["thinking"])
        yield "system role", "taken" if does["system_role"] else "not taken: folded, see the notes"
        default = does["default_system"]
        yield (
            "default system",
            f"{quoted(default)}, where a template has none" if default else "none",
        )
        yield "date", "printed, and pinned to 26 July 2024" if does["dated"] else "none is printed"
        yield "content", "goes as a list of parts" if does["parts"] else "goes as text"
        yield "user's text", visible("; ".join(told["alters"])) or "kept to the byte"
    first = [p for p in told["prompts"] if "error" not in p]
    with_bos = sum(p["bos"] for p in first)
    bos = quoted(told["bos"]) if told["bos"] else "none is known"
    yield "BOS", f"{bos}; first token of {with_bos} of {len(first)} prompts"
    yield "end of sequence", quoted(told["eos"])


_STATES = {
    "opens": "a prompt leaves one open, and the model goes on thinking",
    "closed": "a prompt ends behind a closed one, and the model answers",
    "free": "a prompt opens none, and the model may",
    "none": "a prompt opens none",
}
"""What `Renderer.describe` calls the state of a plain prompt -> in words."""


def _told(switch: dict[str, Any], thinking: str) -> str:
    """What the chat template is told about thinking."""
    if not switch:
        return "none that is known"
    if thinking == "auto":
        name = switch["name"] or f"{switch['on']} and {switch['off']} in the system text"
        return f"{name}, which is told nothing"
    if not switch["name"]:
        return f"{switch[thinking]} in the system text"
    return f"{switch['name']}={switch[thinking]!r}"


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
    if added := prompt["added"]:
        told = quoted(added) if len(added) <= _LONG else f"{quoted(added[:_LONG])} ..."
        yield f"the chat template adds text of its own: {told}"
    for note in prompt["notes"]:
        yield f"note: {visible(note)}"
