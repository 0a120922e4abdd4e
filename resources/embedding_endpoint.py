"""The door to an embedding model: the openai client to any compatible base URL.

Speaks texts and arrays. Knows how to ask for vectors in the cheapest form, how to wait for its turn and try
again within one deadline, and how to doubt every answer. Knows nothing of spaces or stages.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import random
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from resources.errors import ConfigurationError, EndpointRefused, EndpointUnavailable
from resources.pacing import LONGEST_HOLD_SECONDS, Pacer, TurnTooLate, host_of, retry_after, seconds_to_reset

if TYPE_CHECKING:
    import openai

Vectors = NDArray[np.float32]
T = TypeVar("T")

REFUSALS = frozenset({400, 413, 422})
"""Statuses that say that this very input will never do."""

PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same request may do."""

SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes with which a server says that somebody has to pay first."""

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
ATTEMPT_SECONDS = 60.0
LEAST_SHARE = 0.1
"""Of our own pause, the least that is waited however soon the endpoint says to come back."""

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


class InputRefused(EndpointRefused):
    """The endpoint refuses this batch as it is; a part of it may do.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, status: int) -> None:
        """Remember the status; the endpoint's message may quote the input and is left out."""
        super().__init__(f"The embedding endpoint refused an input with HTTP {status}.")
        self.status = status

    def __reduce__(self) -> tuple[type[InputRefused], tuple[int]]:
        """Survive pickling with the status."""
        return type(self), (self.status,)


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
    ) -> None:
        """Describe the endpoint; nothing is sent yet.

        Args:
            base_url: up to `/v1`.
            api_key: None where the endpoint asks for none.
            concurrency: requests under way at once.
            deadline_seconds: for one batch with all its retries.
            pacer: says when a request may be sent; None where nobody else is to be considered.
        """
        self.base_url = base_url
        self.concurrency = concurrency
        self.deadline_seconds = deadline_seconds
        self._api_key = api_key
        self._pacer = pacer
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
        if self._pacer is not None:
            await self._pacer.close()

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
        allowed = self.deadline_seconds if seconds is None else seconds
        deadline = time.monotonic() + allowed
        cost = tokens or _guess(texts)
        failures = throttles = 0
        while True:
            try:
                deadline += await self._take_turn(cost, deadline)
                return await self._once(texts, model, dimensions, cost, deadline)
            except _Retry as retry:
                times = throttles if retry.throttled else failures
                pause = _pause(retry.after, times)
                if retry.throttled:
                    await self._hold_off(pause)
                if time.monotonic() + pause > deadline:
                    raise EndpointUnavailable(
                        f"The embedding endpoint {self.host} did not answer within {allowed:g} s ({retry.why}); what "
                        "it had answered is kept, so refresh again when it is back."
                    ) from None
                await asyncio.sleep(pause)
                throttles += retry.throttled
                failures += not retry.throttled

    @property
    def host(self) -> str:
        """The address without path and credentials, which names the endpoint."""
        return host_of(self.base_url)

    async def _take_turn(self, tokens: int, deadline: float) -> float:
        if self._pacer is None:
            return 0.0
        try:
            return await self._pacer.take_turn(tokens, within=max(0.0, deadline - time.monotonic()))
        except TurnTooLate as late:
            raise EndpointUnavailable(
                f"The embedding endpoint {self.host} asked all to wait {late.seconds:.0f} s yet, longer than a batch "
                "may; what it had answered is kept, so refresh again after that."
            ) from None

    async def _hold_off(self, seconds: float) -> None:
        if self._pacer is not None:
            await self._pacer.hold_off(min(seconds, LONGEST_HOLD_SECONDS))

    async def _once(
        self, texts: list[str], model: str, dimensions: int | None, tokens: int, deadline: float
    ) -> Embedded:
        import openai

        from resources.bounded_answers import OversizedAnswer, room

        assert self._client is not None, "open the endpoint with `async with`"
        further: dict[str, Any] = {} if dimensions is None else {"dimensions": dimensions}
        room.set(_room(len(texts), dimensions or self._dimensions.get(model)))
        left = max(0.1, min(ATTEMPT_SECONDS, deadline - time.monotonic()))
        self.requests += 1
        try:
            # The client's own timeout is one a read: an answer that drips would never run into it.
            async with asyncio.timeout(left):
                answer = await self._client.embeddings.with_raw_response.create(
                    input=texts, model=model, encoding_format="base64", timeout=left, **further
                )
            response = answer.http_response
            body = _decode(response.content)
            if _holds_error(body):
                raise self._classify(*_spoken(body["error"]), response.headers, tokens)
            embedded = read_answer(body, len(texts))
        except openai.APIStatusError as error:
            codes = frozenset(str(code) for code in (error.code, error.type))
            raise self._classify(error.status_code, codes, error.response.headers, tokens) from None
        except OversizedAnswer:
            raise EndpointRefused(
                f"The embedding endpoint {self.host} gave an answer far larger than its request explains, or a "
                "compressed one, and nothing of it was kept; check what answers at `base_url`."
            ) from None
        except openai.APIConnectionError as error:
            raise _Retry(None, type(error).__name__) from None
        except TimeoutError:
            raise _Retry(None, "an answer that did not end") from None
        except ValueError as error:
            raise _Retry(None, str(error)) from None
        self._dimensions[model] = embedded.vectors.shape[1]
        await self._hold_off(seconds_to_reset(response.headers, tokens) or 0.0)
        return embedded

    def _classify(self, status: int, codes: frozenset[str], headers: Mapping[str, str], tokens: int) -> Exception:
        """Say what an answer other than vectors means for the batch."""
        if status == 402 or codes & SPENT:
            return EndpointRefused(f"The quota at {self.host} is used up; raise it there, then refresh again.")
        if status in REFUSALS:
            return InputRefused(status)
        if status in {401, 403}:
            return ConfigurationError(
                f"The embedding endpoint {self.host} refused the key (HTTP {status}); set `api_key` of the space in "
                "collections.yaml to ${YOUR_VARIABLE} and put the key there."
            )
        if status == 404:
            return ConfigurationError(
                f"The embedding endpoint {self.host} knows no such model or address (HTTP 404); check `model` and "
                "`base_url`, which usually ends in /v1."
            )
        if status in PASSING or status >= 500:
            asked = retry_after(headers)
            throttled = status == 429 or (status == 503 and asked is not None)
            if throttled and asked is None:
                asked = seconds_to_reset(headers, tokens)
            return _Retry(asked, f"HTTP {status}", throttled=throttled)
        if 300 <= status < 400:
            return EndpointRefused(
                f"The embedding endpoint {self.host} redirects (HTTP {status}), which would take texts to a server "
                "that nobody declared; set `base_url` to the address that is meant."
            )
        return EndpointRefused(
            f"The embedding endpoint {self.host} answered HTTP {status} with an error and no vectors; check `base_url` "
            "and `model` of the space, and the server's log."
        )

    def run(self, work: Callable[[EmbeddingEndpoint], Coroutine[Any, Any, T]]) -> T:
        """Open the endpoint, do some asynchronous work with it, close it."""

        async def opened() -> T:
            async with self:
                return await work(self)

        return asyncio.run(opened())


