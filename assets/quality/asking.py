"""Golden questions as vectors: embedded before they are needed, once for each space, and paid for in the ledger."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assets.quality.golden import GoldenSet, Question
from assets.refresh import Refresh
from assets.settings import Budget, Collection, Space
from assets.vectors.spaces import KnownSpace
from assets.vectors.spending import Purse, Spent, affordable, allowance
from assets.workbench import Workbench
from resources import failpoints
from resources.attempts import InputRefused
from resources.embedding_endpoint import Embedded, EmbeddingEndpoint
from resources.errors import BudgetReached, EndpointRefused
from resources.pacing import host_of
from resources.postgres import Session
from resources.tokenizers import load_tokenizer


@dataclass(frozen=True)
class Asker:
    """Who asks, and on whose account.

    Attributes:
        bench: settings and doors.
        session: of the pipeline role, outside a transaction.
        name: the collection.
        collection_id: its number.
        run_id: names this in the ledger of cost.
    """

    bench: Workbench
    session: Session
    name: str
    collection_id: int
    run_id: str

    @property
    def settings(self) -> Collection:
        """What the user declared of the collection."""
        return self.bench.collection(self.name)


def asker_of(refresh: Refresh) -> Asker:
    """Return who asks for a refresh."""
    return Asker(refresh.bench, refresh.session, refresh.name, refresh.collection_id, refresh.run_id)


@dataclass(frozen=True)
class _Counted:
    question: Question
    tokens: int


def ensure_golden_vectors(asker: Asker, golden: GoldenSet, space: KnownSpace) -> tuple[str, ...]:
    """See to it that golden questions have a vector in a space; what has one is not asked for again.

    Args:
        asker: on whose account.
        golden: the questions.
        space: whose model embeds them.

    Returns:
        Labels of the questions that have none: the endpoint refuses them, or the budget did not reach for them and
        the collection publishes what is finished.

    Raises:
        EndpointUnavailable: the endpoint did not answer in time; what it answered is kept.
        EndpointRefused: the endpoint cannot be used as declared.
        BudgetReached: what a run or a day may cost is spent.
    """
    waiting = without_vector(asker.session, golden, space)
    if not waiting:
        return ()
    declared = asker.bench.space(space.name)
    tokenizer = load_tokenizer(declared.tokenizer)
    counted = [_Counted(item, tokenizer.count(space.query_prefix + item.question) + 2) for item in waiting]
    purse = Purse(_allowed(asker, declared))
    admitted = [item for item in affordable(counted, purse) if item.tokens <= space.token_limit]
    if admitted:
        size = min(space.max_inputs, declared.max_inputs)
        batches = [admitted[at : at + size] for at in range(0, len(admitted), size)]
        asker.bench.endpoint_of(space.name).run(lambda endpoint: _embed_all(asker, space, endpoint, batches))
    left = tuple(item.label for item in without_vector(asker.session, golden, space))
    if purse.empty and not asker.settings.budget.publish_finished:
        raise BudgetReached(
            f"{asker.name} was not published: its budget is spent, and {len(left)} golden questions have no vector "
            "yet. The next refresh goes on; raise `budget` in collections.yaml, or set its publish_finished."
        )
    return left


def without_vector(session: Session, golden: GoldenSet, space: KnownSpace) -> list[Question]:
    """Return the questions without a vector in a space, each wording once.

    Args:
        session: of the pipeline role.
        golden: the questions.
        space: where.
    """
    by_hash = {question.digest: question for question in golden.questions}
    params = {"space_id": space.space_id, "digests": list(by_hash)}
    known = {row["hash"] for row in session.records("quality/find_known_questions", params)}
    return [question for digest, question in by_hash.items() if digest not in known]


def _allowed(asker: Asker, declared: Space) -> float:
    budget = asker.settings.budget
    if budget == Budget.model_validate({"publish_finished": budget.publish_finished}):
        return math.inf
    who = {"collection": asker.name, "run_id": asker.run_id, "timezone": asker.settings.timezone}
    spent = asker.session.rows(Spent, "vectors/read_spent", who)[0]
    return allowance(budget, spent, declared.price_per_million_tokens)


async def _embed_all(
    asker: Asker, space: KnownSpace, endpoint: EmbeddingEndpoint, batches: Sequence[list[_Counted]]
) -> None:
    """Send some requests at a time; keep each answer as it comes."""
    sent = endpoint.requests
    for at in range(0, len(batches), endpoint.concurrency):
        several = batches[at : at + endpoint.concurrency]
        answers = await asyncio.gather(
            *(_embed(asker.bench.space(space.name), space, endpoint, batch) for batch in several),
            return_exceptions=True,
        )
        kept = [pair for answer in answers if not isinstance(answer, BaseException) for pair in answer]
        await asyncio.to_thread(_keep, asker, space, kept, endpoint.requests - sent)
        sent = endpoint.requests
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer


async def _embed(
    declared: Space, space: KnownSpace, endpoint: EmbeddingEndpoint, batch: list[_Counted]
) -> list[tuple[list[_Counted], Embedded]]:
    """Embed a batch, closing in on a question that the endpoint refuses."""
    try:
        embedded = await endpoint.embed(
            [space.query_prefix + item.question.question for item in batch],
            space.query_model,
            declared.dimensions,
            tokens=sum(item.tokens for item in batch),
        )
    except InputRefused:
        middle = len(batch) // 2
        halves = (batch[:middle], batch[middle:]) if middle else ()
        return [pair for half in halves for pair in await _embed(declared, space, endpoint, half)]
    if embedded.vectors.shape[1] != space.dimensions:
        raise EndpointRefused(
            f"The endpoint gave {embedded.vectors.shape[1]} dimensions for questions in space {space.name}, which has "
            f"{space.dimensions}; check which model it serves as {space.query_model}."
        )
    return [(batch, embedded)]


def _keep(asker: Asker, space: KnownSpace, answers: list[tuple[list[_Counted], Embedded]], requests: int) -> None:
    """Store vectors together with what they cost."""
    hashes = [item.question.digest for batch, _ in answers for item in batch]
    vectors = [_literal(vector) for _, embedded in answers for vector in embedded.vectors]
    declared = asker.bench.space(space.name)
    tokens = sum(embedded.tokens or sum(item.tokens for item in batch) for batch, embedded in answers)
    with asker.session.transaction():
        asker.session.execute(
            "quality/insert_golden_vectors", {"space_id": space.space_id, "digests": hashes, "vectors": vectors}
        )
        asker.session.execute(
            "endpoints/record_cost",
            {
                "collection": asker.name,
                "run_id": asker.run_id,
                "stage": "golden",
                "model": space.query_model,
                "endpoint": host_of(asker.bench.endpoint_of(space.name).base_url),
                "timezone": asker.settings.timezone,
                "requests": requests,
                "inputs": len(hashes),
                "tokens": tokens,
                "output_tokens": 0,
                "output_price": None,
                "price": declared.price_per_million_tokens,
                "currency": declared.currency,
            },
        )
    failpoints.reach("golden.written")


def _literal(vector: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> str:
    return "[" + ",".join(f"{value:.9g}" for value in vector.tolist()) + "]"
