"""``ptst path | tasks | templates | datasets | validate | eval``."""

from __future__ import annotations

import logging
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ptst_tasks import TASKS_DIR
from ptst_tasks.command import JsonFile, Quiet, put_json, screen
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError, UnknownNameError
from ptst_tasks.files import check_outputs, check_writable
from ptst_tasks.templates import PromptTemplate, Templates

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


def _chosen(sets: list[str] | None, wanted: list[str] | None) -> dict[str, dict[str, str]]:
    """Task names with their templates, by set, in the order of the tables."""
    from ptst_tasks.generate import FAMILIES, files, task_name
    from ptst_tasks.user_templates import active

    table = active()
    names = [table.resolve(w) for w in wanted or []]
    for name in sets or []:
        if name not in FAMILIES:
            raise UnknownNameError("set", name, FAMILIES)
    out: dict[str, dict[str, str]] = {}
    for family, template in files(table):
        if (not sets or family.name in sets) and (not names or template.name in names):
            out.setdefault(family.name, {})[task_name(family, template)] = template.name
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
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Do not say which sets were left out.")
    ] = False,
    json: JsonFile = None,
) -> None:
    """Print task names, comma-separated, for lm_eval's --tasks.

    As JSON: a list of {task, set, template}.
    """
    check_outputs(json=json)
    if write is not None:
        if set_ or template or available:
            raise ConfigError(
                "--write writes the tasks of every set for every template of your own; leave out "
                "--set, --template and --available"
            )
        _write(write, quiet=quiet, json=json)
        return
    chosen = _chosen(set_, template)
    if available:
        chosen = {name: names for name, names in chosen.items() if _loads(name, quiet=quiet)}
    elif not set_:
        chosen = {n: names for n, names in chosen.items() if next(iter(names)).startswith("ptst_")}
    if not chosen:
        raise DataError("no set can be loaded here: `ptst datasets` says where each was looked for")
    put_json(json, _rows(chosen))
    if str(json) != "-":
        print(",".join(name for names in chosen.values() for name in names))


def _rows(chosen: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    return [
        {"task": task, "set": name, "template": template}
        for name, found in chosen.items()
        for task, template in found.items()
    ]


def _own() -> Templates:
    """The templates of the user's own."""
    from ptst_tasks.templates import builtin
    from ptst_tasks.user_templates import active

    return Templates({k: row for k, row in active().rows.items() if k not in builtin().rows})


def _write(folder: Path, *, quiet: bool, json: Path | None) -> None:
    from ptst_tasks.generate import files, task_name, write

    own = _own()
    if not own.rows:
        raise ConfigError(
            "$PTST_TEMPLATES names no file with templates of your own to write tasks for"
        )
    check_writable(folder / "task.yaml", "--write")
    count = len(write(folder, own, what="--write"))
    rows = [
        {"task": task_name(family, row), "set": family.name, "template": row.name}
        for family, row in files(own)
    ]
    put_json(json, rows)
    place = shlex.quote(str(folder))
    told = f"{count} tasks written; run them with: lm_eval --include_path {place} --tasks ..."
    screen(quiet=quiet, json=json).print(told, markup=False, soft_wrap=True)


def _loads(family: str, *, quiet: bool = False) -> bool:
    from ptst_tasks import sets
    from ptst_tasks.generate import FAMILIES

    try:
        sets.load(FAMILIES[family].dataset)
    except DataError as e:
        if not quiet:
            print(f"left out: {e}", file=sys.stderr)
        return False
    return True


def templates(
    style: Annotated[str, typer.Option(help="Family of strings: gsm8k, openai, ...")] = "gsm8k",
    json: JsonFile = None,
) -> None:
    """Show the prompt templates of a style, with every string as it is sent.

    As JSON: a list of {name, abbr, style, system, turns, user, source}.
    """
    from ptst_tasks.user_templates import active

    check_outputs(json=json)
    table = active()
    if style not in table.styles():
        raise UnknownNameError("style", style, table.styles())
    rows = [row for row in table if row.style == style]
    fields = ("name", "abbr", "style", "system", "turns", "user", "source")
    put_json(json, [{name: getattr(row, name) for name in fields} for row in rows])
    if str(json) == "-":
        return
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


def datasets(
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Load each set and count its rows; exit code 2 if a file is damaged."
        ),
    ] = False,
    json: JsonFile = None,
) -> None:
    """Show the data sets: where each comes from, under which licence, and whether it is here.

    As JSON: a list of {set, use, kind, style, source, licence, file}, and {rows, error} with --check.
    """
    from adapters_train.data import TRAINING_SETS
    from ptst_tasks.sets import REGISTRY

    check_outputs(json=json)
    titles = {"asked": "asked: sets of tasks", "trained on": "trained on: sets of `ptst train`"}
    tables = {"asked": REGISTRY.values(), "trained on": TRAINING_SETS.values()}
    rows, damaged = [], []
    for use, sources in tables.items():
        for source in sources:
            rows.append({"set": source.name, "use": use, **_facts(source)})
            if check and _count(source, rows[-1]):
                damaged.append(source.name)
    put_json(json, rows)
    if str(json) != "-":
        for use, title in titles.items():
            screen().print(_table(title, [r for r in rows if r["use"] == use], check=check))
    if damaged:
        raise DataError(
            f"damaged: {', '.join(damaged)} (the rows that begin with their names say why)"
        )


