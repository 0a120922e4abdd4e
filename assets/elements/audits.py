"""What is audited before anything is cut: whether each document came out as text."""

from assets.auditing.suite import Audit, Suite

MOST_DAMAGED = 0.05
"""Share of characters that were replaced or stripped above which a text was probably decoded wrongly."""

LEAST_CHARACTERS_PER_KILOBYTE = 0.02
"""A file of 10 MB with fewer than 200 characters of text was not read, whatever the parser says."""


def suite() -> Suite:
    """Return the suite of the elements stage."""
    return Suite(
        "elements",
        (
            Audit(
                "every_document_has_text_or_a_reason",
                "Each document was parsed to some text; one without is quarantined.",
                "elements", "characters", minimum=1, finding="quarantine", reason="no_text",
            ),
            Audit(
                "few_documents_would_not_parse",
                "No more documents were quarantined while parsing than limits.quarantined_* allow.",
                "quarantine", "too_many", maximum=0,
            ),
            Audit(
                "no_document_is_undecided",
                "Each document was parsed or quarantined; one that changed while it was read waits for the next "
                "refresh.",
                "documents", "undecided", maximum=0, finding="warn",
            ),
            Audit(
                "few_characters_were_replaced",
                "Replacement characters, the mark of a wrong encoding, are rare in each document.",
                "elements", "replaced_share", maximum=MOST_DAMAGED, finding="quarantine", reason="garbled",
            ),
            Audit(
                "few_characters_were_stripped",
                "Control characters and lone surrogates were rare in each document.",
                "elements", "stripped_share", maximum=MOST_DAMAGED, finding="quarantine", reason="garbled",
            ),
            Audit(
                "text_fits_the_size_of_its_file",
                "No document came out implausibly small for its file.",
                "elements", "characters_per_kilobyte", minimum=LEAST_CHARACTERS_PER_KILOBYTE,
                finding="quarantine", reason="implausibly_small",
            ),
        ),
        passes="record_element_passes",
    )  # fmt: skip
