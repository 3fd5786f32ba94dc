"""Runs a study: trains what is missing, asks what was not asked, and can be killed at any moment.

One base model is in memory for all adapters, and all templates and sets of one adapter go
through one pass of generation. Run again, a study goes on where it was.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboards.board import disk
from leaderboards.run.adapters import RunAdapters
from leaderboards.run.asked import load_asked
from leaderboards.run.dry_models import cached
from leaderboards.run.faults import check_disk
from leaderboards.run.holding import check, claimed
from leaderboards.run.ledger import CellLedger
from leaderboards.run.local import measure_here
from leaderboards.run.outcome import Outcome
from leaderboards.run.prompt_checks import check_switch, differences
from leaderboards.run.store import Store, incomplete
from leaderboards.run.study import Study
from ptst_tasks.errors import said
from ptst_tasks.judges.watching import round_of
from ptst_tasks.progress import Progress

if TYPE_CHECKING:
    from leaderboards.judging.rejudge import Unscored

__all__ = ["run"]


def run(
    study: Study,
    out: str | os.PathLike[str],
    progress: Progress | None = None,
    *,
    share: bool = True,
) -> Outcome:
    """Runs a study, or what is left of it.

    Args:
        study: What to do.
        out: The run's folder.
        progress: Hears of every step.
        share: Take cells that a run beside it has; the outcome says from where.

    Raises:
        PTSTError: If the study as a whole cannot run, or the folder is another study's or in use; a
            cell that cannot be had is recorded instead.
    """
    folder = Path(out)
    check(study, folder)  # before a base is made
    ledger = CellLedger(study, Store(folder, share=share))
    adapters = RunAdapters(study, folder, ledger.outcome.notes)
    with claimed(study, folder) as alone:
        try:
            if alone:  # whatever is unfinished is a dead process's
                ledger.store.sweep()
            else:
                ledger.outcome.notes.append(
                    f"the file system of {str(folder)!r} locks no files: see to it yourself that "
                    "no other ptst run writes there"
                )
            with round_of(ledger.outcome.notes.append):
                _run(ledger, adapters, progress or Progress())
        except Exception as e:
            check_disk(e)
            raise
    return ledger.outcome


def _run(ledger: CellLedger, adapters: RunAdapters, progress: Progress) -> None:
    """Trains, measures, judges, and puts aside what the study no longer asks for."""
    study = ledger.study
    tasks = load_asked(study)  # before any training: a set that is missing is found at once
    check_switch(study, adapters.base)
    ledger.outcome.notes += differences(study, cached(study) or adapters.base)
    if study.executor == "local":
        measure_here(study.adapters(), tasks, ledger, adapters, progress)
    else:
        from leaderboards.run.executors.spread import spread

        spread(tasks, ledger, adapters, progress)
    _judge(ledger, tasks)
    _tell(ledger, ledger.store.keep_only(ledger.asked))


def _judge(ledger: CellLedger, tasks: Mapping[str, Any]) -> None:
    """Runs the judges that cells lack, which were there already."""
    from leaderboards.judging.rejudge import judge_missing, unscored

    store, outcome = ledger.store, ledger.outcome
    folders = dict.fromkeys(store.folder(cell) for cell in ledger.cells if not cell.lost)
    whole = [folder for folder in folders if disk.is_whole(folder)]

    def tell(who: str, why: Exception) -> None:
        check_disk(why)
        outcome.failed.append((f"judge {who}", said(why)))

    fresh = {store.folder(cell) for cell in ledger.fresh}
    most = ledger.study.max_unscored
    outcome.judged = judge_missing(whole, tasks, tell, fresh, most)
    missing = list(unscored(whole, tasks, tell, most))
    for spec, lost in _by_judge(missing).items():
        outcome.notes.append(f"{lost} responses have no verdict of judge {spec}")
    outcome.failed += [(f"judge {m.spec}", str(m)) for m in missing if m.too_many]


def _by_judge(missing: Iterable[Unscored]) -> Counter[str]:
    lost = Counter[str]()
    for one in missing:
        lost[one.spec] += one.lost
    return lost


def _tell(ledger: CellLedger, aside: Sequence[Mapping[str, Any]]) -> None:
    """Says what a reader of the exit code alone would not know."""
    store, notes = ledger.store, ledger.outcome.notes
    notes += store.damaged
    for origin, count in sorted(store.taken.items()):
        notes.append(
            f"{count} cells were taken from the run {origin!r} beside this one, which measured "
            "the same; --no-share measures them here"
        )
    if old := incomplete(aside):
        notes.append(
            f"{old} cells of an earlier ptst were measured anew: their record lacks the base's "
            "configuration and generation defaults, the adapter's configuration and the decoding "
            f"as it was used; the old ones are in {str(store.attic)!r}"
        )
    if rest := len(aside) - old:
        notes.append(f"{rest} cells that the study no longer asks for are in {str(store.attic)!r}")
