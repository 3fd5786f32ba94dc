"""How every command ends, and the options that all of them share.

One handler turns what a user can cause into one line on standard error, ``ptst: error: ...``, and
an exit code; commands only raise. A fault of ours keeps its traceback.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ptst_tasks.errors import PTSTError, said
from ptst_tasks.files import dump_json, printable, write_text
from ptst_tasks.keys import hidden

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["EXITS", "JsonFile", "Quiet", "fail", "put_json", "put_text", "run", "screen"]

EXITS = {
    0: "fine",
    1: "a regression, a failed cell, too many verdicts missing, or something broken here",
    2: "wrong use or bad input; nothing was measured",
    130: "interrupted; the same command goes on",
}
"""Exit code -> what it says. `ptst --help` and the docs are made from it."""

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and notes.")]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", help="Write what it says as JSON here; - for standard output."),
]

# Of typer's, whichever click it carries: what wrong use of the command line raises.
_ClickError: type[Exception] = typer.BadParameter.__mro__[2]


def run(app: typer.Typer, args: list[str] | None = None, *, prog: str | None = None) -> NoReturn:
    """Runs a command and ends the process with its exit code.

    Args:
        app: The command.
        args: Its words; those of the process if they are not said.
        prog: Its name for usage lines.
    """
    for name in ("stdout", "stderr"):  # closed, as by `>&-`: everybody writes there
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # of a machine whose locale is C
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(args=args, prog_name=prog, standalone_mode=False)
    except (PTSTError, OSError, MemoryError) as e:
        code = fail(said(e))
    except _ClickError as e:
        code = fail(_wrong_use(e))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    if code == 130:  # typer makes this of the interrupt itself
        print("ptst: interrupted", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def fail(why: str) -> int:
    """Prints an error as the one line that it is, without any key; returns the exit code."""
    print(f"ptst: error: {printable(hidden(' '.join(why.split())))}", file=sys.stderr)
    return 2


def _wrong_use(error: Any) -> str:
    """What typer found wrong with the command line, and where help is."""
    context = getattr(error, "ctx", None)
    hint = f"; see {context.command_path} --help" if context else ""
    return f"{error.format_message().rstrip('.')}{hint}"


def screen(*, quiet: bool = False, json: Path | None = None) -> Console:
    """Where a command's own words go: nowhere if `quiet`, beside JSON on standard output to stderr.

    Not for errors and notes, which always go to standard error.
    """
    from rich.console import Console

    # In a log nothing is gained by folding at 80 columns.
    console = Console(quiet=quiet, stderr=str(json) == "-", highlight=False)
    return console if console.is_terminal else Console(
        quiet=quiet, stderr=str(json) == "-", highlight=False, width=max(console.width, 160)
    )  # fmt: skip


def put_json(target: Path | None, value: Any) -> None:
    """Writes what ``--json`` asks for; nothing if it was not given.

    Raises:
        ConfigError: If the file cannot be written.
    """
    if target is None:
        return
    if str(target) == "-":
        put_text(dump_json(value))
    else:
        write_text(target, dump_json(value), what="--json")


def put_text(text: str) -> None:
    """Writes data to standard output, always as UTF-8: a locale must not change a CSV or JSON."""
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # a notebook's, a test's
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    stream.write(text.encode("utf-8", "backslashreplace"))
    stream.flush()
