"""Asking an endpoint until a deadline: turns, pauses, and what an answer's status means. Knows no kind of answer."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from resources.errors import ConfigurationError, EndpointRefused, EndpointUnavailable
from resources.pacing import LONGEST_HOLD_SECONDS, Pacer, TurnTooLate, retry_after, seconds_to_reset

T = TypeVar("T")

REFUSALS = frozenset({400, 413, 422})
"""Statuses that say that this very input will never do."""

PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same request may do."""

SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes with which a server says that somebody has to pay first."""

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
LEAST_SHARE = 0.1
"""Of our own pause, the least that is waited however soon the endpoint says to come back."""


class Retry(Exception):
    """An attempt that failed in a way that may pass.

    Attributes:
        after: seconds that the endpoint asks for, if it does.
        why: in a few words, without anything of the answer.
        throttled: whether the endpoint is only busy, which is no failure.
    """

    def __init__(self, after: float | None, why: str, *, throttled: bool = False) -> None:
        """Remember what the endpoint said."""
        super().__init__(why)
        self.after = after
        self.why = why
        self.throttled = throttled


class InputRefused(EndpointRefused):
    """The endpoint refuses this request as it is; another one may do.

    Attributes:
        status: the HTTP status.
        codes: codes of the error, which quote nothing of the input.
        what: the endpoint in words.
    """

    def __init__(self, status: int, codes: frozenset[str] = frozenset(), what: str = "endpoint") -> None:
        """Remember the status; the endpoint's message may quote the input and is left out."""
        super().__init__(f"The {what} refused a request with HTTP {status}.")
        self.what = what
        self.status = status
        self.codes = codes

    @property
    def too_long(self) -> bool:
        """Whether the messages do not fit into the model's context."""
        return self.status == 413 or bool(self.codes & {"context_length_exceeded", "exceed_context_size_error"})

    def __reduce__(self) -> tuple[type[InputRefused], tuple[int, frozenset[str], str]]:
        """Survive pickling with status and codes."""
        return type(self), (self.status, self.codes, self.what)


