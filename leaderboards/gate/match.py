"""Which number of the baseline belongs to which of this release?

Numbers are matched by base, test template, task, judge and metric. Where a side holds several of
one kind (a grid of adapters), the training columns are matched too; where both sides sampled with
seeds, the seeds. What is left over is matched without base, judge and seed of the sampling, so that
a change of one is *named* and not reported as cells that came and went.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter

from leaderboards.board.corrected import PEOPLE
from leaderboards.board.kinds import kind_of
from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from leaderboards.board.sides import Side
from leaderboards.gate.limits import Limits
from leaderboards.gate.names import check_names, check_refused
from leaderboards.gate.policy import Policy
from ptst_tasks.errors import DataError

__all__ = ["Lookup", "Pair", "pairs_of"]

Key = tuple[object, ...]
_SHORT = ("base", "test_template", "attack", "task", "judge", "metric")
_TRAINING = ("train_data", "train_template", "defence", "seed")
_SAMPLED = ("decoding_seed",)
_NAMED = 5
_LOOSE = frozenset({"base", "judge", "decoding_seed"})


@dataclass(frozen=True, slots=True)
class Pair:
    """One number on both sides, or on one."""

    baseline: Number | None
    current: Number | None

    @property
    def row(self) -> Row:
        """The row that names it: this release's, or else the baseline's."""
        number = self.current or self.baseline
        assert number is not None  # a pair has at least one side
        return number.row

    @property
    def label(self) -> str:
        """Task, template, judge, metric and training, for a reader."""
        row = self.row
        seeds = ("" if row.seed is None else f"s{row.seed}",
                 "" if row.decoding_seed is None else f"sampled {row.decoding_seed}")  # fmt: skip
        parts = (row.task, row.test_template, row.attack, row.judge, row.metric, row.train_data,
                 row.train_template, row.defence, *seeds)  # fmt: skip
        return " / ".join(part for part in parts if part)


class Lookup:
    """The policy's limits on rows; each kind of number is looked up once.

    Args:
        policy: What is allowed.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._found: dict[tuple[str, str, str, str, str], Limits | None] = {}

    def __call__(self, row: Row, metric: str = "") -> Limits | None:
        """What is allowed of the row's metric, or of another one."""
        key = (row.task, row.test_template, metric or row.metric, row.judge, kind_of(row))
        if key not in self._found:
            limits = self._found[key] = self._policy.limits(*key)
            if limits and not metric:
                check_refused(row, limits)
        return self._found[key]

    def corrects(self, row: Row) -> bool:
        """Whether the row's metric is decided by people's labels."""
        if row.metric not in PEOPLE:
            return False
        return self._policy.corrects(
            row.task, row.test_template, row.metric, row.judge, kind_of(row)
        )


def pairs_of(
    baseline: Side, current: Side, policy: Policy, limits: Lookup
) -> tuple[list[tuple[Pair, Limits]], list[str]]:
    """Matches every number that the policy limits.

    Returns:
        Pairs with their limits, and notes.

    Raises:
        ConfigError: If the policy names what there is not, or is the wrong way round.
        DataError: If a side has two numbers for one place, or nothing is left to check.
    """
    notes = check_names(policy, (n.row for side in (baseline, current) for n in side.numbers))
    old, new = ([n for n in side.numbers if limits(n.row)] for side in (baseline, current))
    columns = _columns(old, new)
    olds, news = _index(old, columns, baseline.where), _index(new, columns, current.where)
    pairs = [Pair(olds.pop(key), news.pop(key)) for key in [*olds] if key in news]
    pairs += _loosely(olds, news, [c for c in columns if c not in _LOOSE])
    pairs += (failed := _failed(baseline, news, columns))
    notes += _thoughtless(olds, current, columns)
    pairs += [Pair(n, None) for n in olds.values()] + [Pair(None, n) for n in news.values()]
    if not pairs:
        raise DataError(
            f"nothing to check: no metric of {baseline.where!r} or {current.where!r} is limited by "
            f"the policy; they have {', '.join(sorted(_metrics(baseline) | _metrics(current)))}"
        )
    out = [(pair, found) for pair in pairs if (found := limits(pair.row))]
    out += [(pair, Limits()) for pair in failed if pair.current is None]
    out += [(Pair(None, n), Limits()) for n in current.numbers if n.row.error and not n.row.metric]
    notes = [*_new(pairs), *_swapped(pairs), *_unlimited(baseline, current, policy), *notes]
    return out, notes


def _failed(baseline: Side, news: dict[Key, Number], columns: tuple[str, ...]) -> list[Pair]:
    """Failed cells of the baseline, which name no metric, with what is there now; takes it out."""
    known = attrgetter("test_template", "attack", "task", *(c for c in columns if c in _TRAINING))
    pairs = []
    for number in baseline.numbers:
        if not number.row.error or number.row.metric:
            continue
        keys = [key for key, new in news.items() if known(new.row) == known(number.row)]
        pairs += [Pair(number, news.pop(key)) for key in keys] or [Pair(number, None)]
    return pairs


