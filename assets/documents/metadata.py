"""What a document's declared metadata is: values found in several places become one typed value a field. Pure.

The closer a place is to a person's hand, the stronger it is. A value that does not have the declared type is
left out and named, and no weaker one takes its place: it would pass for what a person wrote.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

from assets.documents.values import MOST_CHARACTERS, MOST_ITEMS, NotOfType, convert, is_absent
from assets.elements.cleaning import Cleaner
from assets.settings import Metadata, MetadataField, Origin
from resources.sources import Entry

STRONGEST_FIRST: tuple[Origin, ...] = tuple(reversed(get_args(Origin)))

GATHERED: tuple[Origin, ...] = ("source", "path", "manifest", "sidecar")
"""Places that are looked at when the source is listed; the others are in the document itself."""

UNREADABLE = "unreadable"
"""Key of what could not be read, beside the places, in `documents.declared`."""

_NO_CLOCK = 1 << 62
"""What a source gives for a modification time that it does not know."""


def settings_digest(metadata: Metadata | None) -> str:
    """Return a digest of all that decides the values; descriptions do not."""
    if metadata is None:
        return ""
    fields = {
        name: field.model_dump(mode="json", exclude={"description"}) for name, field in sorted(metadata.fields.items())
    }
    return digest([fields, metadata.path, metadata.sidecar, metadata.manifest])


def gathering_digest(metadata: Metadata) -> str:
    """Return a digest of what decides only which values are gathered; another type needs no new gathering."""
    keys = {origin: sorted(wanted_keys(metadata, origin)) for origin in GATHERED}
    return digest([keys, metadata.path, metadata.sidecar, metadata.manifest])


def digest(value: Any) -> str:
    """Return a short digest of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def normalised(key: str) -> str:
    """Return a key as keys are compared: a spreadsheet's `Ｙｅａｒ ` is `year`."""
    return unicodedata.normalize("NFKC", key).strip().casefold()


def wanted_keys(metadata: Metadata, origin: Origin) -> set[str]:
    """Return the normalised keys that the declared fields take from a place."""
    return {normalised(field.key or name) for name, field in metadata.fields.items() if field.takes(origin)}


def pick(found: Mapping[Any, Any], keys: set[str]) -> dict[str, Any]:
    """Return what is wanted of what was found, by normalised key, in a form that can be stored.

    Args:
        found: as written.
        keys: what is wanted.
    """
    picked: dict[str, Any] = {}
    for written, value in found.items():
        key = normalised(str(written))
        if key in keys and not is_absent(value):
            picked[key] = storable(value)
    return picked


def storable(value: Any) -> Any:
    """Return a value as JSON that Postgres takes; what is no text, number or list of them becomes `{}`.

    An empty mapping has none of the types, so that it turns into a problem later and not into silence.
    """
    if isinstance(value, list | tuple) and len(value) <= MOST_ITEMS:
        return [_scalar(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, str) and len(value) <= MOST_CHARACTERS:
        return Cleaner().clean(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return value
    # Beyond this a float has no exact text, and an integer no column.
    return value if isinstance(value, int | float) and abs(value) < 1e300 else {}


def of_source(entry: Entry) -> dict[str, Any]:
    """Return what a listing says of a document."""
    known: dict[str, Any] = {"size": entry.size}
    if entry.modified_ns is not None and entry.modified_ns < _NO_CLOCK:
        modified = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=entry.modified_ns // 1000)
        known["modified"] = modified.isoformat()
    return known | entry.metadata


def merge(metadata: Metadata, found: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Return the fields' values, and what is wrong with those that are missing.

    Args:
        metadata: what is declared.
        found: by place, then by key.
    """
    values: dict[str, Any] = {}
    problems = [f"{place}: cannot be read" for place in found.get(UNREADABLE, {})]
    keyed = {origin: {normalised(str(key)): value for key, value in found.get(origin, {}).items()}
             for origin in STRONGEST_FIRST}  # fmt: skip
    for name, field in metadata.fields.items():
        value = _strongest(name, field, keyed)
        if value is None:
            continue
        try:
            values[name] = convert(value, field.type)
        except NotOfType as problem:
            problems.append(f"{name}: {problem}")
    return values, problems


def _strongest(name: str, field: MetadataField, found: Mapping[Origin, Mapping[str, Any]]) -> Any:
    key = normalised(field.key or name)
    candidates: Iterable[Any] = (found[origin].get(key) for origin in STRONGEST_FIRST if field.takes(origin))
    value = next((value for value in candidates if not is_absent(value)), field.default)
    return value.isoformat() if isinstance(value, date) else value
