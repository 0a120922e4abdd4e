"""What a file is: told from its content first, and from its name only between formats that are plain text.

Pure. A format is a short name, as `pdf`; a file that cannot be parsed has a state instead, as `encrypted`.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from typing import BinaryIO

UNREADABLE = "unreadable"
OVERSIZE = "oversize"
UNKNOWN = "unknown"
ENCRYPTED = "encrypted"
MISNAMED = "misnamed"
BROKEN = "broken"

STATES = (UNREADABLE, OVERSIZE, UNKNOWN, ENCRYPTED, MISNAMED, BROKEN)
"""What a file is that is no document: its format cannot be told, or it cannot be read."""

_PLAIN = {
    "md": "md", "markdown": "md", "txt": "txt", "text": "txt", "log": "txt", "html": "html", "htm": "html",
    "xhtml": "html", "csv": "csv", "tsv": "tsv", "tab": "tsv", "eml": "eml", "json": "json", "jsonl": "json",
    "ndjson": "json", "xml": "xml", "rst": "rst", "org": "org",
}  # fmt: skip
_OTHER_SUFFIXES = {
    "pdf": "pdf", "docx": "docx", "xlsx": "xlsx", "pptx": "pptx", "epub": "epub", "odt": "odt", "rtf": "rtf",
    "doc": "doc", "ppt": "ppt", "xls": "xls", "msg": "msg", "png": "image", "jpg": "image", "jpeg": "image",
    "tif": "image", "tiff": "image", "bmp": "image", "gif": "image", "webp": "image", "heic": "image",
}  # fmt: skip
_SIGNATURES = (
    (b"{\\rtf", "rtf"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"GIF87a", "image"),
    (b"GIF89a", "image"),
)
_OFFICE = {"word/": "docx", "xl/": "xlsx", "ppt/": "pptx"}
_MIMETYPES = {b"application/epub+zip": "epub", b"application/vnd.oasis.opendocument.text": "odt"}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (
    ("EncryptedPackage", ENCRYPTED),
    ("WordDocument", "doc"),
    ("PowerPoint Document", "ppt"),
    ("Workbook", "xls"),
    ("Book", "xls"),
    ("__properties_version1.0", "msg"),
)
_MAIL_HEAD = re.compile(rb"(?:Return-Path|Received|From|Delivered-To|MIME-Version|Message-ID):[ \t]\S", re.IGNORECASE)

LARGEST_DIRECTORY = 16_000_000
"""Bytes of a zip archive's directory above which it is not even listed: some 200,000 members."""


def detect_format(head: bytes, name: str, stream: BinaryIO) -> str:
    """Tell the format of a file.

    Args:
        head: its first bytes, at least 64 KiB of them if it has as many.
        name: its name, which decides only between formats that are plain text.
        stream: the whole, seekable; looked at for archives.

    Returns:
        A format, or a state of `STATES`.
    """
    suffix = suffix_of(name)
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head[:4] == b"PK\x03\x04":
        return _of_zip(stream)
    if head[:8] == _OLE:
        return _of_ole(stream)
    for signature, found in _SIGNATURES:
        if head.startswith(signature):
            return _image(suffix) if found == "image" else found
    if _is_other_image(head):
        return _image(suffix)
    if not head:
        return "txt"
    if _is_binary(head):
        return UNKNOWN
    return _of_text(head, suffix)


def suffix_of(name: str) -> str:
    """Return a file name's extension in lower case, without the dot; empty if it has none."""
    base = name.rsplit("/", 1)[-1]
    return base.rsplit(".", 1)[-1].lower() if "." in base else ""


def named_format(name: str) -> str | None:
    """Return the format that a name promises; None if it promises none that we know."""
    suffix = suffix_of(name)
    return _PLAIN.get(suffix) or _OTHER_SUFFIXES.get(suffix)


def _image(suffix: str) -> str:
    """An image that is named as something else was not meant to be read, and what OCR makes of it is a guess."""
    return "image" if _OTHER_SUFFIXES.get(suffix, "image") == "image" and suffix not in _PLAIN else MISNAMED


def _is_other_image(head: bytes) -> bool:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    if head[4:8] == b"ftyp" and head[8:12] in {b"heic", b"heix", b"mif1", b"heif"}:
        return True
    return head[:2] == b"BM" and len(head) > 26 and head[14:18] in {b"\x28\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0"}


