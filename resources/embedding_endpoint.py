"""The door to an embedding model: the openai client to any compatible base URL.

Speaks texts and arrays. Knows how to ask for vectors in the cheapest form, how to wait and try again
within one deadline, and how to doubt every answer. Knows nothing of spaces or stages.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import random
import ssl
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import ip_address
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from resources.errors import ConfigurationError, EndpointRefused, EndpointUnavailable

if TYPE_CHECKING:
    import openai

Vectors = NDArray[np.float32]
T = TypeVar("T")

REFUSALS = frozenset({400, 413, 422})
"""Statuses that say that this very input will never do."""

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
ATTEMPT_SECONDS = 60.0
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
    """An OpenAI-compatible endpoint. Open it with `async with`, or use `run`."""

    def __init__(self, *, base_url: str, api_key: str | None, concurrency: int, deadline_seconds: float) -> None:
        """Describe the endpoint; nothing is sent yet.

        Args:
            base_url: up to `/v1`.
            api_key: None where the endpoint asks for none.
            concurrency: requests under way at once.
            deadline_seconds: for one batch with all its retries.
        """
        self.base_url = base_url
        self.concurrency = concurrency
        self.deadline_seconds = deadline_seconds
        self._api_key = api_key
        self._client: openai.AsyncOpenAI | None = None
        self.requests = 0

    async def __aenter__(self) -> Self:
        """Open connections.

        Raises:
            ConfigurationError: the address is no http or https URL.
        """
        import openai

        parts = urlsplit(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError("base_url of the space is no address; write it as https://host/v1.")
        # A redirect would carry texts to a server that nobody declared.
        client = openai.DefaultAsyncHttpxClient(
            trust_env=not _is_loopback(parts.hostname), verify=_certificates(), follow_redirects=False
        )
        # Explicit values everywhere: the client would otherwise take keys, organisations and addresses that
        # merely happen to be in the environment.
        with _without_custom_headers():
            self._client = openai.AsyncOpenAI(
                base_url=self.base_url,
                api_key=self._api_key or "none",
                organization="",
                project="",
                max_retries=0,
                timeout=ATTEMPT_SECONDS,
                http_client=client,
                default_headers={"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()},  # type: ignore[dict-item]
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def embed(
        self, texts: list[str], model: str, dimensions: int | None = None, *, seconds: float | None = None
    ) -> Embedded:
        """Embed a batch, trying again until the deadline.

        Args:
            texts: inputs of one request.
            model: the name to ask for.
            dimensions: to ask for, where the model has a choice.
            seconds: deadline of this batch, where it is not the endpoint's own.

        Raises:
            InputRefused: the endpoint refuses the batch as it is.
            EndpointRefused: key, model or address are wrong, or an answer cannot be trusted.
            EndpointUnavailable: the deadline passed.
        """
        allowed = seconds or self.deadline_seconds
        deadline = time.monotonic() + allowed
        attempt = 0
        while True:
            try:
                return await self._once(texts, model, dimensions, deadline)
            except _Retry as retry:
                pause = _pause(retry.after, attempt)
                if time.monotonic() + pause > deadline:
                    raise EndpointUnavailable(
                        f"The embedding endpoint {_host(self.base_url)} did not answer within "
                        f"{allowed:g} s ({retry.why}); what it had answered is kept, so refresh again "
                        "when it is back."
                    ) from None
                await asyncio.sleep(pause)
                attempt += 1

    async def _once(self, texts: list[str], model: str, dimensions: int | None, deadline: float) -> Embedded:
        import openai

        assert self._client is not None, "open the endpoint with `async with`"
        further: dict[str, Any] = {} if dimensions is None else {"dimensions": dimensions}
        self.requests += 1
        try:
            answer = await self._client.embeddings.with_raw_response.create(
                input=texts,
                model=model,
                encoding_format="base64",
                timeout=max(0.1, min(ATTEMPT_SECONDS, deadline - time.monotonic())),
                **further,
            )
            return read_answer(_decode(answer.http_response.content), len(texts))
        except openai.APIStatusError as error:
            raise self._classify(error) from None
        except openai.APIConnectionError as error:
            raise _Retry(None, type(error).__name__) from None
        except ValueError as error:
            raise _Retry(None, str(error)) from None

    def _classify(self, error: openai.APIStatusError) -> Exception:
        status = error.status_code
        host = _host(self.base_url)
        if status in REFUSALS:
            return InputRefused(status)
        if status in {401, 403}:
            return ConfigurationError(
                f"The embedding endpoint {host} refused the key (HTTP {status}); set `api_key` of the space in "
                "collections.yaml to ${YOUR_VARIABLE} and put the key there."
            )
        if status == 404:
            return ConfigurationError(
                f"The embedding endpoint {host} knows no such model or address (HTTP 404); check `model` and "
                "`base_url`, which usually ends in /v1."
            )
        if status == 429 and "insufficient_quota" in (error.code or ""):
            return EndpointRefused(f"The quota at {host} is used up; raise it there, then refresh again.")
        return _Retry(_retry_after(error.response.headers), f"HTTP {status}")

    def run(self, work: Callable[[EmbeddingEndpoint], Coroutine[Any, Any, T]]) -> T:
        """Open the endpoint, do some asynchronous work with it, close it."""

        async def opened() -> T:
            async with self:
                return await work(self)

        return asyncio.run(opened())


class _Retry(Exception):  # Never leaves this module.
    def __init__(self, after: float | None, why: str) -> None:
        super().__init__(why)
        self.after = after
        self.why = why


@contextmanager
def _without_custom_headers() -> Iterator[None]:
    """Hide the one setting of the client that nothing but the environment can give or take away."""
    name = "OPENAI_CUSTOM_HEADERS"
    found = os.environ.pop(name, None)
    try:
        yield
    finally:
        if found is not None:
            os.environ[name] = found


@cache
def _certificates() -> ssl.SSLContext:
    """Read the certificates of the machine once a process: that takes longer than a small request."""
    return ssl.create_default_context()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(url: str) -> str:
    return urlsplit(url).netloc.rsplit("@", 1)[-1]


def _pause(after: float | None, attempt: int) -> float:
    """Wait as long as the endpoint asks, else twice as long each time, with jitter."""
    if after is not None:
        return after
    backoff: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**attempt)
    return backoff * (0.5 + random.random() / 2)  # Jitter, not a secret.


def _decode(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("an answer that is not JSON") from None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After in its three forms: milliseconds, seconds, a date."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers.get("retry-after")
        if value is None:
            return None
        try:
            return max(0.0, float(value))
        except ValueError:
            return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


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
