"""The asset `corpus/elements`."""

from assets.elements.audits import suite
from assets.recipes import PARSE_CODE_VERSION
from assets.shell import Room

ROOM = Room(
    stage="elements",
    after="documents",
    description=(
        "The text of each document and the elements in it, parsed by unstructured in isolated processes. Belongs to "
        "the bytes, not to the path: a copy or a rename is never parsed again."
    ),
    code_version=PARSE_CODE_VERSION,
    table="corpus.elements",
    kinds=frozenset({"postgres", "python"}),
    columns={
        "content_hash": ("bytea", "sha256 of the bytes that were parsed."),
        "format": ("text", "Which parser read them."),
        "title": ("text", "First heading."),
        "text": ("text", "The document's text."),
        "elements": ("jsonb", "Kind, level, page and character span of each element."),
    },
    suite=suite(),
)
