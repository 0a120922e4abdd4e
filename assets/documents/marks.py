"""What was erased from a collection and stays out: told by digests of uri and bytes, which say nothing else of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from resources.postgres import Session
from resources.sources import Entry

ERASED = "erased"
"""The state of a file whose bytes were erased: it is held back and never parsed, and what is stored of it is not the
digest of its bytes."""


def uri_digest(uri: str) -> bytes:
    """Return the sha256 by which an erased uri is known."""
    return hashlib.sha256(uri.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True)
class Marks:
    """The marks of a collection.

    Attributes:
        uris: digests of uris that are not opened.
        contents: digests of bytes that are not kept.
        holders: uris, each with the digest of its bytes, that had such bytes before these were erased: they
            stay.
    """

    uris: frozenset[bytes] = frozenset()
    contents: frozenset[bytes] = frozenset()
    holders: frozenset[tuple[str, bytes]] = frozenset()

    def bars(self, uri: str) -> bool:
        """Say whether a uri was erased."""
        return bool(self.uris) and uri_digest(uri) in self.uris

    def holds_back(self, uri: str, digest: bytes) -> bool:
        """Say whether a document may not have these bytes."""
        return digest in self.contents and (uri, digest) not in self.holders

    def passing(self, listing: Iterable[Entry], tally: Counter[str]) -> Iterator[Entry]:
        """Yield what is listed and was not erased; the rest is counted as `erased`."""
        if not self.uris:
            yield from listing
            return
        for entry in listing:
            if self.bars(entry.uri):
                tally[ERASED] += 1
            else:
                yield entry


def read_marks(session: Session, collection: str, collection_id: int) -> Marks:
    """Read what was erased from a collection: one statement, which finds nothing where nothing was.

    Args:
        session: of the pipeline role.
        collection: its name, which marks keep.
        collection_id: its number.
    """
    found = session.record("upkeep/read_marks", {"collection": collection, "collection_id": collection_id})
    holders = zip(found["holder_uris"], map(bytes, found["holder_contents"]), strict=True)
    return Marks(frozenset(map(bytes, found["uris"])), frozenset(map(bytes, found["contents"])), frozenset(holders))
