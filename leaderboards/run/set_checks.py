"""What a study says of the sets that it asks: their names, its own ones, how many rows of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ptst_tasks.attacks import NONE, named
from ptst_tasks.errors import ConfigError, PTSTError, UnknownNameError, did_you_mean, said
from ptst_tasks.own_sets import check_name

if TYPE_CHECKING:
    from leaderboards.run.study import Study

__all__ = ["check_attacks", "check_custom", "check_sample", "check_sets"]


def check_sets(study: Study) -> Iterator[PTSTError]:
    """Every set that is asked is known."""
    known = study.families()
    for name in study.test.sets:
        if name not in known:
            yield UnknownNameError("set", name, known, where="test.sets")


def check_sample(study: Study) -> Iterator[PTSTError]:
    """Rows are drawn or taken from the top, and of sets that are asked."""
    sample, who = study.test.sample, f"study {study.name!r}: test.sample"
    if sample is not None and study.test.limit is not None:
        yield ConfigError(f"{who} draws rows, and test.limit takes the first; leave one out")
    of_sets = {"sample": sample if isinstance(sample, dict) else {},
               "max_gen_toks": study.test.max_gen_toks}  # fmt: skip
    for field, name in ((field, name) for field, own in of_sets.items() for name in own):
        if name not in study.test.sets:
            near = did_you_mean(name, study.test.sets)
            yield ConfigError(
                f"study {study.name!r}: test.{field} names {name!r}, which test.sets does not ask; "
                f"{near}leave it out"
            )
    if "medqa" in study.test.max_gen_toks:
        yield ConfigError(
            f"study {study.name!r}: test.max_gen_toks names 'medqa', which compares log-likelihoods "
            "and generates nothing; leave it out"
        )


def check_custom(study: Study) -> Iterator[PTSTError]:
    """The sets of the user's own: their names and judges; each is asked."""
    from ptst_tasks.judges import make

    for name, own in study.test.custom.items():
        try:
            check_name(name)
            if own.judge:
                make(own.judge)
        except PTSTError as e:
            yield ConfigError(f"study {study.name!r}: test.custom: {said(e)}")
            continue
        if name not in study.test.sets:
            yield ConfigError(
                f"study {study.name!r}: test.custom has {name!r}, which test.sets does not ask; add it "
                "there, or leave it out"
            )


def check_attacks(study: Study) -> Iterator[PTSTError]:
    """Names and depths of attacks, each once, and a harmful set to ask with them."""
    where, found = f"study {study.name!r}: test.attacks", list[str]()
    if not study.test.attacks:
        yield ConfigError(f"{where} is empty; leave it out, or name none for plain queries")
    for spec in study.test.attacks:
        try:
            found.append(named(spec).spec or NONE)
        except PTSTError as e:
            yield ConfigError(f"{where}: {e}")
    for spec in dict.fromkeys(s for s in found if found.count(s) > 1):
        yield ConfigError(f"{where} names {spec!r} twice; leave one out")
    kinds = {study.families()[name].source.kind for name in study.test.sets}
    if set(found) - {NONE} and "harmful" not in kinds:
        sets = ", ".join(study.test.sets)
        yield ConfigError(
            f"{where} does nothing for the sets {sets}, none of which is harmful; leave it out"
        )
