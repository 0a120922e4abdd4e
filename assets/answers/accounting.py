"""What answers cost: into the ledger that all stages share, where this login may write there."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

import psycopg

from assets.llm import Llm, record_cost
from assets.workbench import Workbench
from resources.errors import SuimonError
from resources.llm_endpoint import LlmEndpoint

STAGE = "answers"
log = logging.getLogger("suimon.answers")


@dataclass
class Bill:
    """What an endpoint was asked on behalf of one caller, put into the ledger answer by answer.

    Attributes:
        bench: settings and doors; without its ledger nothing is written.
        llm: as declared.
        endpoint: that is asked.
        caller: the run, or the command.
        collection: that was asked; empty where it was all of them.
    """

    bench: Workbench
    llm: Llm
    endpoint: LlmEndpoint
    caller: str
    collection: str = ""
    _billed: int = field(default=0, init=False, repr=False)

    async def add(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Add an answer, or an attempt that brought none, with all requests since the last one.

        An answer that was paid for is never lost because its price cannot be written down.

        Args:
            prompt_tokens: that the endpoint charged for; 0 where it did not answer.
            completion_tokens: likewise.
        """
        requests, self._billed = self.endpoint.requests - self._billed, self.endpoint.requests
        if not (requests or prompt_tokens or completion_tokens):
            return
        try:
            await asyncio.to_thread(self._record, requests, prompt_tokens, completion_tokens)
        except (SuimonError, psycopg.Error) as error:
            log.warning("an answer is not in the ledger of cost: %s", type(error).__name__)

    def _record(self, requests: int, prompt_tokens: int, completion_tokens: int) -> None:
        if self.bench.ledger is None:
            return
        declared = self.bench.collections.get(self.collection)
        with self.bench.ledger.connect() as session:
            record_cost(
                session, self.llm, self.endpoint, collection=self.collection, run_id=self.caller, stage=STAGE,
                timezone=declared.timezone if declared else "UTC", requests=requests,
                inputs=1 if completion_tokens else 0, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens,
            )  # fmt: skip
