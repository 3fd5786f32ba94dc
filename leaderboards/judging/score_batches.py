"""The batches of ``ptst score``: whether one can be sent, sending them, and taking in what came."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboards.judging.cost import asked_of, pending
from leaderboards.judging.summary import say
from ptst_tasks.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboards.judging.saved import Task
    from ptst_tasks.judges.batch import Collected
    from ptst_tasks.judges.budget import Budget
    from ptst_tasks.judges.endpoint import EndpointJudge
    from ptst_tasks.judges.rounds import Round

__all__ = ["check_batch", "collected", "submit_all"]


def check_batch(judges: Sequence[EndpointJudge]) -> None:
    """Refuses batches where nothing of them can be kept.

    Raises:
        ConfigError: If the cache is off.
    """
    from ptst_tasks.judges.cache import ENV, default_path

    if any((judge.cache_path or default_path()) == ":memory:" for judge in judges):
        raise ConfigError(
            "a batch's verdicts are collected into the cache, and the cache is off; give --cache "
            f"FILE or set ${ENV} to a file"
        )


def _check_unsent(judges: Sequence[EndpointJudge], found: Sequence[Task]) -> None:
    """Refuses to pay twice for what a batch has that is not collected yet.

    Raises:
        ConfigError: If there is such a batch.
    """
    from ptst_tasks.judges.cache import VerdictCache

    seen, sent = set[str](), dict[str, str]()
    for judge in judges:
        with VerdictCache(judge.cache_path) as cache:
            for todo in pending(judge, found, seen):
                sent |= cache.submitted(todo)
    if sent:
        ids = " ".join(f"--batch-id {one}" for one in dict.fromkeys(sent.values()))
        raise ConfigError(
            f"{len(sent)} of these responses were sent as a batch already and are not collected; "
            f"collect them with {ids} in place of --batch, or send and pay again with --resubmit; "
            "nothing sent"
        )


def submit_all(
    judges: Sequence[EndpointJudge], found: Sequence[Task], console: Console, *, again: bool
) -> None:  # fmt: skip
    """Sends what is still to be asked as batches; with canaries, where the judge is watched.

    What judges them is then what judges the rest.

    Args:
        judges: Who is asked.
        found: About what.
        console: Where to say it.
        again: Pay a second time for what is in a batch that is not collected.

    Raises:
        ConfigError: If some of it is in a batch that is not collected yet, unless `again` is set.
    """
    from ptst_tasks.judges.batch import submit
    from ptst_tasks.judges.canaries import pairs

    if not again:
        _check_unsent(judges, found)
    seen = set[str]()  # a judge that is a panel's member too is asked once
    for judge in judges:
        todo = {key: pair for part in pending(judge, found, seen) for key, pair in part.items()}
        if not todo:
            say(console, "nothing to send: every verdict is in the cache, or on its way")
            continue
        birds = pairs(judge) if judge.watched else {}
        sent = {**birds, **todo}
        ids = submit(judge, sent)
        named = " ".join(f"--batch-id {one}" for one in ids)
        of = f", {len(birds)} of them canaries" if birds else ""
        told = f"submitted {len(sent)} requests{of}; to collect, run this again with {named} "
        told += "in place of --batch"
        if console.quiet:  # paid for, and the ids are all there is of it
            print(f"note: {told}", file=sys.stderr)
        say(console, told)


def collected(
    judges: Sequence[EndpointJudge], ids: Sequence[str], found: Sequence[Task], console: Console,
    budget: Budget, watch: Round,
) -> bool:  # fmt: skip
    """Fetches the batches into the cache; returns whether all of them are over.

    Args:
        judges: Who was asked.
        ids: The batches.
        found: About what.
        console: Where to say it.
        budget: What is not in the batches is not asked.
        watch: Takes what judges that are watched say of the canaries.
    """
    from ptst_tasks.judges import canaries
    from ptst_tasks.judges.batch import collect

    over = True
    for judge in judges:
        pairs = {key: pair for part in pending(judge, found, set()) for key, pair in part.items()}
        look, new = None, 0
        for one in ids:
            got = collect(judge, one, pairs, canaries.pairs(judge))
            birds = f", {len(got.canaries)} canaries" if got.canaries else ""
            say(console, f"batch {one}: {got.status}; {got.scored} verdicts, {got.missing} unusable, "
                f"{got.foreign} not of these runs{birds}{_used(judge, got)}")  # fmt: skip
            over &= got.over
            new += got.scored
            if judge.watched and got.canaries:
                look = watch.take_batch(judge, one, got.canaries)
                watch.settle(judge, look, asked_of(judge, found))
        if judge.watched and new:
            if look is None:
                watch.tell(f"{judge.spec}: whether it changed is not known, no canaries came with its "
                           "verdicts")  # fmt: skip
            watch.settle(judge, look, asked_of(judge, found))
    if over:
        budget.max_calls = 0  # what the batches do not have stays unscored
    else:
        say(console, "not all batches are done; run the same again later")
    return over


def _used(judge: EndpointJudge, got: Collected) -> str:
    """What a batch cost, by its replies' own count."""
    from ptst_tasks.judges.budget import BATCH_DISCOUNT

    if not (got.tokens_in or got.tokens_out or got.uncounted):
        return ""
    said = f"; spent: {got.tokens_in:,} tokens in and {got.tokens_out:,} out"
    if judge.price is None:
        said += f", price of {judge.config.model} unknown"
    else:
        cost = BATCH_DISCOUNT * judge.price.cost(got.tokens_in, got.tokens_out)
        said += f", about ${cost:.2f} at half price"
    return said + (f", without {got.uncounted:,} replies without usage" if got.uncounted else "")