class _Retry(Exception):  # Never leaves this module.
    def __init__(self, after: float | None, why: str, *, throttled: bool = False) -> None:
        super().__init__(why)
        self.after = after
        self.why = why
        self.throttled = throttled


def _guess(texts: list[str]) -> int:
    """Guess at tokens: four bytes each, which is about right for English and Japanese alike."""
    return sum(len(text.encode(errors="replace")) // 4 + 1 for text in texts)


def _room(inputs: int, dimensions: int | None) -> int:
    """Return how many bytes an answer may have."""
    from resources.bounded_answers import PLAIN_ROOM_BYTES

    return PLAIN_ROOM_BYTES + inputs * (1024 + (dimensions or MOST_DIMENSIONS) * BYTES_A_NUMBER)


def _pause(after: float | None, times: int) -> float:
    """Wait as long as the endpoint asks, else twice as long each time, with jitter; never in a tight loop."""
    backoff: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(times, 16))
    if after is not None:
        return max(after, backoff * LEAST_SHARE)
    return backoff * (0.5 + random.random() / 2)  # Jitter, not a secret.


def _decode(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("an answer that is not JSON") from None


def _holds_error(body: Any) -> bool:
    """Say whether an answer with status 200 is an error in truth."""
    return isinstance(body, dict) and bool(body.get("error")) and not body.get("data")


def _spoken(error: Any) -> tuple[int, frozenset[str]]:
    """Return the status and the codes that an error names which came with status 200."""
    if not isinstance(error, dict):
        return 200, frozenset()
    codes = [str(error.get(key)) for key in ("code", "status", "type")]
    status = next((int(code) for code in codes if re.fullmatch("[345][0-9]{2}", code)), 200)
    return status, frozenset(codes)


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
