"""``ptst run | board | plot``: a study, its leaderboard, its pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from leaderboards.progress import Progress
from ptst_tasks.errors import ConfigError

__all__ = ["Bar", "draw", "register", "show_failures"]

Runs = Annotated[
    list[Path], typer.Argument(help="Run folders, lm_eval outputs or leaderboard CSVs.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (run, board, plot):
        app.command()(command)


class Bar(Progress):
    """A runner's progress as a bar on stderr, with the time left."""

    def __init__(self) -> None:
        from rich import progress as rich

        self._bar = rich.Progress(
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(),
            rich.TextColumn("left"),
            rich.TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: Any = None

    def start(self, what: str, total: int) -> None:
        """Something of `total` steps begins."""
        self._bar.start()
        self._task = self._bar.add_task(what, total=total)

    def label(self, what: str) -> None:
        """What is being done now, without a new total."""
        self._bar.update(self._task, description=what)

    def advance(self, steps: int) -> None:
        """So many steps more are done."""
        self._bar.advance(self._task, steps)

    def done(self) -> None:
        """It is over; the bar's line stays."""
        self._bar.stop()
        for task in self._bar.tasks:
            self._bar.update(task.id, visible=False)


def run(
    study: Annotated[str, typer.Argument(help="A study's YAML, or the name of a ready one.")],
    out: Annotated[Path | None, typer.Option(help="The run's folder; default runs/NAME.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, what is done, and an estimate.")
    ] = False,
    share: Annotated[
        bool,
        typer.Option("--share/--no-share", help="Take cells that a run beside it has measured."),
    ] = True,
) -> None:
    """Train, evaluate and judge what a study asks for; run again, it goes on where it was."""
    from leaderboards import runner
    from leaderboards.study import load

    asked = load(study)
    folder = out or Path("runs") / asked.name
    if dry_run:
        _plan(asked, folder)
        return
    try:
        outcome = runner.run(asked, folder, Bar(), share=share)
    except KeyboardInterrupt:
        print(f"ptst: stopped; go on with: ptst run {study} --out {folder}", file=sys.stderr)
        sys.exit(130)
    print(f"{outcome.done} cells measured, {outcome.kept} were there, {len(outcome.failed)} failed")
    for note in outcome.notes:
        print(f"note: {note}", file=sys.stderr)
    show_failures(outcome.failed, f"ptst run {study} --out {folder}")
    print(f"now: ptst board {folder} --layout paper")


def show_failures(failed: list[tuple[str, str]], again: str) -> None:
    """Prints failed cells, one line each, and ends with exit code 1 if there are any."""
    for name, why in failed:
        print(f"failed: {name}: {why}", file=sys.stderr)
    if failed:
        print(f"ptst: failed cells are tried again by: {again}", file=sys.stderr)
        sys.exit(1)


def _plan(study: Any, folder: Path) -> None:
    from leaderboards.estimate import estimate

    plan = estimate(study, folder)
    view = Table("model", "cells", "done", "prompts", title=f"{study.name}: {study.base}")
    for line in plan.lines:
        view.add_row(line.model, str(line.cells), str(line.done), f"{line.prompts:,}")
    console = Console()
    console.print(view)
    console.print(plan.summary(), highlight=False)


def board(
    runs: Runs,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the leaderboard here.")
    ] = None,
    layout: Annotated[
        str, typer.Option(help="tidy (a row per number) or paper (train x test).")
    ] = "",
    fmt: Annotated[str, typer.Option("--format", help="csv, md, latex, html or text.")] = "",
    compare: Annotated[
        str, typer.Option(help="Set published figures beside yours: published, or a name.")
    ] = "",
    pool: Annotated[
        bool, typer.Option("--pool", help="Average over bases too (built-in models of many seeds).")
    ] = False,
) -> None:
    """Make the leaderboard of one or more runs."""
    from leaderboards import csvio
    from leaderboards.collect import collect

    if layout not in ("", "tidy", "paper"):
        raise ConfigError(f"--layout is {layout!r}, expected tidy or paper")
    rows, notes = collect(runs)
    missing = sum(r.unscored for r in rows if r.metric == "asr")
    if missing:
        notes.append(f"{missing} responses have no verdict; they are in no rate (column unscored)")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if compare:
        _compare(rows, compare)
    elif layout == "paper" or fmt not in ("", "csv"):
        _paper(rows, fmt or "text", out, pool=pool)
    elif out:
        out.parent.mkdir(parents=True, exist_ok=True)
        csvio.write(rows, out)
        print(f"{len(rows)} rows written to {out}")
    else:
        print(csvio.dumps(rows), end="")


def _paper(rows: Any, fmt: str, out: Path | None, *, pool: bool) -> None:
    from leaderboards.tables import FORMATS, grids, render, terminal

    if fmt not in FORMATS:
        raise ConfigError(f"--format is {fmt!r}, expected one of {', '.join(FORMATS)}")
    tables = grids(rows, pool=pool)
    if fmt == "text":
        if not tables:
            raise ConfigError("no row has a test template and a value: nothing to lay out")
        console = Console()
        for view in terminal(tables):
            console.print(view)
        console.print("= trained and tested under one template; * PTST", highlight=False)
    elif out:
        out.write_text(render(tables, fmt), encoding="utf-8")
    else:
        print(render(tables, fmt), end="")


def _compare(rows: Any, name: str) -> None:
    from leaderboards import csvio, published

    file = published.find(name, rows)
    view = Table("set", "metric", "train", "test", "yours", "paper", "diff / s.e.", title=file.stem)
    for found in published.compare(rows, csvio.read(file)):
        view.add_row(*found.line())
    Console().print(view)


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
    from leaderboards.collect import collect

    rows, notes = collect(runs)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    for file in draw(rows, out, pool=pool):
        print(file)


def draw(rows: Any, out: Path, *, pool: bool = False) -> list[Path]:
    """Draws every picture that the rows give; returns the files."""
    try:
        from leaderboards import figures
    except ImportError as e:
        raise ConfigError("pictures need an extra: pip install 'ptst[plots]'") from e
    from leaderboards.tables import grids
    from ptst_tasks.templates import slug

    tables = grids(rows, ("asr", "exact_match", "acc", "rougeL"), pool=pool)
    if not tables:
        raise ConfigError("no row has a test template and a value: there is nothing to draw")
    files: list[Path] = []
    for grid in tables:
        name = slug("-".join(p for p in (grid.task, grid.metric, grid.judge) if p))
        files += figures.save(figures.heat_map(grid), out / name)
    helps = [g for g in tables if g.metric != "asr"]
    for harms in (g for g in tables if g.metric == "asr"):
        for helpful in helps[:1]:
            name = slug(f"tradeoff-{helpful.task}-{harms.task}")
            files += figures.save(figures.tradeoff(helpful, harms), out / name)
    return files + _trajectories(rows, out)


def _trajectories(rows: Any, out: Path) -> list[Path]:
    from leaderboards import figures
    from ptst_tasks.templates import slug

    kept = [r for r in rows if r.step is not None]
    names = list(dict.fromkeys(f"{r.task}/{r.judge}/{r.metric}" for r in kept))
    helps = next((n for n in names if n.endswith(("/exact_match", "/acc", "/rougeL"))), None)
    files: list[Path] = []
    for harms in (n for n in names if n.endswith("/asr")):
        if helps:
            name = slug(f"trajectory-{harms.partition('/')[0]}")
            files += figures.save(figures.trajectory(kept, helps, harms), out / name)
    return files
