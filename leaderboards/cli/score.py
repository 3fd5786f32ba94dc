"""``ptst score``: judge what was generated, without generating it again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaderboards.cli.score_options import ScoreOptions
from ptst_tasks import __version__, files
from ptst_tasks.command import Quiet, put_json, screen
from ptst_tasks.errors import ConfigError, PTSTError, said
from ptst_tasks.keys import hidden

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboards.judging.saved import Task
    from leaderboards.judging.score import Scored
    from ptst_tasks.judges import Judge
    from ptst_tasks.judges.rounds import Round

__all__ = ["score"]


def score(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or output folders of lm_eval.")],
    judge: Annotated[
        list[str] | None,
        typer.Option(help="NAME or NAME:key=value,...; several are fine."),
    ] = None,
    model: Annotated[str, typer.Option(help="The judge's model; as model= in --judge.")] = "",
    base_url: Annotated[str, typer.Option(help="Its endpoint; as base_url= in --judge.")] = "",
    rubric_file: Annotated[str, typer.Option(help="Another rubric; as rubric= in --judge.")] = "",
    judge_reasoning: Annotated[
        bool, typer.Option("--judge-reasoning", help="Judge what was thought, too: reasoning_asr.")
    ] = False,
    max_calls: Annotated[
        int | None,
        typer.Option(min=0, help="All judges together make no more calls, retries included."),
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="All judges together spend no more USD.")
    ] = None,
    price: Annotated[
        str,
        typer.Option(
            metavar="IN,OUT",
            help="USD per million tokens of the judge's model; of several in each --judge.",
        ),
    ] = "",
    max_unscored: Annotated[
        float,
        typer.Option(min=0, max=1, help="Fail where a larger share of a task has no verdict."),
    ] = 0.02,  # score.MAX_UNSCORED, which is not imported for --help
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate only; send nothing.")
    ] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help="Send as a batch of OpenAI's Batch API and stop.")
    ] = False,
    resubmit: Annotated[
        bool, typer.Option("--resubmit", help="With --batch: pay again for what is not collected.")
    ] = False,
    batch_id: Annotated[
        list[str] | None, typer.Option(help="Collect this batch, then score; several are fine.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Cache of verdicts ($PTST_JUDGE_CACHE, ~/.cache/ptst).")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Add the verdicts to this file, for --judge replay:FILE.")
    ] = None,
    canaries: Annotated[
        bool, typer.Option(help="Watch an endpoint's judge by 50 calls of our own.")
    ] = True,
    compare: Annotated[
        bool, typer.Option("--compare", help="Show how far the judges agree, old ones included.")
    ] = False,
    human: Annotated[
        list[Path] | None,
        typer.Option(
            help="Labels of people: sheets of ptst label, or a CSV (id,label,...) to compare with."
        ),
    ] = None,
    correct_by: Annotated[
        str,
        typer.Option(help="With labels of ptst label: post-stratified, ppi++ or 'labels alone'."),
    ] = "",
    show: Annotated[
        bool, typer.Option("--show", help="Print responses too; they may be harmful to read.")
    ] = False,
    json: Annotated[
        Path | None,
        typer.Option(help="Write rates and agreement here; - for standard output."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Judge saved responses and add the verdicts to the run; nothing is generated again.

    Exit code 0: done. 1: done, but too many verdicts are missing. 2: it could not be done.
    """
    asked = ScoreOptions(
        judge or [], model, base_url, rubric_file, judge_reasoning, max_calls, max_cost, price,
        max_unscored, dry_run, batch, resubmit, tuple(batch_id or ()), cache, record,
        canaries, compare, tuple(human or ()), correct_by, show, json, quiet,
    )  # fmt: skip
    if _run(runs, asked):
        raise typer.Exit(1)


def _made(asked: ScoreOptions) -> list[Judge]:
    """The judges; what is wrong with them names the option that said it.

    Raises:
        PTSTError: If there is something wrong.
    """
    from ptst_tasks.judges.group import make_all

    specs = asked.specs()
    try:
        return make_all(specs)
    except PTSTError as e:
        named = (("--model", asked.model, "model"), ("--base-url", asked.base_url, "base_url"),
                 ("--rubric-file", asked.rubric_file, "rubric"))  # fmt: skip
        words = str(e).partition(": ")[2]  # behind the judge's own name
        guilty = [flag for flag, value, name in named if value and _about(words, name, value)]
        raise ConfigError(f"{guilty[0]}: {e}" if guilty else f"--judge: {e}") from None


def _about(words: str, name: str, value: str) -> bool:
    """Whether a message is about a setting: by its name at the beginning, or by its value."""
    return re.match(rf"'?{name}\b", words) is not None or (
        name == "rubric" and repr(value) in words
    )