def _of_text(head: bytes, suffix: str) -> str:
    start = _as_ascii(head[:2048]).lstrip()[:1024].lower()
    if start.startswith((b"<!doctype html", b"<html")) and suffix != "md":
        return "html"
    if start.startswith(b"<?xml"):
        if b"<html" in start or suffix in {"html", "htm", "xhtml"}:
            return "html"
        return "xml"
    if suffix in _PLAIN:
        return _PLAIN[suffix]
    if suffix in _OTHER_SUFFIXES:  # It promises a format that has a signature, and bears none.
        return BROKEN
    if suffix:
        return UNKNOWN
    return "eml" if _MAIL_HEAD.match(head) else "txt"


def _as_ascii(head: bytes) -> bytes:
    """Make the markup at the head of a text readable whatever its width."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head.count(0) > len(head) // 4:
        return head.lstrip(b"\xff\xfe\x00").replace(b"\x00", b"")
    return head.removeprefix(b"\xef\xbb\xbf")


def _of_zip(stream: BinaryIO) -> str:
    try:
        if _directory_size(stream) > LARGEST_DIRECTORY:
            return BROKEN
        stream.seek(0)
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            declared = _declared_mimetype(archive)
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, RuntimeError, EOFError):
        return BROKEN
    if declared in _MIMETYPES:
        return _MIMETYPES[declared]
    for prefix, found in _OFFICE.items():
        if any(name.startswith(prefix) for name in names):
            return found
    return UNKNOWN


def _declared_mimetype(archive: zipfile.ZipFile) -> bytes:
    if "mimetype" not in archive.NameToInfo or archive.getinfo("mimetype").file_size > 200:
        return b""
    with archive.open("mimetype") as member:
        return member.read(200).strip()


def _directory_size(stream: BinaryIO) -> int:
    """Read how large an archive's directory says that it is, before anything lists it."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - 66_000))
    tail = stream.read(66_000)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(tail):
        return 0
    directory = int(struct.unpack("<I", tail[at + 12 : at + 16])[0])
    return size if directory == 0xFFFFFFFF else directory


def _of_ole(stream: BinaryIO) -> str:
    import olefile

    try:
        stream.seek(0)
        with olefile.OleFileIO(stream) as container:
            for name, found in _OLE_STREAMS:
                if container.exists(name) or (found == "msg" and container.exists(f"{name}\0")):
                    return found
            if any(entry[0].startswith("__properties") for entry in container.listdir()):
                return "msg"
    except (OSError, ValueError, IndexError, TypeError, struct.error, AttributeError):
        return BROKEN
    return UNKNOWN


def _is_binary(head: bytes) -> bool:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:4] == b"\0\0\xfe\xff":
        return False
    # ESC opens the sequences of ISO-2022-JP; 9 to 13 are blanks.
    control = sum(head.count(byte) for byte in (*range(9), *range(14, 27), *range(28, 32)))
    return control > len(head) * 0.05 and wide_encoding(head) is None


def wide_encoding(content: bytes) -> str | None:
    """Recognise UTF-16 and UTF-32 without a mark, by which of the bytes say the block of a character.

    Those bytes are few different ones: zero for Latin letters, 0x30 for kana, 0x4e to 0x9f for kanji.
    """
    sample = content[:4096]
    sample = sample[: len(sample) // 4 * 4]
    if len(sample) < (8 if 0 in sample else 64):
        return None
    zeros = [sample[place::4].count(0) * 4 / len(sample) for place in range(4)]
    for order, high, low in (("le", (2, 3), 0), ("be", (0, 1), 3)):
        if all(zeros[place] > 0.9 for place in high) and zeros[low] < 0.1:
            return f"utf-32-{order}"
    for order, blocks in (("le", sample[1::2]), ("be", sample[0::2])):
        others = sample[0::2] if order == "le" else sample[1::2]
        latin, kana = blocks.count(0) / len(blocks), blocks.count(0x30) / len(blocks)
        kanji = sum(blocks.count(byte) for byte in range(0x4E, 0xA0)) / len(blocks)
        plausible = latin + kana + kanji + blocks.count(0xFF) / len(blocks)
        if plausible > 0.95 and others.count(0) < len(others) * 0.02 and (latin > 0.3 or kana > 0.2):
            return f"utf-16-{order}"
    return None
