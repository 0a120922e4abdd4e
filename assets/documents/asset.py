"""The asset `corpus/documents`."""

from assets.documents.audits import suite
from assets.settings import Limits
from assets.shell import Room

ROOM = Room(
    stage="documents",
    description=(
        "What the source holds. Lists it, compares stamps with the last listing, and reads only what may have "
        "changed. A vanished document stays visible to readers until a publish takes it away."
    ),
    code_version="1",
    table="corpus.documents",
    kinds=frozenset({"postgres", "file"}),
    columns={
        "uri": ("text", "Path below the source."),
        "content_hash": ("bytea", "sha256 of the bytes."),
        "format": ("text", "What the bytes are, told from the content first."),
        "size": ("bigint", "Bytes."),
        "metadata": ("jsonb", "What the source knows of the document."),
        "vanished_at": ("timestamptz", "Since when it is gone from the source."),
    },
    suite=suite(Limits.model_validate({})),
)