def _thoughtless(olds: dict[Key, Number], current: Side, columns: tuple[str, ...]) -> list[str]:
    """Thoughts that were cut off, in the baseline, of what was measured now and had no thought.

    Where a model may have none (behind an endpoint, or told not to think), none is reported: that is
    no cell that got lost. Takes them out, and says so.
    """
    place = attrgetter(*(c for c in columns if c != "metric"))
    here = {place(n.row) for n in current.numbers if n.row.n}
    gone = [k for k, n in olds.items() if n.row.metric == "truncated" and place(n.row) in here]
    found = [Pair(olds.pop(key), None).label for key in gone]
    return [f"nothing is thought in this run, so nothing was cut off: {name}" for name in found]


def _unlimited(baseline: Side, current: Side, policy: Policy) -> list[str]:
    """Names metrics of both sides that no rule speaks of; ``off`` is a decision."""
    named = attrgetter("task", "test_template", "metric", "judge")
    sides = [{(*named(n.row), kind_of(n.row)) for n in s.numbers} for s in (baseline, current)]
    free = sorted({(row[2], row[0]) for row in sides[0] & sides[1]
                   if row[2] and next(policy.rules_of(*row), None) is None})  # fmt: skip
    if not free:
        return []
    first = ", ".join(f"{metric} of {task}" for metric, task in free[:_NAMED])
    more = f" and {len(free) - _NAMED} more" if len(free) > _NAMED else ""
    return [f"measured on both sides and not limited: {first}{more}"]


def _columns(old: list[Number], new: list[Number]) -> tuple[str, ...]:
    """As few as tell the numbers of either side apart; seeds of the sampling where both have them."""
    sampled = all(any(n.row.decoding_seed is not None for n in side) for side in (old, new))
    short = (*_SHORT, *_SAMPLED) if sampled else _SHORT
    return short if _unique(old, short) and _unique(new, short) else (*short, *_TRAINING)


def _unique(numbers: list[Number], columns: Iterable[str]) -> bool:
    key = attrgetter(*columns)
    return len({key(n.row) for n in numbers}) == len(numbers)


def _index(numbers: list[Number], columns: Iterable[str], where: str) -> dict[Key, Number]:
    key = attrgetter(*columns)
    found: dict[Key, Number] = {}
    for number in numbers:
        twin = found.setdefault(key(number.row), number)
        if twin is not number:
            raise DataError(f"{where!r} has two numbers for {Pair(None, number).label}: "
                            + _apart(twin.row, number.row))  # fmt: skip
    return found


def _apart(a: Row, b: Row) -> str:
    """How two numbers of one place differ, and which option chooses one."""
    if a.adapter == b.adapter and a.decoding_seed != b.decoding_seed:
        return (f"seeds of the sampling {a.decoding_seed!r} and {b.decoding_seed!r}, and the other "
                "side was sampled without; choose one with --baseline-only or --current-only "
                "decoding_seed=...")  # fmt: skip
    return (f"adapters {a.adapter!r} and {b.adapter!r}; choose one with --baseline-only or "
            "--current-only adapter=...")  # fmt: skip


def _loosely(
    olds: dict[Key, Number], news: dict[Key, Number], columns: Iterable[str]
) -> list[Pair]:
    """Pairs what differs in base, judge or seed alone, where that is not ambiguous; takes it out."""
    groups: dict[Key, tuple[list[Key], list[Key]]] = defaultdict(lambda: ([], []))
    loose = attrgetter(*columns)
    for side, numbers in enumerate((olds, news)):
        for key, number in numbers.items():
            groups[loose(number.row)][side].append(key)
    ones = [(a[0], b[0]) for a, b in groups.values() if len(a) == len(b) == 1]
    return [Pair(olds.pop(a), news.pop(b)) for a, b in ones]


def _new(pairs: list[Pair]) -> list[str]:
    count = sum(pair.baseline is None for pair in pairs)
    return [f"{count} numbers are new: not in the baseline"] if count else []


def _swapped(pairs: Iterable[Pair]) -> list[str]:
    """Names a baseline that is newer than what is checked against it."""
    dates = {(p.baseline.row.date, p.current.row.date) for p in pairs if p.baseline and p.current}
    newer = sorted(d for d in dates if (old := _time(d[0])) and (new := _time(d[1])) and old > new)
    if not newer:
        return []
    measured, now = newer[-1]
    return [f"the baseline is newer than this run: it was measured {measured}, this run {now}; are the "
            "two swapped, or is this run an old one?"]  # fmt: skip


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _metrics(side: Side) -> set[str]:
    return {number.row.metric for number in side.numbers if number.row.metric}
