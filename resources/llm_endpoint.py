"""The door to a large language model: the openai client to any compatible base URL.

Speaks messages and text, and JSON by a schema. Knows how to wait for its turn and try again within one deadline,
what to do where a server has no structured output, and how to doubt every answer. Knows nothing of documents,
prompts or stages. Messages and answers reach neither a log nor an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from resources.attempts import Attempts, InputRefused, Retry
from resources.completions import FORMS, Answer, Completion, Form, Message, guess_tokens, judged, request_of
from resources.errors import EndpointUnavailable
from resources.llm_wire import Wire
from resources.pacing import Pacer, host_of

T = TypeVar("T")


@dataclass
class _KnownForm:
    """What is known of the forms in which a server can be asked for a schema.

    Attributes:
        place: of the form to ask in.
        other: the one to ask in next time, where answers in both were accepted and fitted in neither.
        proven: whether an answer in it did fit.
    """

    place: int = 0
    other: int | None = None
    proven: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether no further form is tried for the same question."""
        return self.proven or self.other is not None

    def prove(self, place: int) -> None:
        """Keep to a form from now on: its answer fits."""
        self.place, self.proven = place, True

    def doubt(self, place: int, other: int) -> None:
        """Take turns from now on until an answer fits: the server takes the forms, and it may be the model's fault.

        The other one is next: who asks twice about a thing begins with the surer form for the next thing.
        """
        if not self.proven:
            self.place, self.other = (other, place) if self.other is None else (self.other, self.place)


