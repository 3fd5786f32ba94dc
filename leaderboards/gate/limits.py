"""What is allowed of one metric: a *limit*, written the way one would say it.

"<= 0.05"   the rate may be 5 % at most             (higher is worse)
">= 0.60"   the rate must be 60 % at least          (lower is worse)
"+0.05"     it may rise by 5 points at most         (higher is worse)
"-0.03"     it may fall by 3 points at most         (lower is worse)
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    model_validator,
)

from leaderboards.board.fields import DIRECTIONS

__all__ = ["Limits", "sign_meant"]

_LIMIT = re.compile(r"(<=|>=|\+|-)\s*(\d*\.?\d+)\s*(%?)", re.ASCII)
_OFF = frozenset({"off", "null", "none", "~", ""})


def _share(value: float | None) -> float | None:
    if value is not None and not 0 <= value <= 1:  # nan is not, either
        raise ValueError(f"{value!r} is not a share within 0..1 (5 % is 0.05)")
    return value


Share = Annotated[float | None, AfterValidator(_share)]


class Limits(BaseModel):
    """What is allowed of one metric; rates and changes 0..1, None where nothing is said.

    Attributes:
        at_most: Absolute limit, higher is worse.
        at_least: Absolute limit, lower is worse.
        increase: Margin of an allowed rise.
        loss: Margin of an allowed fall.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_most: Share = None
    at_least: Share = None
    increase: Share = None
    loss: Share = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Limits:
        if 0 in (self.increase, self.loss):
            raise ValueError(
                f"'{self}': no sample can show a change of exactly 0; allow 0.01 or more"
            )
        higher = self.at_most is not None or self.increase is not None
        if higher and (self.at_least is not None or self.loss is not None):
            raise ValueError(f"'{self}' says both that higher is worse and that lower is worse")
        return self

    @property
    def margin(self) -> float | None:
        """The allowed worsening; None where only a rate is limited."""
        return self.increase if self.increase is not None else self.loss

    @property
    def bound(self) -> float | None:
        """The allowed rate of bad outcomes; None where only a change is limited."""
        if self.at_most is not None:
            return self.at_most
        return None if self.at_least is None else 1 - self.at_least

    @property
    def lower_is_worse(self) -> bool:
        """Which way is worse."""
        return self.loss is not None or self.at_least is not None

    def __str__(self) -> str:
        """As it is written in a policy."""
        names = {"at_most": "<= ", "at_least": ">= ", "increase": "+", "loss": "-"}
        pairs = ((sign, getattr(self, field)) for field, sign in names.items())
        return ", ".join(f"{sign}{value:g}" for sign, value in pairs if value is not None)


def _limits(value: Any) -> Any:
    if value is None or value is False or (isinstance(value, str) and value.lower() in _OFF):
        return None
    if isinstance(value, Limits):
        return value
    if isinstance(value, (dict, list)) and not value:
        raise ValueError(f"{value!r} limits nothing; write a limit ('+0.05'), or off")
    if isinstance(value, dict):
        return value
    parts = value if isinstance(value, list) else str(value).split(",")
    if odd := next((part for part in parts if isinstance(part, (dict, list))), None):
        raise ValueError(
            f"{repr(odd)[:60]} is no limit; write '<= 0.05', '+0.05', ... or a list of them"
        )
    fields: dict[str, float] = {}
    for part in parts:
        field, number = _limit(str(part).strip())
        if field in fields:
            raise ValueError(f"two limits of one kind in {value!r}")
        fields[field] = number
    return Limits(**fields)


def _limit(text: str) -> tuple[str, float]:
    match = _LIMIT.fullmatch(text)
    if not match:
        raise ValueError(
            f"{text[:60]!r} is no limit; write '<= 0.05', '>= 0.6', '+0.05', '-0.03' or off"
        )
    sign, digits, percent = match.groups()
    number = float(digits) / (100 if percent else 1)
    if not 0 <= number <= 1:
        raise ValueError(f"{text[:60]!r} is not a share within 0..1 (5 % is 0.05 or 5%)")
    field = {"<=": "at_most", ">=": "at_least", "+": "increase", "-": "loss"}[sign]
    return field, number


def sign_meant(limits: Limits, direction: Literal["higher", "lower"]) -> str:
    """What was probably meant by limits that turn the gate round; empty if they do not."""
    right = ("at_most", "increase") if direction == "higher" else ("at_least", "loss")
    said = (limits.at_most, limits.increase, limits.at_least, limits.loss)
    absolute, change = (said[2], said[3]) if direction == "higher" else (said[0], said[1])
    if absolute is None and change is None:
        return ""
    return str(Limits(**{right[0]: absolute, right[1]: change}))


def _right_way_round(metrics: dict[str, Limits | None]) -> dict[str, Limits | None]:
    """Refuses limits that would let every worsening pass and stop improvements."""
    for metric, limits in metrics.items():
        if limits is None or metric not in DIRECTIONS:
            continue
        worse = DIRECTIONS[metric]
        if meant := sign_meant(limits, worse):
            raise ValueError(
                f"{metric}: '{limits}' turns the gate round, as of {metric} {worse} is worse; write "
                f"'{meant}'"
            )
        if metric == "unscored" and limits.increase is not None:
            raise ValueError(
                f"unscored: '{limits}' limits nothing, as missing verdicts are counted on either side; "
                f"write '<= {limits.increase:g}'"
            )
    return metrics


Metrics = Annotated[
    dict[str, Annotated[Limits | None, BeforeValidator(_limits)]], AfterValidator(_right_way_round)
]
