"""What a report is to hold, and whether it can."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboards.gate.policy import Policy
from leaderboards.report.sendable import TEXTS, Texts
from ptst_tasks.errors import ConfigError, did_you_mean, require

__all__ = ["Wishes", "check_wishes"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a report is to hold.

    Attributes:
        texts: Which texts.
        label: How many responses to ask people about; None for at most 100, 0 for none.
        seed: Draws them.
        judge: Whose verdicts part them; empty for one that judged all.
        pool: Average over bases that differ in a seed.
        policy: What two runs are compared by; None for the default.
    """

    texts: Texts = "harmless"
    label: int | None = None
    seed: int = 0
    judge: str = ""
    pool: bool = False
    policy: Policy | None = None


def check_wishes(sides: int, wishes: Wishes) -> None:
    """Whether a report can be as it is wished, before anything is read.

    Raises:
        ConfigError: With what is wrong.
        MissingExtraError: If what a report takes is not installed.
    """
    if not 1 <= sides <= 2:
        raise ConfigError(f"report of {sides} runs: give one, or two, before and after")
    if wishes.texts not in TEXTS:
        hint = did_you_mean(wishes.texts, TEXTS)
        raise ConfigError(f"texts is {wishes.texts!r}; {hint}expected one of {', '.join(TEXTS)}")
    if wishes.policy and sides < 2:
        raise ConfigError("a policy does nothing with one run; leave it out, or give two")
    require("report", "itables", "matplotlib", who="ptst report")
