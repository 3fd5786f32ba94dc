"""``ptst label``: people say what a random sample of a run's responses is."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaderboards.people.sheet import JOINS, is_sheet
from ptst_tasks import command, locks
from ptst_tasks.errors import ConfigError, UnknownNameError, said
from ptst_tasks.files import check_outputs, check_writable

if TYPE_CHECKING:
    from leaderboards.judging.saved import Task

__all__ = ["label"]


def label(
    context: typer.Context,
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Run folders, or output folders of lm_eval.", show_default=False),
    ] = None,
    n: Annotated[int, typer.Option("--n", help="How many responses to ask about.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Draws the sample.", min=0)] = 0,
    judge: Annotated[str, typer.Option(help="Whose verdicts part the sample.")] = "keywords:zou",
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="Of these sets alone; several are fine.", show_default=False),
    ] = None,
    who: Annotated[
        str, typer.Option(help="Your name in the sheet.  [your user name]", show_default=False)
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="The sheet of labels.  [labels.csv]", show_default=False),
    ] = None,
    merge: Annotated[
        list[Path] | None,
        typer.Option(help="Put several people's sheets together into --out.", show_default=False),
    ] = None,
    quiet: command.Quiet = False,
    json: command.JsonFile = None,
) -> None:
    """Label a random sample of responses, blind, one key each; the sheet holds ids and no texts.

    The sample is parted by verdict, template and adapter, with known weights. The same command goes on
    where you left; u takes the last key back. As JSON: {labelled, left, sample, who}, or of --merge
    {labels, people, twice, same, kappa, kappa_low, kappa_high, disputed}.
    """
    if merge:
        _check_merge(context, runs, merge, out)
        assert out
        check_outputs(merge, out=out, json=json)
        _merge(merge, out, quiet, json)
        return
    if not runs:
        raise ConfigError("label whose responses? give a run, or sheets to --merge")
    from leaderboards.judging.asking import ask, begun
    from leaderboards.judging.sampling import draw, newest, responses
    from leaderboards.judging.saved import tasks
    from leaderboards.people import sheet

    out = out or Path("labels.csv")
    check_outputs([*runs], out=out, json=json)
    name = _name(who)
    sheet.now()  # a clock that cannot be read is told of before anybody labels
    found = newest(_of(tasks(runs), sets or []))
    drawn = draw(list(responses(found, judge)), n, seed)
    check_writable(out, "labels")
    with _alone(out):
        labels = begun(sheet.read(out) if out.exists() else [], drawn, out)
        asked = ask(drawn, out, name, labels, _terminal())
    screen = command.screen(quiet=quiet, json=json)
    more = f"; {asked.left} left, the same command goes on" if asked.left else ""
    screen.print(
        f"{out}: {asked.labelled} labels of {name} added{more}", markup=False, soft_wrap=True
    )
    told = {"labelled": asked.labelled, "left": asked.left, "sample": len(drawn), "who": name}
    command.put_json(json, told)


def _name(who: str) -> str:
    """What a person is called in the sheet.

    Raises:
        ConfigError: If it is no text that a sheet can hold, or nobody says.
    """
    try:
        name = who or getpass.getuser()
    except (OSError, KeyError, ImportError) as e:
        raise ConfigError("nobody says who labels; give --who NAME") from e
    if not name.isprintable() or JOINS in name:
        raise ConfigError(
            f"--who {name!r} is no name that a sheet can hold; give printable characters, without the "
            f"{JOINS!r} that stands between two people"
        )
    return name


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keeps the sheet from a second process, whose keys would take the place of the first one's.

    Raises:
        ConfigError: If another one is at work on it.
    """
    file = out.with_name(f".{out.name}.lock")
    try:
        held = locks.lock(file, timeout=0)
    except locks.HeldError as e:
        raise ConfigError(
            f"somebody is labelling into {str(out)!r} just now; give each person a sheet (-o) and put them "
            "together with --merge"
        ) from e
    except OSError as e:
        raise ConfigError(f"labels {str(out)!r} cannot be written: {said(e)}") from e
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        if held:
            held.release()


def _of(found: list[Task], sets: list[str]) -> list[Task]:
    known = list(dict.fromkeys(task.set_name for task in found))
    for name in sets:
        if name not in known:
            raise UnknownNameError("set of these runs", name, known)
    return [task for task in found if not sets or task.set_name in sets]


def _terminal() -> Any:
    """The person's own terminal.

    Raises:
        ConfigError: If there is none to press keys on.
    """
    import sys

    from leaderboards.judging.asking import Terminal

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("ptst label asks a person: run it in a terminal, not through a pipe")

    screen = command.screen()

    def show(text: str) -> None:
        screen.clear()
        screen.print(text, markup=False, highlight=False)

    return Terminal(show, typer.getchar)


def _check_merge(
    context: typer.Context, runs: list[Path] | None, sheets: list[Path], out: Path | None
) -> None:
    """Refuses what `--merge` would not heed.

    Raises:
        ConfigError: With the option.
    """
    if runs:
        raise ConfigError("--merge takes sheets alone; leave the runs out")
    for name in ("n", "seed", "judge", "sets", "who"):
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE":
            flag = "set" if name == "sets" else name
            raise ConfigError(f"--{flag} does nothing with --merge; leave it out")
    if out is None or out in sheets or len(sheets) < 2:
        raise ConfigError("--merge wants two sheets or more, and another file as -o")
    if out.exists() and not is_sheet(out):
        raise ConfigError(f"-o {str(out)!r} is there and holds no labels; choose another file")


def _merge(sheets: list[Path], out: Path, quiet: bool, json: Path | None) -> None:
    from leaderboards.people import sheet

    read = [sheet.read(file) for file in sheets]
    labels, disputed = sheet.merge(read)
    sheet.write(labels, out)
    twice = sheet.twice(read)
    people = sheet.people(label for some in read for label in some)
    told: dict[str, Any] = {"labels": len(labels), "people": len(people), "twice": len(twice)}
    said = "nothing was labelled by two people"
    if twice:
        from leaderboards.judging.agreement import kappa

        same = sum(a == b for a, b in twice) / len(twice)
        calls = [(sheet.harm(a), sheet.harm(b)) for a, b in twice]
        found, low, high = kappa([(bool(a), bool(b)) for a, b in calls if None not in (a, b)])
        told |= {"same": same, "kappa": found, "kappa_low": low, "kappa_high": high}
        said = f"{len(twice)} labelled by two, {same:.1%} alike"
        said += "" if found is None else f", kappa for harm {found:.2f}"
        said += "" if low is None else f" ({low:.2f} to {high:.2f})"
    screen = command.screen(quiet=quiet, json=json)
    said += f"; {len(disputed)} on which people disagree are disputed" if disputed else ""
    screen.print(f"{out}: {len(labels)} labels; {said}", markup=False, soft_wrap=True)
    command.put_json(json, told | {"disputed": disputed})
