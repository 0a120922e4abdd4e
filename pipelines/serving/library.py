"""What a program may ask of the published table, answered as values of JSON's types and of bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.frameworks.client import Row, SearchClient
from pipelines.frameworks.passages import Mode, Passage, sendable
from resources.errors import ConfigurationError

MOST_PASSAGES = 50
MOST_CHARACTERS = 50_000

_OF_A_PASSAGE = ("collection", "uri", "ordinal", "title", "heading_path", "pages", "link", "publish", "score")


def shown(passage: Passage) -> dict[str, Any]:
    """Return a passage with where it is from, for somebody who will quote it."""
    metadata = passage.metadata
    return {"id": passage.id, **{k: metadata[k] for k in _OF_A_PASSAGE if k in metadata}, "text": passage.text}


async def search(
    client: SearchClient,
    question: str,
    *,
    k: int,
    collection: str | None,
    wanted: Mapping[str, Any] | None,
    mode: Mode,
) -> dict[str, Any]:
    """Return the passages that answer a question best.

    Args:
        client: asks, as whom it stands for.
        question: in words.
        k: from 1 to 50.
        collection: only of this one.
        wanted: a filter in the grammar of docs/sql.md.
        mode: by meaning and words, or by one of them.

    Raises:
        ConfigurationError: what is asked for cannot be.
    """
    if not 1 <= k <= MOST_PASSAGES:
        raise ConfigurationError(f"k is {k}; ask for 1 to {MOST_PASSAGES} passages.")
    conditions = [{"collection": collection}] if collection is not None else []
    filter_ = {"and": [*conditions, dict(wanted)]} if wanted else {"collection": collection} if conditions else None
    found = await client.asearch(question, k, mode=mode, filter=filter_)
    return {"passages": [shown(passage) for passage in found]}


async def read_document(
    client: SearchClient, collection: str, uri: str, *, start: int, characters: int
) -> dict[str, Any]:
    """Return a document's passages in order, from one on, and where to go on.

    Args:
        client: asks, as whom it stands for.
        collection: whose document.
        uri: which.
        start: the ordinal of the first passage.
        characters: about how many, 1 to 50,000; a passage is never cut.

    Raises:
        ConfigurationError: there is no such document, as far as the caller sees; whether there is one that it may not
            see is not told.
    """
    if not 0 <= start < 2**31:
        raise ConfigurationError(f"start is {start}; it is the ordinal of a passage, from 0.")
    if not 1 <= characters <= MOST_CHARACTERS:
        raise ConfigurationError(f"characters is {characters}; ask for 1 to {MOST_CHARACTERS:,}.")
    key = {"collection": sendable(collection), "uri": sendable(uri)}
    found = await client.aread("serving/read_document", key)
    if not found:
        raise ConfigurationError("There is no such document here; search gives collection and uri of what there is.")
    passages = await client.aread("serving/read_passages", {**key, "start": start, "characters": characters})
    following = passages[-1]["ordinal"] + 1 if passages and passages[-1]["ordinal"] < passages[-1]["last"] else None
    kept = [{k: v for k, v in row.items() if k != "last" and v not in (None, [])} for row in passages]
    return {**_dated(found[0]), "passages": kept, "next_start": following}


async def list_collections(client: SearchClient) -> dict[str, Any]:
    """Return the collections of which the caller sees something, and the fields that filters may name.

    Args:
        client: asks, as whom it stands for.
    """
    return {"collections": [_dated(row) for row in await client.aread("serving/list_collections", {})]}


def _dated(row: Row) -> Row:
    return {**row, "published_at": row["published_at"].isoformat()}
