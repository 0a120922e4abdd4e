"""Which documents are new, changed or gone: a merge of two ordered sequences, and what a file is.

Pure: no database, no Dagster. The listing and the known documents are both in uri order, so memory
does not grow with the collection.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from resources.sources import Entry

COARSE_CLOCK_NS = 2_000_000_000
FINE_CLOCK_NS = 50_000_000
"""Two edits within one tick of a file system's clock carry the same stamp: a whole second (two on FAT)
where stamps show no fraction, a few ms where they do. Younger stamps are not trusted, as in git."""

UNREADABLE = "unreadable"
OVERSIZE = "oversize"
UNKNOWN = "unknown"

_BY_SUFFIX = {
    "md": "md", "markdown": "md", "txt": "txt", "text": "txt", "log": "txt", "html": "html", "htm": "html",
    "xhtml": "html", "csv": "csv", "eml": "eml",
}  # fmt: skip
_OFFICE = {"word/": "docx", "xl/": "xlsx", "ppt/": "pptx"}


@dataclass(frozen=True, slots=True)
class Known:
    """A document as the database has it.

    Attributes:
        document_id: its number.
        uri: its path below the source.
        stamp: the source's stamp when it was last hashed.
        settled: whether that stamp can be trusted.
        vanished: whether it was missing at the last scan.
    """

    document_id: int
    uri: str
    stamp: str
    settled: bool
    vanished: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """A document that the scan has to look at.

    Attributes:
        entry: as listed; None if it is gone.
        known: as known; None if it is new.
    """

    entry: Entry | None
    known: Known | None


class Comparison:
    """The differences between a listing and what is known, in one pass.

    Attributes:
        listed: documents listed so far.
        unchanged: of those, documents whose stamp says that they did not change.
    """

    def __init__(self, listing: Iterable[Entry], known: Iterable[Known]) -> None:
        """Take two sequences in uri order."""
        self._listing = iter(listing)
        self._known = iter(known)
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


def detect_format(head: bytes, name: str, stream: BinaryIO) -> str:
    """Tell the format of a file.

    Args:
        head: its first bytes.
        name: its name, which decides only between formats that are plain text.
        stream: the whole, seekable; looked at for archives.
    """
    if head.lstrip()[:5] == b"%PDF-":
        return "pdf"
    if head[:4] == b"PK\x03\x04":
        return _office_format(stream)
    if not head:
        return "txt"
    if _is_binary(head):
        return UNKNOWN
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:256].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "html"
    base = name.rsplit("/", 1)[-1]
    suffix = base.rsplit(".", 1)[-1].lower() if "." in base else "txt"
    return _BY_SUFFIX.get(suffix, UNKNOWN)


def _office_format(stream: BinaryIO) -> str:
    try:
        stream.seek(0)
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return UNKNOWN
    for prefix, found in _OFFICE.items():
        if any(name.startswith(prefix) for name in names):
            return found
    return UNKNOWN


def _is_binary(head: bytes) -> bool:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return False
    # ESC opens the sequences of ISO-2022-JP; 9 to 13 are blanks.
    control = sum(head.count(byte) for byte in (*range(9), *range(14, 27), *range(28, 32)))
    return control > len(head) * 0.05
