"""What ``ptst score`` may spend: the estimate before, one limit over all judges, the sum after."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from leaderboards.judging.summary import say
from ptst_tasks.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboards.judging.saved import Task
    from ptst_tasks.judges import Judge
    from ptst_tasks.judges.budget import Budget, Estimate
    from ptst_tasks.judges.cached_judge import CachedJudge
    from ptst_tasks.judges.endpoint import EndpointJudge
    from ptst_tasks.judges.rounds import Asked, Round
    from ptst_tasks.prices import Price

__all__ = [
    "asked_of",
    "check_budget",
    "check_ready",
    "estimates",
    "pending",
    "price_from",
    "spent",
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


def asked_of(judge: Judge, found: Sequence[Task]) -> Iterator[Asked]:
    """All that a judge is asked about, block by block, what is in the cache included."""
    from leaderboards.judging.saved import blocks, judged_by, pairs_of

    return map(pairs_of, blocks(judged_by(judge, found)))


def pending(
    judge: EndpointJudge, found: Sequence[Task], seen: set[str]
) -> Iterator[dict[str, tuple[str, str]]]:
    """What is still to be asked, block by block; `seen` is what was counted already."""
    for asked in asked_of(judge, found):
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
        for todo in pending(judge, found, seen):
            judge.estimate(todo, estimate)
        asked = () if batch else asked_of(judge, found)  # a batch that has nothing else is not sent
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
    from ptst_tasks.judges.cache import VerdictCache
    from ptst_tasks.judges.cached_judge import CachedJudge
    from ptst_tasks.judges.group import leaves

    for one in itertools.chain.from_iterable(map(leaves, judges)):
        if isinstance(one, CachedJudge) and _any_pending(one, found):
            one.check_ready()
            with VerdictCache(one.cache_path) as cache:
                cache.check_writable()


def _any_pending(judge: CachedJudge, found: Sequence[Task]) -> bool:
    return any(judge.pending(*asked) for asked in asked_of(judge, found))


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
