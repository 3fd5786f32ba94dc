"""Writes the report to a file: what `ptst report` and the Python door call."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from leaderboards.gate.policy import Policy
from leaderboards.report.build import Built, build
from leaderboards.report.sendable import Texts
from leaderboards.report.wishes import Wishes, check_wishes
from ptst_tasks.files import check_outputs, check_writable, write_text

__all__ = ["write_page", "write_report"]


def write_page(runs: Sequence[Path], out: Path, wishes: Wishes, **others: Path | None) -> Built:
    """Checks what is wished, reads, and writes.

    Args:
        runs: One, or two: before and after.
        out: The file.
        wishes: What it is to hold.
        **others: Files that are written beside it, by their flags.

    Raises:
        PTSTError: As `build`, and if the file cannot be written.
    """
    check_wishes(len(runs), wishes)
    check_outputs(runs, out=out, **others)
    check_writable(out, "--out")
    made = build([[run] for run in runs], wishes)
    write_text(out, made.html, what="--out")
    return made


def write_report(
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    texts: Texts = "harmless",
    label: int | None = None,
    policy: Policy | None = None,
    pool: bool = False,
) -> Path:
    """Writes the report of a run, or of two (before and after), as `ptst report` does.

    Args:
        runs: A run folder, an output folder of lm_eval or a leaderboard; or two.
        out: The HTML file.
        texts: Which prompts and answers it holds: ``harmless``, ``harmful`` (those too) or ``none``.
        label: Responses that the page asks people about; None for at most 100.
        policy: What two runs are compared by.
        pool: Average over bases that differ in a seed.

    Returns:
        The file.

    Raises:
        ConfigError: If an argument is wrong, or the file cannot be written.
        DataError: If a run gives nothing, or is damaged.
        MissingExtraError: If what a report takes is not installed.
    """
    sides = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    wishes = Wishes(texts, label=label, policy=policy, pool=pool)
    for note in write_page([Path(side) for side in sides], Path(out), wishes).notes:
        warnings.warn(note, stacklevel=2)
    return Path(out)
