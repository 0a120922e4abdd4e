"""What is audited before anything is published: whether each text has a vector, and a plausible one."""

from assets.auditing.suite import Audit, Suite
from assets.vectors.spaces import UNIT_TOLERANCE

LEAST_DISTINCT_SHARE = 0.5
"""Distinct texts have distinct vectors but for those that differ in blanks, width or case only."""


COMPLETE = "every_chunk_has_a_vector"
"""The audit that is not asked in a space that is being filled."""


def suite(dimensions: int, *, normalised: bool) -> Suite:
    """Return the suite of the vectors stage.

    Args:
        dimensions: of the space.
        normalised: whether its model gives vectors of length 1.
    """
    shortest, longest = (1 - UNIT_TOLERANCE, 1 + UNIT_TOLERANCE) if normalised else (1e-6, 1e6)
    return Suite(
        "vectors",
        (
            Audit(
                COMPLETE,
                "Each text that is about to be shown has a vector, or is held back because the endpoint refused it.",
                "vectors", "missing", maximum=0,
            ),
            Audit(
                "dimensions_match_the_space",
                "Each vector has the dimensions of its space.",
                "vectors", "dimensions", minimum=dimensions, maximum=dimensions,
            ),
            Audit(
                "norms_match_the_model",
                "Each vector is as long as the model makes them; a vector of length zero would vanish from searches.",
                "vectors", "norm", minimum=shortest, maximum=longest,
            ),
            Audit(
                "vectors_are_not_collapsed",
                "Distinct texts have distinct vectors; a broken model server may answer the same to everything.",
                "collapse", "distinct_share", minimum=LEAST_DISTINCT_SHARE,
            ),
        ),
        passes="record_vector_passes",
        undo="delete_unpassed_vectors",
    )  # fmt: skip
