"""A penalty on how far the next token's distribution moves from the base's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from adapters_train.defences.defence import Defence, Penalty
from adapters_train.defences.token_penalty import Tokens, check_head

if TYPE_CHECKING:
    from adapters_train.job import Job

__all__ = ["Kl"]


class Kl(Defence):
    """``kl:WEIGHT``: WEIGHT times ``KL(p || p_base)`` of the answers' tokens; 0 is plain training."""

    name: ClassVar[str] = "kl"
    about: ClassVar[str] = "a penalty keeps answers' tokens near the base's"
    source: ClassVar[str] = "the penalty of Stiennon et al., eq. 1 (arXiv 2009.01325)"
    takes: ClassVar[str] = "the weight of the divergence, in nats as the loss"
    usual: ClassVar[str] = "1"
    plain: ClassVar[str] = "0"
    bounds: ClassVar[tuple[float, float] | None] = (0, 1e6)

    def check_base(self, job: Job) -> None:
        """Wants logits that are the head's output.

        Raises:
            ConfigError: If the base scales them.
        """
        check_head(job.base.model)

    def penalty(self) -> Penalty | None:
        """The weighted divergence."""
        weight = float(self.value)
        return (lambda tokens: _penalty(tokens, weight)) if weight else None


def _penalty(tokens: Tokens, weight: float) -> Any:
    return weight * tokens.divergence()
