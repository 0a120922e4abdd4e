"""The base of all settings, and what several of them declare."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of all settings: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _address(written: str) -> str:
    try:
        parts = urlsplit(written)
    except ValueError:  # As of brackets that do not close.
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is no address; write it as https://host/v1")
    return written


Address = Annotated[str, AfterValidator(_address)]
"""The address of an endpoint: an http or https URL."""
