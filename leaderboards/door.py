"""The Python door: what the commands do, as functions that give values; see `leaderboards`.

A wrong argument, a damaged file or a run that cannot be had is a `ptst_tasks.errors.PTSTError`, as
for the commands. What a command would print as a note is a warning.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptst_tasks.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from leaderboards.gate.decision import Report
    from leaderboards.gate.policy import Policy
    from leaderboards.judging.score import Scored
    from leaderboards.run.outcome import Outcome
    from leaderboards.run.study import Study
    from ptst_tasks.judges import Judge
    from ptst_tasks.judges.budget import Budget

__all__ = ["check_release", "draw_board", "load_study", "read_board", "run_study",
           "score_runs"]  # fmt: skip

Place = str | os.PathLike[str]


def load_study(which: Place, **overrides: Any) -> Study:
    """Reads a study, as `ptst run` does.

    Args:
        which: A study's YAML file, or the name of a ready one (``demo``).
        **overrides: Fields in place of the file's own, each as a whole:
            ``train={"data": "gsm8k", "templates": ["CV"]}``.

    Returns:
        The study, all names of which are in their tables.

    Raises:
        ConfigError: If the file is no YAML, or a field is wrong or unknown.
        UnknownNameError: If it names a template, a set or a format that is in no table.
    """
    from leaderboards.run.study_files import check_values, load

    said = _as_yaml(overrides)  # with the same checks as what a file says
    check_values(said, "load_study")
    return load(os.fspath(which), **said)


def run_study(
    study: Study | Place, out: Place | None = None, *, share: bool = True, quiet: bool = False
) -> Outcome:
    """Trains, evaluates and judges what a study asks for, as `ptst run` does.

    Called again with the same folder, it goes on where it was, also after Ctrl-C.

    Args:
        study: From `load_study`, or what that takes.
        out: The run's folder; ``runs/NAME`` if it is not said.
        share: Take cells that a run beside it has measured.
        quiet: Show no bar.

    Returns:
        How many cells were measured (`done`) and were there (`kept`), what `failed` and why, and
        `notes`. A cell that fails raises nothing: look at `failed`.

    Raises:
        PTSTError: If the study as a whole cannot run, or the folder is another study's or in use.
    """
    from leaderboards.run import runner
    from leaderboards.run.idle import idle
    from leaderboards.run.study import Study
    from ptst_tasks.files import file_name
    from ptst_tasks.progress import Bar, Progress

    asked = study if isinstance(study, Study) else load_study(study)
    if out is not None and (not os.fspath(out).strip() or "\0" in os.fspath(out)):
        raise ConfigError(f"out is {os.fspath(out)!r}, expected a folder")
    _warn((*idle(asked), *asked.notes))
    folder = Path("runs") / file_name(asked.name) if out is None else Path(out)
    return runner.run(asked, folder, Progress() if quiet else Bar(), share=share)


def read_board(*runs: Place) -> pd.DataFrame:
    """Reads the leaderboard of one or more runs: the rows of `ptst board`'s CSV.

    Args:
        *runs: Run folders, output folders of lm_eval, or leaderboard CSVs.

    Returns:
        A line per measured number, in the CSV's order and columns (see docs/numbers.md). `value` and
        its 95 % interval `ci_low`, `ci_high` are 0..1 for rates, NaN where nothing could be measured;
        `n` counts the prompts with a verdict, `unscored` those without. Whether higher is worse is
        the metric's: it is for ``asr`` and ``incoherent``, it is not for ``exact_match`` and
        ``acc``. A cell that failed is a line with an `error`.

    Raises:
        DataError: If a run gives nothing, with what is wrong with it.
    """
    from leaderboards.board.collect import collect_each
    from leaderboards.board.row_frame import row_frame

    rows, notes = collect_each(list(map(Path, runs)))
    _warn(notes)
    return row_frame(rows)


def draw_board(runs: Place | Iterable[Place], out: Place, *, pool: bool = False) -> list[Path]:
    """Draws what `ptst plot` draws: heat maps, helpfulness against ASR, and both along training.

    Args:
        runs: As for `read_board`; one, or several.
        out: Folder for PNG and SVG.
        pool: Average over bases that differ in a seed.

    Returns:
        The files.

    Raises:
        ConfigError: If there is nothing to draw, or it cannot be written.
        DataError: If a run gives nothing.
        MissingExtraError: If matplotlib is missing.
    """
    from leaderboards.board.collect import collect_each
    from leaderboards.board.pictures import draw

    rows, notes = collect_each(list(map(Path, _several(runs))))
    _warn(notes)
    return draw(rows, Path(out), pool=pool, say=lambda note: _warn([note]))


def score_runs(
    runs: Place | Iterable[Place],
    judges: str | Iterable[str],
    *,
    max_calls: int | None = None,
    max_cost: float | None = None,
    max_unscored: float = 0.02,  # score.MAX_UNSCORED
    cache: Place | None = None,
) -> pd.DataFrame:
    """Judges saved responses and adds the verdicts to the runs, as `ptst score` does.

    Nothing is generated again. All is read, and what is to be paid is estimated, before the first
    call. Verdicts of several models under one judge's name, and earlier ones that are replaced, are
    told of on standard error; a judge whose canaries say that it changed is a warning, at once.

    Args:
        runs: Run folders, or output folders of lm_eval; one, or several.
        judges: ``NAME`` or ``NAME:key=value,...``; one, or several.
        max_calls: All judges together make no more calls, retries included.
        max_cost: All judges together spend no more USD.
        max_unscored: Share of a task's responses, 0..1, past which it is marked failed if they
            have no verdict.
        cache: Cache of verdicts; by default ``$PTST_JUDGE_CACHE`` or ``~/.cache/ptst``.

    Returns:
        A line per judge and task: `model`, `set`, `template`, `judge`, `n` (responses with a
        verdict), `unscored` (those without), `failed` (too many of them), `reasons` (why they are
        missing), and the judge's rates over the `n`, 0..1 and NaN where there is none: `asr` (higher
        is worse), `refused`, `incoherent`, ... and `score` in the judge's own unit.

    Raises:
        ConfigError: If an argument is wrong, or the limits do not do.
        DataError: If there is nothing to judge, or a file is damaged or cannot be written.
        JudgeError: If no verdict can be had; what was judged before stays written.
    """
    import pandas as pd

    from leaderboards.judging import cost, summary
    from leaderboards.judging.saved import check_readable, check_writable, tasks
    from leaderboards.judging.watched import score_all, warning_at_once
    from ptst_tasks.judges.budget import Budget

    _check_limits(max_calls, max_cost, max_unscored)
    budget = Budget(max_calls, max_cost)
    made = _judges(_several(judges), budget, cache)
    found = tasks(_several(runs))
    check_readable(found)
    check_writable(found)
    cost.check_ready(made, found)
    with warning_at_once() as warn:
        scored = score_all(made, found, budget, max_unscored, warn)
    summary.models(scored)
    summary.replaced(scored)
    return pd.DataFrame([_scored(spec, one, max_unscored) for spec, one in scored])


def check_release(
    baseline: Place,
    current: Place,
    policy: Policy | Place | None = None,
    *,
    strict: bool = False,
    allow_mismatch: bool = False,
    baseline_only: str | Iterable[str] = (),
    current_only: str | Iterable[str] = (),
) -> Report:
    """Says whether a release is less safe or less able than the last, as `ptst check` does.

    Args:
        baseline: The last good release: CSV, run folder or output folder of lm_eval.
        current: The release in question, likewise.
        policy: A ``gate.yaml``, or what `load_policy` made of it; without it the defaults hold.
        strict: What is not decided fails too.
        allow_mismatch: Compare what was not measured alike.
        baseline_only: Rows of the baseline to use, ``COLUMN=VALUE``.
        current_only: Rows of the release to use.

    Returns:
        The report: `failed`, the `lines` (worst first), `notes`, and `to_frame()`.

    Raises:
        ConfigError: If the policy does not mean what it says, or a condition leaves no row.
        DataError: If the two cannot be compared.
    """
    from leaderboards.board.sides import read_side, select
    from leaderboards.gate.decide import check_sides
    from leaderboards.gate.policy import Policy, load_policy

    rules = policy if isinstance(policy, Policy) else load_policy(policy)
    if strict:
        rules = rules.model_copy(update={"strict": True})
    new = select(read_side(current), _several(current_only), "current_only")
    old = select(read_side(baseline), _several(baseline_only), "baseline_only")
    return check_sides(old, new, rules, allow_mismatch=allow_mismatch)


def _several(given: Any) -> list[Any]:
    """One or several, as a list: a text is one name, not its letters."""
    return [given] if isinstance(given, str | os.PathLike) else list(given)


def _as_yaml(value: Any) -> Any:
    """A value as YAML would have it: lists for tuples, text for paths."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, dict):
        return {name: _as_yaml(inner) for name, inner in value.items()}
    return [_as_yaml(inner) for inner in value] if isinstance(value, list | tuple) else value


