"""From a file to its text and the elements in it. Runs in a parser process.

Pure: no database, no Dagster. A document's text is one string; an element is a span of it, so that page,
heading and passage can always be traced back to characters.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from assets.documents.scan import OVERSIZE, UNKNOWN, UNREADABLE

SUPPORTED = ("md", "txt", "html", "pdf", "docx", "xlsx", "pptx", "csv", "eml")

REFUSED = {
    UNKNOWN: "unsupported_format",
    UNREADABLE: "unreadable",
    OVERSIZE: "too_large",
}
"""Formats that are no formats: why such a document is held back without being parsed."""

_PRELOAD = {
    "pdf": "assets.elements.preload_pdf",
    "eml": "unstructured.partition.email",
    "txt": "unstructured.partition.text",
}


def modules_for(formats: Iterable[str]) -> list[str]:
    """Return the modules that a parser server should import for these formats."""
    return [_PRELOAD.get(name, f"unstructured.partition.{name}") for name in sorted(set(formats) & set(SUPPORTED))]


class Unparseable(Exception):  # It names the document's state, not a fault of ours.
    """A file that will not parse, for a reason that a person can act on.

    Attributes:
        reason: a reason code of docs/quarantine.md.
    """

    def __init__(self, reason: str) -> None:
        """Remember the reason."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Element:
    """A piece of a document.

    Attributes:
        kind: unstructured's category, as Title, NarrativeText, ListItem, Table.
        start: first character in the document's text.
        end: character after the last.
        level: of a heading, 1 for the highest; 0 for what is no heading.
        page: from 1; None where the format has no pages.
        html: of a table.
    """

    kind: str
    start: int
    end: int
    level: int = 0
    page: int | None = None
    html: str | None = None


@dataclass(frozen=True)
class Parsed:
    """A parsed document.

    Attributes:
        text: the elements' texts, with a blank line between them.
        elements: spans of it.
        title: its first heading, if there is one.
        pages: how many; 0 where the format has none.
        counters: characters stripped and replaced.
        properties: what the document says of itself.
    """

    text: str
    elements: tuple[Element, ...]
    title: str | None
    pages: int
    counters: dict[str, int]
    properties: dict[str, str] = field(default_factory=dict)


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


@dataclass
class Cleaner:
    """Takes out what a text column cannot or should not hold, and counts it.

    Attributes:
        stripped: control characters and lone surrogates taken out.
    """

    stripped: int = 0

    def clean(self, text: str) -> str:
        """Return the text without them, line ends unified, outer blanks removed."""
        cleaned, count = _CONTROL.subn("", text.replace("\r\n", "\n").replace("\r", "\n"))
        self.stripped += count
        return cleaned.strip()


@dataclass(frozen=True, slots=True)
class Packed:
    """A parsed document as it travels and is stored: its elements are JSON already."""

    text: str
    elements: str
    title: str | None
    pages: int
    counters: dict[str, int]
    properties: dict[str, str]


def parse_packed(path: str, format: str, digest: bytes) -> Packed:  # noqa: A002  # The field's own word.
    """Parse a file and pack the result; raises as `parse` does."""
    parsed = parse(path, format, digest)
    elements = json.dumps([asdict(element) for element in parsed.elements], ensure_ascii=False)
    return Packed(parsed.text, elements, parsed.title, parsed.pages, parsed.counters, parsed.properties)


def parse(path: str, format: str, digest: bytes) -> Parsed:  # noqa: A002
    """Parse a file that is still the one that was hashed.

    Args:
        path: where it is.
        format: as detected from its content.
        digest: its sha256.

    Raises:
        Unparseable: the file cannot be parsed, with the reason.
    """
    try:
        content = Path(path).read_bytes()
    except OSError:
        raise Unparseable("changed_while_reading") from None
    if hashlib.sha256(content).digest() != digest:
        raise Unparseable("changed_while_reading")
    return assemble(_PARTITIONERS[format](content), format)


def assemble(found: Iterable[Any], format: str) -> Parsed:  # noqa: A002
    """Join unstructured's elements into one text with spans.

    Args:
        found: elements in reading order.
        format: decides whether a title is trusted to be a heading.
    """
    cleaner = Cleaner()
    pieces: list[str] = []
    elements: list[Element] = []
    at = 0
    for item in found:
        if item.category == "PageBreak":
            continue
        html = getattr(item.metadata, "text_as_html", None)
        raw = table_text(html) if html and item.category == "Table" else item.text
        text = cleaner.clean(raw or "")
        if format == "pdf":
            text = _BROKEN_JAPANESE.sub("", text)
        if not text:
            continue
        if pieces:
            at += 2
        page = getattr(item.metadata, "page_number", None)
        level = heading_level(item.category, getattr(item.metadata, "category_depth", None), text, format)
        elements.append(Element(item.category, at, at + len(text), level, page, html))
        pieces.append(text)
        at += len(text)
    if format == "pdf":
        elements = list(_without_cells(elements))
    whole = "\n\n".join(pieces)
    headings = [whole[e.start : e.end] for e in elements if e.level]
    return Parsed(
        text=whole,
        elements=tuple(elements),
        title=headings[0][:300] if headings else None,
        pages=max((e.page or 0 for e in elements), default=0),
        counters={"stripped": cleaner.stripped, "replaced": whole.count("\ufffd")},
    )