def _facts(source: Any) -> dict[str, Any]:
    from ptst_tasks.sets import locate

    hub = "/".join(p for p in source.hub or () if p) + (" (gated)" if source.gated else "")
    return {
        "kind": source.kind,
        "style": source.style,
        "source": source.url or hub or ("made on the spot" if source.make else "a file of yours"),
        "licence": source.licence,
        "file": str(locate(source) or ""),
    }


def _count(source: Any, row: dict[str, Any]) -> bool:
    """Adds the number of rows, or why there are none; returns whether what is here is damaged."""
    from ptst_tasks.sets import load

    row |= {"rows": None, "error": None}
    try:
        row["rows"] = len(load(source).rows)
    except DataError as e:
        row["error"] = str(e)
        return not isinstance(e, DataNotFoundError)
    return False


def _table(title: str, rows: Iterable[dict[str, Any]], *, check: bool) -> Table:
    view = Table(title=title, title_justify="left")
    for name in ("set", "kind", "style"):
        view.add_column(name, no_wrap=True)
    for name in ("source", "licence", "rows" if check else "local file"):
        view.add_column(name, overflow="fold")
    for row in rows:
        fault = f"[red]{escape(row['error'])}[/red]" if row.get("error") else ""
        here = fault or (str(row["rows"]) if check else escape(row["file"]))
        told = (row[name] for name in ("set", "kind", "style", "source", "licence"))
        view.add_row(*map(escape, told), here)
    return view


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

    As JSON: {tasks, skipped, left_out, shown}, the last a list of {task, tokenizer, text, ids, notes}.
    """
    from ptst_tasks.model_checks import load_tokenizer
    from ptst_tasks.options import Options, read_object
    from ptst_tasks.validate import check_index, refuse_idle

    check_outputs(json=json)
    chosen = _chosen(set_, template)
    options = read_object(metadata, "--metadata")
    Options.check_names(options)
    Options.read(options)
    if faults := check_index():
        for fault in faults:
            print(f"fault: {fault}", file=sys.stderr)
        raise ConfigError(f"{len(faults)} task files are faulty (above)")
    tokenizers = {name: load_tokenizer(name) for name in tokenizer or []} or {"": None}
    kept = {s: names for s, names in chosen.items() if set_ or _loads(s, quiet=quiet)}
    loaded = _load([name for names in kept.values() for name in names], options)
    refuse_idle(loaded.values(), options)
    console = screen(quiet=quiet, json=json)
    shown, skipped = _show(loaded.values(), tokenizers, rows, console.print)
    left_out = [name for name in chosen if name not in kept]
    put_json(
        json, {"tasks": list(loaded), "skipped": skipped, "left_out": left_out, "shown": shown}
    )
    more = f"; {skipped} chat tasks not rendered: pass --tokenizer" if skipped else ""
    console.print(f"{len(loaded)} tasks are fine{more}")


def _load(names: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """Loads tasks; those for templates of the user's own from files that go again."""
    from ptst_tasks.generate import files, task_name, write
    from ptst_tasks.validate import load_tasks

    own = _own()
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
            if tok is None and task.template.is_chat and task.options.chat_format == "auto":
                skipped += 1
                continue
            for one in preview(task, name, tok, rows):
                notes = list(one.rendered.notes)
                say(Rule(escape(f"{one.task} {name}")))
                say(escape(one.text), highlight=False)
                say(f"[dim]{escape(str(one.ids or '') + ' '.join(notes))}[/dim]")
                shown.append({"task": one.task, "tokenizer": name, "text": one.text,
                              "ids": one.ids, "notes": notes})  # fmt: skip
    return shown, skipped


def evaluate(context: typer.Context) -> None:
    """Run lm_eval on our tasks after checking them; takes all of lm_eval's own options."""
    from leaderboards.cli.harness import run_lm_eval

    logging.getLogger("ptst_tasks").setLevel(logging.WARNING)
    run_lm_eval(context.args)