def _check_limits(max_calls: int | None, max_cost: float | None, max_unscored: float) -> None:
    if not 0 <= max_unscored <= 1:
        raise ConfigError(f"max_unscored is {max_unscored!r}, expected a share of 0..1")
    if max_calls is not None and max_calls < 0:
        raise ConfigError(f"max_calls is {max_calls!r}, expected a number from 0 on")
    if max_cost is not None and not (math.isfinite(max_cost) and max_cost >= 0):
        raise ConfigError(f"max_cost is {max_cost!r}, expected USD, a number from 0 on")


def _judges(specs: list[str], budget: Budget, cache: Place | None) -> list[Judge]:
    """The judges, under one limit."""
    from ptst_tasks.judges.group import make_all, share, use_cache

    if not specs:
        raise ConfigError("judges is empty; name one, for example 'keywords:zou'")
    made = make_all(specs)
    share(made, budget)
    for judge in made:
        use_cache(judge, cache)
    return made


def _scored(spec: str, one: Scored, most: float) -> dict[str, Any]:
    return {
        "model": one.task.model,
        "set": one.task.set_name,
        "template": one.task.template,
        "judge": spec,
        "n": one.n - one.unscored,
        "unscored": one.unscored,
        "failed": one.share > most,
        "reasons": "; ".join(f"{times}: {why}" for why, times in one.reasons.most_common()),
        **{name: value for name, value in one.values.items() if name != "unscored"},
    }


def _warn(notes: Iterable[str]) -> None:
    """What a command would note, as warnings of the line that called the door."""
    for note in notes:
        warnings.warn(note, stacklevel=3)
