"""What is checked of an index after a publish: it warns, since readers have what they have."""

from assets.auditing.suite import Audit, Suite

LEAST_RECALL = 0.9
"""Share of the ten nearest that an index has to give; pgvector's defaults give 0.95 and more (docs/quality.md)."""

INDEX_PAYS = 10_000
"""Vectors above which the planner ought to choose the index: below, reading all of them is as fast."""


def suite() -> Suite:
    """Return the checks of an index; each looks at one number of `index_health`."""
    return Suite(
        "index_health",
        (
            Audit(
                "the_index_is_whole",
                "The vector index is there and valid.",
                "index_health", "valid", minimum=1, finding="warn",
            ),
            Audit(
                "the_index_finds_what_exact_search_finds",
                "Of the ten nearest vectors by exact search the index gives nearly all.",
                "index_health", "recall", minimum=LEAST_RECALL, finding="warn",
            ),
            Audit(
                "the_planner_uses_the_index",
                f"Plain SQL for the ten nearest passages uses the index, above {INDEX_PAYS:,} vectors.",
                "index_health", "missed", maximum=0, finding="warn",
            ),
            Audit(
                "no_rebuild_is_due",
                "The index does not lead through so many removed vectors that it ought to be built anew.",
                "index_health", "rebuild_due", maximum=0, finding="warn",
            ),
        ),
    )  # fmt: skip


def outside(audit: Audit, value: float) -> bool:
    """Say whether a number is outside an audit's bounds."""
    return (audit.minimum is not None and value < audit.minimum) or (
        audit.maximum is not None and value > audit.maximum
    )
