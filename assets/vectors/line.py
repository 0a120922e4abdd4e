"""The assembly line of the vectors stage: batches in, requests side by side, one writer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from pgvector import HalfVector

from assets.refresh import Refresh
from assets.settings import Space
from assets.vectors.batching import Text, halves
from assets.vectors.spaces import UNIT_TOLERANCE, KnownSpace
from assets.vectors.spending import Purse
from resources import failpoints
from resources.attempts import InputRefused
from resources.embedding_endpoint import Embedded, EmbeddingEndpoint, Vectors
from resources.errors import EndpointRefused
from resources.pacing import host_of


@dataclass
class Tally:
    """What the stage has done so far.

    Attributes:
        texts: embedded.
        tokens: that the endpoint charged for them.
        requests: sent, failed ones included.
        refused: texts that the endpoint refused.
        elsewhere: texts that another refresh was embedding.
        total: texts that waited at the beginning.
    """

    texts: int = 0
    tokens: int = 0
    requests: int = 0
    refused: int = 0
    elsewhere: int = 0
    total: int = 0


@dataclass(frozen=True)
class _Answer:
    """Texts with their vectors, or one text that was refused."""

    texts: list[Text]
    vectors: Vectors | None
    tokens: int = 0
    status: int = 0

    @property
    def counted(self) -> int:
        """Tokens of the texts as counted when they were cut."""
        return sum(text.tokens for text in self.texts)


@dataclass
class Line:
    """One pass over the texts that wait for a vector in one space.

    Attributes:
        refresh: the refresh under way.
        space: where vectors are missing.
        declared: how its endpoint is used.
        endpoint: that is asked.
        tally: what was done so far.
        purse: what may still be sent.
        batches: the texts, claimed and packed.
        stage: what progress is told under.
    """

    refresh: Refresh
    space: KnownSpace
    declared: Space
    endpoint: EmbeddingEndpoint
    tally: Tally
    purse: Purse
    batches: Iterator[list[Text]]
    stage: str = "vectors"
    _answers: asyncio.Queue[_Answer | None] = field(init=False)
    _drawing: asyncio.Lock = field(init=False)
    _stopped: bool = False
    _requests_recorded: int = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count requests."""
        self._requests_recorded = self.endpoint.requests

    async def run(self, endpoint: EmbeddingEndpoint) -> None:
        """Work through all batches; keep what was answered even if one fails."""
        self._answers = asyncio.Queue(maxsize=endpoint.concurrency * 2)
        self._drawing = asyncio.Lock()
        writer = asyncio.create_task(self._write_answers())
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(endpoint.concurrency, self.tally.total)):
                    group.create_task(self._ask(endpoint))
        except ExceptionGroup as failures:
            first = failures.exceptions[0]
        else:
            first = None
        await self._finish(writer)
        if first is not None:
            raise first

    async def _finish(self, writer: asyncio.Task[None]) -> None:
        if not writer.done():
            await self._answers.put(None)
        await writer

    async def _ask(self, endpoint: EmbeddingEndpoint) -> None:
        while True:
            async with self._drawing:
                batch = None if self._stopped else await asyncio.to_thread(next, self.batches, None)
                if batch is not None and math.isfinite(self.purse.allowed) and not self.purse.answered:
                    await self._answer(endpoint, batch)  # The first alone: how does the endpoint count?
                    continue
            if batch is None:
                return
            await self._answer(endpoint, batch)

    async def _answer(self, endpoint: EmbeddingEndpoint, batch: list[Text]) -> None:
        texts = [self.space.passage_prefix + item.text for item in batch]
        try:
            embedded = await endpoint.embed(
                texts, self.space.model, self.declared.dimensions, tokens=sum(item.tokens for item in batch)
            )
        except InputRefused as refusal:
            if len(batch) == 1:
                self.purse.settle(batch[0].tokens, 0)
                await self._answers.put(_Answer(batch, None, status=refusal.status))
                return
            for half in halves(batch):
                await self._answer(endpoint, half)
            return
        _check(embedded, self.space)
        failpoints.reach("vectors.answered")
        answer = _Answer(batch, embedded.vectors, embedded.tokens)
        self.purse.settle(answer.counted, answer.tokens)
        await self._answers.put(answer)

    async def _write_answers(self) -> None:
        """Commit what has come in, all at once if several answers wait.

        After a failure it goes on emptying the queue, so that nobody waits for room in it, and fails at the end.
        """
        failure: Exception | None = None
        open_ended = True
        while open_ended:
            gathered = [await self._answers.get()]
            while not self._answers.empty():
                gathered.append(self._answers.get_nowait())
            open_ended = None not in gathered
            answers = [answer for answer in gathered if answer is not None]
            if answers and failure is None:
                try:
                    await asyncio.to_thread(self._write, answers)
                except Exception as error:
                    failure, self._stopped = error, True
        if failure is not None:
            raise failure

    def _write(self, answers: list[_Answer]) -> None:
        refused = [answer for answer in answers if answer.vectors is None]
        kept = [answer for answer in answers if answer.vectors is not None]
        wrap = HalfVector if self.space.storage == "halfvec" else np.asarray
        session = self.refresh.session
        with self.refresh.writing():
            if kept:
                rows = (
                    (item.text_id, wrap(vector))
                    for answer in kept
                    for item, vector in zip(answer.texts, answer.vectors, strict=True)  # type: ignore[arg-type]
                )
                incoming = incoming_of(self.space)
                session.copy("vectors/copy_incoming", ("int8", self.space.storage), rows, incoming=incoming)
                session.execute("vectors/merge_incoming", vectors=self.space.table, incoming=incoming)
            if refused:
                params = {
                    "space_id": self.space.space_id,
                    "text_ids": [answer.texts[0].text_id for answer in refused],
                    "reason": "endpoint_refused",
                    "details": [f"HTTP {answer.status}" for answer in refused],
                }
                session.execute("vectors/record_failures", params)
            settled = [text.text_id for answer in answers for text in answer.texts]
            session.execute("vectors/release_claims", {"space_id": self.space.space_id, "text_ids": settled})
            inputs = sum(len(answer.texts) for answer in kept)
            tokens = sum(answer.tokens or answer.counted for answer in kept)
            requests = self._record_cost(inputs, tokens)
            failpoints.reach("vectors.writing")
        failpoints.reach("vectors.written")
        self._requests_recorded += requests
        self.tally.requests += requests
        self.tally.texts += inputs
        self.tally.tokens += tokens
        self.tally.refused += len(refused)
        self.refresh.bench.progress(self.stage, self.tally.texts, self.tally.total)

    def _record_cost(self, inputs: int, tokens: int) -> int:
        """Write what was paid for into the ledger; returns the requests that were not in it yet."""
        refresh = self.refresh
        requests = self.endpoint.requests - self._requests_recorded
        if requests or inputs:
            refresh.session.execute(
                "endpoints/record_cost",
                {
                    "collection": refresh.name,
                    "run_id": refresh.run_id,
                    "stage": "vectors",
                    "model": self.space.model,
                    "endpoint": host_of(self.endpoint.base_url),
                    "timezone": refresh.settings.timezone,
                    "requests": requests,
                    "inputs": inputs,
                    "tokens": tokens,
                    "output_tokens": 0,
                    "price": self.declared.price_per_million_tokens,
                    "output_price": None,
                    "currency": self.declared.currency,
                },
            )
        return requests

    def settle_requests(self) -> None:
        """Write down the requests since the last answer: those that failed."""
        requests = self._record_cost(0, 0)
        self._requests_recorded += requests
        self.tally.requests += requests


def incoming_of(space: KnownSpace) -> str:
    """Return the name of the private table through which a space's vectors arrive."""
    return f"incoming_{space.name}"


def _check(embedded: Embedded, space: KnownSpace) -> None:
    """Refuse an answer that does not belong to the space.

    Raises:
        EndpointRefused: other dimensions, another model, or vectors of another length than when probed.
    """
    if embedded.vectors.shape[1] != space.dimensions:
        raise EndpointRefused(
            f"The endpoint gave {embedded.vectors.shape[1]} dimensions for space {space.name}, which has "
            f"{space.dimensions}; nothing of that answer was stored. Check which model the endpoint serves."
        )
    if embedded.model != space.served_model:
        raise EndpointRefused(
            f"The endpoint now answers as model {embedded.model!r}; space {space.name} was made with "
            f"{space.served_model!r}. Nothing of that answer was stored; serve the old model again."
        )
    norms = np.linalg.norm(embedded.vectors, axis=1)
    if space.normalised and float(np.abs(norms - 1).max()) > UNIT_TOLERANCE:
        raise EndpointRefused(
            f"The endpoint gave vectors whose length is not 1 for space {space.name}, whose model gives length 1; "
            "nothing of that answer was stored. Check which model the endpoint serves."
        )
