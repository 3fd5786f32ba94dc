"""``ptst judges``: how far judges agree with people, on sets that people labelled."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptst_tasks.command import JsonFile, Quiet, put_json, screen
from ptst_tasks.errors import ConfigError, UnknownNameError
from ptst_tasks.files import check_outputs, check_writable, write_text

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboards.judging.labelled_sets import About, Answer
    from leaderboards.judging.records import Record, Span
    from ptst_tasks.judges import Judge

__all__ = ["judges"]


def judges(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="With --human: runs whose labelled responses are one more set.",
                       show_default=False),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(help="NAME or NAME:key=value,...; several are fine.  [all keyword lists, and "
                          "'learned' where it was made]", show_default=False),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="Of these sets alone; several are fine.", show_default=False),
    ] = None,
    human: Annotated[
        list[Path] | None,
        typer.Option(help="Labels of people (ptst label) of these runs.", show_default=False),
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Make the judge 'learned' from the sets instead, with its card.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", show_default=False,
                     help="Write a CSV here; with --train the judge's file.  "
                          "[$XDG_CACHE_HOME/ptst/learned.npz]"),
    ] = None,
    quiet: Quiet = False,
    json: JsonFile = None,
) -> None:  # fmt: skip
    """Measure judges on responses that people labelled: kappa, and what they miss.

    The sets are read from $PTST_DATA_DIR/judged. A judge behind an endpoint is asked about every response
    (10,950 of all sets) and is paid for that; 'learned' is measured by models that never saw a set's
    source. With runs and --human the set is your own. As JSON: {records, per_second, usd_per_1000},
    with --train the card.
    """
    if train:
        if judge or sets or runs or human:
            raise ConfigError(
                "--train takes all sets and makes one judge; leave out --judge and --set, runs and --human"
            )
        _train(out, json, screen(quiet=quiet, json=json))
        return
    from leaderboards.judging.labelled_sets import SETS
    from leaderboards.judging.records import COLUMNS, measure
    from ptst_tasks.judges.group import make_all
    from ptst_tasks.judges.learned import unseen

    for name in sets or ():
        if name not in SETS:
            raise UnknownNameError("set that people labelled", name, SETS)
    if bool(runs) != bool(human):
        raise ConfigError(
            "runs and --human go together: whose responses, and what people say of them"
        )
    check_outputs([*(runs or ()), *(human or ())], out=out, json=json)
    made = make_all(judge or _all())
    if graders := [one.spec for one in made if "grades" in one.settings]:
        raise ConfigError(
            f"--judge: {graders[0]!r} says nothing of harm or refusals that people labelled"
        )
    found: list[Record] = []
    speed: dict[str, float] = {}
    prices: dict[str, float | None] = {}
    for name, source, about, answers in _sets(sets, runs or [], human or []):
        for one in made:
            key, cost = f"{one.spec} {name}", _Cost(one)
            record, speed[key] = measure(unseen(one, source), name, about, answers)
            prices[key] = cost.of_1000()
            found.append(record)
    if out:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *(r.cells() for r in found)])
        write_text(out, text.getvalue(), what="--out")
    _print(found, speed, prices, screen(quiet=quiet, json=json))
    put_json(json, {"records": [asdict(r) for r in found], "per_second": speed,
                    "usd_per_1000": prices})  # fmt: skip


def _sets(
    names: list[str] | None, runs: list[Path], human: list[Path]
) -> Iterator[tuple[str, str, About, list[Answer]]]:
    """(name, source, harm or refusal, answers); where there are runs, of those named alone."""
    from leaderboards.judging.labelled_sets import SETS, read
    from leaderboards.judging.own_labels import own_sets

    for name in names or ([] if runs else SETS):
        yield name, SETS[name].file, SETS[name].about, read(name)
    if not runs:
        return
    mine, notes = own_sets(runs, human)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    for about, answers in mine.items():
        yield f"yours ({about})", "", about, answers


class _Cost:
    """What a judge's calls cost, from now on."""

    def __init__(self, judge: Judge) -> None:
        from ptst_tasks.judges.budget import Budget
        from ptst_tasks.judges.group import endpoints, share

        self._budget, self._paid = Budget(), [*endpoints(judge)]
        share([judge], self._budget)

    def of_1000(self) -> float | None:
        """USD for 1,000 calls: 0 for a judge on this machine, None if none was made or has no price."""
        if not self._paid:
            return 0.0
        book = self._budget.ledger
        known = book.calls and all(one.price is not None for one in self._paid)
        return 1000 * book.spent / book.calls if known else None


