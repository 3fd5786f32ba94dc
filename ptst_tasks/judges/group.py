"""Several judges of one command: their names, their money, and what is written down about them."""

from __future__ import annotations

import functools
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ptst_tasks.errors import ConfigError
from ptst_tasks.judges import make
from ptst_tasks.judges.base import Judge, Verdict, judging
from ptst_tasks.judges.budget import Budget, Ledger
from ptst_tasks.record import TaskRecord, add_judge

if TYPE_CHECKING:
    from ptst_tasks.judges.endpoint import EndpointJudge
    from ptst_tasks.prices import Price
    from ptst_tasks.set_source import Source

__all__ = [
    "JUDGED",
    "UNNAMED",
    "any_fits",
    "endpoints",
    "fits",
    "for_set",
    "leaves",
    "limit_inline",
    "make_all",
    "models_of",
    "note",
    "note_inline",
    "settings_of",
    "share",
    "snapshots",
    "use_cache",
]

UNNAMED = "unknown"
"""In a results file: of some verdicts nobody knows which model gave them."""

JUDGED = ("harmful", "overrefusal", "misalignment")
"""Kinds of sets whose answers are judged."""
_INLINE = Ledger()

log = logging.getLogger(__name__)


def make_all(specs: Iterable[str]) -> list[Judge]:
    """Builds several judges whose numbers stand beside each other.

    Raises:
        ConfigError: If two have one name there: one's numbers would replace the other's.
        UnknownNameError: If a judge, or a name in its settings, is unknown.
    """
    made: dict[str, tuple[str, Judge]] = {}
    for spec in specs:
        judge = make(spec)
        if judge.spec in made:
            raise ConfigError(
                f"judges {made[judge.spec][0]!r} and {spec!r} are both called {judge.spec!r} in a "
                "leaderboard; name each once, and files apart"
            )
        made[judge.spec] = spec, judge
    return [judge for _, judge in made.values()]


def fits(judge: Judge, kind: str) -> bool:
    """Whether what a judge says is measured on sets of a kind.

    Whether an answer to a mild question is misaligned nobody says but who grades that, and who grades that
    says nothing of harm on request.
    """
    return ("grades" in judge.settings) == (kind == "misalignment")


def any_fits(specs: Iterable[str], kind: str) -> bool:
    """Whether one of several judges fits sets of a kind."""
    return any(fits(make(spec), kind) for spec in specs)


def for_set(specs: Sequence[str], source: Source) -> list[Judge]:
    """The judges of a set: those that were asked for and fit it, else its usual one, if it has any.

    Args:
        specs: Those that were asked for.
        source: The set; its answers may be of no kind that is judged.

    Raises:
        ConfigError: As `make_all`, and if the usual one does not fit.
        UnknownNameError: As `make_all`.
    """
    if (kind := source.kind) not in JUDGED:
        return []
    if asked := [judge for judge in make_all(specs) if fits(judge, kind)]:
        return asked
    own = make_all([source.judge] if source.judge else [])
    if strange := [judge.spec for judge in own if not fits(judge, kind)]:
        what = "no" if kind == "misalignment" else "only"
        raise ConfigError(f"judge {strange[0]!r} of a set of kind {kind!r} grades {what} misalignment; "
                          "name another, or leave it out")  # fmt: skip
    return own


def endpoints(judge: Judge) -> Iterator[EndpointJudge]:
    """The judges behind an endpoint: this one, or those of its panel."""
    from ptst_tasks.judges.endpoint import EndpointJudge

    if isinstance(judge, EndpointJudge):
        yield judge
    for member in getattr(judge, "members", ()):
        yield from endpoints(member)


def leaves(judge: Judge) -> Iterator[Judge]:
    """A judge, or the members of a panel, of its panels too."""
    members = getattr(judge, "members", ())
    for member in members:
        yield from leaves(member)
    if not members:
        yield judge


