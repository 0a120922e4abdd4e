"""The assembly line of the profiles stage: documents side by side, parts side by side, every answer kept as it comes.

No lease is held, so that a slow model keeps no refresh waiting: a document is claimed by a lock that ends with its
connection, and what is written is addressed by content. What another run has claimed is waited for, and taken over
if that run dies.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from assets.llm import Llm
from assets.profiles.asking import Halted, Inquiry, Unusable
from assets.profiles.keeping import Keeper, Tally
from assets.profiles.settings import Profiles
from assets.profiles.spending import Wallet
from assets.profiles.tasks import side_by_side
from assets.refresh import Refresh
from resources.llm_endpoint import LlmEndpoint

FIRST_POLL_SECONDS = 0.1
LONGEST_POLL_SECONDS = 2.0
"""How long at most before it is looked again whether another run has described the documents that it claimed."""


@dataclass
class Line:
    """One pass over the documents that wait.

    Attributes:
        refresh: whose documents.
        wanted: what is to be said of them.
        llm: that says it.
        recipe_id: of the profiles.
        waiting: parses, in the order in which they are taken up.
        wallet: what they may cost.
        tally: what was done.
        elsewhere: of the parses, those that another run had claimed when it was last looked.
        stopped: why the run ended before all were described: `budget`, `time`, `way` (somebody else waited for it);
            empty if it did not.
    """

    refresh: Refresh
    wanted: Profiles
    llm: Llm
    recipe_id: int
    waiting: Sequence[int]
    wallet: Wallet
    tally: Tally = field(default_factory=Tally)
    elsewhere: list[int] = field(default_factory=list)
    stopped: str = ""
    _until: float = 0.0

    async def run(self, endpoint: LlmEndpoint) -> None:
        """Work through all documents; what was answered is kept even if one fails."""
        self._until = time.monotonic() + self.wanted.seconds_per_run
        keeper = Keeper(self.refresh, self.llm, self.recipe_id, endpoint, self.tally)
        inquiry = Inquiry(self.wanted, self.llm, endpoint, keeper, self.wallet, self._halted)
        left, pause = list(self.waiting), FIRST_POLL_SECONDS
        try:
            while True:
                done = self.tally.finished
                left = await self._pass_over(left, keeper, inquiry)
                if left or not self.stopped:  # A pass that was broken off may not have come to them.
                    self.elsewhere = left
                if not left or self._halted():
                    return
                pause = FIRST_POLL_SECONDS if self.tally.finished > done else min(LONGEST_POLL_SECONDS, pause * 1.5)
                await asyncio.sleep(pause)
        finally:
            await keeper.settle()

    async def _pass_over(self, left: Sequence[int], keeper: Keeper, inquiry: Inquiry) -> list[int]:
        """Describe what can be claimed; returns what another run has claimed."""
        ids, elsewhere = iter(left), list[int]()
        workers = min(inquiry.endpoint.concurrency, len(left))
        await side_by_side([self._work(ids, elsewhere, keeper, inquiry) for _ in range(workers)])
        return elsewhere

    async def _work(self, ids: Iterator[int], elsewhere: list[int], keeper: Keeper, inquiry: Inquiry) -> None:
        for elements_id in ids:
            if self._halted():
                return
            if not await keeper.claim(elements_id):
                elsewhere.append(elements_id)
                continue
            try:
                await self._describe(elements_id, keeper, inquiry)
            except Halted:
                self._halted()  # Notes why.
                return
            except Unusable as failure:
                await keeper.note_failure(elements_id, failure.reason, failure.detail)
            finally:
                await keeper.release(elements_id)
            self.refresh.bench.progress("profiles", self.tally.finished, len(self.waiting))

    async def _describe(self, elements_id: int, keeper: Keeper, inquiry: Inquiry) -> None:
        document = await keeper.read(elements_id)
        if document is None or document.settled:  # Erased, or described by another run.
            self.tally.elsewhere += 1
            return
        await inquiry.describe(document)

    def _halted(self) -> bool:
        """Say whether nothing further may be begun, and note why."""
        if not self.stopped:
            if self.wallet.empty:
                self.stopped = "budget"
            elif time.monotonic() > self._until:
                self.stopped = "time"
            elif self.refresh.bench.gives_way():
                self.stopped = "way"
        return bool(self.stopped)
