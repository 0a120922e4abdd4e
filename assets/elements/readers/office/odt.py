"""OpenDocument text, read from its XML: no program is needed for it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from assets.elements.document import Block, Reading, Unparseable
from assets.elements.readers.found import PLAIN_TEXT, Cell, render_table
from assets.elements.readers.office.odt_styles import OpenStyles
from assets.elements.readers.office.odt_tables import read_open_table
from assets.elements.readers.office.package import Package, attribute, child, kind_of, whole_number

_SILENT = frozenset({
    "tracked-changes", "annotation", "annotation-end", "note-citation", "ruby-text", "sequence-decls",
    "variable-decls", "user-field-decls", "forms", "bookmark", "dde-connection-decls", "scripts",
    "table-column", "table-columns", "table-header-columns", "table-column-group", "index-title-template",
    "event-listeners",
})  # fmt: skip
"""Elements that hold no text of the document: what was deleted, comments, declarations."""

_PICTURE_WORDS = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}*"
_LONGEST_SPACE = 100
_SENTENCE_END = re.compile(r"[.!?。！？…][\"'”’)）」』】]*\s*$")
_BLANKS = re.compile(r"[ \t\r\n]+")
_HIGHEST_LEVEL = 9
_NAMES = {"title": "title", "initial-creator": "author", "creator": "author", "subject": "subject",
          "keyword": "keywords", "creation-date": "created", "date": "modified", "language": "language"}  # fmt: skip


def read_odt(content: bytes) -> Reading:
    """Read OpenDocument text.

    Raises:
        Unparseable: the package is damaged, encrypted or too large.
    """
    package = Package(content)
    if b"encryption-data" in (package.read("META-INF/manifest.xml") or b""):
        raise Unparseable("password_protected")
    root = package.tree("content.xml")
    text = None if root is None else root.find("{*}body/{*}text")
    if text is None:
        raise Unparseable("damaged")
    styles = package.optional_tree("styles.xml")
    document = _Document(package, OpenStyles([part for part in (styles, root) if part is not None]))
    document.page = 1 if next(text.iter("{*}soft-page-break"), None) is not None else None
    blocks = list(document.blocks(text)) + list(document.margins(styles))
    return Reading(
        blocks, properties=_properties(package), readings=document.readings, visible=_count(text), counters={}
    )


@dataclass
class _Line:
    """A paragraph as it is being read: its text, what of it is hidden, and what is anchored in it."""

    pieces: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    anchored: list[Any] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    is_hidden: bool = False

    @property
    def text(self) -> str:
        """What is seen of it."""
        return "".join(self.pieces).strip(" ")


@dataclass
class _Document:
    """A document while it is read.

    Attributes:
        package: where its objects are.
        styles: that it declares.
        page: the current one; None where the document does not say where its pages end.
        readings: furigana.
    """

    package: Package
    styles: OpenStyles
    page: int | None = None
    readings: list[tuple[str, str]] = field(default_factory=list)
    _lists: dict[tuple[str, int], int] = field(default_factory=dict)

    def blocks(self, element: Any, *, hidden: bool = False) -> Iterator[Block]:
        """Yield the blocks in an element, and in what is inside it."""
        for part in element:
            kind = kind_of(part)
            if kind in {"p", "h"}:
                yield from self._paragraph(part, "" if kind == "p" else "h", hidden=hidden)
            elif kind == "list":
                yield from self._list(part, [], hidden=hidden)
            elif kind == "table":
                yield from self._table(part, hidden=hidden)
            elif kind == "soft-page-break":
                self._next_page()
            elif not _is_silent(part):
                unseen = hidden or attribute(part, "display") == "none" or attribute(part, "is-hidden") == "true"
                yield from self.blocks(part, hidden=unseen)

    def margins(self, styles: Any | None) -> Iterator[Block]:
        """Yield headers and footers."""
        for master in () if styles is None else styles.iter("{*}master-page"):
            for part in master:
                kind = {"header": "Header", "footer": "Footer"}.get(kind_of(part).split("-")[0])
                if kind is not None:
                    yield from (Block(kind, block.text) for block in self.blocks(part))

    def _next_page(self) -> None:
        if self.page is not None:
            self.page += 1

    def _paragraph(self, paragraph: Any, kind: str, *, label: str = "", hidden: bool = False) -> Iterator[Block]:
        line, page = _Line(is_hidden=hidden), self.page
        style = attribute(paragraph, "style-name")
        self._inline(paragraph, line, hidden=hidden or self.styles.is_hidden(style))
        level = self.styles.level(style) if kind != "ListItem" else 0
        if kind == "h":
            level = whole_number(attribute(paragraph, "outline-level"), level or 1)
        text, unseen = line.text, "".join(line.hidden)
        if line.is_hidden:
            text, unseen = "", f"{text} {unseen}"
        if text:
            name = "Title" if level else kind or ("NarrativeText" if _SENTENCE_END.search(text) else PLAIN_TEXT)
            yield Block(name, f"{label} {text}".lstrip(), min(max(level, 0), _HIGHEST_LEVEL), page)
        if unseen.strip():
            yield Block(PLAIN_TEXT, unseen.strip(), page=page, hidden=True)
        for drawn in line.drawn:
            yield Block(PLAIN_TEXT, drawn, page=page, hidden=line.is_hidden)
        for anchored in line.anchored:
            yield from self._anchored(anchored, hidden=line.is_hidden)

    def _anchored(self, element: Any, *, hidden: bool) -> Iterator[Block]:
        note = not isinstance(element, list) and kind_of(element) == "note-body"
        for block in self.blocks(element, hidden=hidden):
            if note and block.kind != "Table":
                yield Block("Footnote", block.text, page=block.page, hidden=block.hidden)
            else:
                yield block

    def _list(self, element: Any, styles: list[str], *, hidden: bool) -> Iterator[Block]:
        """Yield the items of a list; one that continues another takes up its numbers."""
        styles = [*styles, attribute(element, "style-name") or (styles[-1] if styles else "")]
        depth = len(styles)
        key = (styles[-1], depth)
        goes_on = attribute(element, "continue-numbering") == "true" or attribute(element, "continue-list") is not None
        if not goes_on or key not in self._lists:
            self._lists[key] = self.styles.first_number(*key) - 1
        for item in element:
            if kind_of(item) not in {"list-item", "list-header"}:
                continue
            label = ""
            if kind_of(item) == "list-item":
                started = attribute(item, "start-value")
                self._lists[key] = whole_number(started, 1) if started else self._lists[key] + 1
                label = self.styles.label(*key, self._lists[key])
            yield from self._item(item, styles, label, hidden=hidden)

    def _item(self, item: Any, styles: list[str], label: str, *, hidden: bool) -> Iterator[Block]:
        for part in item:
            kind = kind_of(part)
            if kind == "list":
                yield from self._list(part, styles, hidden=hidden)
            elif kind in {"p", "h"}:
                yield from self._paragraph(part, "ListItem" if kind == "p" else "h", label=label, hidden=hidden)
                label = ""
            else:
                yield from self.blocks([part], hidden=hidden)

    def _table(self, table: Any, *, hidden: bool) -> Iterator[Block]:
        page = self.page
        beside: list[Block] = []

        def read_cell(cell: Any) -> str:
            pieces = []
            for block in self.blocks(cell):
                if block.hidden or block.kind == "Footnote":
                    beside.append(block)
                else:
                    pieces.append(block.text)
            return " ".join(pieces)

        rows: list[list[Cell]] = read_open_table(table, read_cell)
        text, html = render_table(rows)
        if text:
            yield Block("Table", text, page=page, html=html, hidden=hidden)
        yield from beside

    def _inline(self, element: Any, line: _Line, *, hidden: bool) -> None:
        self._add(element.text, line, hidden=hidden)
        for part in element:
            self._read(kind_of(part), part, line, hidden=hidden)
            self._add(part.tail, line, hidden=hidden)

    def _add(self, text: str | None, line: _Line, *, hidden: bool) -> None:
        if text:
            (line.hidden if hidden else line.pieces).append(_BLANKS.sub(" ", text))

    def _read(self, kind: str, part: Any, line: _Line, *, hidden: bool) -> None:
        pieces = line.hidden if hidden else line.pieces
        if kind in {"s", "tab", "line-break"}:
            pieces.append(_blank(kind, part))
        elif kind == "soft-page-break":
            self._next_page()
        elif kind == "ruby":
            self._ruby(part, line, hidden=hidden)
        elif kind == "note":
            line.anchored += [body for body in part if kind_of(body) == "note-body"]
        elif kind == "object":
            self._object(part, line, pieces)
        elif kind in {"p", "h", "list", "table", "text-box"}:  # A shape need not have a text box for its text.
            line.anchored.append(part if kind == "text-box" else [part])
        elif kind == "hidden-paragraph":
            line.is_hidden = line.is_hidden or attribute(part, "is-hidden") == "true"
        elif kind == "hidden-text":
            line.hidden.append(attribute(part, "string-value") or "")
        elif not _is_silent(part):
            self._inline(part, line, hidden=hidden or self.styles.is_hidden(attribute(part, "style-name")))

    def _ruby(self, ruby: Any, line: _Line, *, hidden: bool) -> None:
        base, reading = child(ruby, "ruby-base"), child(ruby, "ruby-text")
        if base is None:
            return
        before = len(line.pieces)
        self._inline(base, line, hidden=hidden)
        shown = "".join(line.pieces[before:]).strip()
        above = "" if reading is None else "".join(reading.itertext()).strip()
        if shown and above:
            self.readings.append((shown, above))

    def _object(self, element: Any, line: _Line, pieces: list[str]) -> None:
        """Read an embedded formula as its author typed it, and the words of a chart."""
        name = posixpath.normpath(attribute(element, "href") or ".")
        root = self.package.optional_tree(f"{name}/content.xml") if not name.startswith(("..", "/")) else None
        inner = child(element, "math") if root is None else root
        if inner is None:
            return
        if kind_of(inner) == "math":
            typed = next(inner.iter("{*}annotation"), inner)
            pieces.append(" ".join("".join(typed.itertext()).split()))
            return
        for title in inner.iter("{*}title", "{*}subtitle"):
            line.drawn += ["".join(paragraph.itertext()) for paragraph in title.iter("{*}p")]
        for table in inner.iter("{*}table"):
            cells = dict.fromkeys("".join(p.itertext()) for p in table.iter("{*}p"))
            line.drawn.append(" | ".join(text for text in cells if text and not _is_number(text)))


def _blank(kind: str, element: Any) -> str:
    if kind != "s":
        return "\t" if kind == "tab" else "\n"
    return " " * min(max(whole_number(attribute(element, "c"), 1), 1), _LONGEST_SPACE)


def _is_silent(element: Any) -> bool:
    kind = kind_of(element)
    return not kind or kind in _SILENT or kind.endswith("-source") or "svg-compatible" in element.tag


def _is_number(text: str) -> bool:
    return text.strip().lstrip("-").replace(".", "", 1).isdigit() or text.strip() == "NaN"


def _count(text: Any) -> int:
    """Count all characters in the text's elements, without those that are no text of it."""
    silent = ("tracked-changes", "annotation", "note-citation", "ruby-text", "forms", "annotation-xml")
    names = (_PICTURE_WORDS, *(f"{{*}}{name}" for name in silent))
    return _size(text.itertext()) - sum(_size(part.itertext()) for part in text.iter(*names))


def _size(texts: Iterable[str]) -> int:
    return sum(len("".join(text.split())) for text in texts)


def _properties(package: Package) -> dict[str, str]:
    root = package.optional_tree("meta.xml")
    meta = None if root is None else child(root, "meta")
    found: dict[str, str] = {}
    for element in () if meta is None else meta:
        name, value = _NAMES.get(kind_of(element)), " ".join((element.text or "").split())
        if name == "keywords" and name in found and value:
            found[name] += f", {value}"
        elif name and value and (name not in found or kind_of(element) == "initial-creator"):
            found[name] = value
    return found
