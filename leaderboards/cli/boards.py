"""``ptst board | plot``: the leaderboard of one or more runs, its views and its pictures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from leaderboards.cli.board_views import view_of
from ptst_tasks.command import JsonFile, Quiet, put_json, put_text, screen
from ptst_tasks.errors import ConfigError, require
from ptst_tasks.files import write_text
from ptst_tasks.replies import RAISE

if TYPE_CHECKING:
    from leaderboards.board.defences import Ranking
    from leaderboards.board.people import People
    from leaderboards.board.row import Row
    from leaderboards.board.tables import Grid

__all__ = ["Pool", "board", "plot", "show"]

Runs = Annotated[
    list[Path], typer.Argument(help="Run folders, lm_eval outputs or leaderboard CSVs.")
]
Pool = Annotated[
    bool, typer.Option("--pool", help="Average over bases too (built-in models of many seeds).")
]


class _Shown(NamedTuple):
    """What is to be shown, what it is called where it was written, and the same for programs."""

    text: str
    what: str
    fmt: str
    data: dict[str, Any]
    tables: Sequence[Grid] = ()

    def told(self, out: Path) -> str:
        """What to say of a file that holds it."""
        return f"{self.what} written to {out}" + (f" ({self.fmt})" if self.fmt else "")


def board(
    runs: Runs,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Write it here; .md, .tex, .html and .txt say a format."),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            help="tidy (a row per number), paper (train x test) or defences (side by side)."
        ),
    ] = "",
    fmt: Annotated[
        str, typer.Option("--format", help="csv, md, latex, html or text; all but csv mean paper.")
    ] = "",
    compare: Annotated[
        str, typer.Option(help="Set published figures beside yours: published, or a name.")
    ] = "",
    pool: Pool = False,
    human: Annotated[
        list[Path] | None,
        typer.Option(help="Labels of people (ptst label): their rates beside the judges'."),
    ] = None,
    correct_by: Annotated[
        str, typer.Option(help="With --human: post-stratified, ppi++ or 'labels alone'.")
    ] = "",
    quiet: Quiet = False,
    json: JsonFile = None,
) -> None:
    """Make the leaderboard of one or more runs."""
    from leaderboards.board.people import people_rows, read_people
    from leaderboards.board.sides import check_targets

    view, fmt = view_of(layout, fmt, out, compare=bool(compare), pool=pool)
    if quiet and out is None and json is None:
        raise ConfigError("--quiet without --out or --json shows nothing; name a file with -o")
    if compare and human:
        raise ConfigError("--compare sets published figures beside a judge's; leave out --human")
    if view == "defences" and human:
        raise ConfigError("--layout defences is of judges' verdicts alone; leave out --human")
    if correct_by and not human:
        raise ConfigError("--correct-by does nothing without --human; leave it out")
    check_targets(
        [*runs, *(human or []), *([Path(compare)] if compare else [])], out=out, json=json
    )
    people = read_people(human, correct_by) if human else None
    rows, notes = _read(runs, pool=pool, people=people)
    missing = sum(r.unscored for r in rows if r.metric == "asr")
    if missing:
        notes.append(f"{missing} responses have no verdict; they are in no rate (column unscored)")
    if cut := [r for r in rows if r.metric == "truncated" and r.value]:
        worst = max(cut, key=lambda r: r.value or 0.0)
        notes.append(
            f"up to {100 * (worst.value or 0.0):.1f} % of the responses to a set ({worst.task} under "
            f"{worst.test_template}) are thoughts that were cut off, without an answer: {RAISE}"
        )
    _say(notes)
    if view == "paper":
        rows += people_rows(rows)
    if view == "compare":
        made = _compare(rows, compare, fmt, alone=out is None, pool=pool)
    elif view == "paper":
        made = _paper(runs, rows, fmt, pool=pool)
    elif view == "defences":
        made = _defences(runs, rows, fmt, pool=pool)
    else:
        made = _tidy(rows)
    if out is not None and str(out) != "-":
        write_text(out, made.text, what="--out")
        screen(quiet=quiet, json=json).print(made.told(out), markup=False, soft_wrap=True)
    elif out is not None or (not quiet and str(json) != "-"):
        _print(made, view)
    put_json(json, {**made.data, "notes": notes, "out": None if out is None else str(out)})


def _print(made: _Shown, view: str) -> None:
    if (view, made.fmt) == ("paper", "text"):
        show(made.tables)
    else:
        put_text(made.text)


def _read(
    runs: Sequence[Path], *, pool: bool, people: People | None = None
) -> tuple[list[Row], list[str]]:
    """Collects the rows, and says what --pool does not."""
    from leaderboards.board.collect import collect_each
    from leaderboards.board.merging import bases_of

    rows, notes = collect_each(runs, people)
    notes += people.remarks() if people else []
    names = bases_of(rows, pool=pool)
    if pool and len(set(names.values())) == len(names):
        notes.append(
            "--pool has nothing to pool: no two bases differ only in a seed behind a colon"
        )
    return rows, notes


def _say(notes: Sequence[str]) -> None:
    from leaderboards.board.rendering import shown

    for note in notes:
        print(f"note: {shown(note)}", file=sys.stderr)


def _tidy(rows: Sequence[Row]) -> _Shown:
    from leaderboards.board import csvio

    data = {"rows": [row.model_dump() for row in rows]}
    return _Shown(csvio.dumps(rows), f"{len(rows)} rows", "", data)


def _paper(runs: Sequence[Path], rows: Sequence[Row], fmt: str, *, pool: bool) -> _Shown:
    from leaderboards.board.plain_tables import plain
    from leaderboards.board.rendering import render
    from leaderboards.board.tables import grids, left_out
    from leaderboards.board.training_like import remarked, run_numbers

    tables = remarked(grids(rows, pool=pool), lambda: run_numbers(runs, rows))
    text = _page(tables) if fmt == "html" else render(tables, fmt)
    _say([f"in no table: {line}" for line in left_out(rows, pool=pool)])
    data = {"tables": [plain(grid) for grid in tables]}
    return _Shown(text, f"{len(tables)} tables", fmt, data, tables)


def _defences(runs: Sequence[Path], rows: Sequence[Row], fmt: str, *, pool: bool) -> _Shown:
    from leaderboards.board.collect import with_outcomes
    from leaderboards.board.defences import rankings
    from leaderboards.board.rendering import sheet

    found = rankings(with_outcomes(runs, rows), pool=pool)
    if not found:
        raise ConfigError(
            "no adapter of these runs had a defence, or no harmful query was judged: there is nothing to "
            "set side by side (train.defences of a study)"
        )
    if fmt == "html":
        text = _sheets(found)
    else:
        text = "\n\n".join(sheet(r.table(), r.title, r.remarks, fmt) for r in found) + "\n"
    told = f"{len(found)} table{'s' if len(found) > 1 else ''} of defences"
    return _Shown(text, told, fmt, {"tables": [asdict(r) for r in found]})


def _sheets(found: Sequence[Ranking]) -> str:
    from leaderboards.board.rendering import shown
    from leaderboards.report.page import Sheet, render_sheets

    return render_sheets(
        [
            Sheet(
                shown(r.title),
                [[shown(text) for text in line] for line in r.table()],
                [shown(remark) for remark in r.remarks],
            )
            for r in found
        ]
    )


def _page(tables: Sequence[Grid]) -> str:
    from leaderboards.report.page import render_board

    return render_board(tables)


def show(tables: Sequence[Grid], digits: int = 2) -> None:
    """Prints tables: drawn where they fit the terminal, else as text that loses no column."""
    from rich.console import Console
    from rich.measure import Measurement

    from leaderboards.board.rendering import LEGEND, render, terminal

    console = Console()
    drawn = terminal(tables, digits)
    widest = max(
        Measurement.get(console, console.options.update(width=10_000), v).maximum for v in drawn
    )
    if not console.is_terminal or widest > console.width:
        put_text(render(tables, "text", digits))
        return
    for view in drawn:
        console.print(view)
    console.print(LEGEND, highlight=False)


def _compare(rows: Sequence[Row], name: str, fmt: str, *, alone: bool, pool: bool) -> _Shown:
    from leaderboards.board import csvio
    from leaderboards.board import paper as published
    from leaderboards.board.rendering import columns, csv_text, markdown_table

    file = published.published_file(name, rows)
    theirs = csvio.read(file)
    if not theirs:
        raise ConfigError(f"--compare {str(file)!r} has a header and no rows to compare with")
    found = published.compare(rows, theirs, pool=pool)
    _say(published.remarks(found, rows, theirs, pool=pool))
    if not found:
        raise ConfigError(f"--compare: {file.stem!r} has no field in common with these rows")
    lines = [list(published.HEADER), *(c.line() for c in found)]
    head = [file.stem] if alone else []
    text = {
        "text": lambda: "\n".join([*head, *(line.rstrip() for line in columns(lines))]) + "\n",
        "csv": lambda: csv_text(lines),
        "md": lambda: "\n".join(markdown_table(lines)) + "\n",
    }[fmt]()
    told = f"{len(found)} fields beside those of {file.stem}"
    data = {"published": file.stem, "fields": [asdict(c) for c in found]}
    return _Shown(text, told, fmt, data)


def plot(
    runs: Runs,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for PNG and SVG.")] = Path(
        "plots"
    ),
    pool: Pool = False,
    quiet: Quiet = False,
    json: JsonFile = None,
) -> None:
    """Draw heat maps (train x test), helpfulness against ASR, and both along training."""
    from leaderboards.board.pictures import check_folder, draw
    from leaderboards.board.sides import check_targets

    require("plots", "matplotlib", who="ptst plot")
    check_targets(runs, json=json)
    check_folder(out)
    rows, notes = _read(runs, pool=pool)

    def say(note: str) -> None:
        notes.append(note)
        _say([note])

    _say(notes)
    console = screen(quiet=quiet, json=json)
    files = [str(file) for file in draw(rows, out, pool=pool, say=say)]
    for file in files:
        console.print(file, markup=False, soft_wrap=True)
    put_json(json, {"files": files, "notes": notes})
