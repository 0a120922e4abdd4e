"""The gate: what may become visible, decided on recorded facts alone. Pure.

A blocking check of the scheduler stops only its own run. The publish asks here, inside its transaction,
whether everything that would become visible has met the rules.
"""

from __future__ import annotations

from dataclasses import dataclass

from assets.settings import Limits

COUNTED = ("added", "changed", "metadata_only", "removed")
"""What a publish moves, by kind."""


@dataclass(frozen=True)
class Accepted:
    """What a person confirmed for this refresh.

    Attributes:
        deletions: that documents may go, however many.
        growth: that documents may come, however many.
    """

    deletions: bool = False
    growth: bool = False


@dataclass(frozen=True)
class SpaceFacts:
    """What `read_gate_of_space.sql` found in a space that the publish demands.

    Attributes:
        space: its name.
        texts_without_vector: texts of candidates that have no vector there and were not refused.
        documents_refused: candidates with a text that its endpoint refused.
        texts_wanted: texts of candidates.
        texts_refused: of those, refused by its endpoint.
        vectors_without_pass: vectors of candidates that were not audited.
    """

    space: str
    texts_without_vector: int
    documents_refused: int
    texts_wanted: int
    texts_refused: int
    vectors_without_pass: int


@dataclass(frozen=True)
class GateFacts:
    """What `read_gate.sql` found.

    Attributes:
        documents: in the source.
        heads: that readers see.
        vanished: of those, gone from the source.
        vanished_share: of the heads.
        emptied: 1 if the source is empty and readers see documents.
        newcomers: in the source and not shown, but for those held back.
        quarantined: documents held back.
        candidates: documents that would show something new.
        elements_without_pass: of those, with an unaudited parse.
        chunk_sets_without_pass: of those, with unaudited chunks.
        spaces: what is missing in each space that the publish demands.
    """

    documents: int
    heads: int
    vanished: int
    vanished_share: float
    emptied: int
    newcomers: int
    quarantined: int
    candidates: int
    elements_without_pass: int
    chunk_sets_without_pass: int
    spaces: tuple[SpaceFacts, ...] = ()


def overruled(facts: GateFacts, limits: Limits, accepted: Accepted) -> dict[str, dict[str, int]]:
    """Return the guards that would keep the gate closed if nobody had confirmed: what was seen, by kind.

    Args:
        facts: as recorded.
        limits: of the collection.
        accepted: what a person confirmed.
    """
    found = {}
    unasked = guards(facts, limits, Accepted())
    if accepted.deletions and {"source_emptied", "too_many_vanished"} & set(unasked):
        found["deletions"] = {"vanished": facts.vanished, "published": facts.heads, "in_source": facts.documents}
    if accepted.growth and "too_many_new" in unasked:
        found["growth"] = {"new": facts.newcomers, "published": facts.heads}
    return found


def guards(facts: GateFacts, limits: Limits, accepted: Accepted) -> dict[str, str]:
    """Return what a person may overrule and has not: a sentence by name.

    Args:
        facts: as recorded.
        limits: of the collection.
        accepted: what a person confirmed.
    """
    found: dict[str, str] = {}
    if accepted.deletions:
        pass
    elif facts.emptied:
        found["source_emptied"] = (
            f"the source is empty, but readers see {facts.heads} documents of it; check that it is mounted and "
            "complete, or confirm with --accept-deletions"
        )
    elif facts.vanished_share > limits.vanished_share:
        found["too_many_vanished"] = (
            f"{facts.vanished} of {facts.heads} published documents are gone from the source, more than the "
            f"{limits.vanished_share:.0%} that limits.vanished_share allows; check the source, or confirm with "
            "--accept-deletions"
        )
    most_new = max(limits.growth_documents, limits.growth_share * facts.heads)
    if facts.heads and facts.newcomers > most_new and not accepted.growth:
        found["too_many_new"] = (
            f"{facts.newcomers} documents are new beside {facts.heads} published ones, more than limits.growth_share "
            "allows; check `source` and `include`, or confirm with --accept-growth"
        )
    return found


def findings(facts: GateFacts, limits: Limits, accepted: Accepted) -> dict[str, str]:
    """Return what keeps the gate closed: a sentence by name; none if it opens.

    Args:
        facts: as recorded.
        limits: of the collection.
        accepted: what a person confirmed.
    """
    found = guards(facts, limits, accepted)
    share = facts.quarantined / max(1, facts.documents)
    if facts.quarantined > limits.quarantined_documents and share > limits.quarantined_share:
        found["too_many_quarantined"] = (
            f"{facts.quarantined} of {facts.documents} documents are in quarantine, more than the limits allow; "
            "`suimon status` lists the reasons"
        )
    missing = {
        "parses": facts.elements_without_pass,
        "chunk sets": facts.chunk_sets_without_pass,
        "vectors": sum(space.vectors_without_pass for space in facts.spaces),
    }
    unaudited = [f"{count} {name}" for name, count in missing.items() if count]
    if unaudited:
        found["unaudited"] = f"{', '.join(unaudited)} have no recorded pass; run the checks of the earlier stages"
    for space in facts.spaces:
        found |= _in_space(space, facts, limits)
    return found


def _in_space(space: SpaceFacts, facts: GateFacts, limits: Limits) -> dict[str, str]:
    """Return what is missing in a space; it is named where it is not the only one."""
    several = len(facts.spaces) > 1
    key, where = (f" in {space.space}", f" in space {space.space}") if several else ("", "")
    found = {}
    share = space.documents_refused / max(1, facts.documents)
    if space.documents_refused > limits.quarantined_documents and share > limits.quarantined_share:
        found[f"too_many_refused{key}"] = (
            f"the endpoint{f' of space {space.space}' if several else ''} refused {space.texts_refused} of "
            f"{space.texts_wanted} texts, in {space.documents_refused} documents, more than the limits allow; check "
            "the endpoint, then refresh with --retry"
        )
    if space.texts_without_vector:
        found[f"without_vector{key}"] = (
            f"{space.texts_without_vector} texts have no vector{where}; run the vectors stage"
        )
    return found