def share(judges: Iterable[Judge], budget: Budget, price: Price | None = None) -> None:
    """Puts judges under one limit; a panel's members count like any other.

    Args:
        judges: Who shares it.
        budget: The limit, and where what is spent is noted.
        price: Of the judges that do not say their own; else the list price.

    Raises:
        ConfigError: If money is limited and the price of a model is not known, or `price` would
            have to be that of several models.
    """
    mine = [one for judge in judges for one in endpoints(judge)]
    unsaid = sorted({one.config.model for one in mine if one.config.price is None})
    if price is not None and len(unsaid) > 1:
        raise ConfigError(
            f"one price for {len(unsaid)} models ({', '.join(unsaid)}); give each judge its own, as "
            "in NAME:price_in=IN,price_out=OUT"
        )
    for one in mine:
        one.budget = budget
        one.price = one.config.price or price or one.price
        if budget.max_cost is not None and one.price is None:
            raise ConfigError(
                f"judge {one.spec!r}: money is limited, and the price of {one.config.model!r} is not "
                "known; give --price IN,OUT, or price_in=IN,price_out=OUT among its settings (USD "
                "per million tokens; 0 and 0 for a server of your own)"
            )


def use_cache(judge: Judge, cache: str | os.PathLike[str] | None) -> bool:
    """Tells a judge, or a panel's members, which cache to use; returns whether one has any.

    Args:
        judge: Who judges.
        cache: The file; None leaves what the judge has.
    """
    has = hasattr(judge, "cache_path")
    if cache is not None and hasattr(judge, "cache_path"):
        judge.cache_path = str(cache)
    return any([has, *(use_cache(member, cache) for member in getattr(judge, "members", ()))])


def limit_inline(judges: Sequence[Judge], max_calls: int | None, max_cost: float | None) -> None:
    """Puts judges inside lm-eval under one limit: that of all tasks and judges of the process.

    Raises:
        ConfigError: As `share`.
    """
    budget = Budget(max_calls, max_cost, _INLINE)
    share(judges, budget)
    if budget.limited and judges and not any(one for judge in judges for one in endpoints(judge)):
        _warn_of_no_use(", ".join(judge.spec for judge in judges))


@functools.cache
def _warn_of_no_use(specs: str) -> None:
    """Once in a process, not for every task."""
    log.warning("max_calls and max_cost do nothing: %s costs no call and no money", specs)


def snapshots(models: Mapping[str, int]) -> dict[str, int]:
    """Model -> how many verdicts, where any reply named its model.

    Args:
        models: As the verdicts have them; empty for those that name none.
    """
    if not any(models):
        return {}
    named = {name: models[name] for name in sorted(models) if name}
    return named | ({UNNAMED: models[""]} if "" in models else {})


def settings_of(judge: Judge, *, reasoning: bool = False) -> dict[str, Any]:
    """What a judge's name does not say of its column; that it judged thoughts too, if it did."""
    return {**judge.settings, "reasoning": True} if reasoning else judge.settings


def note_inline(
    record: TaskRecord, task: str, judge: Judge, verdicts: Iterable[Mapping[str, Any]],
    reasoning: bool,
) -> None:  # fmt: skip
    """Writes down who judged a task inside lm-eval, and says where that was more than one model."""
    models = models_of(verdicts)
    note(record, judge, models, reasoning=reasoning)
    if len(named := snapshots(models)) > 1:
        said = ", ".join(f"{name} ({n})" for name, n in named.items())
        log.warning("%s: verdicts of %s come from several models: %s", task, judge.spec, said)


def note(
    record: TaskRecord, judge: Judge, models: Mapping[str, int], *, reasoning: bool = False
) -> None:
    """Writes down who judged, in a task's record.

    Args:
        record: The record.
        judge: Who judged.
        models: See `snapshots`.
        reasoning: Whether thoughts were judged too.
    """
    settings = settings_of(judge, reasoning=reasoning)
    add_judge(record, judge.spec, settings, judging(judge).weights, snapshots(models))


def models_of(verdicts: Iterable[Verdict | Mapping[str, Any]]) -> Counter[str]:
    """The models that gave these verdicts, and those on thoughts; a missing one is nobody's."""
    values = [v.as_dict() if isinstance(v, Verdict) else v for v in verdicts]
    values += [thought for v in values if (thought := v.get("reasoning"))]
    return Counter(str(v.get("model", "")) for v in values if v["harmful"] is not None)
