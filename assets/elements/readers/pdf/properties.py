"""What a PDF says of itself, in its Info dictionary or in XMP."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from lxml import etree
from pdfminer.pdfdocument import PDFDocument
from pdfminer.pdftypes import resolve1
from pdfminer.utils import decode_text

LONGEST = 1_000
MOST_XMP_BYTES = 4 << 20

_NAMES = {
    "Title": "title",
    "Author": "author",
    "Subject": "subject",
    "Keywords": "keywords",
    "CreationDate": "created",
    "ModDate": "modified",
}
_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([+-])(\d\d)'?(\d\d)?'?|Z)?")
_JUNK = re.compile(
    r"(?:(?:microsoft\s+\w+\s+-\s+)?[^\s/\\]+\.(?:docx?|xlsx?|pptx?|pdf|rtf|odt|tex|dvi|indd|qxd|txt|html?|ai|eps|jtd)"
    r"|microsoft\s+(?:word|excel|powerpoint)\s*-.*|\(?(?:untitled|無題|名称未設定|no\s+title|title)\)?\s*\d*|(?:untitled|document|文書)\s*\d*"
    r"|(?:[a-z]:)?[\\/].*|slide\s*\d+|powerpoint\s+(?:presentation|プレゼンテーション)|\(?anonymous\)?|\(?unspecified\)?|[\W\d_]*)",
    re.IGNORECASE | re.DOTALL,
)
_DUBLIN = "{http://purl.org/dc/elements/1.1/}"


def properties_of(document: PDFDocument) -> dict[str, str]:
    """Return title, author, subject, keywords, created, modified, language where they say something."""
    found: dict[str, str] = {}
    with suppress(Exception):  # Nothing in a document hangs on them, and every part of them may be broken.
        found |= _from_xmp(document)
    for info in document.info:
        for name, key in _NAMES.items():
            with suppress(Exception):
                value = _text(resolve1(info.get(name)))
                value = _iso(value) if key in {"created", "modified"} else _kept(value)
                if value:
                    found[key] = value
    with suppress(Exception):
        language = _text(resolve1(document.catalog.get("Lang")))
        if language:
            found["language"] = language
    return found


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        if not value.startswith((b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf")):
            with suppress(UnicodeDecodeError):
                return value.decode("ascii")
            for encoding in ("utf-8", "cp932"):  # The standard allows neither; Japanese programs write both.
                with suppress(UnicodeDecodeError):
                    return value.decode(encoding)
        return decode_text(value)
    return value if isinstance(value, str) else ""


def _kept(value: str) -> str:
    text = " ".join(value.replace("\x00", "").split())[:LONGEST]
    return "" if _JUNK.fullmatch(text) else text


def _iso(value: str) -> str:
    found = _DATE.match(value.strip())
    if found is None:
        return ""
    year, *rest = (int(part) if part else None for part in found.groups()[:6])
    month, day, hour, minute, second = (
        part if part is not None else default for part, default in zip(rest, (1, 1, 0, 0, 0), strict=True)
    )
    zone = None
    if found.group(7):
        offset = timedelta(hours=int(found.group(8)), minutes=int(found.group(9) or 0))
        zone = timezone(offset if found.group(7) == "+" else -offset)
    elif found.group().endswith("Z"):
        zone = timezone.utc  # noqa: UP017
    try:
        return datetime(year or 0, month, day, hour, minute, second, tzinfo=zone).isoformat()
    except ValueError:
        return ""


def _from_xmp(document: PDFDocument) -> dict[str, str]:
    stream = resolve1(document.catalog.get("Metadata"))
    data = stream.get_data() if stream is not None else b""
    if not data or len(data) > MOST_XMP_BYTES:
        return {}
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    tree = etree.fromstring(data, parser)
    found = {}
    for tag, key in (("title", "title"), ("creator", "author"), ("description", "subject")):
        node = tree.find(f".//{_DUBLIN}{tag}")
        value = _kept("; ".join(text.strip() for text in node.itertext() if text.strip())) if node is not None else ""
        if value:
            found[key] = value
    return found
