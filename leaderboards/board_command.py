"""``ptst board | plot``: the leaderboard of one or more runs, its views and its pictures."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptst_tasks.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from leaderboards.csvio import Row
    from leaderboards.tables import Grid

__all__ = ["board", "plot", "show"]

Runs = Annotated[
    list[Path], typer.Argument(help="Run folders, lm_eval outputs or leaderboard CSVs.")
]
_SUFFIXES = {".csv": "csv", ".md": "md", ".tex": "latex", ".html": "html", ".txt": "text"}
_COMPARED = ("text", "csv", "md")


def board(
    runs: Runs,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Write it here; .md, .tex, .html and .txt say a format."),
    ] = None,
    layout: Annotated[
        str, typer.Option(help="tidy (a row per number) or paper (train x test).")
    ] = "",
    fmt: Annotated[
        str, typer.Option("--format", help="csv, md, latex, html or text; all but csv mean paper.")
    ] = "",
    compare: Annotated[
        str, typer.Option(help="Set published figures beside yours: published, or a name.")
    ] = "",
    pool: Annotated[
        bool, typer.Option("--pool", help="Average over bases too (built-in models of many seeds).")
    ] = False,
) -> None:
    """Make the leaderboard of one or more runs."""
    view, fmt = _view(layout, fmt, out, compare=bool(compare), pool=pool)
    rows, notes = _read(runs, pool=pool)
    missing = sum(r.unscored for r in rows if r.metric == "asr")
    if missing:
        notes.append(f"{missing} responses have no verdict; they are in no rate (column unscored)")
    _say(notes)
    if view == "compare":
        _compare(rows, compare, fmt, out, pool=pool)
    elif view == "paper":
        _paper(rows, fmt, out, pool=pool)
    else:
        _tidy(rows, out)


def _view(layout: str, fmt: str, out: Path | None, *, compare: bool, pool: bool) -> tuple[str, str]:
    """What is shown, and in which format; refuses options that would do nothing."""
    from leaderboards.rendering import FORMATS

    for option, value, known in (("layout", layout, ("tidy", "paper")), ("format", fmt, FORMATS)):
        if value and value not in known:
            hint = did_you_mean(value, known)
            raise ConfigError(f"--{option} is {value!r}; {hint}expected one of {', '.join(known)}")
    chosen = fmt or (_SUFFIXES.get(out.suffix.lower(), "") if out else "")
    if compare:
        if layout:
            raise ConfigError(f"--compare has a layout of its own; leave out --layout {layout}")
        if chosen not in ("", *_COMPARED):
            raise ConfigError(f"--compare gives {', '.join(_COMPARED)}, not {chosen!r}")
        return "compare", chosen or "text"
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


def _read(runs: Sequence[Path], *, pool: bool) -> tuple[list[Row], list[str]]:
    """Collects the rows; one argument that gives nothing is a fault, not a smaller table."""
    from leaderboards.collect import collect
    from leaderboards.merging import bases_of

    rows, notes = collect(runs)
    faults = []
    for run in runs if notes and len(runs) > 1 else ():
        try:
            collect([run])
        except DataError as e:
            faults.append(str(e))
    if faults:
        raise DataError("; ".join(faults) + "; nothing was made of the others: leave it out")
    names = bases_of(rows, pool=pool)
    if pool and len(set(names.values())) == len(names):
        notes.append(
            "--pool has nothing to pool: no two bases differ only in a seed behind a colon"
        )
    return rows, notes


def _say(notes: Sequence[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def _tidy(rows: Sequence[Row], out: Path | None) -> None:
    from leaderboards import csvio

    if out is None:
        print(csvio.dumps(rows), end="")
        return
    _write(csvio.dumps(rows), out)
    print(f"{len(rows)} rows written to {out}")


def _paper(rows: Sequence[Row], fmt: str, out: Path | None, *, pool: bool) -> None:
    from leaderboards.rendering import render
    from leaderboards.tables import grids, left_out

    tables = grids(rows, pool=pool)
    text = render(tables, fmt)
    _say([f"in no table: {line}" for line in left_out(rows, pool=pool)])
    if out is not None:
        _write(text, out)
        print(f"{len(tables)} tables written to {out} ({fmt})")
    elif fmt == "text":
        show(tables)
    else:
        print(text, end="")


def show(tables: Sequence[Grid], digits: int = 2) -> None:
    """Prints tables: drawn where they fit the terminal, else as text that loses no column."""
    from rich.console import Console
    from rich.measure import Measurement

    from leaderboards.rendering import LEGEND, render, terminal

    console = Console()
    drawn = terminal(tables, digits)
    widest = max(
        Measurement.get(console, console.options.update(width=10_000), v).maximum for v in drawn
    )
    if not console.is_terminal or widest > console.width:
        print(render(tables, "text", digits), end="")
        return
    for view in drawn:
        console.print(view)
    console.print(LEGEND, highlight=False)


def _compare(rows: Sequence[Row], name: str, fmt: str, out: Path | None, *, pool: bool) -> None:
    from leaderboards import csvio, published

    file = published.find(name, rows)
    theirs = csvio.read(file)
    found = published.compare(rows, theirs, pool=pool)
    _say(published.remarks(found, rows, theirs, pool=pool))
    if not found:
        raise ConfigError(f"{file.stem!r} has no field in common with these rows")
    lines = [list(published.HEADER), *(c.line() for c in found)]
    text = {"text": _columns, "csv": _csv, "md": _markdown}[fmt](lines)
    if out is None:
        print(f"{file.stem}\n{text}" if fmt == "text" else text, end="")
        return
    _write(text, out)
    print(f"{len(found)} fields beside those of {file.stem} written to {out} ({fmt})")


def _columns(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(rows) + "\n"


def _csv(lines: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    escaped = [[v.replace("|", "\\|") for v in line] for line in lines]
    escaped.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def _write(text: str, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as e:
        raise ConfigError(f"cannot write {str(file)!r}: {e.strerror}") from e


def plot(
    runs: Runs,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for PNG and SVG.")] = Path(
        "plots"
    ),
    pool: Annotated[
        bool, typer.Option("--pool", help="Average over bases too (built-in models of many seeds).")
    ] = False,
) -> None:
    """Draw heat maps (train x test), helpfulness against ASR, and both along training."""
    from leaderboards.pictures import draw

    rows, notes = _read(runs, pool=pool)
    _say(notes)
    for file in draw(rows, out, pool=pool):
        print(file)
