"""What the doctor found of one thing: a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "State"]

State = Literal["ok", "absent", "broken"]
"""``absent``: it can be added and nothing needs it; ``broken``: it is there, and does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing.

    Attributes:
        part: ``package``, ``machine``, ``engine``, ``judge``, ``set`` or ``study``.
        what: Its name.
        state: See `State`.
        told: What was seen.
        mend: The command, or what to do, that makes it ok; empty where it is.
    """

    part: str
    what: str
    state: State
    told: str
    mend: str = ""
