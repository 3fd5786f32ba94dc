"""``ptst path | tasks | datasets | eval``, and the register of `templates` and `validate`."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from leaderboards.cli.chosen import chosen_tasks, loads, own_templates
from leaderboards.cli.template_table import templates
from leaderboards.cli.validate import Names, validate
from ptst_tasks import TASKS_DIR
from ptst_tasks.command import JsonFile, put_json, screen
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError
from ptst_tasks.files import check_outputs, check_writable

if TYPE_CHECKING:
    from ptst_tasks.generate import Family
    from ptst_tasks.templates import Templates

__all__ = ["register"]


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


def tasks(
    set_: Annotated[list[str] | None, typer.Option("--set", help="Keep these sets.")] = None,
    template: Names = None,
    available: Annotated[
        bool, typer.Option("--available", help="Keep the sets that can be loaded here and now.")
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option(
            help="Write tasks for your own templates ($PTST_TEMPLATES), or sets (--custom), here."
        ),
    ] = None,
    custom: Annotated[
        Path | None,
        typer.Option(help="With --write: a YAML of your own sets, NAME: {path: ..., kind: ...}."),
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
    if custom is not None:
        if write is None or set_ or available:
            raise ConfigError(
                "--custom names your own sets, whose tasks are written with --write DIR; leave out "
                "--set and --available"
            )
        _write_own(custom, write, template, quiet=quiet, json=json)
        return
    if write is not None:
        if set_ or template or available:
            raise ConfigError(
                "--write writes the tasks of every set for every template of your own; leave out "
                "--set, --template and --available"
            )
        _write(write, quiet=quiet, json=json)
        return
    chosen = chosen_tasks(set_, template)
    if available:
        chosen = {name: names for name, names in chosen.items() if loads(name, quiet=quiet)}
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


def _write(folder: Path, *, quiet: bool, json: Path | None) -> None:
    own = own_templates()
    if not own.rows:
        raise ConfigError(
            "$PTST_TEMPLATES names no file with templates of your own to write tasks for"
        )
    _written(folder, own, None, quiet=quiet, json=json)


def _write_own(
    file: Path, folder: Path, wanted: list[str] | None, *, quiet: bool, json: Path | None
) -> None:
    """Writes the tasks of a user's own sets, under the built-in templates and the user's."""
    from ptst_tasks.generate import own_families
    from ptst_tasks.judges import make
    from ptst_tasks.own_sets import from_file
    from ptst_tasks.sets import load
    from ptst_tasks.templates import Templates
    from ptst_tasks.user_templates import active

    own = from_file(file)
    for judge in {one.judge for one in own.values() if one.judge}:
        make(judge)
    families = list(own_families(own).values())
    for family in families:
        load(family.source)  # what is wrong with a file is said now, not when a model is loaded
    table = active()
    names = [table.resolve(w) for w in wanted or table.names()]
    chosen = Templates({k: row for k, row in table.rows.items() if row.name in names})
    _check_left(folder, families, chosen)
    _written(folder, chosen, families, quiet=quiet, json=json)


def _check_left(folder: Path, families: list[Family], templates: Templates) -> None:
    """Refuses a folder with tasks of an earlier such command that this one would leave behind.

    Raises:
        ConfigError: If lm_eval would find there a set that is no longer named, or is now another.
    """
    from ptst_tasks.generate import files

    written = {
        folder / family.name / f"{row.slug}.yaml" for family, row in files(templates, families)
    }
    said = {family.name: family.own.as_text() for family in families if family.own}
    for file in sorted(f for f in set(folder.glob("*/*.yaml")) - written if f.is_file()):
        own = re.search(r"(?m)^own: (.*)$", file.read_text(encoding="utf-8", errors="replace"))
        name = file.parent.name
        if own and said.get(name) != own[1]:
            why = "as it was said before" if name in said else "which is not named now"
            raise ConfigError(
                f"--write {str(folder)!r} holds tasks of a set {name!r}, {why} ({file.name!r}); remove "
                f"the folder {str(file.parent)!r}, or write into another"
            )


def _written(
    folder: Path, templates: Templates, families: list[Family] | None, *, quiet: bool,
    json: Path | None,
) -> None:  # fmt: skip
    from ptst_tasks.generate import files, task_name, write

    check_writable(folder / "task.yaml", "--write")
    count = len(write(folder, templates, families=families, what="--write"))
    rows = [
        {"task": task_name(family, row), "set": family.name, "template": row.name}
        for family, row in files(templates, families)
    ]
    put_json(json, rows)
    place = shlex.quote(str(folder))
    told = f"{count} tasks written; run them with: lm_eval --include_path {place} --tasks ..."
    screen(quiet=quiet, json=json).print(told, markup=False, soft_wrap=True)


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

    As JSON: a list of {set, use, kind, style, source, licence, extra, file}; {rows, error} with --check.
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
    hub += f" (scored with ptst[{source.extra}])" if source.extra else ""
    return {
        "kind": source.kind,
        "style": source.style,
        "source": source.url or hub or ("made on the spot" if source.make else "a file of yours"),
        "licence": source.licence,
        "extra": source.extra,
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


def evaluate(context: typer.Context) -> None:
    """Run lm_eval on our tasks after checking them; takes all of lm_eval's own options."""
    from leaderboards.cli.harness import run_lm_eval

    logging.getLogger("ptst_tasks").setLevel(logging.WARNING)
    run_lm_eval(context.args)
