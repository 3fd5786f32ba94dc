"""What judging costs: an estimate before, a limit during, the sum after."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ptst_tasks.prices import Price

__all__ = ["Budget", "Estimate"]

CHARS_PER_TOKEN = 4  # of English; other scripts need more tokens, so the estimate is a low one
TYPICAL_REPLY = 120  # tokens
BATCH_DISCOUNT = 0.5


@dataclass(slots=True)
class Estimate:
    """What is still to be asked; `cost` is in USD, None where the price is unknown."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    price: Price | None = None

    def add(self, chars: int) -> None:
        """Adds one call of so many characters."""
        self.calls += 1
        self.tokens_in += chars // CHARS_PER_TOKEN + 1
        self.tokens_out += TYPICAL_REPLY

    @property
    def cost(self) -> float | None:
        """USD."""
        return self.price.cost(self.tokens_in, self.tokens_out) if self.price else None


@dataclass(slots=True)
class Budget:
    """Limits that hold while calls are made, and what was spent.

    Attributes:
        max_calls: Calls, retries included; None for no limit.
        max_cost: USD; None for no limit.
        price: Needed for `max_cost`.
    """

    max_calls: int | None = None
    max_cost: float | None = None
    price: Price | None = None
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    reserved: float = 0.0
    in_flight: int = 0

    @property
    def spent(self) -> float:
        """USD so far; 0 where the price is unknown."""
        return self.price.cost(self.tokens_in, self.tokens_out) if self.price else 0.0

    async def reserve(self, chars: int, max_reply: int) -> float | None:
        """Sets the dearest outcome of one call aside; returns it, or None if a limit forbids it."""
        most = self.price.cost(chars, max_reply) if self.price else 0.0  # a token has a character
        while True:
            if self.max_calls is not None and self.calls >= self.max_calls:
                return None
            if self.max_cost is None or self.spent + self.reserved + most <= self.max_cost:
                break
            if not self.in_flight:
                return None
            await asyncio.sleep(0.02)  # calls under way turn out cheaper than what is set aside
        self.calls += 1
        self.in_flight += 1
        self.reserved += most
        return most

    def settle(self, reserved: float, tokens_in: int = 0, tokens_out: int = 0) -> None:
        """Replaces what was set aside by what was used."""
        self.in_flight -= 1
        self.reserved -= reserved
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
