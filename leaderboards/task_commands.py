"""``ptst path | tasks | templates | datasets | validate | eval``."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ptst_tasks import TASKS_DIR
from ptst_tasks.errors import ConfigError, DataError, UnknownNameError
from ptst_tasks.templates import PromptTemplate

__all__ = ["register"]

Names = Annotated[list[str] | None, typer.Option(help="Keep these; can be given several times.")]
Meta = Annotated[
    str, typer.Option(help="lm-eval's --metadata as JSON: style, chat_format, judge, prefill, ...")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (path, tasks, templates, datasets, validate):
        app.command()(command)
    app.command(
        name="eval",
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(evaluate)


def path() -> None:
    """Print the folder for lm_eval's --include_path."""
    print(TASKS_DIR)


def _chosen(sets: list[str] | None, wanted: list[str] | None) -> dict[str, list[str]]:
    """Task names by set, in the order of the tables."""
    from ptst_tasks.generate import FAMILIES, files, task_name
    from ptst_tasks.user_templates import active

    table = active()
    names = [table.resolve(w) for w in wanted or []]
    for name in sets or []:
        if name not in FAMILIES:
            raise UnknownNameError("set", name, FAMILIES)
    out: dict[str, list[str]] = {}
    for family, template in files(table):
        if (not sets or family.name in sets) and (not names or template.name in names):
            out.setdefault(family.name, []).append(task_name(family, template))
    return out


def tasks(
    set_: Annotated[list[str] | None, typer.Option("--set", help="Keep these sets.")] = None,
    template: Names = None,
    available: Annotated[
        bool, typer.Option("--available", help="Keep the sets that can be loaded here and now.")
    ] = False,
    write: Annotated[
        Path | None, typer.Option(help="Write tasks for your own templates ($PTST_TEMPLATES) here.")
    ] = None,
) -> None:
    """Print task names, comma-separated, for lm_eval's --tasks."""
    if write is not None:
        if set_ or template or available:
            raise ConfigError(
                "--write writes the tasks of every set for every template of your own; leave out "
                "--set, --template and --available"
            )
        _write(write)
        return
    chosen = _chosen(set_, template)
    if available:
        chosen = {name: names for name, names in chosen.items() if _loads(name)}
    elif not set_:
        chosen = {n: names for n, names in chosen.items() if names[0].startswith("ptst_")}
    if not chosen:
        raise DataError("no set can be loaded here: `ptst datasets` says where each was looked for")
    print(",".join(name for names in chosen.values() for name in names))


def _write(folder: Path) -> None:
    from ptst_tasks.generate import write
    from ptst_tasks.templates import Templates, builtin
    from ptst_tasks.user_templates import active

    own = {key: row for key, row in active().rows.items() if key not in builtin().rows}
    if not own:
        raise ConfigError(
            "$PTST_TEMPLATES names no file with templates of your own to write tasks for"
        )
    count = len(write(folder, Templates(own)))
    print(f"{count} tasks written; run them with: lm_eval --include_path {folder} --tasks ...")


def _loads(family: str) -> bool:
    from ptst_tasks import datasets
    from ptst_tasks.generate import FAMILIES

    try:
        datasets.load(FAMILIES[family].dataset)
    except DataError as e:
        print(f"left out: {e}", file=sys.stderr)
        return False
    return True


def templates(
    style: Annotated[str, typer.Option(help="Family of strings: gsm8k, openai, ...")] = "gsm8k",
) -> None:
    """Show the prompt templates of a style, with every string as it is sent."""
    from ptst_tasks.user_templates import active

    table = active()
    table.get("CV", style)
    view = Table("name", "abbr", "what is sent", "source", show_lines=True)
    for row in table:
        if row.style == style:
            view.add_row(row.name, row.abbr, escape(_strings(row)), row.source)
    Console().print(view)


def _strings(row: PromptTemplate) -> str:
    if not row.is_chat:
        return row.user
    shown = [f"system: {row.system!r}"] if row.system is not None else []
    for asked, answered in row.turns:
        shown += [f"user: {asked!r}", f"assistant: {answered!r}"]
    return "\n".join([*shown, f"user: {row.user!r}"])


