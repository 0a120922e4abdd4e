"""What the profiles of a collection may still cost: tokens and money, kept before a request is sent. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from assets.llm import Llm
from assets.profiles.settings import ProfileBudget
from assets.vectors.spending import Purse, Spent


@dataclass(frozen=True)
class _Counted:
    tokens: int


def _left(*bounds: tuple[float | None, float]) -> float:
    return max(0.0, min((bound - spent for bound, spent in bounds if bound is not None), default=math.inf))


@dataclass
class Wallet:
    """Two purses: one of tokens, one of money in millionths.

    Attributes:
        llm: whose prices hold.
        tokens: what may be sent.
        money: what it may cost.
    """

    llm: Llm
    tokens: Purse = field(default_factory=Purse)
    money: Purse = field(default_factory=Purse)

    @classmethod
    def of(cls, llm: Llm, budget: ProfileBudget, spent: Spent) -> Wallet:
        """Return what a budget leaves.

        Args:
            llm: whose prices hold.
            budget: as declared.
            spent: so far.
        """
        tokens = _left((budget.tokens_per_run, spent.run_tokens), (budget.tokens_per_day, spent.day_tokens))
        money = _left((budget.cost_per_run, spent.run_cost), (budget.cost_per_day, spent.day_cost))
        return cls(llm, Purse(tokens), Purse(money * 1e6))

    @property
    def empty(self) -> bool:
        """Whether something was turned away."""
        return self.tokens.empty or self.money.empty

    def admit(self, prompt_tokens: int, completion_tokens: int) -> bool:
        """Take a request out of the wallet, unless it may cost more than is left."""
        if self.empty or not self.tokens.admit(_Counted(prompt_tokens + completion_tokens)):
            return False
        return self.money.admit(_Counted(self._millionths(prompt_tokens, completion_tokens)))

    def settle(self, expected: tuple[int, int], charged: tuple[int, int]) -> None:
        """Replace what a request was expected to cost by what it did.

        Args:
            expected: prompt and completion tokens as admitted.
            charged: as the endpoint counted them; zeros where it did not answer.
        """
        self.tokens.release(sum(expected), sum(charged))
        self.money.release(self._millionths(*expected), self._millionths(*charged))

    def _millionths(self, prompt_tokens: int, completion_tokens: int) -> int:
        return math.ceil(1e6 * (self.llm.cost(prompt_tokens, completion_tokens) or 0))
