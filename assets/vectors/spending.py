"""What a refresh may still spend, and what it has spent. Pure.

Texts are admitted by the tokens that were counted when they were cut; what an endpoint counts may differ, so
the counts are corrected by what it said so far. A budget is kept before a request is sent, not noticed after.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from assets.settings import Budget


@dataclass(frozen=True)
class Spent:
    """What a collection has spent before, as the ledger has it.

    Attributes:
        run_tokens: in this run.
        day_tokens: since midnight in the collection's time zone.
        run_cost: in this run, in money.
        day_cost: since midnight, in money.
    """

    run_tokens: int = 0
    day_tokens: int = 0
    run_cost: float = 0.0
    day_cost: float = 0.0


def allowance(budget: Budget, spent: Spent, price_per_million: float | None) -> float:
    """Return how many tokens a refresh may still send; infinite where nothing bounds it.

    Args:
        budget: of the collection.
        spent: so far.
        price_per_million: price of 1,000,000 tokens, where it is declared.
    """
    left = [math.inf]
    if budget.tokens_per_run is not None:
        left.append(budget.tokens_per_run - spent.run_tokens)
    if budget.tokens_per_day is not None:
        left.append(budget.tokens_per_day - spent.day_tokens)
    if price_per_million:
        if budget.cost_per_run is not None:
            left.append((budget.cost_per_run - spent.run_cost) / price_per_million * 1_000_000)
        if budget.cost_per_day is not None:
            left.append((budget.cost_per_day - spent.day_cost) / price_per_million * 1_000_000)
    return max(0.0, min(left))


class Counted(Protocol):
    """Something whose tokens were counted."""

    @property
    def tokens(self) -> int:
        """How many."""
        ...


C = TypeVar("C", bound=Counted)


@dataclass
class Purse:
    """The tokens that a stage may send, and those that it sent.

    Attributes:
        allowed: tokens in all; infinite without a budget.
        drawn: counted tokens that were admitted.
        answered: counted tokens of what was answered.
        charged: what the endpoint said these were.
        empty: whether something was turned away.
    """

    allowed: float = math.inf
    drawn: int = 0
    answered: int = 0
    charged: int = 0
    empty: bool = field(default=False)

    @property
    def _ratio(self) -> float:
        """How many tokens of the endpoint's a counted one is, at least one."""
        return max(1.0, self.charged / self.answered) if self.answered else 1.0

    def admit(self, item: Counted) -> bool:
        """Take an item's tokens out of the purse, unless they are more than what is left."""
        under_way = (self.drawn - self.answered + item.tokens) * self._ratio
        if self.empty or self.charged + under_way > self.allowed:
            self.empty = True
            return False
        self.drawn += item.tokens
        return True

    def release(self, counted: int, charged: int) -> None:
        """Put back what was admitted, and take out what was charged: where an expectation is an upper bound.

        Args:
            counted: as admitted.
            charged: by the endpoint, perhaps nothing.
        """
        self.drawn -= counted
        self.charged += charged

    def settle(self, counted: int, charged: int) -> None:
        """Replace counted tokens by what the endpoint charged for them.

        Args:
            counted: when they were cut.
            charged: by the endpoint; 0 where it does not say.
        """
        self.answered += counted
        self.charged += charged or counted


def affordable(items: Iterable[C], purse: Purse) -> Iterator[C]:
    """Yield items for as long as the purse lasts."""
    for item in items:
        if not purse.admit(item):
            return
        yield item
