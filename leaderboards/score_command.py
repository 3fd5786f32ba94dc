"""``ptst score``: judge what was generated, without generating it again."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ptst_tasks.errors import ConfigError, PTSTError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from leaderboards.score import Scored, Task
    from ptst_tasks.judges import Judge
    from ptst_tasks.judges.budget import Estimate
    from ptst_tasks.judges.endpoint import EndpointJudge
    from ptst_tasks.prices import Price

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
        int | None, typer.Option(min=0, help="Make no more calls than this, retries included.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Spend no more USD than this.")
    ] = None,
    price: Annotated[
        str, typer.Option(metavar="IN,OUT", help="USD per million tokens of the judge's model.")
    ] = "",
    max_unscored: Annotated[
        float,
        typer.Option(min=0, max=1, help="Fail where a larger share of a task has no verdict."),
    ] = 0.02,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate only; send nothing.")
    ] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help="Send as a batch of OpenAI's Batch API and stop.")
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
    json: Annotated[Path | None, typer.Option(help="Write rates and agreement here.")] = None,
) -> None:
    """Judge saved responses and add the verdicts to the run; nothing is generated again.

    Exit code 0: done. 1: done, but too many verdicts are missing. 2: it could not be done.
    """
    try:
        failed = _run(
            runs,
            [_with_options(j, model, base_url, rubric_file) for j in judge or []],
            {"max_calls": max_calls, "max_cost": max_cost, "price": _price(price)},
            max_unscored, dry_run, batch, batch_id or [], cache, record,
            compare or human is not None, human, show, json,
        )  # fmt: skip
    except PTSTError as e:
        typer.echo(f"error: {e}", err=True)
        raise typer.Exit(2) from None
    if failed:
        raise typer.Exit(1)


def _with_options(spec: str, model: str, base_url: str, rubric: str) -> str:
    """Adds the options that are short for settings of a judge behind an endpoint."""
    name, _, settings = spec.partition(":")
    more = {"model": model, "base_url": base_url, "rubric": rubric if name == "rubric" else ""}
    if name not in ("rubric", "strongreject") or not any(more.values()):
        return spec
    parts = [settings, *(f"{key}={value}" for key, value in more.items() if value)]
    return f"{name}:{','.join(part for part in parts if part)}"


def _price(text: str) -> Price | None:
    from ptst_tasks.prices import Price

    if not text:
        return None
    try:
        tokens_in, tokens_out = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--price {text!r}: expected IN,OUT in USD per million tokens") from None
    return Price(tokens_in, tokens_out)


def _run(
    runs: Sequence[Path], specs: Sequence[str], limits: dict[str, Any], max_unscored: float,
    dry_run: bool, batch: bool, batch_ids: Sequence[str], cache: Path | None, record: Path | None,
    compare: bool, human: Path | None, show: bool, json: Path | None,
) -> bool:  # fmt: skip
    from leaderboards.score import tasks
    from ptst_tasks.judges import make

    if not specs and not compare:
        raise ConfigError("give --judge NAME, or --compare")
    judges = [make(spec) for spec in specs]
    endpoints = [e for judge in judges for e in _endpoints(judge)]
    for one in judges:
        _use_cache(one, cache)
    found, console = tasks(runs), _console()
    for endpoint in endpoints:
        _limit(endpoint, limits)
    for spec, one in zip(specs, judges, strict=True):
        if (batch or batch_ids) and one not in endpoints:
            raise ConfigError(f"--batch: judge {spec!r} is not behind an endpoint")
    if batch_ids and not _collected(endpoints, batch_ids, found, console):
        return False
    if endpoints:
        estimates = _estimates(endpoints, found, console)
        _check(estimates, limits)
        if batch and not dry_run:
            _submit(endpoints, found, console)
            return False
    if dry_run:
        return False
    scored = [(one.spec, s) for one in judges for s in _scored(one, found, record, max_unscored)]
    if scored:
        _print_rates(console, scored)
    report: dict[str, Any] = {"scored": [_as_json(spec, s) for spec, s in scored]}
    if compare:
        report["agreement"] = _compare(found, human, show, console)
    elif show:
        _show(found, console)
    if json:
        json.write_text(json_module.dumps(report, indent=2) + "\n", encoding="utf-8")
    return _report_unscored(scored, max_unscored, console)


def _console() -> Console:
    """A console that cuts no judge's name off: a pipe has no width of its own."""
    from rich.console import Console

    width = Console().width
    return Console(width=width if Console().is_terminal else max(width, 160), soft_wrap=True)


