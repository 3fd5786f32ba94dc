"""Constrained fine-tuning: the further a token is from the aligned model, the less it is learnt."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from adapters_train.defences.defence import Defence, Penalty
from adapters_train.defences.token_penalty import Tokens

if TYPE_CHECKING:
    from adapters_train.job import Job

__all__ = ["BETAS", "Constrained", "betas"]

BETAS = (0.5, 2.0, 2.0, 2.0, 2.0, 0.1)
"""Beta of the first five tokens of an answer, and of all later ones; their section 4.2."""


class Constrained(Defence):
    """``constrained:SCALE``: the published betas times SCALE; 0 is plain training."""

    name: ClassVar[str] = "constrained"
    about: ClassVar[str] = "answers' tokens, the first above all, may not move far from the base's"
    source: ClassVar[str] = "Qi et al., eq. 3 (arXiv 2406.05946)"
    takes: ClassVar[str] = "what the published betas are multiplied by"
    usual: ClassVar[str] = "1"
    plain: ClassVar[str] = "0"
    bounds: ClassVar[tuple[float, float] | None] = (0, 1e6)
    counts_tokens: ClassVar[bool] = True

    def penalty(self) -> Penalty | None:
        """Their objective less the plain loss.

        Equation 3 asks to minimise, over the tokens t of an answer, ``-(2 / b_t) log sigmoid(b_t d_t)``
        with ``d_t = log p(y_t) - log p_base(y_t)``. As ``-log sigmoid(z) = log 2 - z / 2 +
        log cosh(z / 2)``, that is the plain loss ``-log p(y_t)``, constants of no weight, and
        ``(2 / b_t) log cosh(b_t d_t / 2)``, which is never negative and vanishes with b.
        """
        scale = float(self.value)
        return (lambda tokens: _penalty(tokens, scale)) if scale else None

    def finish(self, adapter: Path, job: Job) -> dict[str, Any]:
        """Changes nothing; says the betas, and how many tokens of the template stand before the first."""
        return {
            "betas": [beta * float(self.value) for beta in BETAS],
            "openings": sorted(set(job.encoded.openings)),
        }


_SMALL, _LEAST = 1e-4, 1e-300
"""Below the first, log cosh(z / 2) is z^2 / 8 to nine digits; the second is a divisor that is no zero."""


def betas(position: Any, scale: float) -> Any:
    """Beta of tokens by their position in the answer, the first being 0; of what is before it the last."""
    import torch

    table = torch.tensor(BETAS, dtype=torch.float64, device=position.device) * scale
    last = len(BETAS) - 1
    return table[torch.where(position < 0, last, position).clamp(max=last)]


def _penalty(tokens: Tokens, scale: float) -> Any:
    import torch

    # In double precision: of a small beta, single precision leaves nothing but noise.
    beta = betas(tokens.position, scale)
    moved = tokens.log_prob.double() - tokens.base_log_prob.double()
    z = beta * moved
    log_cosh = torch.logaddexp(z, torch.zeros_like(z)) - z / 2 - math.log(2)
    # Of a small z the logarithms cancel, and 2 / b blows up what is left: there its series.
    return torch.where(z.abs() < _SMALL, z * moved / 4, 2 / beta.clamp(min=_LEAST) * log_cosh)
