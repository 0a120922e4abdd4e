"""The asset `search/chunks`."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.publication.audits import suite
from assets.refresh import Refresh
from assets.shell import Room


def _describe(refresh: Refresh) -> Mapping[str, Any]:
    shown = refresh.session.record("publication/count_published", refresh.params)
    return {
        "dagster/row_count": dg.MetadataValue.int(shown["chunks"]),
        "dagster/partition_row_count": dg.MetadataValue.int(shown["chunks"]),
        "documents visible": dg.MetadataValue.int(shown["documents"]),
    }


ROOM = Room(
    stage="publication",
    after="vectors",
    description=(
        "What readers see: a row a published passage, with its vector and its lineage. One short transaction moves "
        "the heads of a collection, after the gate has found a recorded pass for everything that would become visible."
    ),
    code_version="1",
    table="search.chunks",
    columns={
        "collection": ("text", "Name of the collection."),
        "uri": ("text", "Path of the document below its source."),
        "link": ("text", "Address for a citation."),
        "title": ("text", "Title of the document."),
        "heading_path": ("text[]", "Headings that the passage stands under."),
        "pages": ("integer[]", "Pages that it touches."),
        "ordinal": ("integer", "Place in the document, from 0."),
        "text": ("text", "The passage."),
        "metadata": ("jsonb", "Metadata of the document."),
        "embedding": ("vector", "Vector of the passage, cosine distance."),
        "published_at": ("timestamptz", "When this version of the document became visible."),
        "publish": ("integer", "Number of the publish in its collection."),
        "run_id": ("text", "The Dagster run that published it."),
    },
    suite=suite(),
    describe=_describe,
)