def _table(*names: str) -> Table:
    from rich.table import Table

    table = Table()
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _endpoints(judge: Judge) -> list[EndpointJudge]:
    """The judges that cost money: this one, or those of its panel."""
    from ptst_tasks.judges.endpoint import EndpointJudge

    if isinstance(judge, EndpointJudge):
        return [judge]
    return [e for member in getattr(judge, "members", ()) for e in _endpoints(member)]


def _use_cache(judge: Judge, cache: Path | None) -> None:
    if cache is not None and hasattr(judge, "cache_path"):
        judge.cache_path = str(cache)
    for member in getattr(judge, "members", ()):
        _use_cache(member, cache)


def _limit(judge: EndpointJudge, limits: dict[str, Any]) -> None:
    judge.budget.max_calls, judge.budget.max_cost = limits["max_calls"], limits["max_cost"]
    judge.budget.price = limits["price"] or judge.budget.price
    if judge.budget.max_cost is not None and judge.budget.price is None:
        raise ConfigError(
            f"--max-cost: the price of {judge.config.model!r} is not known; give --price IN,OUT "
            "(0,0 for a server of your own)"
        )


def _pending(judge: EndpointJudge, found: Sequence[Task]) -> Iterator[dict[str, tuple[str, str]]]:
    """What is still to be asked, block by block."""
    from leaderboards.score import blocks

    seen: set[str] = set()
    for block in blocks(found):
        todo = judge.pending([i.query for i in block], [i.response for i in block])
        yield {key: pair for key, pair in todo.items() if key not in seen}
        seen |= todo.keys()


def _estimates(
    judges: Sequence[EndpointJudge], found: Sequence[Task], console: Console
) -> list[Estimate]:
    from ptst_tasks.judges.budget import Estimate

    out = []
    for judge in judges:
        estimate = Estimate(price=judge.budget.price)
        for todo in _pending(judge, found):
            judge.estimate(todo, estimate)
        cost = "price unknown" if estimate.cost is None else f"about ${estimate.cost:.2f}"
        console.print(
            f"{judge.spec}: {estimate.calls:,} calls to make, about {estimate.tokens_in:,} tokens in "
            f"and {estimate.tokens_out:,} out, {cost}; the rest is in the cache",
            markup=False,
            highlight=False,
        )
        out.append(estimate)
    return out


def _check(estimates: Sequence[Estimate], limits: dict[str, Any]) -> None:
    for estimate in estimates:
        most, dearest = limits["max_calls"], limits["max_cost"]
        if most is not None and estimate.calls > most:
            raise ConfigError(
                f"{estimate.calls} calls are more than --max-calls {most}; nothing sent"
            )
        if dearest is not None and (estimate.cost or 0) > dearest:
            raise ConfigError(
                f"about ${estimate.cost:.2f} is more than --max-cost {dearest:g}; nothing sent"
            )


def _submit(judges: Sequence[EndpointJudge], found: Sequence[Task], console: Console) -> None:
    from ptst_tasks.judges.batch import submit

    for judge in judges:
        todo = {key: pair for part in _pending(judge, found) for key, pair in part.items()}
        if not todo:
            console.print("nothing to send: every verdict is in the cache")
            continue
        ids = submit(judge, todo)
        again = " ".join(f"--batch-id {one}" for one in ids)
        console.print(f"submitted {len(todo)} requests; to collect, run this again with {again} "
                      "in place of --batch", markup=False, highlight=False)  # fmt: skip


def _collected(
    judges: Sequence[EndpointJudge], ids: Sequence[str], found: Sequence[Task], console: Console
) -> bool:
    """Fetches the batches into the cache; returns whether all of them are over."""
    from ptst_tasks.judges.batch import collect

    over = True
    for judge in judges:
        pairs = {key: pair for part in _pending(judge, found) for key, pair in part.items()}
        for one in ids:
            got = collect(judge, one, pairs)
            console.print(f"batch {one}: {got.status}; {got.scored} verdicts, {got.missing} unusable, "
                          f"{got.foreign} not of these runs", markup=False, highlight=False)  # fmt: skip
            over &= got.over
        if over:
            judge.budget.max_calls = 0  # what the batch does not have stays unscored
    if not over:
        console.print("not all batches are done; run the same again later")
    return over


