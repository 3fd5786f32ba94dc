"""``ptst templates``: the table of prompt templates, and how a model's tokenizer would send each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ptst_tasks.command import JsonFile, put_json, screen
from ptst_tasks.errors import ConfigError, UnknownNameError
from ptst_tasks.files import check_outputs
from ptst_tasks.templates import PromptTemplate

__all__ = ["templates"]

_FIELDS = ("name", "abbr", "style", "system", "turns", "user", "source")


def templates(
    style: Annotated[str, typer.Option(help="Family of strings: gsm8k, openai, ...")] = "gsm8k",
    model: Annotated[
        str | None,
        typer.Option(help="Show each prompt as this model's tokenizer sends it: folder or hub id."),
    ] = None,
    thinking: Annotated[
        str, typer.Option(help="auto, on or off: what the chat template is told (with --model).")
    ] = "auto",
    chat_format: Annotated[
        str, typer.Option(help="auto, llama2 or mistral (with --model).")
    ] = "auto",
    templates: Annotated[str | None, typer.Option(help="YAML file of your own templates.")] = None,
    json: JsonFile = None,
) -> None:
    """Show the prompt templates of a style, with every string as it is sent.

    With --model: the whole prompt of each, what the chat template did to it, and what stands around
    an answer. As JSON: a list of {name, abbr, style, system, turns, user, source}; with --model
    {model, template, thinking, ..., prompts}.
    """
    from ptst_tasks.user_templates import active

    check_outputs([Path(templates)] if templates else [], json=json)
    table = active(templates)
    if style not in table.styles():
        raise UnknownNameError("style", style, table.styles())
    rows = [row for row in table if row.style == style]
    if model is not None:
        from leaderboards.cli.prompt_page import page, show

        told = page(model, rows, thinking=thinking, chat_format=chat_format)
        put_json(json, told)
        if str(json) != "-":
            show(told)
        return
    for flag, value in (("--thinking", thinking), ("--chat-format", chat_format)):
        if value != "auto":
            raise ConfigError(
                f"{flag} {value} does nothing without --model NAME, whose prompts it is about"
            )
    put_json(json, [{name: getattr(row, name) for name in _FIELDS} for row in rows])
    if str(json) != "-":
        _show(rows)


def _show(rows: list[PromptTemplate]) -> None:
    view = Table("name", "abbr", "what is sent", "source", show_lines=True)
    for row in rows:
        view.add_row(*map(escape, (row.name, row.abbr, _strings(row), row.source)))
    screen().print(view)


def _strings(row: PromptTemplate) -> str:
    if not row.is_chat:
        return row.user
    shown = [f"system: {row.system!r}"] if row.system is not None else []
    for asked, answered in row.turns:
        shown += [f"user: {asked!r}", f"assistant: {answered!r}"]
    return "\n".join([*shown, f"user: {row.user!r}"])
