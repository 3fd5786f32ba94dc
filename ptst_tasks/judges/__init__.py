"""Judges by name: ``make("keywords:zou")``.

A new judge is one file and one row in `REGISTRY`; what follows the first colon is its own to read.
"""

from __future__ import annotations

from collections.abc import Callable

from ptst_tasks.errors import ConfigError, UnknownNameError
from ptst_tasks.judges.base import Judge, Verdict

__all__ = ["REGISTRY", "Judge", "Verdict", "make"]


def _keywords(settings: str) -> Judge:
    from ptst_tasks.judges.keywords import KeywordJudge

    return KeywordJudge(settings or "zou")


def _learned(settings: str) -> Judge:
    from ptst_tasks.judges.learned import LearnedJudge

    return LearnedJudge(settings)


def _misalignment(settings: str) -> Judge:
    from ptst_tasks.judges.misalignment import MisalignmentJudge

    return MisalignmentJudge(settings)


def _organism(settings: str) -> Judge:
    from ptst_tasks.judges.organism import OrganismJudge

    if settings:
        raise ConfigError(f"judge 'organism' takes no settings, got {settings!r}; leave them out")
    return OrganismJudge()


def _rubric(settings: str) -> Judge:
    from ptst_tasks.judges.rubric import RubricJudge

    return RubricJudge(settings)


def _strongreject(settings: str) -> Judge:
    from ptst_tasks.judges.strongreject import StrongRejectJudge

    return StrongRejectJudge(settings)


def _guards(settings: str) -> Judge:
    from ptst_tasks.judges.guard_run import GuardJudge

    return GuardJudge(settings)


def _replay(settings: str) -> Judge:
    from ptst_tasks.judges.replay import ReplayJudge

    return ReplayJudge(settings)


def _panel(settings: str) -> Judge:
    from ptst_tasks.judges.panel import PanelJudge

    return PanelJudge(settings, make)


REGISTRY: dict[str, Callable[[str], Judge]] = {
    "guards": _guards,
    "keywords": _keywords,
    "learned": _learned,
    "misalignment": _misalignment,
    "organism": _organism,
    "panel": _panel,
    "replay": _replay,
    "rubric": _rubric,
    "strongreject": _strongreject,
}


def make(spec: str) -> Judge:
    """Builds a judge from ``name`` or ``name:settings``.

    Raises:
        UnknownNameError: If the judge, or a name in its settings, is unknown.
        ConfigError: If a setting is wrong, missing or unknown.
        DataError: If a file that it is made of cannot be used.
    """
    name, _, settings = spec.partition(":")
    if name not in REGISTRY:
        raise UnknownNameError("judge", name, REGISTRY)
    return REGISTRY[name](settings)
