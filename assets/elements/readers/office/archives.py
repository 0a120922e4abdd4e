"""Formats that are zip archives of XML: looked through before a library unpacks them into memory.

An archive's directory may say anything, and `zipfile` inflates a member whole before it compares. So each member
is inflated once, piece by piece, and counted; that costs less than parsing it.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from assets.elements.document import Unparseable

MOST_MEMBERS = 20_000
MOST_BYTES = 1 << 30
"""Of everything in an archive; pictures and films are most of a large one."""

MOST_XML_BYTES = 200_000_000
"""Of the members that parsers load whole, as a tree that takes several times their size."""

MOST_RATIO = 200
RATIO_COUNTS_FROM = 50_000_000
"""Bytes of a member. Tables of zeros shrink to a thousandth too, but no honest one is large and so empty."""

_MARKUP = (".xml", ".rels", ".vml", ".xhtml", ".html", ".htm", ".opf", ".ncx", ".svg")
_PARTS = (".xml", ".rels", ".vml")
"""Of an office document; pictures and foreign text inside it may declare what they like."""

_PIECE = 1 << 18
_ODD = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError,
        IndexError)  # fmt: skip
"""What `zipfile` raises over a damaged member, and over a method that no office program writes."""

_DECLARATIONS = tuple(
    mark.encode(encoding) for mark in ("<!DOCTYPE", "<!ENTITY") for encoding in ("utf-8", "utf-16-le", "utf-16-be")
)
_LONGEST_DECLARATION = max(map(len, _DECLARATIONS))

_FONTS_ONLY = {b"http://www.idpf.org/2008/embedding", b"http://ns.adobe.com/pdf/enc#RC"}
"""Algorithms of EPUB that keep fonts from being copied; the text is open."""

_METHOD = re.compile(rb"EncryptionMethod\b[^>]*?\bAlgorithm\s*=\s*[\"']([^\"']*)")


def check_archive(content: bytes) -> None:
    """Look through a docx, xlsx, pptx, odt or epub before it is opened.

    Members whose names leave the folder are let through: nothing is ever extracted.

    Args:
        content: the archive.

    Raises:
        Unparseable: `password_protected`, `unpacks_too_large`, `forbidden_entities` or `damaged`.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _ODD:
        raise Unparseable("damaged") from None
    with archive:
        members = [member for member in archive.infolist() if not member.filename.endswith("/")]
        _check_directory(members)
        _check_duplicates(members)
        _Count(archive).check(members)
        _check_encryption(archive)


def _check_directory(members: list[zipfile.ZipInfo]) -> None:
    if any(member.flag_bits & 0x1 for member in members):
        raise Unparseable("password_protected")
    if len(members) > MOST_MEMBERS or sum(member.file_size for member in members) > MOST_BYTES:
        raise Unparseable("unpacks_too_large")
    if sum(member.file_size for member in members if _is_markup(member)) > MOST_XML_BYTES:
        raise Unparseable("unpacks_too_large")


def _check_duplicates(members: list[zipfile.ZipInfo]) -> None:
    """Refuse two members of one name that differ: which of them is the document depends on who reads it."""
    seen: dict[str, int] = {}
    for member in members:
        if seen.setdefault(member.filename, member.CRC) != member.CRC:
            raise Unparseable("damaged")


class _Count:
    """Inflates members and adds up what they really hold."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        # Office documents may not hold document types, and entity bombs are made of nothing else.
        self._is_office = "[Content_Types].xml" in archive.NameToInfo
        self._all = 0
        self._markup = 0

    def check(self, members: list[zipfile.ZipInfo]) -> None:
        for member in members:
            is_markup = _is_markup(member)
            try:
                self._inflate(member, is_markup=is_markup)
            except _ODD:
                if is_markup:  # A broken picture costs no text.
                    raise Unparseable("damaged") from None

    def _inflate(self, member: zipfile.ZipInfo, *, is_markup: bool) -> None:
        declared, size, end = member.file_size, 0, b""
        is_part = self._is_office and member.filename.lower().endswith(_PARTS)
        for piece in self._pieces(member):
            size += len(piece)
            self._all += len(piece)
            self._markup += len(piece) if is_markup else 0
            if self._all > MOST_BYTES or self._markup > MOST_XML_BYTES or _is_bomb(size, member.compress_size):
                raise Unparseable("unpacks_too_large")
            if is_part:
                window = end + piece
                if any(declaration in window for declaration in _DECLARATIONS):
                    raise Unparseable("forbidden_entities")
                end = piece[-_LONGEST_DECLARATION:]
        if size != declared:
            raise Unparseable("damaged")

    def _pieces(self, member: zipfile.ZipInfo) -> Iterator[bytes]:
        declared = member.file_size
        member.file_size = 1 << 62  # Else `zipfile` stops where the directory says, and the lie goes unseen.
        try:
            with self._archive.open(member) as stream:
                while piece := stream.read(_PIECE):
                    yield piece
        finally:
            member.file_size = declared


def _is_markup(member: zipfile.ZipInfo) -> bool:
    return member.filename.lower().endswith(_MARKUP)


def _is_bomb(size: int, packed: int) -> bool:
    return size > RATIO_COUNTS_FROM and size > packed * MOST_RATIO


def _check_encryption(archive: zipfile.ZipFile) -> None:
    """Notice what OpenDocument and EPUB encrypt inside an archive that is open itself."""
    if "META-INF/manifest.xml" in archive.NameToInfo and b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise Unparseable("password_protected")
    if "META-INF/encryption.xml" in archive.NameToInfo:
        methods = set(_METHOD.findall(archive.read("META-INF/encryption.xml")))
        if methods - _FONTS_ONLY:
            raise Unparseable("password_protected")
