"""The openai client as we want it: explicit in everything, bounded in what it reads, going nowhere else.

Imported only once an endpoint is opened, since the client takes long to import.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_address
from urllib.parse import urlsplit

import openai

from resources.bounded_answers import bound
from resources.errors import ConfigurationError


def open_client(base_url: str, api_key: str | None, *, seconds: float) -> openai.AsyncOpenAI:
    """Open a client that retries nothing by itself.

    Args:
        base_url: up to `/v1`.
        api_key: None where the endpoint asks for none.
        seconds: for one read, where a request says nothing else.

    Raises:
        ConfigurationError: the address is no http or https URL.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError("base_url is no address; write it as https://host/v1.")
    # A redirect would carry texts to a server that nobody declared.
    client = openai.DefaultAsyncHttpxClient(
        trust_env=not _is_loopback(parts.hostname),
        verify=_certificates(),
        follow_redirects=False,
        event_hooks={"response": [bound]},
    )
    # Explicit values everywhere: the client would otherwise take keys, organisations and addresses that
    # merely happen to be in the environment.
    with _without_custom_headers():
        return openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key or "none",
            organization="",
            project="",
            max_retries=0,
            timeout=seconds,
            http_client=client,
            default_headers={
                "OpenAI-Organization": openai.Omit(),  # type: ignore[dict-item]
                "OpenAI-Project": openai.Omit(),  # type: ignore[dict-item]
                "Accept-Encoding": "identity",
            },
        )


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
