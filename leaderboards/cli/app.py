"""The `ptst` command: its parts, and what it says of itself."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from adapters_train.align_command import align
from adapters_train.train_command import train
from leaderboards.cli import demo
from leaderboards.cli import studies as study_commands
from leaderboards.cli import tasks as task_commands
from leaderboards.cli.check import check
from leaderboards.cli.doctor import doctor
from leaderboards.cli.explain import explain
from leaderboards.cli.judges import judges
from leaderboards.cli.label import label
from leaderboards.cli.publish import publish
from leaderboards.cli.report import report
from leaderboards.cli.score import score
from ptst_tasks import __version__, command

__all__ = ["app", "main"]

_EXITS = "Exit codes: " + "; ".join(f"{code} {what}" for code, what in command.EXITS.items()) + "."

app = typer.Typer(name="ptst", no_args_is_help=True, pretty_exceptions_enable=False)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ptst {__version__}")
        raise typer.Exit


@app.callback(epilog=_EXITS)
def _ptst(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_say_version, help="Print the version."),
    ] = False,
) -> None:
    """Did fine-tuning cost this model its refusals? Under which prompt template?"""


demo.register(app)
study_commands.register(app)
task_commands.register(app)
app.command()(train)
app.command()(align)
app.command()(score)
app.command()(label)
app.command()(judges)
app.command()(report)
app.command()(publish)
app.command()(explain)
app.command()(check)
app.command()(doctor)


def main(args: list[str] | None = None) -> NoReturn:
    """Runs the command and ends the process with its exit code."""
    command.run(app, args, prog="ptst")
