"""What is audited before anything is parsed: the source against what readers see."""

from assets.auditing.suite import Audit, Suite
from assets.settings import Limits


def suite(limits: Limits, *, accept_deletions: bool = False, accept_growth: bool = False) -> Suite:
    """Return the suite of the documents stage.

    Args:
        limits: of the collection.
        accept_deletions: whether a person confirmed that documents may go.
        accept_growth: whether a person confirmed that so many documents may come.
    """
    return Suite(
        "documents",
        (
            Audit(
                "source_was_not_emptied",
                "The source is not empty when readers see documents of it: an unmounted folder or an emptied bucket "
                "must not empty the table.",
                "source", "emptied", maximum=1 if accept_deletions else 0,
            ),
            Audit(
                "few_documents_vanished",
                "The share of published documents that are gone from the source is within limits.vanished_share.",
                "source", "vanished_share", maximum=1 if accept_deletions else limits.vanished_share,
            ),
            Audit(
                "growth_is_within_limits",
                "New documents are not more than both limits.growth_documents and limits.growth_share of the published "
                "ones: a folder too many must not be parsed and paid for unasked.",
                "source", "too_many_new", maximum=1 if accept_growth else 0,
            ),
            Audit(
                "uris_are_unique",
                "No two documents of the collection have the same uri.",
                "source", "duplicates", maximum=0,
            ),
            Audit(
                "sizes_are_within_limits",
                "No file is larger than limits.max_file_mb; a larger one is quarantined unread.",
                "documents", "size", minimum=0, maximum=limits.max_file_mb * 1_000_000, finding="warn",
            ),
        ),
    )  # fmt: skip
