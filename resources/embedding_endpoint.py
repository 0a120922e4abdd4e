"""The door to an embedding model: the openai client to any compatible base URL.

Speaks texts and arrays. Knows how to ask for vectors in the cheapest form, how to wait for its turn and try
again within one deadline, and how to doubt every answer. Knows nothing of spaces or stages.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from resources.attempts import Attempts, decode, error_of, spoken, time_left
from resources.pacing import Pacer, host_of, seconds_to_reset

if TYPE_CHECKING:
    import openai

Vectors = NDArray[np.float32]
T = TypeVar("T")

ATTEMPT_SECONDS = 60.0
MOST_DIMENSIONS = 4000
BYTES_A_NUMBER = 32
"""Room for answers: a number as JSON, with blanks, where nobody knows yet how many there are."""
SHORTEST, LONGEST = 1e-6, 1e15
"""Length of a vector outside which no model's answer is believed: zero vectors vanish from a cosine index."""


@dataclass(frozen=True)
class Embedded:
    """An answer that was checked.

    Attributes:
        vectors: shape (inputs, dimensions), in the order of the inputs.
        tokens: as the endpoint counted them; 0 where it does not say.
        model: the name that the endpoint gives its model.
    """

    vectors: Vectors
    tokens: int
    model: str


class EmbeddingEndpoint:
    """An OpenAI-compatible endpoint. Open it with `async with`, or use `run`.

    Attributes:
        requests: sent so far, every attempt counted.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        concurrency: int,
        deadline_seconds: float,
        pacer: Pacer | None = None,
        keeps: bool = True,
    ) -> None:
        """Describe the endpoint; nothing is sent yet.

        Args:
            base_url: up to `/v1`.
            api_key: None where the endpoint asks for none.
            concurrency: requests under way at once.
            deadline_seconds: for one batch with all its retries.
            pacer: says when a request may be sent; None where nobody else is to be considered.
            keeps: whether the caller keeps what is answered; what a failure advises depends on it.
        """
        self.base_url = base_url
        self.concurrency = concurrency
        self.deadline_seconds = deadline_seconds
        self._api_key = api_key
        self._attempts = Attempts("embedding endpoint", "the space", host_of(base_url), pacer, keeps)
        self._client: openai.AsyncOpenAI | None = None
        self._dimensions: dict[str, int] = {}
        self.requests = 0

    async def __aenter__(self) -> Self:
        """Open connections.

        Raises:
            ConfigurationError: the address is no http or https URL.
        """
        from resources.clients import open_client

        self._client = open_client(self.base_url, self._api_key, seconds=ATTEMPT_SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self._attempts.pacer is not None:
            await self._attempts.pacer.close()

    async def embed(
        self,
        texts: list[str],
        model: str,
        dimensions: int | None = None,
        *,
        tokens: int = 0,
        seconds: float | None = None,
    ) -> Embedded:
        """Embed a batch, trying again until the deadline.

        Args:
            texts: inputs of one request.
            model: the name to ask for.
            dimensions: to ask for, where the model has a choice.
            tokens: of all inputs, for those who share the endpoint's limits; 0 where nobody counted them.
            seconds: deadline of this batch, where it is not the endpoint's own. What is waited because of
                declared limits is not part of it; what is waited because the endpoint asks for it is.

        Raises:
            InputRefused: the endpoint refuses the batch as it is.
            EndpointRefused: key, model or address are wrong, or an answer cannot be trusted.
            EndpointUnavailable: the deadline passed.
        """
        cost = tokens or _guess(texts)

        async def once(deadline: float) -> Embedded:
            return await self._once(texts, model, dimensions, cost, deadline)

        return await self._attempts.until(once, cost, self.deadline_seconds if seconds is None else seconds)

    @property
    def host(self) -> str:
        """The address without path and credentials, which names the endpoint."""
        return self._attempts.host

    async def _once(
        self, texts: list[str], model: str, dimensions: int | None, tokens: int, deadline: float
    ) -> Embedded:
        from resources.bounded_answers import room

        assert self._client is not None, "open the endpoint with `async with`"
        further: dict[str, Any] = {} if dimensions is None else {"dimensions": dimensions}
        room.set(_room(len(texts), dimensions or self._dimensions.get(model)))
        left = time_left(deadline, ATTEMPT_SECONDS)
        self.requests += 1
        with self._attempts.in_our_terms(tokens):
            # The client's own timeout is one a read: an answer that drips would never run into it.
            async with asyncio.timeout(left):
                answer = await self._client.embeddings.with_raw_response.create(
                    input=texts, model=model, encoding_format="base64", timeout=left, **further
                )
            response = answer.http_response
            body = decode(response.content)
            if error := error_of(body, "data"):
                raise self._attempts.meaning(*spoken(error), response.headers, tokens)
            embedded = read_answer(body, len(texts))
        self._dimensions[model] = embedded.vectors.shape[1]
        await self._attempts.hold_off(seconds_to_reset(response.headers, tokens) or 0.0)
        return embedded

    def run(self, work: Callable[[EmbeddingEndpoint], Coroutine[Any, Any, T]]) -> T:
        """Open the endpoint, do some asynchronous work with it, close it."""

        async def opened() -> T:
            async with self:
                return await work(self)

        return asyncio.run(opened())


def _guess(texts: list[str]) -> int:
    """Guess at tokens: four bytes each, which is about right for English and Japanese alike."""
    return sum(len(text.encode(errors="replace")) // 4 + 1 for text in texts)


def _room(inputs: int, dimensions: int | None) -> int:
    """Return how many bytes an answer may have."""
    from resources.bounded_answers import PLAIN_ROOM_BYTES

    return PLAIN_ROOM_BYTES + inputs * (1024 + (dimensions or MOST_DIMENSIONS) * BYTES_A_NUMBER)


def read_answer(body: Any, expected: int) -> Embedded:
    """Take an answer apart and doubt it; what a doubt says holds nothing of the answer.

    Args:
        body: the decoded JSON.
        expected: number of inputs.

    Raises:
        ValueError: count, indices, dimensions or numbers are not what they must be.
    """
    try:
        return _read(body, expected)
    except (AttributeError, KeyError, TypeError, OverflowError, binascii.Error):
        raise ValueError("an answer of another shape") from None


def _read(body: Any, expected: int) -> Embedded:
    data = body["data"]
    if not isinstance(data, list) or len(data) != expected:
        raise ValueError("an answer whose vectors do not match the inputs")
    places = [item["index"] for item in data]
    if any(type(place) is not int for place in places) or sorted(places) != list(range(expected)):
        raise ValueError("indices that are no permutation of the inputs")
    rows: list[Vectors] = [np.empty(0, np.float32)] * expected
    for place, item in zip(places, data, strict=True):
        rows[place] = _vector(item["embedding"])
    if len({row.shape for row in rows}) != 1 or rows[0].ndim != 1 or len(rows[0]) == 0:
        raise ValueError("vectors of differing dimensions")
    vectors = np.stack(rows)
    if not np.isfinite(vectors).all():
        raise ValueError("a vector that is not finite")
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if not ((norms > SHORTEST) & (norms < LONGEST)).all():
        raise ValueError("a vector of no plausible length")
    usage = body.get("usage")
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
    return Embedded(vectors, max(0, tokens) if type(tokens) is int else 0, str(body.get("model") or ""))


def _vector(value: Any) -> Vectors:
    """Decode one vector: base64 of little-endian float32, or a list of numbers from a server that ignores it."""
    if isinstance(value, str):
        try:
            return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4")
        except ValueError:
            raise ValueError("an embedding that is not base64 of numbers") from None
    if isinstance(value, list) and all(type(number) in {int, float} for number in value):
        with np.errstate(over="ignore"):
            return np.asarray(value, dtype=np.float64).astype(np.float32)
    raise ValueError("an embedding that is neither base64 nor numbers")
