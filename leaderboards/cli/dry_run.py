"""``ptst run --dry-run``: everything that can be found wrong without weights in memory, all at once.

Each check (`leaderboards.run.dry_checks`) is given what was read so far and yields what is wrong, in a
sentence; one that needs what was found wrong before is left out, since it would blame the wrong
thing. Nothing is written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from leaderboards.run import engine_choice
from leaderboards.run.dry_checks import CHECKS
from leaderboards.run.dry_findings import Findings
from leaderboards.run.idle import idle
from leaderboards.run.study import Study
from leaderboards.run.study_errors import blocked
from leaderboards.run.study_files import load_with_faults
from ptst_tasks.command import put_json, screen
from ptst_tasks.errors import ConfigError, PTSTError, said
from ptst_tasks.files import check_outputs, file_name
from ptst_tasks.memory import gigabytes

__all__ = ["look", "show_dry_run"]


def show_dry_run(
    which: str, out: str | Path | None, *, json: Path | None = None, quiet: bool = False
) -> None:
    """Prints the plan of a study, and everything that is wrong with it.

    Args:
        which: A study's YAML, or the name of a ready one.
        out: The run's folder.
        json: File for plan and faults.
        quiet: Print nothing but faults.

    Raises:
        ConfigError: If anything is wrong; with the only fault, or how many were printed.
    """
    check_outputs([Path(which)], json=json)
    found = look(which, out)
    put_json(json, found.as_json())
    if found.plan is not None and str(json) != "-":
        _print(found, quiet)
    if not quiet:
        for note in found.notes:
            print(f"note: {' '.join(note.split())}", file=sys.stderr)
    if len(found.faults) == 1:
        raise ConfigError(found.faults[0])
    for fault in found.faults:
        print(f"fault: {' '.join(fault.split())}", file=sys.stderr)
    if found.faults:
        raise ConfigError(
            f"{len(found.faults)} faults in study {which!r}, each in a line above; nothing was run"
        )


def _without(study: Study, wrong: set[str]) -> Study:
    """The study without values that are wrong and that the rest can be looked at without."""
    test: dict[str, dict[str, Any]] = {
        "decoding": {"gen_kwargs": {}, "decoding_seeds": ()},
        "options": {"options": {}},
        "style": {"style": ""},
    }
    own: dict[str, dict[str, Any]] = {
        "judges": {"judges": tuple(spec for spec in study.judges if _can_be_made(spec))},
        "engine_args": {"engine_args": {}},
        "alike": {"engine_args": {}},
        "thinking": {"thinking": "auto"},
    }
    tested = {k: v for part, values in test.items() if part in wrong for k, v in values.items()}
    rest = {k: v for part, values in own.items() if part in wrong for k, v in values.items()}
    return study.model_copy(update={"test": study.test.model_copy(update=tested), **rest})


def _can_be_made(judge: str) -> bool:
    from ptst_tasks.judges import make

    try:
        make(judge)
    except (PTSTError, OSError):
        return False
    return True


def _print(found: Findings, quiet: bool) -> None:
    from rich.table import Table

    plan = found.plan
    assert plan is not None
    title = f"{found.study.name}: {found.study.label}"
    view = Table("model", "cells", "done", "prompts", title=title)
    for line in plan.lines:
        view.add_row(line.model, str(line.cells), str(line.done), f"{line.prompts:,}")
    console = screen(quiet=quiet)
    console.print(view, markup=False)
    console.print(plan.summary(), highlight=False, markup=False)
    for need in found.needs:
        console.print(f"memory: {need.words()}", markup=False)
    sure, most = found.disk
    console.print(f"disk: about {gigabytes(sure)}, at most about {gigabytes(most)}", markup=False)


def look(which: str, out: str | Path | None = None) -> Findings:
    """Finds out all that can be found out about a study without loading weights.

    Args:
        which: A study's YAML, or the name of a ready one.
        out: The run's folder; ``runs/NAME`` if it is not said.

    Raises:
        ConfigError: If the file is no YAML.
        UnknownNameError: If there is no such study.
    """
    if out is not None and not str(out).strip():
        raise ConfigError(f"--out is {out!r}, expected a folder")
    study, faults = load_with_faults(which)
    if study is None:
        raise ConfigError(said(faults.faults[0]))
    folder = Path("runs") / file_name(study.name) if out is None else Path(out)
    asked, notes = engine_choice.planned(_without(study, faults.wrong), folder)
    found = Findings(asked, folder, notes=notes)
    found.faults = [said(fault) for fault in faults.faults]
    found.wrong = faults.wrong
    for part, needs, check in CHECKS:
        if blocked((part, *needs), found.wrong):
            found.wrong.add(part)
            continue
        try:
            new = list(check(found))
        except (PTSTError, OSError) as e:
            new = [said(e)]
        if new:
            found.wrong.add(part)
        found.faults += [fault for fault in dict.fromkeys(new) if fault not in found.faults]
    if not blocked(("names", "sets", "train.*"), found.wrong):
        found.notes[:0] = [*idle(study), *study.notes]
    return found
