"""``ptst run``: a study; `board_command` has the leaderboard and the pictures."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from leaderboards.cli.boards import board, plot
from leaderboards.run.outcome import Outcome
from ptst_tasks import command, files
from ptst_tasks.errors import ConfigError
from ptst_tasks.progress import Bar, Progress
from ptst_tasks.replies import RAISE

__all__ = ["Bar", "register", "show_failures"]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for one in (run, board, plot):
        app.command()(one)


def run(
    study: Annotated[str, typer.Argument(help="A study's YAML, or the name of a ready one.")],
    out: Annotated[
        str | None, typer.Option(help="The run's folder; default runs/NAME.", metavar="PATH")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, what is done, and an estimate.")
    ] = False,
    share: Annotated[
        bool,
        typer.Option("--share/--no-share", help="Take cells that a run beside it has measured."),
    ] = True,
    quiet: command.Quiet = False,
    json: command.JsonFile = None,
) -> None:
    """Train, evaluate and judge what a study asks for; run again, it goes on where it was."""
    from leaderboards.run import runner
    from leaderboards.run.idle import idle
    from leaderboards.run.study_files import load

    files.check_outputs([Path(study)], json=json)
    if dry_run:
        from leaderboards.cli.dry_run import show_dry_run

        show_dry_run(study, None if out is None else _folder(out, ""), json=json, quiet=quiet)
        return
    asked = load(study)
    for line in (*idle(asked), *asked.notes):
        print(f"note: {line}", file=sys.stderr)
    folder = _folder(out, asked.name)
    share_flag = [] if share else ["--no-share"]
    again = shlex.join(["ptst", "run", study, "--out", str(folder), *share_flag])
    progress = Progress() if quiet else Bar()
    try:
        outcome = runner.run(asked, folder, progress, share=share)
    except KeyboardInterrupt:
        print(f"ptst: stopped; go on with: {again}", file=sys.stderr)
        sys.exit(130)
    command.put_json(json, {"run": str(folder), **outcome.as_json()})
    _say(outcome, folder, command.screen(quiet=quiet, json=json), again)


def _folder(out: str | None, name: str) -> Path:
    """The run's folder.

    Raises:
        ConfigError: If ``--out`` is empty (a script's variable that is not set) or no path.
    """
    if out is not None and (not out.strip() or "\0" in out):
        raise ConfigError(f"--out is {out!r}, expected a folder")
    return Path("runs") / files.file_name(name) if out is None else Path(out)


def _say(outcome: Outcome, folder: Path, screen: Console, again: str) -> None:
    """Prints what a run came to; exit code 1 if a cell failed."""
    told = [
        f"{outcome.done} cells measured, {outcome.kept} were there, {len(outcome.failed)} failed"
    ]
    if outcome.judged:
        told.append(
            f"{outcome.judged} times a judge was missing in a cell that was there, and judged it"
        )
    for line in told:
        screen.print(line, markup=False, soft_wrap=True)
    for note in outcome.notes:
        print(f"note: {note}", file=sys.stderr)
    show_failures(outcome.failed, again)
    screen.print(f"now: {shlex.join(['ptst', 'board', str(folder)])} --layout paper", markup=False,
                 soft_wrap=True)  # fmt: skip


def show_failures(failed: list[tuple[str, str]], again: str) -> None:
    """Prints failed cells, one line each, and ends with exit code 1 if there are any."""
    for name, why in failed:
        print(f"failed: {name}: {why}", file=sys.stderr)
    cut = [why for _, why in failed if RAISE in why]
    if len(failed) > len(cut):
        print(f"ptst: failed cells are tried again by: {again}", file=sys.stderr)
    if cut:
        print(f"ptst: thoughts that were cut off stay so: {RAISE} (test.gen_kwargs of the study), then: "
              f"{again}", file=sys.stderr)  # fmt: skip
    if failed:
        sys.exit(1)
