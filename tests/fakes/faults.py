"""What can go wrong at an embedding endpoint: each fault as an answer of the fake server, and what it causes."""

from __future__ import annotations

import base64
import gzip
import json
import math
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np

from resources.errors import EndpointRefused, EndpointUnavailable, SuimonError
from tests.fakes.http_wire import Answer, Scripted

DRIP_SECONDS = 0.02
HUGE_BYTES = 48 << 20


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        answer: gives the answer, anew for each request.
        error: what a refresh fails with while it lasts; None if it does no harm.
    """

    answer: Callable[[], Scripted]
    error: type[SuimonError] | None


def altered(change: Callable[[dict[str, Any]], object]) -> Callable[[Answer], Answer]:
    """Answer with a proper body that was tampered with."""

    def alter(proper: Answer) -> Answer:
        status, headers, body = proper
        change(body)
        return status, headers, body

    return alter


def reset_in_mid_body(handler: BaseHTTPRequestHandler) -> None:
    """Begin an answer and reset the connection."""
    handler.send_response(200)
    handler.send_header("Content-Length", "4000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, for as long as somebody reads: no single read ever waits long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "60000")
    handler.end_headers()
    never = threading.Event()
    for _ in range(3000):
        handler.wfile.write(b" ")
        never.wait(DRIP_SECONDS)


def announce_terabytes(handler: BaseHTTPRequestHandler) -> None:
    """Announce a body that nobody has room for, and send nothing of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(10**12))
    handler.end_headers()


def stream_without_end(handler: BaseHTTPRequestHandler) -> None:
    """Send far more than was asked for, without saying how much."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    for _ in range(HUGE_BYTES >> 16):
        handler.wfile.write(b" " * (1 << 16))


def pack_a_bomb(handler: BaseHTTPRequestHandler) -> None:
    """Send little that unpacks to much."""
    packed = gzip.compress(b" " * HUGE_BYTES)
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(packed)))
    handler.end_headers()
    handler.wfile.write(packed)


def _wire(play: Callable[[BaseHTTPRequestHandler], None]) -> Callable[[], Scripted]:
    return lambda: (200, {}, play)


def _status(status: int, headers: dict[str, str] | None = None, **error: object) -> Callable[[], Scripted]:
    return lambda: (status, headers or {}, {"error": {"message": "the gate code is 4711", **error}})


def _body(change: Callable[[dict[str, Any]], object]) -> Callable[[], Scripted]:
    return lambda: altered(change)


def _each(value: Callable[[str], object]) -> Callable[[], Scripted]:
    def change(body: dict[str, Any]) -> None:
        for item in body["data"]:
            item["embedding"] = value(item["embedding"])

    return _body(change)


def _floats(value: str) -> list[float]:
    numbers: list[float] = np.frombuffer(base64.b64decode(value), "<f4").tolist()
    return numbers


def _cut(proper: Answer) -> Answer:
    return 200, {}, json.dumps(proper[2]).encode()[:-40]


def _repeat_an_index(body: dict[str, Any]) -> None:
    body["data"][-1]["index"] = 0 if len(body["data"]) > 1 else 1


def in_an_hour() -> str:
    """Return a date for Retry-After."""
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


def _dated() -> Scripted:
    return 429, {"Retry-After": in_an_hour()}, {"error": {"message": "slow down"}}


def _faults(error: type[SuimonError] | None, answers: dict[str, Callable[[], Scripted]]) -> dict[str, Fault]:
    return {name: Fault(answer, error) for name, answer in answers.items()}


PASSING = _faults(
    EndpointUnavailable,
    {
        "429": _status(429),
        "429 for a moment": _status(429, {"retry-after-ms": "3"}),
        "429 for no time at all": _status(429, {"Retry-After": "0"}),
        "429 that names a time in the past": _status(429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        "500": _status(500),
        "502": lambda: (502, {}, b"<html>Bad gateway</html>"),
        "503": _status(503),
        "503 for a moment": _status(503, {"Retry-After": "0.004"}),
        "reset in mid-body": _wire(reset_in_mid_body),
        "truncated JSON": lambda: _cut,
        "one vector too few": _body(lambda body: body["data"].pop()),
        "a repeated index": _body(_repeat_an_index),
        "NaN": _each(lambda value: [math.nan] * len(_floats(value))),
        "zeros": _each(lambda value: [0.0] * len(_floats(value))),
        "null": _each(lambda value: None),
        "overloaded, with status 200": _status(200, code=503),
    },
)
"""Faults after which the same request may do."""

SLOW = _faults(EndpointUnavailable, {"a slow drip": _wire(drip)})
"""A fault that takes as long as it is let."""

PAUSES = _faults(
    EndpointUnavailable,
    {
        "429 for an hour in seconds": _status(429, {"Retry-After": "3600"}),
        "429 for an hour in milliseconds": _status(429, {"retry-after-ms": "3600000"}),
        "429 until a date": _dated,
        "429 for ever": _status(429, {"Retry-After": "1e300"}),
    },
)
"""Pauses that are longer than any batch may take."""

FINAL = _faults(
    EndpointRefused,
    {
        "other dimensions": _each(lambda value: _floats(value)[:-1]),
        "another model": _body(lambda body: body.update(model="another")),
        "an error with status 200": _status(200, code="model_not_loaded"),
        "a quota that is used up": _status(429, {"Retry-After": "0"}, code="insufficient_quota"),
        "a bill that is not paid": _status(402),
        "405": _status(405),
        "a redirect": _status(307, {"Location": "http://127.0.0.1:9/v1/embeddings"}),
        "a terabyte announced": _wire(announce_terabytes),
        "a body without end": _wire(stream_without_end),
        "a packed body": _wire(pack_a_bomb),
    },
)
"""Faults that no second request would mend."""

HARMLESS = _faults(
    None,
    {
        "a shuffled answer": _body(lambda body: body["data"].reverse()),
        "floats though base64 was asked for": _each(_floats),
    },
)
"""What looks odd and is right."""
