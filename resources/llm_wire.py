"""One request to a language model over the openai client: bounded, doubted, and told in our terms.

What an endpoint and its streams share: the connection, the turn to speak, what the server does not take, and the
name under which its model answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resources.attempts import Attempts, Retry, decode, error_of, spoken, time_left
from resources.completions import Answer, Message, read_completion
from resources.errors import EndpointRefused
from resources.pacing import seconds_to_reset

if TYPE_CHECKING:
    import openai

LONGEST_ATTEMPT_SECONDS = 600.0
BYTES_A_TOKEN = 256
"""Room for an answer: a token as escaped JSON, with much to spare."""
BYTES_A_STREAMED_TOKEN = 2048
"""Of a stream, in which each token comes in an event of its own."""
ADAPTABLE = frozenset({"max_tokens", "temperature", "stream_options"})
"""Parameters that some servers do not take; it is then asked without them."""


@dataclass
class Wire:
    """The connection to one endpoint.

    Attributes:
        base_url: up to `/v1`.
        api_key: None where the endpoint asks for none.
        model: the name to ask for.
        served_model: the name under which it answers, once that is known.
        concurrency: requests under way at once.
        attempts: how it is asked again.
        requests: sent so far, every attempt counted.
        adapted: parameters that it was found not to take.
    """

    base_url: str
    api_key: str | None = field(repr=False)
    model: str
    served_model: str | None
    concurrency: int
    attempts: Attempts
    requests: int = 0
    adapted: set[str] = field(default_factory=set)
    _client: openai.AsyncOpenAI | None = None
    _slots: asyncio.Semaphore | None = None

    def open(self) -> None:
        """Open connections.

        Raises:
            ConfigurationError: the address is no http or https URL.
        """
        from resources.clients import open_client

        self._client = open_client(self.base_url, self.api_key, seconds=LONGEST_ATTEMPT_SECONDS)
        self._slots = asyncio.Semaphore(self.concurrency)

    async def close(self) -> None:
        """Close connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self.attempts.pacer is not None:
            await self.attempts.pacer.close()

    @property
    def client(self) -> openai.AsyncOpenAI:
        """The client, while it is open."""
        assert self._client is not None, "open the endpoint with `async with`"
        return self._client

    @property
    def slots(self) -> asyncio.Semaphore:
        """As many as requests may be under way."""
        assert self._slots is not None, "open the endpoint with `async with`"
        return self._slots

    def params(self, max_tokens: int, temperature: float) -> dict[str, Any]:
        """Return the parameters of a request, as far as this server takes them."""
        length = "max_completion_tokens" if "max_tokens" in self.adapted else "max_tokens"
        params: dict[str, Any] = {"model": self.model, length: max_tokens}
        return params if "temperature" in self.adapted else params | {"temperature": temperature}

    async def ask(
        self, messages: Sequence[Message], params: dict[str, Any], max_tokens: int, tokens: int, deadline: float
    ) -> Answer:
        """Ask once.

        Raises:
            Retry: it may be tried again.
            EndpointRefused: it may not.
        """
        from resources.bounded_answers import PLAIN_ROOM_BYTES, room

        room.set(PLAIN_ROOM_BYTES + max_tokens * BYTES_A_TOKEN)
        left = time_left(deadline, LONGEST_ATTEMPT_SECONDS)
        plain: Any = list(messages)
        self.requests += 1
        with self.in_our_terms(tokens):
            # The client's own timeout is one a read: an answer that drips would never run into it.
            async with asyncio.timeout(left):
                answered = await self.client.chat.completions.with_raw_response.create(
                    messages=plain, timeout=left, **params
                )
            response = answered.http_response
            body = decode(response.content)
            if error := error_of(body, "choices"):
                raise self.attempts.meaning(*spoken(error), response.headers, tokens)
            answer = read_completion(body)
        await self.attempts.hold_off(seconds_to_reset(response.headers, tokens) or 0.0)
        self.doubt_model(answer.model)
        return answer

    async def open_stream(
        self, messages: Sequence[Message], max_tokens: int, temperature: float, tokens: int, deadline: float
    ) -> Any:
        """Ask once for an answer in pieces; returns the client's stream.

        Raises:
            Retry: it may be tried again.
            EndpointRefused: it may not.
        """
        from resources.bounded_answers import PLAIN_ROOM_BYTES, room

        room.set(PLAIN_ROOM_BYTES + max_tokens * BYTES_A_STREAMED_TOKEN)
        params = self.params(max_tokens, temperature)
        if "stream_options" not in self.adapted:
            params["stream_options"] = {"include_usage": True}
        left = time_left(deadline, LONGEST_ATTEMPT_SECONDS)
        plain: Any = list(messages)
        self.requests += 1
        with self.in_our_terms(tokens):
            async with asyncio.timeout(left):
                return await self.client.chat.completions.create(messages=plain, stream=True, timeout=left, **params)

    async def next_event(self, events: Any, tokens: int, deadline: float) -> Any:
        """Return the next event of a stream, or None at its end.

        Raises:
            Retry: it broke off.
            EndpointRefused: it is not to be trusted.
        """
        with self.in_our_terms(tokens):
            async with asyncio.timeout(time_left(deadline, LONGEST_ATTEMPT_SECONDS)):
                return await anext(events, None)

    def doubt_model(self, name: str) -> None:
        """Refuse an answer of another model than the one that answered before.

        Raises:
            EndpointRefused: it is another one.
        """
        if self.served_model is None:
            self.served_model = name
        if name != self.served_model:
            raise EndpointRefused(
                f"The LLM endpoint {self.attempts.host} answered as model {name[:80]!r} instead of "
                f"{self.served_model[:80]!r}; nothing of that answer was kept. Check what serves at `base_url`, or "
                "change `served_model` of `llm`."
            )

    @contextmanager
    def in_our_terms(self, tokens: int) -> Iterator[None]:
        """Say in our terms what the client raises inside the block; a parameter that is not taken is not sent again."""
        import openai

        with self.attempts.in_our_terms(tokens):
            try:
                yield
            except openai.APIStatusError as error:
                if error.status_code in {400, 422} and error.param in ADAPTABLE - self.adapted:
                    self.adapted.add(error.param)
                    raise Retry(0.0, "a parameter that the server does not take") from None
                raise