_JAPANESE = "ぁ-んァ-ヶー一-龠々、。「」"
_BROKEN_JAPANESE = re.compile(f"(?<=[{_JAPANESE}]) (?=[{_JAPANESE}])")
"""The blank that takes the place of a line's end in print. Between Japanese characters it means nothing; the rare
blank that somebody set there goes with it."""

PROSE_CHARACTERS = 40


def _without_cells(elements: list[Element]) -> Iterator[Element]:
    """Take back headings that prose does not follow: in print, cells of a table look like titles in a row."""
    for place, element in enumerate(elements):
        following = elements[place + 1] if place + 1 < len(elements) else None
        prose = following is not None and (
            following.kind in {"NarrativeText", "ListItem"} or following.end - following.start >= PROSE_CHARACTERS
        )
        yield element if place == 0 or prose or not element.level else replace(element, level=0)


_HEADING_START = re.compile(r"[^\W\d_a-z]|\d+(?:[.\-]\d+)*[.)、．]?\s+[^\W\d_a-z]|第\d")
"""How a heading begins in print: with a capital or a Japanese character, numbered or not."""

_SENTENCE_END = re.compile(r"[.。．!！?？:：;；,、，]\s*$")


def heading_level(category: str, depth: int | None, text: str, format: str) -> int:  # noqa: A002
    """Say whether an element is a heading, and of which level (1 highest; 0 for none).

    Where the format has headings of its own, unstructured gives their depth. Elsewhere it guesses from
    looks, and takes a Japanese sentence, which has no spaces, for a title: so a guess counts only if it is
    short and does not end like a sentence.
    """
    if category != "Title":
        return 0
    if format in {"md", "html", "docx"}:
        return depth + 1 if depth is not None else 0
    if format == "pptx":  # A bullet below the first level is called a title, too.
        return 1 if depth == 0 else 0
    if format == "pdf" and len(text) <= 80 and "\n" not in text and not _SENTENCE_END.search(text):
        return 1 if _HEADING_START.match(text) else 0
    return 0


def table_text(html: str) -> str:
    """Write a table as lines, cells apart by bars, so that rows stay whole in plain text."""
    import lxml.html

    rows = []
    for row in lxml.html.fromstring(html).iter("tr"):
        cells = [" ".join(cell.text_content().split()) for cell in row.iter("td", "th")]
        if any(cells):
            rows.append(" | ".join(cells))
    return "\n".join(rows)


def decode(content: bytes) -> str:
    """Decode text of unknown encoding: UTF-8, a byte order mark, else what fits the bytes best.

    Raises:
        Unparseable: no encoding fits.
    """
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    if b"\x1b$" in content or b"\x1b(J" in content:  # ISO-2022-JP is made of ASCII bytes, and would pass as UTF-8.
        try:
            return content.decode("iso2022_jp")
        except UnicodeDecodeError:
            pass
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    best = from_bytes(content, cp_isolation=["cp932", "euc_jp", "iso2022_jp", "cp1252", "utf_16"]).best()
    if best is None:
        raise Unparseable("unknown_encoding")
    return str(best)


_NO_LANGUAGE = [""]
"""Tells unstructured not to guess a language: its guess is slow, differs from run to run on short texts, and
makes it look for English verbs."""


def _text(content: bytes) -> Any:
    from unstructured.partition.text import partition_text

    text = decode(content)
    return partition_text(text=text, languages=_NO_LANGUAGE) if text.strip() else []


def _markdown(content: bytes) -> Any:
    from unstructured.partition.md import partition_md

    text = decode(content)
    return partition_md(text=text, languages=_NO_LANGUAGE) if text.strip() else []


def _html(content: bytes) -> Any:
    from unstructured.partition.html import partition_html

    text = decode(content)
    return partition_html(text=text, languages=_NO_LANGUAGE) if text.strip() else []


def _csv(content: bytes) -> Any:
    from unstructured.partition.csv import partition_csv

    text = decode(content)
    if not text.strip():
        return []
    file = io.BytesIO(text.encode("utf-8", "replace"))
    return partition_csv(file=file, encoding="utf-8", languages=_NO_LANGUAGE, include_header=True)


def _pdf(content: bytes) -> Any:
    from unstructured.partition.pdf import partition_pdf

    return partition_pdf(file=io.BytesIO(content), strategy="fast", languages=["eng"])


def _docx(content: bytes) -> Any:
    from unstructured.partition.docx import partition_docx

    return partition_docx(file=io.BytesIO(content), languages=_NO_LANGUAGE)


def _pptx(content: bytes) -> Any:
    from unstructured.partition.pptx import partition_pptx

    return partition_pptx(file=io.BytesIO(content), languages=_NO_LANGUAGE, include_slide_notes=True)


def _xlsx(content: bytes) -> Any:
    from unstructured.partition.xlsx import partition_xlsx

    return partition_xlsx(file=io.BytesIO(content), languages=_NO_LANGUAGE, include_header=False)


def _email(content: bytes) -> Any:
    from unstructured.partition.email import partition_email

    return partition_email(file=io.BytesIO(content), languages=_NO_LANGUAGE, process_attachments=False)


_PARTITIONERS: dict[str, Callable[[bytes], Any]] = {
    "txt": _text,
    "md": _markdown,
    "html": _html,
    "csv": _csv,
    "pdf": _pdf,
    "docx": _docx,
    "pptx": _pptx,
    "xlsx": _xlsx,
    "eml": _email,
}