def _scored(
    judge: Judge, found: Sequence[Task], record: Path | None, most: float
) -> Iterator[Scored]:
    from leaderboards.score import score_tasks

    yield from score_tasks(found, judge if record is None else _Recorder(judge, record), most)


class _Recorder:
    """A judge whose verdicts are written down as they come."""

    def __init__(self, judge: Judge, path: Path) -> None:
        self.spec, self.settings = judge.spec, judge.settings
        self._judge, self._path = judge, path

    def judge(self, queries: Sequence[str], responses: Sequence[str]) -> list[Any]:
        """Judges, and adds to the record."""
        from ptst_tasks.judges.replay import record

        verdicts = self._judge.judge(queries, responses)
        record(self._path, queries, responses, verdicts)
        return verdicts


def _print_rates(console: Console, scored: Sequence[tuple[str, Scored]]) -> None:
    from rich.table import Table

    from leaderboards.score import rate

    table = Table(
        "model",
        "set",
        "template",
        "judge",
        "n",
        "asr",
        "refused",
        "incoherent",
        "score",
        "unscored",
    )
    for spec, one in scored:
        value = one.values.get
        mean = value("score")
        table.add_row(
            one.task.model, one.task.set_name, one.task.template, spec, str(one.n - one.unscored),
            *(rate(value(name)) for name in ("asr", "refused", "incoherent")),
            "-" if mean is None or mean != mean else f"{mean:.2f}",
            f"{one.unscored} ({rate(one.share)})",
        )  # fmt: skip
    console.print(table)


def _report_unscored(scored: Sequence[tuple[str, Scored]], most: float, console: Console) -> bool:
    """Says why verdicts are missing; returns whether too many are."""
    from collections import Counter

    failed = False
    for spec in dict.fromkeys(spec for spec, _ in scored):
        mine = [one for name, one in scored if name == spec]
        reasons = sum((one.reasons for one in mine), Counter[str]())
        for why, times in reasons.most_common(10):
            console.print(f"{spec}: {times} unscored: {why}", markup=False, highlight=False)
        for one in mine:
            if one.share > most:
                failed = True
                typer.echo(
                    f"FAILED: {spec}: {one.unscored} of {one.n} responses of {one.task.set_name} "
                    f"{one.task.template} have no verdict ({one.share:.1%}, at most {most:.1%})",
                    err=True,
                )
    return failed


def _as_json(spec: str, one: Scored) -> dict[str, Any]:
    values = {name: None if v != v else v for name, v in one.values.items()}
    return {**values, "judge": spec, "set": one.task.set_name, "template": one.task.template,
            "n": one.n, "unscored": one.unscored, "reasons": dict(one.reasons)}  # fmt: skip


def _compare(
    found: Sequence[Task], human: Path | None, show: bool, console: Console
) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from leaderboards.agreement import compare, disputed, human_labels, labels

    items = labels(found, texts=show)
    if human:
        used = human_labels(human, items)
        console.print(f"{used} labels of people")
    table = _table("set", "template", "judges", "n", "same", "kappa (95 %)", "alpha")
    rows = compare(items)
    for row in rows:
        ends = "" if row.low is None else f" ({row.low:.2f} to {row.high:.2f})"
        table.add_row(*row.where, f"{row.first} / {row.second}", str(row.n),
                      "-" if row.same is None else f"{100 * row.same:.1f} %",
                      _number(row.kappa) + ends, _number(row.alpha))  # fmt: skip
    console.print(table)
    worst = disputed(items)
    if worst:
        console.print("Judges differ most on:")
    for item in worst:
        said = ", ".join(f"{j}: {_word(v)}" for j, v in sorted(item.by.items()))
        console.print(
            f"  {item.set_name} {item.template} {item.id}: {said}", markup=False, highlight=False
        )
        if show:
            console.print(f"    {item.text!r}", markup=False, highlight=False)
    return [asdict(row) for row in rows]


def _show(found: Sequence[Task], console: Console) -> None:
    from leaderboards.agreement import labels

    for item in labels(found, texts=True):
        said = ", ".join(f"{j}: {_word(v)}" for j, v in sorted(item.by.items()))
        console.print(f"{item.set_name} {item.template} {item.id}: {said}\n    {item.text!r}",
                      markup=False, highlight=False)  # fmt: skip


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _word(value: bool | None) -> str:
    return "?" if value is None else "yes" if value else "no"
