"""What OpenAI's models cost: the one table of list prices."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Price", "price_of"]

# USD per million tokens (in, out): OpenAI's list prices of mid 2025. Prices change: --price of
# `ptst score`, price_in and price_out of a study's engine_args.
_PRICES: dict[str, tuple[float, float]] = {
    "ft:gpt-3.5-turbo": (3.0, 6.0),
    "gpt-3.5-turbo": (0.5, 1.5),
    "gpt-4": (30.0, 60.0),
    "gpt-4-turbo": (10.0, 30.0),
    "gpt-4.1": (2.0, 8.0),
    "gpt-4.1-mini": (0.4, 1.6),
    "gpt-4.1-nano": (0.1, 0.4),
    "gpt-4o": (2.5, 10.0),
    "gpt-4o-mini": (0.15, 0.6),
}


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    tokens_in: float
    tokens_out: float

    def cost(self, tokens_in: float, tokens_out: float) -> float:
        """USD for so many tokens."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


def price_of(model: str) -> Price | None:
    """The list price of a model; None if unknown.

    Args:
        model: Its name, also dated (``gpt-4-0613``) or fine-tuned (``ft:gpt-3.5-turbo:org::id``).
    """
    if model.startswith("ft:"):
        model = ":".join(model.split(":")[:2])
    if model in _PRICES:
        return Price(*_PRICES[model])
    name, _, date = model.rpartition("-")
    for _ in range(3):  # -0613, -2024-08-06
        if not date.isdigit():
            return None
        if name in _PRICES:
            return Price(*_PRICES[name])
        name, _, date = name.rpartition("-")
    return None