def _all() -> list[str]:
    """The judges that need no model but our own."""
    from ptst_tasks.judges.keywords import LISTS
    from ptst_tasks.judges.learned_file import default_file

    learned = ["learned"] if default_file().is_file() else []
    return [f"keywords:{name}" for name in LISTS] + learned


def _train(out: Path | None, json: Path | None, console: Console) -> None:
    from leaderboards.judging.learned_train import train
    from leaderboards.judging.summary import add_line, new_table, two_digits
    from ptst_tasks.digests import write_json
    from ptst_tasks.judges.learned_file import default_file, save

    file = out or default_file()
    if out and out.suffix != ".npz":  # the card's place is the same name with .json
        raise ConfigError(f"--out {str(out)!r}: the learned judge's file ends in .npz; name it so")
    card_file = file.with_suffix(".json")
    check_outputs([], out=out, json=json)
    if json and json.absolute() == card_file.absolute():
        raise ConfigError(f"--json {str(json)!r} is where the card goes already; leave it out")
    if card_file.exists() and not (out is None or file.exists()):
        raise ConfigError(
            f"{str(card_file)!r} is there, and the card would take its place; name another --out"
        )
    for target in (file, card_file):
        check_writable(target, "--out")
    data, card = train()
    save(file, data)
    write_json(card_file, card)
    put_json(json, card)
    table = new_table("set", "of", "n", "unsure", "kappa", "best list's", "and where scored")
    for r in card["record"]:
        kappas = [two_digits(r[k]) for k in ("kappa", "its kappa on all", "its kappa where scored")]
        add_line(table, r["set"], r["of"], f"{r['responses']:,}", f"{r['unsure']:.0%}", *kappas)
    console.print(table, soft_wrap=True)
    name = "learned" if file == default_file() else f"learned:{file}"
    console.print(
        f"{file}: {len(data):,} bytes, digest {card['digest'][:16]}; --judge {name}", soft_wrap=True
    )


def _print(
    found: Sequence[Record],
    speed: dict[str, float],
    prices: dict[str, float | None],
    console: Console,
) -> None:
    from leaderboards.judging.summary import add_line, new_table, two_digits

    spans = ("kappa (95 %)", "TPR (95 %)", "TNR (95 %)")
    table = new_table("judge", "set", "of", "n", "unscored", *spans, "accuracy (floor)", "F1 (floor)",
                      "people's kappa", "a second", "USD per 1,000")  # fmt: skip
    for r in found:
        line = [
            r.judge, r.set_name, r.about, f"{r.n:,}", f"{r.unscored:,}",
            *(_interval(x) for x in (r.kappa, r.tpr, r.tnr)),
            f"{two_digits(r.accuracy)} ({r.floor_accuracy:.2f})", f"{two_digits(r.f1)} ({r.floor_f1:.2f})",
            two_digits(r.people_kappa), f"{speed[f'{r.judge} {r.set_name}']:,.0f}",
            two_digits(prices[f"{r.judge} {r.set_name}"]),
        ]  # fmt: skip
        add_line(table, *line)
    console.print(table, soft_wrap=True)


def _interval(one: Span) -> str:
    from leaderboards.judging.summary import two_digits

    ends = "" if one.low is None or one.high is None else f" ({one.low:.2f} to {one.high:.2f})"
    return two_digits(one.value) + ends
