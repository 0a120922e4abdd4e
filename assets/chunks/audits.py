"""What is audited before anything is embedded: whether the chunks hold the whole text, soundly cut."""

from assets.auditing.suite import Audit, Suite
from assets.settings import Chunking

COUNTING_SLACK = 1.1
"""A chunk's tokens are summed over its parts; the sum may be a little above the number for the whole."""


def suite(chunking: Chunking) -> Suite:
    """Return the suite of the chunks stage.

    Args:
        chunking: of the collection.
    """
    return Suite(
        "chunks",
        (
            Audit(
                "few_documents_are_quarantined",
                "No more documents are in quarantine than limits.quarantined_* allow: nothing is embedded otherwise.",
                "quarantine", "too_many", maximum=0,
            ),
            Audit(
                "chunks_cover_the_text",
                "Together the chunks of a document hold all its text; only white space lies between them.",
                "chunk_sets", "characters_left_out", maximum=0, finding="quarantine", reason="chunks_unsound",
            ),
            Audit(
                "spans_point_at_the_text",
                "The document's text at a chunk's span is what the chunk shows, after what it repeats.",
                "chunk_sets", "misplaced_spans", maximum=0, finding="quarantine", reason="chunks_unsound",
            ),
            Audit(
                "every_document_has_a_chunk",
                "A document with text has at least one chunk.",
                "chunk_sets", "chunks", minimum=1, finding="quarantine", reason="chunks_unsound",
            ),
            Audit(
                "ordinals_have_no_gaps",
                "The chunks of a document are numbered from 0 without gaps.",
                "chunk_sets", "ordinal_gaps", minimum=0, maximum=0, finding="quarantine", reason="chunks_unsound",
            ),
            Audit(
                "no_chunk_is_empty",
                "Each chunk shows some text.",
                "chunk_sets", "empty_chunks", maximum=0, finding="quarantine", reason="chunks_unsound",
            ),
            Audit(
                "chunks_fit_the_token_limit",
                "No chunk is longer than chunking.max_tokens.",
                "chunk_sets", "longest_tokens", maximum=int(chunking.max_tokens * COUNTING_SLACK),
                finding="quarantine", reason="chunks_unsound",
            ),
        ),
        passes="record_chunk_set_passes",
    )  # fmt: skip
