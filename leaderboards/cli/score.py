"""``ptst score``: judge what was generated, without generating it again."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ptst_tasks import files
from ptst_tasks.command import Quiet, put_json, screen
from ptst_tasks.errors import ConfigError, PTSTError, require, said
from ptst_tasks.keys import hidden

if TYPE_CHECKING:
    from leaderboards.judging.score import Scored, Task
    from ptst_tasks.judges import Judge

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
    compare: Annotated[
        bool, typer.Option("--compare", help="Show how far the judges agree, old ones included.")
    ] = False,
    human: Annotated[
        Path | None, typer.Option(help="CSV of people's labels (id,label,...) for --compare.")
    ] = None,
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
    asked = _Asked(
        judge or [], model, base_url, rubric_file, max_calls, max_cost, price, max_unscored, dry_run,
        batch, resubmit, tuple(batch_id or ()), cache, record, compare or human is not None, human, show,
        json, quiet,
    )  # fmt: skip
    if _run(runs, asked):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The command's options."""

    judge: Sequence[str]
    model: str
    base_url: str
    rubric_file: str
    max_calls: int | None
    max_cost: float | None
    price: str
    max_unscored: float
    dry_run: bool
    batch: bool
    resubmit: bool
    batch_ids: tuple[str, ...]
    cache: Path | None
    record: Path | None
    compare: bool
    human: Path | None
    show: bool
    json: Path | None
    quiet: bool

    def specs(self) -> list[str]:
        """The judges, with the options that are short for settings of theirs.

        Raises:
            ConfigError: If one of those options would be nobody's.
        """
        mine = [spec.partition(":")[0] for spec in self.judge]
        for option, value, takers in (
            ("--model", self.model, ("rubric", "strongreject")),
            ("--base-url", self.base_url, ("rubric", "strongreject")),
            ("--rubric-file", self.rubric_file, ("rubric",)),
        ):
            if value and not set(takers) & set(mine):
                raise ConfigError(
                    f"{option} is for --judge {' and '.join(takers)}, and the judges are "
                    f"{', '.join(self.judge) or 'none'}; a panel's members say it themselves"
                )
        return [self._with_options(spec) for spec in self.judge]

    def _with_options(self, spec: str) -> str:
        name, _, settings = spec.partition(":")
        rubric = self.rubric_file if name == "rubric" else ""
        more = {"model": self.model, "base_url": self.base_url, "rubric": rubric}
        if name not in ("rubric", "strongreject") or not any(more.values()):
            return spec
        parts = [settings, *(f"{key}={value}" for key, value in more.items() if value)]
        return f"{name}:{','.join(part for part in parts if part)}"

    def check(self) -> None:
        """Refuses options that would do nothing beside others.

        Raises:
            ConfigError: If there are such.
        """
        if not self.judge and not self.compare:
            raise ConfigError("give --judge NAME, or --compare")
        if self.batch and self.batch_ids:
            raise ConfigError("--batch sends and --batch-id collects; give one of them")
        if self.resubmit and not self.batch:
            raise ConfigError("--resubmit does nothing without --batch; leave it out")
        ends = "--dry-run" if self.dry_run else "--batch" if self.batch else ""
        idle = {"--batch-id": self.batch_ids, "--record": self.record, "--compare": self.compare,
                "--show": self.show, "--json": self.json}  # fmt: skip
        if ends and (given := [name for name, value in idle.items() if value]):
            raise ConfigError(
                f"{ends} judges nothing, so {given[0]} would do nothing; leave it out"
            )
        if self.record and len(self.judge) != 1:
            raise ConfigError(
                f"--record keeps the verdicts of one judge, not of {len(self.judge)}; run it for each"
            )
        if self.max_cost is not None and not math.isfinite(self.max_cost):
            raise ConfigError(
                f"--max-cost {self.max_cost}: expected USD, a number from 0 on; leave it out for no limit"
            )
        from ptst_tasks.judges.batch import ID

        for one in self.batch_ids:
            if not ID.fullmatch(one):
                raise ConfigError(f"--batch-id {one!r} is no id of a batch; --batch printed it")
        self._check_outputs()

    def _check_outputs(self) -> None:
        for option, file in (("--json", self.json), ("--record", self.record)):
            if file and str(file) != "-" and not file.absolute().parent.is_dir():
                raise ConfigError(f"{option} {str(file)!r}: there is no such folder")
        if str(self.record) == "-":
            raise ConfigError("--record - : expected a file, which --judge replay:FILE can read")
        reads = [self.human, Path(self.rubric_file) if self.rubric_file else None]
        files.check_outputs(filter(None, reads), json=self.json, record=self.record)
        for option, file in (("--human", self.human), ("--cache", self.cache)):
            for out, target in (("--json", self.json), ("--record", self.record)):
                if file and target and file.absolute() == target.absolute():
                    raise ConfigError(f"{out} and {option} are the same file, {str(file)!r}")

    def check_inputs(self, found: Sequence[Task], judges: Sequence[Judge]) -> None:
        """Reads all that is to be read, and tries all that is to be written, before any work.

        Raises:
            PTSTError: If one of them cannot be.
        """
        from leaderboards.judging.score import check_readable, check_writable
        from ptst_tasks.judges.replay import check_record

        mine = {file.resolve() for task in found for file in (task.results, task.samples)}
        for out, target in (("--json", self.json), ("--record", self.record)):
            if target and target.resolve() in mine:
                raise ConfigError(f"{out} {str(target)!r} is a file of the run; give another")
        check_readable(found)
        if judges and not self.dry_run and not self.batch:
            check_writable(found)
        if self.record:
            check_record(self.record)
        if self.compare:
            _check_comparison(found, judges, self.human)


