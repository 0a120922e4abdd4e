"""The asset `corpus/chunks`."""

from collections.abc import Mapping
from typing import Any

from assets.chunks.audits import suite
from assets.metadata import histogram
from assets.recipes import CHUNK_CODE_VERSION
from assets.refresh import Refresh
from assets.settings import Chunking
from assets.shell import Room


def _describe(refresh: Refresh) -> Mapping[str, Any]:
    sizes = [row["tokens"] for row in refresh.session.records("chunks/sample_tokens", refresh.params)]
    if not sizes:
        return {}
    return {"chunk sizes": histogram(sizes, "tokens a chunk", refresh.settings.chunking.max_tokens)}


ROOM = Room(
    stage="chunks",
    after="elements",
    description=(
        "The passages that are embedded: cut by structure, within the token limit, each a span of the document's "
        "text. Equal texts are stored once."
    ),
    code_version=CHUNK_CODE_VERSION,
    table="corpus.chunks",
    kinds=frozenset({"postgres", "python"}),
    columns={
        "chunk_set_id": ("bigint", "What one parse became under one recipe."),
        "ordinal": ("integer", "Place in the document, from 0."),
        "text_id": ("bigint", "The embedded text."),
        "span": ("int4range", "Characters of the document's text."),
        "pages": ("integer[]", "Pages that the passage touches."),
        "heading_path": ("text[]", "Headings that it stands under."),
        "lead": ("integer", "Characters at the start of what is shown that repeat a header or a lead-in."),
        "html": ("text", "Rows of tables in it, with their header."),
        "flags": ("text[]", "near_empty, boilerplate, hidden."),
    },
    suite=suite(Chunking.model_validate({})),
    describe=_describe,
)
