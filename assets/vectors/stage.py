"""The vectors stage: embed every text that a candidate needs and that has no vector in the space."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from assets.refresh import Refresh, StageReport
from assets.vectors.batching import Text, halves, pack
from assets.vectors.spaces import UNIT_TOLERANCE, KnownSpace, ensure_space
from resources.embedding_endpoint import Embedded, EmbeddingEndpoint, InputRefused, Vectors
from resources.errors import ConfigurationError, EndpointRefused


@dataclass
class _Tally:
    texts: int = 0
    tokens: int = 0
    refused: int = 0
    total: int = 0


@dataclass(frozen=True)
class _Answer:
    """Texts with their vectors, or one text that was refused."""

    texts: list[Text]
    vectors: Vectors | None
    tokens: int = 0
    status: int = 0


def run(refresh: Refresh) -> StageReport:
    """Embed what has no vector yet; each answer is committed as it comes.

    Raises:
        EndpointUnavailable: the endpoint did not answer in time; what it answered is kept.
        EndpointRefused: the endpoint cannot be used as declared.
    """
    report = StageReport("vectors")
    if refresh.converged:
        return report
    space = ensure_space(refresh.bench, refresh.session)
    _fits(refresh, space)
    tally = _Tally()
    params = refresh.params | {"space_id": space.space_id}
    tally.total = refresh.session.record("vectors/count_unembedded", params, vectors=space.table)["texts"]
    requests_before = refresh.bench.endpoint.requests
    if tally.total:
        _embed_waiting(refresh, space, tally)
    report.counts = {
        "embedded": tally.texts,
        "tokens": tally.tokens,
        "requests": refresh.bench.endpoint.requests - requests_before,
        "refused": tally.refused,
    }
    report.changed = tally.total > 0
    return report


def _fits(refresh: Refresh, space: KnownSpace) -> None:
    """Make sure that the model reads a chunk to its end.

    Raises:
        ConfigurationError: it was seen to read less.
    """
    longest = refresh.settings.chunking.max_tokens
    if longest > space.token_limit:
        raise ConfigurationError(
            f"chunking.max_tokens of {refresh.name} is {longest}, but the endpoint was seen to read only "
            f"{space.token_limit} tokens of an input and to ignore the rest; set it to at most {space.token_limit}, or "
            "serve the model with a longer context."
        )


def _embed_waiting(refresh: Refresh, space: KnownSpace, tally: _Tally) -> None:
    params = refresh.params | {"space_id": space.space_id}
    register_vector(refresh.session.connection)
    refresh.session.execute("vectors/create_incoming", vectors=space.table)
    with refresh.bench.database.connect() as reader:
        waiting = reader.stream(Text, "vectors/read_unembedded", params, batch=1000, vectors=space.table)
        limits = refresh.bench.space
        batches = pack(waiting, min(space.max_inputs, limits.max_inputs), limits.max_request_tokens)
        line = _Line(refresh, space, tally, batches)
        refresh.bench.endpoint.run(line.run)


@dataclass
class _Line:
    """The assembly line of one stage: batches in, requests side by side, one writer."""

    refresh: Refresh
    space: KnownSpace
    tally: _Tally
    batches: Iterator[list[Text]]
    _answers: asyncio.Queue[_Answer | None] = field(init=False)
    _drawing: asyncio.Lock = field(init=False)
    _stopped: bool = False

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
            if batch is None:
                return
            await self._answer(endpoint, batch)

    async def _answer(self, endpoint: EmbeddingEndpoint, batch: list[Text]) -> None:
        declared = self.refresh.bench.space
        texts = [self.space.passage_prefix + item.text for item in batch]
        try:
            embedded = await endpoint.embed(texts, self.space.model, declared.dimensions)
        except InputRefused as refusal:
            if len(batch) == 1:
                await self._answers.put(_Answer(batch, None, status=refusal.status))
                return
            for half in halves(batch):
                await self._answer(endpoint, half)
            return
        _check(embedded, self.space)
        await self._answers.put(_Answer(batch, embedded.vectors, embedded.tokens))

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
                session.copy("vectors/copy_incoming", ("int8", self.space.storage), rows)
                session.execute("vectors/merge_incoming", vectors=self.space.table)
            if refused:
                params = {
                    "space_id": self.space.space_id,
                    "text_ids": [answer.texts[0].text_id for answer in refused],
                    "reason": "endpoint_refused",
                    "details": [f"HTTP {answer.status}" for answer in refused],
                }
                session.execute("vectors/record_failures", params)
        self.tally.texts += sum(len(answer.texts) for answer in kept)
        self.tally.tokens += sum(answer.tokens or sum(t.tokens for t in answer.texts) for answer in kept)
        self.tally.refused += len(refused)
        self.refresh.bench.progress("vectors", self.tally.texts, self.tally.total)


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
