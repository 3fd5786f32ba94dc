"""`Defence`: where a defence may reach into a training run; each of its hooks does nothing here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ptst_tasks.errors import ConfigError

if TYPE_CHECKING:
    from adapters_train.config import TrainConfig
    from adapters_train.job import Job
    from ptst_tasks.templates import PromptTemplate, Templates

__all__ = ["Defence", "Penalty"]

Penalty = Callable[[Any], Any]
"""From the answers' tokens (`token_penalty.Tokens`) to what is added to the loss of each, in nats."""


class Defence:
    """Plain training, and what every other defence begins with.

    Class attributes say what it is: `name`; `about`, one line; `source`, where it is from; `takes`, what
    the parameter is, empty for none; `usual`, the parameter where none is given; `plain`, the parameter
    with which it is plain training; `bounds`, the ends of a parameter that is a number, the upper left out
    with `below`; `afterwards`, whether the training itself is plain; `reads_unaligned`, whether it needs
    `TrainConfig.unaligned`; `counts_tokens`, whether a token's place in its answer matters; `by_api`,
    whether it is in what is sent to an API that trains.

    Args:
        value: The parameter, as a user typed it.

    Attributes:
        value: The parameter in its one form: ``0.10`` and ``.1`` are ``0.1``.

    Raises:
        ConfigError: If it is no such value.
    """

    name: ClassVar[str] = "none"
    about: ClassVar[str] = "plain training"
    source: ClassVar[str] = ""
    takes: ClassVar[str] = ""
    usual: ClassVar[str] = ""
    plain: ClassVar[str] = ""
    bounds: ClassVar[tuple[float, float] | None] = None
    below: ClassVar[bool] = False
    afterwards: ClassVar[bool] = False
    reads_unaligned: ClassVar[bool] = False
    counts_tokens: ClassVar[bool] = False
    by_api: ClassVar[bool] = False

    def __init__(self, value: str = "") -> None:
        if value and not self.takes:
            raise ConfigError(f"defence {self.name!r} takes no parameter, and has {value!r}")
        self.value = self.read(value or self.usual) if self.takes else ""

    @property
    def spec(self) -> str:
        """Name and parameter, as in studies and on the board."""
        return f"{self.name}:{self.value}" if self.value else self.name

    @property
    def is_plain(self) -> bool:
        """Whether it is plain training, as with this parameter others are, too."""
        return self.value == self.plain

    def read(self, value: str) -> str:
        """The parameter in its one form.

        Raises:
            ConfigError: If it is no such value.
        """
        if self.bounds is None:
            return value
        low, high = self.bounds
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        found = float(f"{found + 0.0:.12g}")  # what is written is what is used
        if not low <= found <= high or (self.below and found == high):
            end = "and below" if self.below else "to"
            raise ConfigError(
                f"defence {self.name!r} has {value!r}, expected {self.takes}: a number from {low:g} "
                f"{end} {high:g}, as {self.name}:{self.usual}"
            )
        return f"{found:.12g}"

    def settings(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of training that it changes, from those that the run has."""
        return {}

    def check(self, config: TrainConfig) -> None:
        """Looks for what it needs, before anything is read or trained.

        Raises:
            ConfigError: If that is not there.
        """
        if config.unaligned:
            raise ConfigError(
                f"unaligned (--unaligned) is {config.unaligned!r}, and does nothing with defence "
                f"{self.spec!r}: safe_lora alone reads it; leave it out"
            )

    def template(self, template: PromptTemplate, table: Templates) -> PromptTemplate:
        """The template that is trained under, in place of the run's."""
        return template

    def unaligned(self, config: TrainConfig) -> str:
        """Digest of weights beside the base's that decide the adapter; empty for none."""
        return ""

    def check_base(self, job: Job) -> None:
        """Looks whether the base is one that it can be used with, before the first step.

        Raises:
            ConfigError: If it is not.
        """

    def penalty(self) -> Penalty | None:
        """What is added to the loss of every token of an answer; None for nothing."""
        return None

    def decay(self) -> float:
        """Of the moving average over the steps that takes the adapter's place, 0..1; 0 for none."""
        return 0.0

    def finish(self, adapter: Path, job: Job) -> dict[str, Any]:
        """Changes the trained adapter in its folder, or a copy; returns what the manifest says of it.

        Raises:
            ConfigError: If it cannot.
        """
        return {}
