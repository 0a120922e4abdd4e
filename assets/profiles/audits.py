"""What is audited before a profile is shown. Nothing here blocks: the text is published already, and never waits."""

from assets.auditing.suite import Audit, Suite

MOST_FAILED = 0.2
"""Share of the documents; `sql/queries/auditing/profile_coverage.sql` has it too."""


def suite() -> Suite:
    """Return the suite of the profiles stage."""
    return Suite(
        "profiles",
        (
            Audit(
                "profiles_fit_their_schema",
                "Each profile is as the collection declares it; one that is not is not shown.",
                "profiles", "unfit", maximum=0, finding="warn",
            ),
            Audit(
                "few_entities_are_invented",
                "At least half of the entities that the model named occur in the text, else the profile is not shown; "
                "those that do not occur are never in it.",
                "profiles", "mostly_invented", maximum=0, finding="warn",
            ),
            Audit(
                "summaries_are_in_the_language_of_the_document",
                "Title and summary are in the language of the text; what is not was left out.",
                "profiles", "in_another_language", maximum=0, finding="warn",
            ),
            Audit(
                "every_document_has_a_profile",
                "No document waits for its profile: none was left by a budget, a time limit or an endpoint that is "
                "away.",
                "profile_coverage", "waiting", maximum=0, finding="warn",
            ),
            Audit(
                "few_documents_could_not_be_described",
                "The model gave something usable about nearly all documents.",
                "profile_coverage", "failed_share", maximum=MOST_FAILED, finding="warn",
            ),
        ),
        passes="record_profile_passes",
    )  # fmt: skip
