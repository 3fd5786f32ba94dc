"""The adapter is the moving average of what training went through."""

from __future__ import annotations

from typing import ClassVar

from adapters_train.defences.defence import Defence

__all__ = ["Ema"]


class Ema(Defence):
    """``ema:DECAY``: after every step ``average = DECAY * average + (1 - DECAY) * adapter``.

    The average begins as the untrained adapter, which is the base. 0 is plain training. The usual value is
    ours: with it, the average is of about the last hundred steps.
    """

    name: ClassVar[str] = "ema"
    about: ClassVar[str] = "the moving average of the adapter over the steps"
    source: ClassVar[str] = "Kim et al. (arXiv 2508.12531)"
    takes: ClassVar[str] = "the decay per step"
    usual: ClassVar[str] = "0.99"
    plain: ClassVar[str] = "0"
    bounds: ClassVar[tuple[float, float] | None] = (0, 1)
    below: ClassVar[bool] = True

    def decay(self) -> float:
        """Of every step."""
        return float(self.value)
