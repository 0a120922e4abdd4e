"""Which documents are new, changed or gone: a merge of two ordered sequences, and what a file is.

Pure: no database, no Dagster. The listing and the known documents are both in uri order, so memory
does not grow with the collection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from assets.documents.detection import detect_format
from resources.sources import Entry

COARSE_CLOCK_NS = 2_000_000_000
FINE_CLOCK_NS = 50_000_000
"""Two edits within one tick of a file system's clock carry the same stamp: a whole second (two on FAT)
where stamps show no fraction, a few ms where they do. Younger stamps are not trusted, as in git."""


@dataclass(frozen=True, slots=True)
class Known:
    """A document as the database has it.

    Attributes:
        document_id: its number.
        uri: its path below the source.
        stamp: the source's stamp when it was last hashed.
        settled: whether that stamp can be trusted.
        vanished: whether it was missing at the last scan.
        declared_stamp: of what its metadata was gathered from; empty where none is declared.
    """

    document_id: int
    uri: str
    stamp: str
    settled: bool
    vanished: bool
    declared_stamp: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A document that the scan has to look at.

    Attributes:
        entry: as listed; None if it is gone.
        known: as known; None if it is new.
        content: whether its bytes may differ; otherwise only what is declared of it does.
    """

    entry: Entry | None
    known: Known | None
    content: bool = True


class Comparison:
    """The differences between a listing and what is known, in one pass.

    Attributes:
        listed: documents listed so far.
        unchanged: of those, documents whose stamp says that they did not change.
    """

    def __init__(
        self, listing: Iterable[Entry], known: Iterable[Known], declared: Callable[[Entry], str] | None = None
    ) -> None:
        """Take two sequences in uri order.

        Args:
            listing: what the source holds.
            known: what the database has.
            declared: gives the stamp of what is declared of a document; without it that is not compared.
        """
        self._listing = iter(listing)
        self._known = iter(known)
        self._declared = declared
        self.listed = 0
        self.unchanged = 0

    def __iter__(self) -> Iterator[Difference]:
        """Yield what differs.

        Raises:
            ValueError: the listing is not in order, or names a uri twice.
        """
        known = next(self._known, None)
        last: str | None = None
        for entry in self._listing:
            if last is not None and entry.uri <= last:
                raise ValueError("a source must list each uri once, in order")
            last = entry.uri
            self.listed += 1
            while known is not None and known.uri < entry.uri:
                yield from _gone(known)
                known = next(self._known, None)
            if known is None or known.uri != entry.uri:
                yield Difference(entry, None)
                continue
            if known.vanished or not known.settled or known.stamp != entry.stamp:
                yield Difference(entry, known)
            elif self._declared is not None and known.declared_stamp != self._declared(entry):
                yield Difference(entry, known, content=False)
            else:
                self.unchanged += 1
            known = next(self._known, None)
        while known is not None:
            yield from _gone(known)
            known = next(self._known, None)


def _gone(known: Known) -> Iterator[Difference]:
    if not known.vanished:
        yield Difference(None, known)


def is_settled(modified_ns: int | None, now_ns: int) -> bool:
    """Say whether a stamp taken now would show a later edit.

    Args:
        modified_ns: when the bytes were written; None where the stamp does not rest on a clock.
        now_ns: the time, on the same clock.
    """
    if modified_ns is None:
        return True
    tick = COARSE_CLOCK_NS if modified_ns % 1_000_000_000 == 0 else FINE_CLOCK_NS
    return now_ns - modified_ns > tick


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds.

    Attributes:
        digest: sha256 of the bytes, 32 bytes.
        format: what the bytes are, by their content first and their name second.
        size: bytes read.
    """

    digest: bytes
    format: str
    size: int


def examine(stream: BinaryIO, name: str) -> Content:
    """Hash a file and tell its format, in one pass and bounded memory."""
    head = stream.read(1 << 16)
    digest = hashlib.sha256(head)
    size = len(head)
    while block := stream.read(1 << 20):
        digest.update(block)
        size += len(block)
    return Content(digest.digest(), detect_format(head, name, stream), size)
