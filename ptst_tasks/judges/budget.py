"""What judging costs: an estimate before, a limit during, the sum after."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ptst_tasks.prices import Price

__all__ = ["BATCH_DISCOUNT", "Budget", "Estimate", "Ledger"]

CHARS_PER_TOKEN = 4  # of English; other scripts need more tokens, so the estimate is a low one
TYPICAL_REPLY = 120  # tokens
BATCH_DISCOUNT = 0.5


@dataclass(slots=True)
class Estimate:
    """What is still to be asked; `cost` is in USD, None where the price is unknown.

    Attributes:
        share: Of the list price that is charged (a batch is cheaper).
        most_in: Tokens in, at the most.
        most_out: Tokens out, at the most.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    price: Price | None = None
    share: float = 1.0
    most_in: int = 0
    most_out: int = 0

    def add(self, chars: int, longest: int = TYPICAL_REPLY) -> None:
        """Adds one call of so many characters, with a reply of at most `longest` tokens."""
        self.calls += 1
        self.most_in += chars  # a token has a character at least
        self.most_out += longest
        self.tokens_in += chars // CHARS_PER_TOKEN + 1
        self.tokens_out += TYPICAL_REPLY

    @property
    def cost(self) -> float | None:
        """USD."""
        if self.price is None:
            return None
        return self.share * self.price.cost(self.tokens_in, self.tokens_out)

    @property
    def dearest(self) -> float | None:
        """USD if every reply is as long as it may be."""
        if self.price is None:
            return None
        return self.share * self.price.cost(self.most_in, self.most_out)


@dataclass(slots=True)
class Ledger:
    """What was used; budgets may share one.

    Attributes:
        calls: Calls made, retries included.
        spent: USD; calls of an unknown price cost nothing here.
        unknown: Calls that were sent and of which no usage came back, at their dearest in `spent`.
        reserved: USD set aside for calls under way.
        in_flight: Those calls.
    """

    calls: int = 0
    spent: float = 0.0
    unknown: int = 0
    reserved: float = 0.0
    in_flight: int = 0


@dataclass(slots=True)
class Budget:
    """One limit over all who share it, whatever each one's price is.

    Attributes:
        max_calls: Calls, retries included; None for no limit.
        max_cost: USD; None for no limit.
        ledger: What was used.
    """

    max_calls: int | None = None
    max_cost: float | None = None
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.max_calls is not None or self.max_cost is not None

    def has_room(self, calls: int, cost: float) -> bool:
        """Whether the limits leave so many calls and so much money (USD)."""
        book = self.ledger
        return (self.max_calls is None or book.calls + calls <= self.max_calls) and (
            self.max_cost is None or book.spent + book.reserved + cost <= self.max_cost
        )

    async def reserve(self, most: float) -> bool:
        """Sets the dearest outcome of one call (USD) aside; False if a limit forbids it."""
        book = self.ledger
        while True:
            if self.max_calls is not None and book.calls >= self.max_calls:
                return False
            if self.max_cost is None or book.spent + book.reserved + most <= self.max_cost:
                break
            if not book.in_flight:
                return False
            await asyncio.sleep(0.02)  # calls under way turn out cheaper than what is set aside
        book.calls += 1
        book.in_flight += 1
        book.reserved += most
        return True

    def settle(self, most: float, used: float | None, *, sent: bool = True) -> None:
        """Replaces what was set aside by what was used.

        Args:
            most: What was set aside.
            used: What the call cost; None if it was sent and nobody says, which counts as `most`.
            sent: Whether there was a call at all; nobody listening is none.
        """
        book = self.ledger
        book.in_flight -= 1
        book.reserved = book.reserved - most if book.in_flight else 0.0  # no dust of rounding
        if not sent:
            book.calls -= 1
        elif used is None:
            book.unknown += 1
            book.spent += most
        else:
            book.spent += used
