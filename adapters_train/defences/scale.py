"""The adapter at a part of its strength: what every other defence has to beat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from adapters_train.defences.adapter_file import change, is_b
from adapters_train.defences.defence import Defence

if TYPE_CHECKING:
    from adapters_train.job import Job

__all__ = ["Scale"]


class Scale(Defence):
    """``scale:STRENGTH``: what the adapter adds, times STRENGTH; 0 is the base, 1 plain training."""

    name: ClassVar[str] = "scale"
    about: ClassVar[str] = "the trained adapter at a part of its strength"
    source: ClassVar[str] = "ours: the plain baseline"
    takes: ClassVar[str] = "the strength"
    usual: ClassVar[str] = "0.5"
    plain: ClassVar[str] = "1"
    bounds: ClassVar[tuple[float, float] | None] = (0, 1)
    afterwards: ClassVar[bool] = True

    def finish(self, adapter: Path, job: Job) -> dict[str, Any]:
        """Multiplies the second matrix of every pair."""
        strength = float(self.value)
        if strength != 1:
            change(adapter, lambda w: {n: m * strength if is_b(n) else m for n, m in w.items()})
        return {}