class LlmEndpoint:
    """An OpenAI-compatible endpoint. Open it with `async with`, or use `run`.

    Attributes:
        deadline_seconds: for one request with all its retries.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        concurrency: int,
        deadline_seconds: float,
        served_model: str | None = None,
        pacer: Pacer | None = None,
        keeps: bool = False,
    ) -> None:
        """Describe the endpoint; nothing is sent yet.

        Args:
            base_url: up to `/v1`.
            api_key: None where the endpoint asks for none.
            model: the name to ask for.
            concurrency: requests under way at once; further ones wait, and their deadline with them.
            deadline_seconds: for one request with all its retries.
            served_model: the name under which it has to answer; None for whatever it says first.
            pacer: says when a request may be sent; None where nobody else is to be considered.
            keeps: whether its answers are kept as they come, so that a second try begins where the first ended.
        """
        self.deadline_seconds = deadline_seconds
        attempts = Attempts("LLM endpoint", "`llm`", host_of(base_url), pacer, keeps)
        self._wire = Wire(base_url, api_key, model, served_model, concurrency, attempts)
        self._form = _KnownForm()

    async def __aenter__(self) -> Self:
        """Open connections.

        Raises:
            ConfigurationError: the address is no http or https URL.
        """
        self._wire.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self._wire.close()

    @property
    def model(self) -> str:
        """The name that is asked for."""
        return self._wire.model

    @property
    def served_model(self) -> str | None:
        """The name under which it answers, once that is known."""
        return self._wire.served_model

    @property
    def concurrency(self) -> int:
        """Requests under way at once."""
        return self._wire.concurrency

    @property
    def requests(self) -> int:
        """How many were sent so far, every attempt counted."""
        return self._wire.requests

    @property
    def host(self) -> str:
        """The address without path and credentials, which names the endpoint."""
        return self._wire.attempts.host

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int,
        temperature: float = 0.0,
        seconds: float | None = None,
    ) -> Completion:
        """Ask for one answer, trying again until the deadline.

        With a schema the server is asked for structured output; where it has none, for a JSON object, and where it
        has not even that, by words alone. What comes is compared with the schema whatever the server promised. A
        server that takes a form and answers something else is asked in one more; where that is no better, each further
        question is sent once, in these two by turns, until an answer fits.

        Args:
            messages: of the conversation, oldest first.
            schema: JSON Schema that the answer has to fit; None for text.
            max_tokens: most tokens of the answer.
            temperature: 0 for the likeliest answer.
            seconds: deadline, where it is not the endpoint's own; begins when one of its slots is free.

        Returns:
            The answer. With a schema, `parsed` is what fits it, or None with `problem` saying why it does not; tokens
            are those of all that was answered on the way.

        Raises:
            InputRefused: the endpoint refuses these messages as they are.
            EndpointRefused: the answer is another model's, or cannot be trusted.
            ConfigurationError: key, model or address are wrong.
            EndpointUnavailable: the deadline passed.
        """
        async with self._wire.slots:
            if schema is None:
                return await self._ask(messages, None, None, max_tokens, temperature, seconds)
            return await self._ask_in_forms(messages, schema, max_tokens, temperature, seconds)

    async def _ask_in_forms(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, Any],
        max_tokens: int,
        temperature: float,
        seconds: float | None,
    ) -> Completion:
        """Ask in the form that is known to work, or find out which one does."""
        prompt_tokens = completion_tokens = 0
        misfit: tuple[int, Completion] | None = None
        place = self._form.place
        while True:
            last = self._form.is_settled or place == len(FORMS) - 1
            try:
                answered = await self._ask(messages, schema, FORMS[place], max_tokens, temperature, seconds)
            except InputRefused as refusal:
                if refusal.too_long or (last and misfit is None):
                    raise
                if last and misfit is not None:
                    self._form.doubt(misfit[0], misfit[0])
                    return misfit[1].with_tokens(prompt_tokens, completion_tokens)
            else:
                prompt_tokens += answered.prompt_tokens
                completion_tokens += answered.completion_tokens
                if answered.parsed is not None:
                    self._form.prove(place)
                elif not answered.truncated and (last or misfit is not None):
                    self._form.doubt(misfit[0] if misfit else place, place)
                if last or misfit is not None or answered.parsed is not None or answered.truncated:
                    return answered.with_tokens(prompt_tokens, completion_tokens)
                misfit = place, answered
            place += 1

    async def _ask(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, Any] | None,
        form: Form | None,
        max_tokens: int,
        temperature: float,
        seconds: float | None,
    ) -> Completion:
        asked = request_of(messages, schema, form)
        tokens = guess_tokens(asked.messages) + max_tokens

        async def once(deadline: float) -> Completion:
            params = self._wire.params(max_tokens, temperature) | asked.params
            answer = await self._wire.ask(asked.messages, params, max_tokens, tokens, deadline)
            return judged(answer, schema, guess_tokens(asked.messages))

        allowed = self.deadline_seconds if seconds is None else seconds
        return await self._wire.attempts.until(once, tokens, allowed)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seconds: float | None = None,
    ) -> Streamed:
        """Ask for one answer, piece by piece.

        Args:
            messages: of the conversation, oldest first.
            max_tokens: most tokens of the answer.
            temperature: 0 for the likeliest answer.
            seconds: deadline of the whole answer, where it is not the endpoint's own.

        Returns:
            Text to iterate over; after its end, `completion` holds the whole. It is tried again until the first
            piece, and never after it.
        """
        allowed = self.deadline_seconds if seconds is None else seconds
        return Streamed(self._wire, messages, max_tokens, temperature, allowed)

    def run(self, work: Callable[[LlmEndpoint], Coroutine[Any, Any, T]]) -> T:
        """Open the endpoint, do some asynchronous work with it, close it."""

        async def opened() -> T:
            async with self:
                return await work(self)

        return asyncio.run(opened())


class Streamed:
    """An answer that comes piece by piece: iterate over it once.

    Attributes:
        completion: the whole answer, once it has ended.
    """

    def __init__(
        self, wire: Wire, messages: Sequence[Message], max_tokens: int, temperature: float, seconds: float
    ) -> None:
        """Remember what to ask; nothing is sent before somebody iterates."""
        self.completion: Completion | None = None
        self._wire = wire
        self._messages = list(messages)
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._seconds = seconds
        self._tokens = guess_tokens(self._messages) + max_tokens
        self._deadline = 0.0

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield text as it comes.

        Raises:
            EndpointUnavailable: the deadline passed, or the answer broke off.
            InputRefused: the endpoint refuses these messages as they are.
            EndpointRefused: as `LlmEndpoint.complete`.
        """
        wire, answer = self._wire, Answer()
        async with wire.slots:
            events, event = await wire.attempts.until(self._open, self._tokens, self._seconds)
            try:
                while event is not None:
                    text = answer.add(event)
                    if answer.model:
                        wire.doubt_model(answer.model)
                    if text:
                        yield text
                    event = await wire.next_event(events, self._tokens, self._deadline)
            except Retry as retry:
                raise self._broken(retry.why) from None
            finally:
                await events.close()
        if not answer.finish_reason:
            raise self._broken("no end")
        self.completion = judged(answer, None, guess_tokens(self._messages))

    def _broken(self, why: str) -> EndpointUnavailable:
        host = self._wire.attempts.host
        return EndpointUnavailable(f"The LLM endpoint {host} broke off in the middle of an answer ({why}); ask again.")

    async def _open(self, deadline: float) -> tuple[Any, Any]:
        """Ask, and wait for the first event: until then it can be tried again."""
        self._deadline = deadline
        events = await self._wire.open_stream(
            self._messages, self._max_tokens, self._temperature, self._tokens, deadline
        )
        try:
            return events, await self._wire.next_event(events, self._tokens, deadline)
        except BaseException:
            await events.close()
            raise