@dataclass(frozen=True)
class Attempts:
    """How one endpoint is asked again and again.

    Attributes:
        what: the endpoint in words, as `LLM endpoint`.
        section: of collections.yaml, where it is declared.
        host: names it in messages.
        pacer: says when a request may be sent; None where nobody else is to be considered.
        keeps: whether its answers are kept as they come, so that a second try begins where the first ended.
    """

    what: str
    section: str
    host: str
    pacer: Pacer | None
    keeps: bool = True

    @property
    def _again(self) -> str:
        return "what it had answered is kept, so try again" if self.keeps else "ask again"

    async def until(self, once: Callable[[float], Awaitable[T]], tokens: int, allowed: float) -> T:
        """Try until it works or the deadline passes.

        Args:
            once: one attempt, told when the deadline is; raises `Retry` for what may pass.
            tokens: of one attempt, for those who share the endpoint's limits.
            allowed: seconds; what is waited because of declared limits is not part of it.

        Raises:
            EndpointUnavailable: the deadline passed.
        """
        deadline = time.monotonic() + allowed
        failures = throttles = 0
        while True:
            try:
                deadline += await self._take_turn(tokens, deadline)
                return await once(deadline)
            except Retry as retry:
                seconds = pause(retry.after, throttles if retry.throttled else failures)
                if retry.throttled:
                    await self.hold_off(seconds)
                if time.monotonic() + seconds > deadline:
                    raise EndpointUnavailable(
                        f"The {self.what} {self.host} did not answer within {allowed:g} s ({retry.why}); "
                        f"{self._again} when it is back."
                    ) from None
                await asyncio.sleep(seconds)
                throttles += retry.throttled
                failures += not retry.throttled

    async def _take_turn(self, tokens: int, deadline: float) -> float:
        if self.pacer is None:
            return 0.0
        try:
            return await self.pacer.take_turn(tokens, within=max(0.0, deadline - time.monotonic()))
        except TurnTooLate as late:
            raise EndpointUnavailable(
                f"The {self.what} {self.host} asked all to wait {late.seconds:.0f} s yet, longer than a request may; "
                f"{self._again} after that."
            ) from None

    async def hold_off(self, seconds: float) -> None:
        """Keep everybody from asking for a while."""
        if self.pacer is not None:
            await self.pacer.hold_off(min(seconds, LONGEST_HOLD_SECONDS))

    def meaning(self, status: int, codes: frozenset[str], headers: Mapping[str, str], tokens: int) -> Exception:
        """Say what an answer other than the wanted one means.

        Args:
            status: of HTTP, or the one that a body with status 200 names.
            codes: of the error.
            headers: of the answer.
            tokens: of the request.
        """
        if status == 402 or codes & SPENT:
            return EndpointRefused(f"The quota at {self.host} is used up; raise it there, then try again.")
        if status in REFUSALS:
            return InputRefused(status, codes, self.what)
        if status in {401, 403}:
            return ConfigurationError(
                f"The {self.what} {self.host} refused the key (HTTP {status}); set `api_key` of {self.section} in "
                "collections.yaml to ${YOUR_VARIABLE} and put the key there."
            )
        if status == 404:
            return ConfigurationError(
                f"The {self.what} {self.host} knows no such model or address (HTTP 404); check `model` and `base_url` "
                f"of {self.section}, which usually ends in /v1."
            )
        if status in PASSING or status >= 500:
            asked = retry_after(headers)
            throttled = status == 429 or (status == 503 and asked is not None)
            if throttled and asked is None:
                asked = seconds_to_reset(headers, tokens)
            return Retry(asked, f"HTTP {status}", throttled=throttled)
        if 300 <= status < 400:
            return EndpointRefused(
                f"The {self.what} {self.host} redirects (HTTP {status}), which would take texts to a server that "
                "nobody declared; set `base_url` to the address that is meant."
            )
        return EndpointRefused(
            f"The {self.what} {self.host} answered HTTP {status} with an error and nothing else; check `base_url` and "
            f"`model` of {self.section}, and the server's log."
        )

    @contextmanager
    def in_our_terms(self, tokens: int) -> Iterator[None]:
        """Say in our terms what the client raises inside the block.

        Args:
            tokens: of the request.
        """
        try:
            yield
        except (Retry, EndpointRefused):
            raise
        except Exception as error:
            meant = self._meaning_of(error, tokens)
            if meant is None:
                raise
            raise meant from None

    def _meaning_of(self, error: Exception, tokens: int) -> Exception | None:
        import httpx2
        import openai

        from resources.bounded_answers import OversizedAnswer

        if isinstance(error, OversizedAnswer):
            return EndpointRefused(
                f"The {self.what} {self.host} gave an answer far larger than its request explains, or a compressed "
                "one, and nothing of it was kept; check what answers at `base_url`."
            )
        if isinstance(error, openai.APIStatusError):
            codes = frozenset(str(code) for code in (error.code, error.type))
            return self.meaning(error.status_code, codes, error.response.headers, tokens)
        if isinstance(error, TimeoutError):
            return Retry(None, "an answer that did not end")
        if isinstance(error, (openai.APIError, httpx2.HTTPError)):
            return Retry(None, type(error).__name__)
        return Retry(None, str(error)) if isinstance(error, ValueError) else None


def time_left(deadline: float, most: float) -> float:
    """Return the seconds that one attempt may take.

    Args:
        deadline: of all attempts, by the monotonic clock.
        most: seconds for one.
    """
    return max(0.1, min(most, deadline - time.monotonic()))


def pause(after: float | None, times: int) -> float:
    """Wait as long as the endpoint asks, else twice as long each time, with jitter; never in a tight loop."""
    backoff: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(times, 16))
    if after is not None:
        return max(after, backoff * LEAST_SHARE)
    return backoff * (0.5 + random.random() / 2)  # Jitter, not a secret.


def decode(content: bytes) -> Any:
    """Read an answer's body.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("an answer that is not JSON") from None


def error_of(body: Any, wanted: str) -> Any | None:
    """Return the error that an answer with status 200 is in truth, if it is one.

    Args:
        body: the decoded JSON.
        wanted: the key under which it would be an answer.
    """
    return body.get("error") or None if isinstance(body, dict) and not body.get(wanted) else None


def spoken(error: Any) -> tuple[int, frozenset[str]]:
    """Return the status and the codes that an error names which came with status 200."""
    if not isinstance(error, dict):
        return 200, frozenset()
    codes = [str(error.get(key)) for key in ("code", "status", "type")]
    status = next((int(code) for code in codes if re.fullmatch("[345][0-9]{2}", code)), 200)
    return status, frozenset(codes)
