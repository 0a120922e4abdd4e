"""What is audited after the flip: whether readers see what the ledger says, and can find it."""

from assets.auditing.suite import Audit, Suite


def suite() -> Suite:
    """Return the suite of the publication stage."""
    return Suite(
        "publication",
        (
            Audit(
                "heads_equal_the_ledger",
                "Readers see as many documents as the publishes, added up, have put there.",
                "heads", "differing_heads", maximum=0,
            ),
            Audit(
                "every_published_chunk_is_searchable",
                "Each published chunk has a vector in the space, or was refused by the endpoint and is shown as such.",
                "heads", "unsearchable_chunks", maximum=0,
            ),
        ),
    )  # fmt: skip
