"""What a comparison found: a kind, how many, and a sentence for people. Pure.

No finding holds text of a document. Uris are shown to the person who asked and are written down nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

SENTENCES = {
    "documents_missing": "{n} published documents have lost their row",
    "heads_missing": "{n} documents are published according to the ledger, but readers do not see them",
    "heads_extra": "readers see {n} documents that no publish gave them",
    "heads_altered": "{n} documents show something else than their last publish gave them",
    "profiles_differ": "{n} documents show another profile than the one that was made of them and audited",
    "chunks_missing": "{n} chunk sets lack chunks",
    "chunks_extra": "{n} chunk sets have chunks too many",
    "chunks_altered": "{n} chunk sets hold chunks that were altered",
    "chunk_sets_without_digest": "{n} chunk sets were made before digests were kept; they hang together",
    "texts_missing": "{n} texts that chunks name are gone",
    "texts_altered": "{n} texts do not have the hash that they were stored under",
    "vectors_missing": "{n} published texts have no vector, so that no search finds them",
    "vectors_altered": "{n} vectors are not those that were stored",
    "vectors_zero": "{n} vectors are zero, and so in no index",
    "vectors_of_wrong_dimensions": "{n} vectors do not have the dimensions of their space",
    "vectors_unverifiable": "{n} vectors were stored before digests were kept; only their length was compared",
    "index_missing": "the vector index is missing, so that every search reads the whole table",
    "index_invalid": "the vector index is not valid: searches leave it aside, or writes leave it behind",
    "index_of_wrong_kind": "the vector index is not an HNSW index by cosine over all of the space's vectors",
    "vectors_unreachable": "{n} of the sampled vectors are not found through the index",
    "documents_unaccounted": "{n} documents are neither published, nor waiting, nor held back, nor gone",
    "claims_unheld": "{n} claims on texts belong to a refresh that ended",
    "wishes_fulfilled": "{n} texts still wish for a vector that is there",
    "rate_usage_old": "{n} lines of what was sent to endpoints are older than an hour",
}
"""What each kind means."""

STOPPED = "repair_stopped"
"""The kind that says why something could not be mended; its sentence is that of the error."""

NOTES = frozenset({"vectors_unverifiable", "chunk_sets_without_digest"})
"""Kinds that tell something about older rows and are no damage."""

EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """A difference of one kind in one collection.

    Attributes:
        kind: a key of `SENTENCES`, or `repair_stopped`.
        collection: where; None for what belongs to no collection.
        count: how many rows, sets, texts or vectors, as the sentence says.
        sentence: what it means.
        repaired: how many of them were mended.
        examples: uris, or numbers of texts, at most five; never any text.
        where: the space or spaces, as a phrase, where there are several.
    """

    kind: str
    collection: str | None
    count: int
    sentence: str
    repaired: int = 0
    examples: tuple[str, ...] = ()
    where: str = ""

    @property
    def left(self) -> int:
        """How many still need somebody."""
        return 0 if self.kind in NOTES else self.count - self.repaired


def finding(kind: str, collection: str | None, count: int, examples: Sequence[str] = (), where: str = "") -> Finding:
    """Make a finding with the sentence of its kind; `where` names a space, where there are several."""
    said = SENTENCES[kind].format(n=count) + where
    return Finding(
        kind, collection, count, f"{collection}: {said}." if collection else f"{said[0].upper()}{said[1:]}.",
        examples=tuple(examples[:EXAMPLES]), where=where,
    )  # fmt: skip


def stopped(collection: str | None, sentence: str) -> Finding:
    """Say why something could not be mended."""
    return Finding(STOPPED, collection, 1, f"{collection}: {sentence}" if collection else sentence)


def merge(found: Iterable[Finding]) -> list[Finding]:
    """Add up what was found of one kind and collection in several spaces."""
    merged: dict[tuple[str, str | None], Finding] = {}
    for item in found:
        before = merged.get((item.kind, item.collection))
        if before is not None:
            where = before.where + item.where.replace(" in space", " and")
            count, examples = before.count + item.count, before.examples + item.examples
            merged[item.kind, item.collection] = finding(item.kind, item.collection, count, examples, where)
        else:
            merged[item.kind, item.collection] = item
    return list(merged.values())


def settle(before: Iterable[Finding], after: Iterable[Finding], stops: Iterable[Finding]) -> list[Finding]:
    """Say what became of findings, by looking again instead of by believing the repair.

    Args:
        before: as found first.
        after: as found once more when the repair had ended.
        stops: what kept the repair from going on.
    """
    still = {(found.kind, found.collection): found for found in after}
    settled = []
    for found in before:
        now = still.pop((found.kind, found.collection), None)
        count = max(found.count, now.count if now else 0)
        settled.append(
            replace(
                found, count=count, repaired=count - (now.count if now else 0),
                sentence=finding(found.kind, found.collection, count, where=found.where).sentence,
            )
        )  # fmt: skip
    return [*settled, *still.values(), *stops]
