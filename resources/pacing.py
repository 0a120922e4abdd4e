"""When a request may be sent: the seam between an endpoint and a limiter, and what servers say of waiting.

Pure but for the clock that a date in a header is compared with. Nothing that a server says is believed
without bounds: what makes no sense is as if it had not been said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlsplit

from resources.errors import TransientError

LONGEST_HOLD_SECONDS = 60.0
"""Longest time that one answer may keep everybody from asking; then somebody asks again."""

UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)(ms|us|µs|ns|h|m|s)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_RESETS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", False),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", True),
    ("ratelimit-remaining", "ratelimit-reset", False),
)
"""Header that says what is left, header that says when it is whole again, and whether tokens are meant."""


class TurnTooLate(TransientError):
    """The endpoint asked everybody to wait for longer than the caller can.

    Attributes:
        seconds: how long yet.
    """

    def __init__(self, seconds: float) -> None:
        """Remember how long."""
        super().__init__(f"The endpoint asked everybody to wait {seconds:.0f} s yet; refresh again after that.")
        self.seconds = seconds

    def __reduce__(self) -> tuple[type[TurnTooLate], tuple[float]]:
        """Survive pickling with the seconds."""
        return type(self), (self.seconds,)


class Pacer(Protocol):
    """Says when a request may be sent, and hears when the endpoint wants none."""

    async def take_turn(self, tokens: int, *, within: float = math.inf) -> float:
        """Return when a request may be sent.

        Args:
            tokens: of the request.
            within: seconds that the caller can wait for an endpoint that asked everybody to wait.

        Returns:
            Seconds that passed because of declared limits, which are nobody's failure.

        Raises:
            TurnTooLate: the endpoint asked for more patience than that.
        """
        ...

    async def hold_off(self, seconds: float) -> None:
        """Keep everybody from asking for so many seconds."""
        ...

    async def close(self) -> None:
        """Let go of connections; the next turn opens them again."""
        ...


def host_of(url: str) -> str:
    """Return the part of an address that names its server: no credentials, no path.

    Args:
        url: of an endpoint.
    """
    return urlsplit(url).netloc.rsplit("@", 1)[-1].lower()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After in its three forms: milliseconds, seconds, a date.

    Args:
        headers: of an answer, found without regard to case.

    Returns:
        Seconds, not below 0 and perhaps infinite; None where nothing sensible is said.
    """
    in_milliseconds = _number(headers.get("retry-after-ms"))
    if in_milliseconds is not None:
        return max(0.0, in_milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    return _until(value) if seconds is None else max(0.0, seconds)


def seconds_to_reset(headers: Mapping[str, str], tokens: int) -> float | None:
    """Return how long an endpoint has nothing left for a request like this one, by its rate-limit headers.

    Args:
        headers: of an answer, found without regard to case.
        tokens: of a request.

    Returns:
        Seconds, not below 0 and perhaps infinite; None where something is left or nothing is said.
    """
    resets = []
    for remaining, reset, counts_tokens in _RESETS:
        left = _number(headers.get(remaining))
        needed = max(1, tokens) if counts_tokens else 1
        if left is not None and left < needed:
            resets.append(duration(headers.get(reset)))
    return max((reset for reset in resets if reset is not None), default=None)


def duration(value: str | None) -> float | None:
    """Read a duration as rate-limit headers have it: `1s`, `6m0s`, `20ms`, `1h2m3.5s`, or plain seconds.

    Args:
        value: of the header.

    Returns:
        Seconds, not below 0; None where it is none.
    """
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return max(0.0, seconds)
    text = value.strip()
    if len(text) > 100 or not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * UNIT_SECONDS[unit] for number, unit in _PART.findall(text))


def _number(value: str | None) -> float | None:
    """Read a number; infinity is one (it is only too much), NaN is none."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _until(value: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(value or "")
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