def _run(runs: Sequence[Path], asked: ScoreOptions) -> bool:
    from leaderboards.judging import cost as cost
    from leaderboards.judging import score_batches
    from leaderboards.judging import summary as report
    from ptst_tasks.judges.budget import Budget
    from ptst_tasks.judges.group import endpoints, share, use_cache
    from ptst_tasks.judges.rounds import Round
    from ptst_tasks.judges.watching import checked

    asked.check()
    price, budget = cost.price_from(asked.price), Budget(asked.max_calls, asked.max_cost)
    judges = checked(_made(asked), on=asked.canaries)
    paid = [one for judge in judges for one in endpoints(judge)]
    asked.check_batch(judges)
    share(judges, budget, price)
    kept = [use_cache(judge, asked.cache) for judge in judges]
    if asked.batch or asked.batch_ids:
        score_batches.check_batch(paid)
    _say_idle(asked, bool(paid), any(kept))
    found = _found(runs, judges, asked)
    console = screen(quiet=asked.quiet, json=asked.json)
    asked.check_inputs(found, judges)
    if not asked.dry_run:
        cost.check_ready(judges, found)
    if asked.dry_run:
        _say_free(judges, console)
    watch = Round(_to_stderr)
    if asked.batch_ids and not score_batches.collected(
        paid, asked.batch_ids, found, console, budget, watch
    ):
        return False
    if paid:
        made = cost.estimates(paid, found, console, batch=asked.batch,
                              watch=None if asked.batch_ids else watch)  # fmt: skip
        if not asked.batch_ids:
            cost.check_budget(made, budget, batch=asked.batch)
        if asked.batch and not asked.dry_run:
            score_batches.submit_all(paid, found, console, again=asked.resubmit)
            return False
    if asked.dry_run:
        return False
    scored, error = _judge(judges, found, asked, watch)
    told = report.scored(scored, console)
    cost.spent(budget, paid, console)
    if error:
        told["error"] = hidden(str(error))
    elif asked.compares:
        told["agreement"] = report.agreement(found, asked.others, asked.show, console)
    elif asked.show:
        report.texts(found, console)
    if asked.sheets and not error:
        told["people"] = report.people(runs, asked.sheets, asked.correct_by, console)
    put_json(asked.json, told | {"ptst_version": __version__})
    failed = report.say_unscored(scored, asked.max_unscored, console)
    if error:
        raise error
    return failed


def _found(runs: Sequence[Path], judges: Sequence[Judge], asked: ScoreOptions) -> list[Task]:
    """What can be judged; says what of it a judge leaves to others."""
    from leaderboards.judging.saved import idle_judges, tasks

    found = tasks(runs, judge_reasoning=asked.judge_reasoning)
    for note in idle_judges(judges, found):
        typer.echo(files.printable(f"note: {note}"), err=True)
    return found


def _to_stderr(note: str) -> None:
    typer.echo(f"note: {note}", err=True)


def _say_free(judges: Sequence[Judge], console: Console) -> None:
    from leaderboards.judging.summary import say
    from ptst_tasks.judges.group import endpoints

    for judge in judges:
        if not [*endpoints(judge)]:
            say(console, f"{judge.spec}: judges on this machine, no calls")


def _judge(
    judges: Sequence[Judge],
    found: Sequence[Task],
    asked: ScoreOptions,
    watch: Round,
) -> tuple[list[tuple[str, Scored]], PTSTError | None]:
    """Asks every judge; what was judged before one fails is there all the same."""
    from leaderboards.judging.saved import judged_by
    from leaderboards.judging.score import score_tasks

    scored: list[tuple[str, Scored]] = []
    try:
        for judge in judges:
            heard = judge if asked.record is None else _Recorder(judge, asked.record)
            for task in score_tasks(judged_by(judge, found), heard, asked.max_unscored, watch):
                scored.append((judge.spec, task))
    except PTSTError as e:
        return scored, e
    return scored, None


def _say_idle(asked: ScoreOptions, paid: bool, cached: bool) -> None:
    """Says which options do nothing here, yet may stand in a script for all judges."""
    for option, value, used in (
        ("--max-calls", asked.max_calls, paid),
        ("--max-cost", asked.max_cost, paid),
        ("--price", asked.price or None, paid),
        ("--cache", asked.cache, cached),
    ):
        if value is not None and not used:
            who = ", ".join(asked.judge) or "no judge"
            typer.echo(files.printable(f"note: {option} does nothing for {who}"), err=True)


class _Recorder:
    """A judge whose verdicts are written down as they come."""

    def __init__(self, judge: Judge, path: Path) -> None:
        self.spec, self.settings = judge.spec, judge.settings
        self.members = (judge,)  # who is asked, and is watched
        self._judge, self._path = judge, path

    @property
    def weights(self) -> str:
        """Of the judge."""
        from ptst_tasks.judges.base import judging

        return judging(self._judge).weights

    def judge(self, queries: Sequence[str], responses: Sequence[str]) -> list[Any]:
        """Judges, and adds to the record."""
        from ptst_tasks.judges.replay import record

        verdicts = self._judge.judge(queries, responses)
        try:
            record(self._path, queries, responses, verdicts)
        except OSError as e:
            raise ConfigError(f"--record {str(self._path)!r} cannot be written: {said(e)}") from e
        return verdicts
