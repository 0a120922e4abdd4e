"""What a document is, as values: what a reader takes out of a file, and what is kept of it.

A document's text is one string; an element is a span of it, so that page, heading and passage can always
be traced back to characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

BLANK_LINE = "\n\n"
"""Stands between two elements in a document's text."""


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
    """A piece of a document, as it is stored.

    Attributes:
        kind: unstructured's category, as Title, NarrativeText, ListItem, Table.
        start: first character in the document's text.
        end: character after the last.
        level: of a heading, 1 for the highest; 0 for what is no heading.
        page: from 1; None where the format has no pages.
        html: of a table: `<table>` with a `<tr>` for each line of its text, in order; the cells of header rows are
            `<th>`.
        hidden: whether the format says that a reader does not see it.
    """

    kind: str
    start: int
    end: int
    level: int = 0
    page: int | None = None
    html: str | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a document, as a reader found it: not cleaned yet, and without a place in the text.

    Attributes:
        kind: unstructured's category; `Header` and `Footer` are kept out of the text and counted.
        text: as written; a table's rows are lines, its cells apart by ` | `.
        level: as in `Element`.
        page: as in `Element`.
        html: as in `Element`.
        hidden: as in `Element`.
        band: top and bottom edge as shares of the page's height, 0 the top, where print says so.
    """

    kind: str
    text: str
    level: int = 0
    page: int | None = None
    html: str | None = None
    hidden: bool = False
    band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a file, which is a document of its own.

    Attributes:
        part: where it is in its parent, as a reader finds it again.
        name: as its parent calls it, without any folder.
        digest: sha256 of its bytes, in hexadecimal.
        format: as detected from its content.
        size: bytes.
    """

    part: str
    name: str
    digest: str
    format: str
    size: int


@dataclass
class Reading:
    """What a reader took out of a file.

    Attributes:
        blocks: in reading order.
        properties: what the document says of itself: title, author, subject, keywords, created, modified, language,
            from, to, cc, sent; dates as ISO 8601.
        front_matter: what its author declared at its head.
        readings: furigana: pairs of a base text and how it is read.
        attachments: files inside.
        visible: characters other than white space that an independent look found; None where there is none.
        counters: what was kept out or mended, by name.
    """

    blocks: Iterable[Block]
    properties: dict[str, str] = field(default_factory=dict)
    front_matter: dict[str, Any] = field(default_factory=dict)
    readings: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    visible: int | None = None
    counters: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Parsed:
    """A parsed document.

    Attributes:
        text: the elements' texts, with a blank line between them.
        elements: spans of it.
        title: its first heading; without one, what its properties say.
        pages: how many; 0 where the format has none.
        language: ISO 639-1 code, `und` where nothing can be told.
        counters: what was stripped, replaced, kept out or mended, by name.
        properties: as in `Reading`, and `front_matter` and `furigana` where there are any.
        attachments: files inside.
    """

    text: str
    elements: tuple[Element, ...]
    title: str | None
    pages: int
    language: str
    counters: dict[str, int]
    properties: dict[str, Any] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
