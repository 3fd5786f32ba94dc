"""What ``ptst score`` may spend: the estimate before, one limit over all judges, the sum after."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from leaderboards.judging.summary import say
from ptst_tasks.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboards.judging.saved import Task
    from ptst_tasks.judges import Judge
    from ptst_tasks.judges.batch import Collected
    from ptst_tasks.judges.budget import Budget, Estimate
    from ptst_tasks.judges.cache import CachedJudge
    from ptst_tasks.judges.endpoint import EndpointJudge
    from ptst_tasks.judges.rounds import Asked, Round
    from ptst_tasks.prices import Price

__all__ = [
    "check_batch",
    "check_budget",
    "check_ready",
    "collected",
    "estimates",
    "price_from",
    "spent",
    "submit_all",
]


def price_from(text: str) -> Price | None:
    """Reads ``IN,OUT``; None for nothing.

    Raises:
        ConfigError: If it is no two numbers from 0 on.
    """
    import math

    from ptst_tasks.prices import Price

    if not text:
        return None
    try:
        tokens_in, tokens_out = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--price {text!r}: expected IN,OUT in USD per million tokens") from None
    if not all(0 <= one < math.inf for one in (tokens_in, tokens_out)):
        raise ConfigError(f"--price {text!r}: a price is a number from 0 on")
    return Price(tokens_in, tokens_out)


def _asked(judge: Judge, found: Sequence[Task]) -> Iterator[Asked]:
    """All that a judge is asked about, block by block, what is in the cache included."""
    from leaderboards.judging.saved import blocks, judged_by, pairs_of

    return map(pairs_of, blocks(judged_by(judge, found)))


def _pending(
    judge: EndpointJudge, found: Sequence[Task], seen: set[str]
) -> Iterator[dict[str, tuple[str, str]]]:
    """What is still to be asked, block by block; `seen` is what was counted already."""
    for asked in _asked(judge, found):
        todo = judge.pending(*asked)
        yield {key: pair for key, pair in todo.items() if key not in seen}
        seen.update(todo)


def estimates(
    judges: Sequence[EndpointJudge], found: Sequence[Task], console: Console, *, batch: bool,
    watch: Round | None = None,
) -> list[Estimate]:  # fmt: skip
    """Says what each judge has still to ask; a judge that is a panel's member too asks once.

    Args:
        judges: Who.
        found: About what.
        console: Where to say it.
        batch: At half the price.
        watch: By which judges are asked about the canaries, too.
    """
    from ptst_tasks.judges.budget import BATCH_DISCOUNT, Estimate

    out, seen = list[Estimate](), set[str]()
    for judge in judges:
        estimate = Estimate(price=judge.price, share=BATCH_DISCOUNT if batch else 1.0)
        for todo in _pending(judge, found, seen):
            judge.estimate(todo, estimate)
        asked = () if batch else _asked(judge, found)  # a batch that has nothing else is not sent
        birds = watch.add_to(estimate, judge, asked) if watch else 0
        of = f", {birds} of them canaries" if birds else ""
        cost = "price unknown" if estimate.cost is None else f"about ${estimate.cost:.2f}"
        say(
            console,
            f"{judge.spec}: {estimate.calls:,} calls to make{of}, about {estimate.tokens_in:,} tokens in "
            f"and {estimate.tokens_out:,} out, {cost}; the rest is in the cache",
        )
        out.append(estimate)
    return out


def check_ready(judges: Sequence[Judge], found: Sequence[Task]) -> None:
    """Checks that every judge can begin, before the first one does: packages, keys, cache.

    One whose verdicts are all in the cache needs none of them.

    Raises:
        PTSTError: If one cannot.
    """
    from ptst_tasks.judges.cache import CachedJudge, VerdictCache
    from ptst_tasks.judges.group import leaves

    for one in itertools.chain.from_iterable(map(leaves, judges)):
        if isinstance(one, CachedJudge) and _any_pending(one, found):
            one.check_ready()
            with VerdictCache(one.cache_path) as cache:
                cache.check_writable()


def _any_pending(judge: CachedJudge, found: Sequence[Task]) -> bool:
    return any(judge.pending(*asked) for asked in _asked(judge, found))


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
            for todo in _pending(judge, found, seen):
                sent |= cache.submitted(todo)
    if sent:
        ids = " ".join(f"--batch-id {one}" for one in dict.fromkeys(sent.values()))
        raise ConfigError(
            f"{len(sent)} of these responses were sent as a batch already and are not collected; "
            f"collect them with {ids} in place of --batch, or send and pay again with --resubmit; "
            "nothing sent"
        )


def check_budget(made: Sequence[Estimate], budget: Budget, *, batch: bool = False) -> None:
    """Refuses, before anything is sent, what cannot stay within the limits.

    A batch cannot be stopped on its way, so that its dearest outcome counts.

    Raises:
        ConfigError: If all judges together need more.
    """
    calls, cost = (
        sum(one.calls for one in made),
        sum((one.dearest if batch else one.cost) or 0 for one in made),
    )
    of = f" of {len(made)} judges together" if len(made) > 1 else ""
    if budget.max_calls is not None and calls > budget.max_calls:
        raise ConfigError(
            f"{calls} calls{of} are more than --max-calls {budget.max_calls}; nothing sent"
        )
    if budget.max_cost is not None and cost > budget.max_cost:
        raise ConfigError(
            f"{'at most' if batch else 'about'} ${cost:.2f}{of} is more than "
            f"--max-cost {budget.max_cost:g}; nothing sent"
        )


def spent(budget: Budget, judges: Sequence[EndpointJudge], console: Console) -> None:
    """Says what was used, if anything was."""
    book = budget.ledger
    if not book.calls:
        return
    parts = [f"spent: {book.calls:,} calls, about ${book.spent:.2f}"]
    if budget.max_cost is not None:
        parts[0] += f" of at most ${budget.max_cost:.2f}"
    if book.unknown:
        parts.append(f"including {book.unknown:,} calls without usage, counted at their dearest")
    if unpriced := sorted({one.config.model for one in judges if one.price is None}):
        parts.append(f"without {', '.join(unpriced)}, whose price is not known")
    say(console, ", ".join(parts))


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
        todo = {key: pair for part in _pending(judge, found, seen) for key, pair in part.items()}
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
        pairs = {key: pair for part in _pending(judge, found, set()) for key, pair in part.items()}
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
                watch.settle(judge, look, _asked(judge, found))
        if judge.watched and new:
            if look is None:
                watch.tell(f"{judge.spec}: whether it changed is not known, no canaries came with its "
                           "verdicts")  # fmt: skip
            watch.settle(judge, look, _asked(judge, found))
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
