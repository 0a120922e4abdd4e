"""The declared vector space: probed once when it is first used, then taken at its word for ever."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np

from assets.settings import Space
from assets.workbench import Workbench
from resources.embedding_endpoint import EmbeddingEndpoint, InputRefused
from resources.errors import ConfigurationError, EndpointUnavailable
from resources.postgres import Session
from resources.sources import shown

VECTOR_DIMENSIONS = 2000
"""Most dimensions that an HNSW index takes of type vector; of halfvec it takes 4,000 (pgvector's README)."""

UNIT_TOLERANCE = 0.01

SMALLEST_LIMIT = 64
"""Tokens below which a model that reads no more is of no use."""

FIRST_CONTACT_SECONDS = 15.0
"""How long an endpoint that was never used may take to answer one short input."""


@dataclass(frozen=True)
class KnownSpace:
    """A space as the database has it.

    Attributes:
        space_id: its number.
        name: names its table and view.
        model: asked for when passages are embedded.
        query_model: asked for when questions are.
        served_model: what the endpoint called its model when it was probed.
        dimensions: of every vector.
        storage: `vector` or `halfvec`.
        passage_prefix: before each passage.
        query_prefix: before each question.
        normalised: whether the model gives vectors of length 1.
        token_limit: what the model was seen to read of one input.
        max_inputs: what the endpoint was seen to take in one request.
        live: whether readers see it as `search.chunks`.
    """

    space_id: int
    name: str
    model: str
    query_model: str
    served_model: str
    dimensions: int
    storage: str
    passage_prefix: str
    query_prefix: str
    normalised: bool
    token_limit: int
    max_inputs: int
    live: bool

    @property
    def table(self) -> str:
        """Name of the table that holds its vectors."""
        return f"vectors_{self.name}"


def find_space(session: Session, name: str) -> KnownSpace | None:
    """Return a space by name, if it was ever used."""
    found = session.rows(KnownSpace, "vectors/read_space", {"name": name})
    return found[0] if found else None


def ensure_space(bench: Workbench, session: Session) -> KnownSpace:
    """Return the declared space, probing its endpoint and making its table the first time.

    Raises:
        ConfigurationError: the declaration contradicts the space of that name, or the live one.
    """
    known = find_space(session, bench.space_name)
    if known is None:
        live = session.value("vectors/read_live_space_name")
        if live is not None:
            raise ConfigurationError(
                f"collections.yaml declares the space {bench.space_name}, but the table is in space {live}; this "
                f"version keeps one space a database: declare {live} again, or use another database."
            )
        probed = _first_contact(bench)
        with session.transaction():  # The row, the table and its views, or nothing; one refresh at a time.
            session.execute("vectors/lock_spaces")
            session.execute("vectors/insert_space", {"name": bench.space_name, **probed})
            known = find_space(session, bench.space_name)
            assert known is not None, "a space that was just written"
            session.execute("vectors/create_space_table", {"space_id": known.space_id})
    _compare(known, bench.space)
    return known


def _first_contact(bench: Workbench) -> dict[str, Any]:
    """Probe an endpoint that was never used: one that does not answer is probably declared wrongly."""
    try:
        return bench.endpoint.run(lambda endpoint: probe(endpoint, bench.space))
    except EndpointUnavailable as error:
        raise ConfigurationError(
            f"The endpoint {shown(bench.space.base_url or 'of the bundled model')} does not answer; check `base_url` "
            f"of the space in collections.yaml, and that the server is running. ({error.args[0]})"
        ) from None


def _compare(known: KnownSpace, declared: Space) -> None:
    differing = [
        f"{label} {was!r} (declared: {now!r})"
        for label, was, now in (
            ("model", known.model, declared.model),
            ("query_model", known.query_model, declared.query_model or declared.model),
            ("dimensions", known.dimensions, declared.dimensions or known.dimensions),
            ("passage_prefix", known.passage_prefix, declared.passage_prefix),
            ("query_prefix", known.query_prefix, declared.query_prefix),
        )
        if was != now
    ]
    if differing:
        raise ConfigurationError(
            f"Space {known.name} was made with {', '.join(differing)}; vectors of two models cannot be compared, so "
            "declare it as it was made, or use another database for another model."
        )


async def probe(endpoint: EmbeddingEndpoint, space: Space) -> dict[str, Any]:
    """Ask an endpoint a few questions: dimensions, length of vectors, batch size, silent truncation.

    Costs a few hundred inputs of one token and two of the token limit, once for the life of a space.

    Args:
        endpoint: opened.
        space: as declared.

    Raises:
        ConfigurationError: the endpoint does not give what is declared.
    """
    first = await endpoint.embed(
        [space.passage_prefix + "sluice gate 水門"], space.model, space.dimensions, seconds=FIRST_CONTACT_SECONDS
    )
    dimensions = first.vectors.shape[1]
    if space.dimensions is not None and dimensions != space.dimensions:
        raise ConfigurationError(
            f"The endpoint gives {dimensions} dimensions, but the space declares {space.dimensions}; correct "
            "`dimensions` in collections.yaml, or leave it out."
        )
    norm = float(np.linalg.norm(first.vectors[0]))
    token_limit, max_inputs = await asyncio.gather(_token_limit(endpoint, space), _max_inputs(endpoint, space))
    return {
        "model": space.model,
        "query_model": space.query_model or space.model,
        "served_model": first.model,
        "dimensions": dimensions,
        "storage": "vector" if dimensions <= VECTOR_DIMENSIONS else "halfvec",
        "passage_prefix": space.passage_prefix,
        "query_prefix": space.query_prefix,
        "normalised": abs(norm - 1) < UNIT_TOLERANCE,
        "token_limit": token_limit,
        "tokenizer": space.tokenizer,
        "max_inputs": max_inputs,
    }


async def _max_inputs(endpoint: EmbeddingEndpoint, space: Space) -> int:
    """Return the largest batch that is taken, halving what is declared until it is."""
    size = space.max_inputs
    while size > 1:
        try:
            await endpoint.embed(["a"] * size, space.model, space.dimensions)
        except InputRefused:
            size //= 2
        else:
            return size
    return 1


async def _token_limit(endpoint: EmbeddingEndpoint, space: Space) -> int:
    """Return how much of a long input counts: change only its tail and see whether the vector changes."""
    limit = space.token_limit
    smallest = min(SMALLEST_LIMIT, limit)
    while limit >= smallest:
        # One word is at least one token in every vocabulary, and these are one in the common ones.
        tail = max(1, min(8, limit // 8))
        body = "water " * (limit - 40 if limit >= 128 else limit // 2)
        texts = [space.passage_prefix + body + word * tail for word in ("gate ", "music ")]
        try:
            answer = await endpoint.embed(texts, space.model, space.dimensions)
        except InputRefused:
            limit //= 2
            continue
        if float(np.abs(answer.vectors[0] - answer.vectors[1]).max()) > 1e-6:
            return limit
        limit //= 2
    raise ConfigurationError(
        f"The endpoint ignores the end of an input of {limit * 2} tokens: model {space.model} would embed only the "
        "beginning of passages; use another model or server."
    )
