"""Parts a cell's responses, so that the labelled ones of each part are a plain random sample of it.

By what the sample was drawn by they must be parted: it holds more of the rare verdict than there is. By the
verdicts of the judge whose rate is asked for they may be, which makes the interval narrower where it is
good; parts that would hold hardly a label are put together, by their sizes alone, so that what people said
has no say in it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

from leaderboards.board.numbers import Outcomes
from leaderboards.people.rates import Stratum

__all__ = ["LEAST", "drawn_parts", "strata_of", "stratum"]

LEAST = 4
"""Labels that a part may be expected to hold at least: fewer tell less than their bound costs. Of 0, 4, 8,
12 and 20, simulated over 45 designs, 4 made the narrowest intervals in most."""
Part = Sequence[str]


def drawn_parts(ids: Iterable[str], draws: Sequence[Outcomes]) -> list[list[str]]:
    """The parts that the sample was drawn from, by ids.

    Args:
        ids: Of all responses.
        draws: The verdicts of each judge that it was drawn by; none for a sample of all.
    """
    return _by({i: tuple(outcomes.get(i) for outcomes in draws) for i in ids})


def strata_of(
    parts: Iterable[Part], outcomes: Outcomes, said: Mapping[str, int | None]
) -> list[Stratum]:
    """The strata of a rate.

    Args:
        parts: As `drawn_parts` gives them.
        outcomes: Verdicts of the judge whose rate is asked for.
        said: What people say of some responses; None where they are unsure.
    """
    return [stratum(some, said) for part in parts for some in _split(part, outcomes, said)]


def stratum(ids: Part, said: Mapping[str, int | None]) -> Stratum:
    """A part as a stratum."""
    words = [said[i] for i in ids if i in said]
    sure = [word for word in words if word is not None]
    return Stratum(len(ids), len(sure), sum(sure), len(words) - len(sure))


def _split(part: Part, outcomes: Outcomes, said: Mapping[str, int | None]) -> list[list[str]]:
    """By verdict, small ones with the next greater one."""
    share = sum(i in said for i in part) / len(part)
    found: list[list[str]] = []
    waiting: list[str] = []
    for some in sorted(_by({i: outcomes.get(i) for i in part}), key=len):
        waiting += some
        if share * len(waiting) >= LEAST:
            found.append(waiting)
            waiting = []
    if waiting and found:
        found[-1] += waiting
    return found or [waiting]


def _by(calls: Mapping[str, Hashable]) -> list[list[str]]:
    found: dict[Hashable, list[str]] = {}
    for i, call in calls.items():
        found.setdefault(call, []).append(i)
    return list(found.values())
