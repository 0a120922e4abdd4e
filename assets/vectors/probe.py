"""Asking an endpoint that was never used what it gives: dimensions, length of vectors, batch size, true token limit."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from assets.settings import Space
from assets.vectors.spaces import UNIT_TOLERANCE
from assets.workbench import Workbench
from resources.attempts import InputRefused
from resources.embedding_endpoint import EmbeddingEndpoint
from resources.errors import ConfigurationError, EndpointUnavailable
from resources.sources import shown

VECTOR_DIMENSIONS = 2000
MOST_DIMENSIONS = 4000
"""Most dimensions that an HNSW index takes of type vector, and of halfvec (pgvector's README)."""

SMALLEST_LIMIT = 64
"""Tokens below which a model that reads no more is of no use."""

FIRST_CONTACT_SECONDS = 15.0
"""How long an endpoint that was never used may take to answer one short input."""


def first_contact(bench: Workbench, name: str) -> dict[str, Any]:
    """Probe the endpoint of a declared space: one that does not answer is probably declared wrongly.

    Raises:
        ConfigurationError: it does not answer, or does not give what is declared.
    """
    declared = bench.space(name)
    try:
        return bench.endpoint_of(name).run(lambda endpoint: probe(endpoint, declared))
    except EndpointUnavailable as error:
        raise ConfigurationError(
            f"The endpoint {shown(declared.base_url or 'of the bundled model')} does not answer; check `base_url` "
            f"of space {name} in collections.yaml, and that the server is running. ({error.args[0]})"
        ) from None


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
    if dimensions > MOST_DIMENSIONS:
        raise ConfigurationError(
            f"Model {space.model} gives {dimensions:,} dimensions, but an index takes at most {MOST_DIMENSIONS:,}; "
            "declare fewer `dimensions` if the model can give fewer, or another model."
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
