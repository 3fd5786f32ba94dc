"""The one table of defences; a new one is added by a file of its own and a line here."""

from __future__ import annotations

from adapters_train.defences.constrained import Constrained
from adapters_train.defences.defence import Defence
from adapters_train.defences.ema import Ema
from adapters_train.defences.inoculation import Inoculation
from adapters_train.defences.kl import Kl
from adapters_train.defences.mix import Mixing
from adapters_train.defences.safe_lora import SafeLora
from adapters_train.defences.scale import Scale
from ptst_tasks.errors import UnknownNameError

__all__ = ["DEFENCES", "PLAIN", "described", "named"]

_TABLE: tuple[type[Defence], ...] = (
    Defence, Inoculation, Mixing, Constrained, Kl, Ema, SafeLora, Scale,
)  # fmt: skip

PLAIN = Defence.name
"""Plain training."""
DEFENCES: dict[str, type[Defence]] = {kind.name: kind for kind in _TABLE}


def named(spec: str) -> Defence:
    """The defence that a name, or a name with its parameter, stands for: ``kl``, ``kl:0.1``.

    Raises:
        UnknownNameError: If there is none, with a near miss.
        ConfigError: If it has no such parameter.
    """
    name, _, value = spec.partition(":")
    if name not in DEFENCES:
        raise UnknownNameError("defence", name, DEFENCES)
    return DEFENCES[name](value)


def described() -> list[tuple[str, str, str]]:
    """Name with its usual parameter, what it does, and its source, of every defence."""
    return [
        (f"{d.name}:{d.usual}" if d.usual else d.name, d.about, d.source) for d in DEFENCES.values()
    ]
