"""``ptst run``: a study; `board_command` has the leaderboard and the pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from leaderboards.board_command import board, plot
from leaderboards.progress import Progress
from ptst_tasks.command import JsonFile

__all__ = ["Bar", "register", "show_failures"]


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
    json: JsonFile = None,
    share: Annotated[
        bool,
        typer.Option("--share/--no-share", help="Take cells that a run beside it has measured."),
    ] = True,
) -> None:
    """Train, evaluate and judge what a study asks for; run again, it goes on where it was."""
    from leaderboards import runner
    from leaderboards.idle import idle
    from leaderboards.study import load

    if dry_run:
        from leaderboards.dry_run import show

        show(study, out, json=json)
        return
    asked = load(study)
    for line in (*idle(asked), *asked.notes):
        print(f"note: {line}", file=sys.stderr)
    folder = out or Path("runs") / asked.name
    try:
        outcome = runner.run(asked, folder, Bar(), share=share)
    except KeyboardInterrupt:
        print(f"ptst: stopped; go on with: ptst run {study} --out {folder}", file=sys.stderr)
        sys.exit(130)
    print(f"{outcome.done} cells measured, {outcome.kept} were there, {len(outcome.failed)} failed")
    if outcome.judged:
        print(f"{outcome.judged} times a judge was missing in a cell that was there, and judged it")
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