def _check_comparison(found: Sequence[Task], judges: Sequence[Judge], human: Path | None) -> None:
    """Refuses what could not be compared once all is judged."""
    from leaderboards.judging.agreement import check_two, human_labels, labels

    require("judge", "krippendorff", who="--compare")
    items = labels(found)
    if human:
        human_labels(human, items)
    check_two({name for item in items for name in item.by} | {judge.spec for judge in judges})


def _made(asked: _Asked) -> list[Judge]:
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


def _run(runs: Sequence[Path], asked: _Asked) -> bool:
    from leaderboards.judging import cost as cost
    from leaderboards.judging import summary as report
    from leaderboards.judging.score import tasks
    from ptst_tasks.judges.budget import Budget
    from ptst_tasks.judges.group import endpoints, share

    asked.check()
    price, budget = cost.price_from(asked.price), Budget(asked.max_calls, asked.max_cost)
    judges = _made(asked)
    paid = [one for judge in judges for one in endpoints(judge)]
    for judge in judges:
        if (asked.batch or asked.batch_ids) and judge not in paid:
            raise ConfigError(f"--batch: judge {judge.spec!r} is not behind an endpoint")
    share(judges, budget, price)
    kept = [_use_cache(judge, asked.cache) for judge in judges]
    if asked.batch or asked.batch_ids:
        cost.check_batch(paid)
    _say_idle(asked, bool(paid), any(kept))
    found, console = tasks(runs), screen(quiet=asked.quiet, json=asked.json)
    asked.check_inputs(found, judges)
    if not asked.dry_run:
        cost.check_ready(judges, found)
    if asked.dry_run:
        for judge in judges:
            if not [*endpoints(judge)]:
                report.say(console, f"{judge.spec}: judges on this machine, no calls")
    if asked.batch_ids and not cost.collected(paid, asked.batch_ids, found, console, budget):
        return False
    if paid:
        made = cost.estimates(paid, found, console, batch=asked.batch)
        if not asked.batch_ids:
            cost.check(made, budget, batch=asked.batch)
        if asked.batch and not asked.dry_run:
            cost.submit_all(paid, found, console, again=asked.resubmit)
            return False
    if asked.dry_run:
        return False
    scored, error = _judge(judges, found, asked)
    if scored:
        report.rates(console, scored)
        report.models(scored)
        report.replaced(scored)
    cost.spent(budget, paid, console)
    told: dict[str, Any] = {"scored": [report.as_json(spec, one) for spec, one in scored]}
    if error:
        told["error"] = hidden(str(error))
    elif asked.compare:
        told["agreement"] = report.agreement(found, asked.human, asked.show, console)
    elif asked.show:
        report.texts(found, console)
    put_json(asked.json, told)
    failed = report.unscored(scored, asked.max_unscored, console)
    if error:
        raise error
    return failed


def _judge(
    judges: Sequence[Judge], found: Sequence[Task], asked: _Asked
) -> tuple[list[tuple[str, Scored]], PTSTError | None]:
    """Asks every judge; what was judged before one fails is there all the same."""
    from leaderboards.judging.score import score_tasks

    scored: list[tuple[str, Scored]] = []
    try:
        for judge in judges:
            one = judge if asked.record is None else _Recorder(judge, asked.record)
            for task in score_tasks(found, one, asked.max_unscored):
                scored.append((judge.spec, task))
    except PTSTError as e:
        return scored, e
    return scored, None


def _use_cache(judge: Judge, cache: Path | None) -> bool:
    """Tells a judge, or a panel's members, which cache to use; returns whether one has any."""
    has = hasattr(judge, "cache_path")
    if cache is not None and hasattr(judge, "cache_path"):
        judge.cache_path = str(cache)
    return any([has, *(_use_cache(member, cache) for member in getattr(judge, "members", ()))])


def _say_idle(asked: _Asked, paid: bool, cached: bool) -> None:
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