def datasets(
    check: Annotated[
        bool, typer.Option("--check", help="Load each set and count its rows.")
    ] = False,
) -> None:
    """Show the data sets: where each comes from, under which licence, and whether it is here."""
    from adapters_train.data import TRAINING_SETS
    from ptst_tasks.datasets import REGISTRY

    console = Console()
    console.print(_sources("asked: sets of tasks", REGISTRY.values(), check=check))
    console.print(_sources("trained on: sets of `ptst train`", TRAINING_SETS.values(), check=check))


def _sources(title: str, sources: Iterable[Any], *, check: bool) -> Table:
    from ptst_tasks.datasets import locate

    view = Table(title=title, title_justify="left")
    for name in ("set", "kind", "style"):
        view.add_column(name, no_wrap=True)
    for name in ("source", "licence", "rows" if check else "local file"):
        view.add_column(name, overflow="fold")
    for source in sources:
        hub = "/".join(p for p in source.hub or () if p) + (" (gated)" if source.gated else "")
        origin = source.url or hub or ("made on the spot" if source.make else "a file of yours")
        here = _count(source) if check else str(locate(source) or "")
        view.add_row(source.name, source.kind, source.style, escape(origin), source.licence, here)
    return view


def _count(source: Any) -> str:
    from ptst_tasks.datasets import load

    try:
        return str(len(load(source).rows))
    except DataError as e:
        return f"[red]{escape(str(e))}[/red]"


def validate(
    set_: Annotated[list[str] | None, typer.Option("--set", help="Keep these sets.")] = None,
    template: Names = None,
    tokenizer: Annotated[
        list[str] | None, typer.Option(help="Tokenizer folder or hub name; several are fine.")
    ] = None,
    rows: Annotated[int, typer.Option(help="Rows to render of each task.", min=1)] = 1,
    metadata: Meta = "{}",
) -> None:
    """Load every task through lm-eval and show what would be sent: the text and its token ids."""
    from ptst_tasks.options import Options
    from ptst_tasks.validate import check_index, load_tasks, load_tokenizer, preview, refuse_idle

    chosen = _chosen(set_, template)
    faults = check_index()
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    if faults:
        raise ConfigError(f"{len(faults)} task files are faulty (above)")
    names = [n for family, names in chosen.items() if set_ or _loads(family) for n in names]
    options = _json(metadata)
    for key in options:
        if key not in Options.model_fields:
            raise UnknownNameError("option", key, Options.model_fields, where="--metadata")
    loaded = load_tasks(names, options)
    refuse_idle(loaded.values(), options)
    tokenizers = {name: load_tokenizer(name) for name in tokenizer or []} or {"": None}
    console, skipped = Console(), 0
    for task in loaded.values():
        for name, tok in tokenizers.items():
            if tok is None and task.template.is_chat and task.options.chat_format == "auto":
                skipped += 1
                continue
            for shown in preview(task, name, tok, rows):
                console.rule(escape(f"{shown.task} {name}"))
                console.print(escape(shown.text), highlight=False)
                console.print(
                    f"[dim]{escape(str(shown.ids or ''))}{' '.join(shown.rendered.notes)}[/dim]"
                )
    more = f"; {skipped} chat tasks not rendered: pass --tokenizer" if skipped else ""
    console.print(f"{len(loaded)} tasks are fine{more}")


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as e:
        raise ConfigError(f"--metadata is not JSON ({e}): {text!r}") from e
    if not isinstance(value, dict):
        raise ConfigError(
            f'--metadata is {text!r}, expected a JSON object such as \'{{"style": "openai"}}\''
        )
    return value


def evaluate(context: typer.Context) -> None:
    """Run lm_eval on our tasks after checking them; takes all of lm_eval's own options."""
    from leaderboards.harness import run_lm_eval

    logging.getLogger("ptst_tasks").setLevel(logging.WARNING)
    run_lm_eval(context.args)
