"""From a file to its text and the elements in it. Runs in a parser process.

Pure: no database, no Dagster. A reader takes blocks out of the file; here they are cleaned, what repeats on
every page is kept out, and the rest is joined into one text. What a reader lost is noticed here too.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assets.documents import detection
from assets.elements.cleaning import Cleaner
from assets.elements.document import BLANK_LINE, Block, Element, Parsed, Reading, Unparseable
from assets.elements.furniture import without_furniture
from assets.elements.language import detect_language

_READERS = {
    "txt": "plain:read_text",
    "json": "plain:read_json",
    "xml": "plain:read_xml",
    "md": "markup:read_markdown",
    "html": "web:read_html",
    "epub": "epub:read_epub",
    "rst": "markup:read_rst",
    "org": "markup:read_org",
    "rtf": "markup:read_rtf",
    "odt": "office.odt:read_odt",
    "docx": "office.word:read_docx",
    "pptx": "office.slides:read_pptx",
    "xlsx": "sheets:read_xlsx",
    "xls": "sheets:read_xls",
    "csv": "sheets:read_csv",
    "tsv": "sheets:read_tsv",
    "eml": "mail:read_eml",
    "msg": "mail:read_msg",
    "pdf": "pdf.reader:read_pdf",
    "image": "pictures.image:read_image",
    "doc": "office.legacy:read_doc",
    "ppt": "office.legacy:read_ppt",
}
"""The reader of each format: a module of `readers`, and a function of it."""

SUPPORTED = tuple(_READERS)

_ARCHIVES = frozenset({"docx", "xlsx", "pptx", "epub", "odt"})
"""Formats that are zip archives, which are looked through before a library unpacks them."""

REFUSED = {
    detection.UNKNOWN: "unsupported_format",
    detection.UNREADABLE: "unreadable",
    detection.OVERSIZE: "too_large",
    detection.ENCRYPTED: "password_protected",
    detection.MISNAMED: "misnamed",
    detection.BROKEN: "damaged",
}
"""Formats that are no formats: why such a document is held back without being parsed."""

LOST_SHARE = 0.25
LOST_CHARACTERS = 200
"""A reader may miss so much of what an independent look found, and no more: page numbers, alternatives, markup that
only looks like text. Beyond both, the document is held back."""

MOST_CHARACTERS = 50_000_000
"""Of a document's text. Postgres takes 1 GB in a field, and a parse travels through memory several times."""


def modules_for(formats: Iterable[str]) -> list[str]:
    """Return the modules that a parser server should import for these formats."""
    return sorted({_module(_READERS[name]) for name in set(formats) & set(SUPPORTED)})


def _module(reader: str) -> str:
    return f"assets.elements.readers.{reader.partition(':')[0]}"


@dataclass(frozen=True, slots=True)
class Packed:
    """A parsed document as it travels and is stored: its parts are JSON already."""

    text: str
    elements: str
    title: str | None
    pages: int
    language: str
    counters: dict[str, int]
    properties: str
    attachments: str


def parse_packed(path: str, format: str, digest: bytes, parts: tuple[str, ...] = ()) -> Packed:  # noqa: A002
    """Parse a file and pack the result; raises as `parse` does."""
    parsed = parse(path, format, digest, parts)
    return Packed(
        parsed.text,
        _json([asdict(element) for element in parsed.elements]),
        parsed.title,
        parsed.pages,
        parsed.language,
        parsed.counters,
        _json(parsed.properties),
        _json([asdict(attachment) for attachment in parsed.attachments]),
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def parse(path: str, format: str, digest: bytes, parts: tuple[str, ...] = ()) -> Parsed:  # noqa: A002
    """Parse a file, or a file inside it, that is still the one that was hashed.

    Args:
        path: where it is.
        format: as detected from its content.
        digest: its sha256.
        parts: where the document is inside the file, outermost first; empty for the file itself.

    Raises:
        Unparseable: the file cannot be parsed, with the reason.
    """
    try:
        content = Path(path).read_bytes()
    except OSError:
        raise Unparseable("changed_while_reading") from None
    if parts:
        content = _descend(content, parts)
    if hashlib.sha256(content).digest() != digest:
        raise Unparseable("changed_while_reading")
    if format in _ARCHIVES:
        from assets.elements.readers.office.archives import check_archive

        check_archive(content)
    return assemble(reader_of(format)(content))


def _descend(content: bytes, parts: tuple[str, ...]) -> bytes:
    from assets.elements.readers.mail import extract

    for part in parts:
        content = extract(content, part)
    return content


def reader_of(format: str) -> Callable[[bytes], Reading]:  # noqa: A002
    """Return the reader of a format."""
    reader = _READERS[format]
    found: Callable[[bytes], Reading] = getattr(importlib.import_module(_module(reader)), reader.partition(":")[2])
    return found


def assemble(reading: Reading) -> Parsed:
    """Join what a reader found into one text with spans.

    Args:
        reading: blocks in reading order, and what else is known.

    Raises:
        Unparseable: too much of the document is missing, or it has too much text.
    """
    counters = Counter({"stripped": 0, "replaced": 0} | reading.counters)
    blocks = list(reading.blocks)
    _notice_loss(blocks, reading.visible)
    cleaner = Cleaner()
    pieces: list[str] = []
    elements: list[Element] = []
    at = 0
    for block in without_furniture(blocks, counters):
        text = cleaner.clean(block.text)
        if not text:
            continue
        at += len(BLANK_LINE) if pieces else 0
        html = Cleaner().clean(block.html) if block.html else None  # Its characters are counted in the text already.
        elements.append(Element(block.kind, at, at + len(text), block.level, block.page, html, block.hidden))
        pieces.append(text)
        at += len(text)
        if at > MOST_CHARACTERS:
            raise Unparseable("too_much_text")
    whole = BLANK_LINE.join(pieces)
    counters.update(cleaner.counts())
    counters["replaced"] += whole.count("\ufffd")
    counters["hidden"] += sum(element.end - element.start for element in elements if element.hidden)
    return Parsed(
        text=whole,
        elements=tuple(elements),
        title=_title(whole, elements, reading.properties),
        pages=max((element.page or 0 for element in elements), default=0),
        language=detect_language(whole, reading.properties.get("language")),
        counters={name: count for name, count in counters.items() if count or name in {"stripped", "replaced"}},
        properties=_properties(reading, cleaner),
        attachments=tuple(reading.attachments),
    )


def _notice_loss(blocks: list[Block], visible: int | None) -> None:
    if visible is None:
        return
    found = sum(count_visible(block.text) for block in blocks)
    if visible - found > max(LOST_CHARACTERS, visible * LOST_SHARE):
        raise Unparseable("text_lost")


def count_visible(text: str) -> int:
    """Count characters other than white space."""
    return len(text) - sum(map(str.isspace, text))


def _title(whole: str, elements: list[Element], properties: dict[str, str]) -> str | None:
    heading = next((whole[e.start : e.end] for e in elements if e.level and not e.hidden), None)
    found = heading or properties.get("title") or properties.get("subject")
    return " ".join(found.split())[:300] if found else None


def _properties(reading: Reading, cleaner: Cleaner) -> dict[str, Any]:
    properties: dict[str, Any] = {
        name: cleaned for name, value in reading.properties.items() if (cleaned := cleaner.clean(str(value)))
    }
    if reading.front_matter:
        properties["front_matter"] = cleaner.clean_all(reading.front_matter)
    if reading.readings:
        properties["furigana"] = cleaner.clean_all(list(dict.fromkeys(reading.readings)))
    return properties
