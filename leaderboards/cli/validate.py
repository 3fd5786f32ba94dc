"""``ptst validate``: what every task would send, before anything is asked."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from leaderboards.cli.chosen import chosen_tasks, loads, own_templates
from ptst_tasks.command import JsonFile, Quiet, put_json, screen
from ptst_tasks.errors import ConfigError
from ptst_tasks.files import check_outputs

__all__ = ["Meta", "Names", "validate"]

Names = Annotated[list[str] | None, typer.Option(help="Keep these; can be given several times.")]
Meta = Annotated[
    str, typer.Option(help="lm-eval's --metadata as JSON: style, chat_format, judge, prefill, ...")
]


def validate(
    set_: Annotated[list[str] | None, typer.Option("--set", help="Keep these sets.")] = None,
    template: Names = None,
    tokenizer: Annotated[
        list[str] | None, typer.Option(help="Tokenizer folder or hub name; several are fine.")
    ] = None,
    rows: Annotated[int, typer.Option(help="Rows to render of each task.", min=1)] = 1,
    metadata: Meta = "{}",
    quiet: Quiet = False,
    json: JsonFile = None,
) -> None:
    """Load every task through lm-eval and show what would be sent: the text and its token ids.

    As JSON: {tasks, skipped, left_out, shown, data}: shown is a list of {task, tokenizer, text, ids,
    notes, lead, end, thinking}, data what a reader of the rows must know, by file.
    """
    from ptst_tasks.model_checks import load_tokenizer
    from ptst_tasks.options import Options, read_object
    from ptst_tasks.validate import check_index, refuse_idle

    check_outputs(json=json)
    chosen = chosen_tasks(set_, template)
    options = read_object(metadata, "--metadata")
    Options.check_names(options)
    Options.read(options)
    if faults := check_index():
        for fault in faults:
            print(f"fault: {fault}", file=sys.stderr)
        raise ConfigError(f"{len(faults)} task files are faulty (above)")
    tokenizers = {name: load_tokenizer(name) for name in tokenizer or []} or {"": None}
    kept = {s: names for s, names in chosen.items() if set_ or loads(s, quiet=quiet)}
    loaded = _load([name for names in kept.values() for name in names], options)
    refuse_idle(loaded.values(), options)
    console = screen(quiet=quiet, json=json)
    shown, skipped = _show(loaded.values(), tokenizers, rows, console.print)
    left_out = [name for name in chosen if name not in kept]
    notes = {t.loaded.origin: list(t.loaded.notes) for t in loaded.values() if t.loaded.notes}
    for origin, said in notes.items():
        for note in said:
            console.print(escape(f"{origin}: {note}"), soft_wrap=True)
    put_json(
        json,
        {"tasks": list(loaded), "skipped": skipped, "left_out": left_out, "shown": shown,
         "data": notes},
    )  # fmt: skip
    more = f"; {skipped} chat tasks not rendered: pass --tokenizer" if skipped else ""
    console.print(f"{len(loaded)} tasks are fine{more}")


def _load(names: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """Loads tasks; those for templates of the user's own from files that go again."""
    from ptst_tasks.generate import files, task_name, write
    from ptst_tasks.validate import load_tasks

    own = own_templates()
    theirs = {task_name(family, row) for family, row in files(own)}
    loaded = load_tasks([n for n in names if n not in theirs], options)
    if mine := [n for n in names if n in theirs]:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), own)
            loaded |= load_tasks(mine, options, folder)
    return loaded


def _show(
    tasks: Iterable[Any], tokenizers: dict[str, Any], rows: int, say: Callable[..., None]
) -> tuple[list[dict[str, Any]], int]:
    """Renders and prints first rows; returns them, and how many tasks need a tokenizer for that."""
    from rich.rule import Rule

    from ptst_tasks.validate import preview

    shown, skipped = [], 0
    for task in tasks:
        for name, tok in tokenizers.items():
            if tok is None and task.renderer.asks_chat_template(task.template):
                skipped += 1
                continue
            for one in preview(task, name, tok, rows):
                say(Rule(escape(f"{one.task} {name}")))
                say(escape(one.text), highlight=False)
                for line in _facts(task, one):
                    say(f"[dim]{escape(line)}[/dim]", highlight=False)
                shown.append({"task": one.task, "tokenizer": name, "text": one.text,
                              "ids": one.ids, "notes": list(one.rendered.notes),
                              "lead": one.rendered.lead, "end": one.rendered.end,
                              "thinking": task.options.thinking})  # fmt: skip
    return shown, skipped


def _facts(task: Any, one: Any) -> list[str]:
    """What stands around an answer, the switch, what a reader must know, and the token ids."""
    from ptst_tasks.shown import around, thinking_state

    lines = [around(one.rendered)] if one.ids else []
    if one.ids and task.renderer.asks_chat_template(task.template):
        lines.append(f"thinking {thinking_state(task.renderer)}")
    lines += [f"note: {note}" for note in one.rendered.notes]
    return [*lines, str(one.ids)] if one.ids else lines
