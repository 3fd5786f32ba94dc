"""``ptst board | plot``: the leaderboard of one or more runs, its views and its pictures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ptst_tasks.command import JsonFile, Quiet, put_json, put_text, screen
from ptst_tasks.errors import ConfigError, did_you_mean, require
from ptst_tasks.files import write_text
from ptst_tasks.replies import RAISE

if TYPE_CHECKING:
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
_SUFFIXES = {".csv": "csv", ".md": "md", ".tex": "latex", ".html": "html", ".txt": "text"}
_COMPARED = ("text", "csv", "md")
_LAYOUTS = ("tidy", "paper", "defences")


class _Shown(NamedTuple):
    """What is to be shown, what it is called where it was written, and the same for programs."""

    text: str
    what: str
    fmt: str
    data: dict[str, Any]

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

    view, fmt = _view(layout, fmt, out, compare=bool(compare), pool=pool)
    if quiet and out is None and json is None:
        raise ConfigError("--quiet without --out or --json shows nothing; name a file with -o")
    if compare and human:
        raise ConfigError("--compare sets published figures beside a judge's; leave out --human")
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
        made = _paper(rows, fmt, pool=pool)
    elif view == "defences":
        made = _defences(runs, fmt, pool=pool)
    else:
        made = _tidy(rows)
    if out is not None and str(out) != "-":
        write_text(out, made.text, what="--out")
        screen(quiet=quiet, json=json).print(made.told(out), markup=False, soft_wrap=True)
    elif out is not None or (not quiet and str(json) != "-"):
        _print(rows, made, view, pool=pool)
    put_json(json, {**made.data, "notes": notes, "out": None if out is None else str(out)})


def _print(rows: Sequence[Row], made: _Shown, view: str, *, pool: bool) -> None:
    from leaderboards.board.tables import grids

    if (view, made.fmt) == ("paper", "text"):
        show(grids(rows, pool=pool))
    else:
        put_text(made.text)


def _view(layout: str, fmt: str, out: Path | None, *, compare: bool, pool: bool) -> tuple[str, str]:
    """What is shown, and in which format; refuses options that would do nothing."""
    from leaderboards.board.rendering import FORMATS

    formats = (*FORMATS, "html")
    for option, value, known in (("layout", layout, _LAYOUTS), ("format", fmt, formats)):
        if value and value not in known:
            hint = did_you_mean(value, known)
            raise ConfigError(f"--{option} is {value!r}; {hint}expected one of {', '.join(known)}")
    chosen = fmt or (_suffix(out, layout) if out else "")
    if compare:
        if layout:
            raise ConfigError(f"--compare has a layout of its own; leave out --layout {layout}")
        if chosen not in ("", *_COMPARED):
            raise ConfigError(f"--compare gives {', '.join(_COMPARED)}, not {chosen!r}")
        return "compare", chosen or "text"
    if layout == "defences":
        if chosen not in ("", *_COMPARED):
            raise ConfigError(f"--layout defences gives {', '.join(_COMPARED)}, not {chosen!r}")
        return layout, chosen or "text"
    if layout == "tidy" and fmt not in ("", "csv"):
        raise ConfigError(
            f"--layout tidy is a CSV and cannot be {fmt!r}; leave one of the two options out "
            f"(a table in {fmt!r} is --layout paper)"
        )
    if layout == "paper" or (not layout and chosen not in ("", "csv")):
        return "paper", chosen or "text"
    if pool:
        raise ConfigError(
            "--pool averages, and the tidy layout holds every number; add --layout paper"
        )
    return "tidy", "csv"


def _suffix(out: Path, layout: str) -> str:
    """The format that a file's name says; no suffix says none."""
    suffix = out.suffix.lower()
    if suffix and suffix not in _SUFFIXES and layout != "tidy":
        raise ConfigError(
            f"--out {str(out)!r}: the suffix {out.suffix!r} says no format; expected one of "
            f"{', '.join(_SUFFIXES)}, or say it with --format"
        )
    return _SUFFIXES.get(suffix, "")


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


def _paper(rows: Sequence[Row], fmt: str, *, pool: bool) -> _Shown:
    from leaderboards.board.rendering import render
    from leaderboards.board.tables import grids, left_out

    tables = grids(rows, pool=pool)
    text = _page(tables) if fmt == "html" else render(tables, fmt)
    _say([f"in no table: {line}" for line in left_out(rows, pool=pool)])
    data = {"tables": [_plain(grid) for grid in tables]}
    return _Shown(text, f"{len(tables)} tables", fmt, data)


def _defences(runs: Sequence[Path], fmt: str, *, pool: bool) -> _Shown:
    from leaderboards.board.defences import HEADER, rankings
    from leaderboards.board.sides import read_side

    found = rankings([n for run in runs for n in read_side(run).numbers], pool=pool)
    if not found:
        raise ConfigError(
            "no adapter of these runs had a defence, or no harmful query was judged: there is nothing to "
            "set side by side (train.defences of a study)"
        )
    parts = [
        _table([list(HEADER), *(s.line() for s in r.lines)], r.title, r.remarks, fmt) for r in found
    ]
    told = f"{len(found)} tables of defences"
    return _Shown("\n\n".join(parts) + "\n", told, fmt, {"tables": [asdict(r) for r in found]})


def _table(lines: list[list[str]], title: str, remarks: Sequence[str], fmt: str) -> str:
    """A table with what must be known of it below."""
    from leaderboards.board.rendering import columns, csv_text, markdown, markdown_table, shown

    if fmt == "csv":
        return csv_text([[title], *lines, *([remark] for remark in remarks)]).rstrip("\n")
    if fmt == "md":
        body = [f"**{markdown(title)}**", "", *markdown_table(lines)]
        return "\n".join([*body, *(f"\n{markdown(remark)}" for remark in remarks)])
    rows = (line.rstrip() for line in columns(lines))
    return "\n".join([shown(title), *rows, *map(shown, remarks)])


def _page(tables: Sequence[Grid]) -> str:
    from leaderboards.report.page import render_board

    return render_board(tables)


def _plain(grid: Grid) -> dict[str, Any]:
    """A table for programs; means and deviations are 0..1."""
    fields = [
        {"train": grid.label(train), "test": test, "mean": f.mean, "std": f.std, "n": f.n,
         "values": list(f.values), "over": f.counted()}
        for (train, test), f in grid.fields.items()
    ]  # fmt: skip
    gaps = [{"train": grid.label(a), "test": b, "why": why} for (a, b), why in grid.gaps.items()]
    return {"base": grid.base, "task": grid.task, "judge": grid.judge, "metric": grid.metric,
            "variant": grid.variant, "fields": fields, "gaps": gaps, "worst": _worst(grid),
            "notes": grid.remarks()}  # fmt: skip


def _worst(grid: Grid) -> list[dict[str, Any]]:
    """The worst test templates of each line, of attack success under several."""
    found = ((train, grid.worst(train)) for train in grid.trains if grid.has_worst)
    return [
        {"train": grid.label(train), "tests": list(worst[0]), "mean": worst[1]}
        for train, worst in found if worst
    ]  # fmt: skip


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
