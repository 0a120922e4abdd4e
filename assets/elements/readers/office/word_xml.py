"""The story of a Word document, written anew in the few elements that unstructured reads rightly.

A document's XML says one thing in many ways: text in content controls, in fields, in text boxes written twice, in
marks of revision, with furigana or as equations. Each paragraph becomes a plain one here: its style, its numbering
and one string. What such a string cannot say travels as a mark in it, a noncharacter that no document may hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from assets.elements.readers.found import Cell
from assets.elements.readers.office.package import (
    Package,
    attribute,
    child,
    chosen,
    drawing_lines,
    kind_of,
    whole_number,
)
from assets.elements.readers.office.word_characters import equation, overprinted, symbol
from assets.elements.readers.office.word_styles import Styles, W
from assets.elements.readers.office.word_tables import LEFT_OUT, inside, read_table

HIDDEN, SHOWN = "\ufdd0", "\ufdd1"
PAGE = "\ufdd2"
NOTE = "\ufdd3"
HEADING = "\ufdd4"
LABEL = "\ufdd5"
TABLE = "\ufdd6"
END = "\ufdd7"
MARKS = re.compile("[\ufdd0-\ufdef]")

_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_CHARACTERS = {"tab": "\t", "ptab": "\t", "cr": "\n", "noBreakHyphen": "-"}
_DRAWINGS = frozenset({"drawing", "pict", "object"})
_NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes"}
_LONGEST_INSTRUCTION = 300

Relations = dict[str, tuple[str, str]]


@dataclass
class _Line:
    """A paragraph as it is being read.

    Attributes:
        pieces: its text with marks.
        boxes: text boxes that are anchored in it.
        drawn: lines of diagrams and charts that are anchored in it.
        notes: kinds and ids of the notes that it refers to.
        instruction: of the field that is open.
        field_from: the piece at which it was opened.
        shown: whether anything in it is not hidden.
    """

    style: str | None
    pieces: list[str] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    instruction: str = ""
    field_from: int = -1
    shown: bool = False

    def add(self, text: str, *, hidden: bool) -> None:
        """Add text as it stands."""
        if text:
            self.shown = self.shown or (not hidden and not text.isspace())
            self.pieces.append(f"{HIDDEN}{text}{SHOWN}" if hidden else text)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)


@dataclass
class Story:
    """The body of a document, or a header, while it is written anew.

    Attributes:
        styles: of the document.
        package: where charts and diagrams are.
        relations: of the part that is read.
        notes: footnotes and endnotes by kind and id; each goes out with the first reference to it.
        written: paragraphs, and the ends of sections.
        tables: rows of cells; a paragraph stands for each.
        labels: how many paragraphs in cells are numbered; a paragraph before the table stands for each.
        readings: furigana.
        counters: what was taken out.
    """

    styles: Styles
    package: Package
    relations: Relations
    notes: dict[tuple[str, str], Any] = field(default_factory=dict)
    written: list[Any] = field(default_factory=list)
    tables: list[list[list[Cell]]] = field(default_factory=list)
    labels: int = 0
    readings: list[tuple[str, str]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    _waiting: list[tuple[str, str]] = field(default_factory=list)

    def read(self, root: Any) -> None:
        """Read a body, a header or a footer, and then the notes that nothing refers to, as hidden ones."""
        for block in inside(root, {"p", "tbl", "sectPr"}):
            self._block(block)
            self._notes_of_block()
        for name in list(self.notes):
            for paragraph in self.notes.pop(name).iter(f"{W}p"):
                line = self._line(paragraph, hidden=True)
                self._write(None, line.text.replace(PAGE, ""), note=True)

    def _block(self, block: Any, *, note: bool = False) -> None:
        kind = kind_of(block)
        if kind == "p":
            self._paragraph(block, note=note)
        elif kind == "tbl":
            self._table(block)
        else:
            self.written.append(block)

    def _notes_of_block(self) -> None:
        waiting, self._waiting = self._waiting, []
        for name in waiting:
            found = self.notes.pop(name, None)
            for block in () if found is None else inside(found, {"p", "tbl"}):
                self._block(block, note=True)

    def _paragraph(self, paragraph: Any, *, note: bool) -> None:
        properties = child(paragraph, "pPr")
        line = self._line(paragraph)
        level = 0 if note else self.styles.level(properties)
        if line.shown or HIDDEN not in line.text:
            self._write(properties, line.text, level=level, note=note)
        else:  # Word does not number what is hidden.
            self._write(None, line.text, section=None if properties is None else child(properties, "sectPr"))
        self._after(line, note=note)

    def _after(self, line: _Line, *, note: bool) -> None:
        """Write what is anchored in a paragraph."""
        for box in line.boxes:
            for block in inside(box, {"p", "tbl"}):
                self._block(block, note=note)
        for text in line.drawn:
            self._write(None, text)
        self._waiting += line.notes

    def _write(
        self, properties: Any | None, text: str, *, level: int = 0, note: bool = False, section: Any | None = None
    ) -> None:
        """Write a paragraph, whole: it belongs to the page on which it begins."""
        inner = text.lstrip(PAGE)
        self._break_pages(len(text) - len(inner))
        paragraph = _element("p")
        _copy_properties(properties, section, paragraph)
        whole = inner.replace(PAGE, "")
        if whole.strip():
            mark = (NOTE if note else "") + (f"{HEADING}{level}" if level else "")
            _put(etree.SubElement(paragraph, f"{W}r"), mark + whole)
        self.written.append(paragraph)
        self._break_pages(len(inner) - len(whole))

    def _break_pages(self, count: int) -> None:
        for _ in range(count):
            paragraph = _element("p")
            etree.SubElement(etree.SubElement(paragraph, f"{W}r"), f"{W}lastRenderedPageBreak")
            self.written.append(paragraph)

    def _table(self, table: Any) -> None:
        rows = read_table(table, self._cell)
        breaks = sum(max((cell.text.count(PAGE) for cell in cells), default=0) for cells in rows)
        for cells in rows:
            for cell in cells:
                cell.text = cell.text.replace(PAGE, "")
        self._write(None, f"{TABLE}{len(self.tables)}{END}")
        self.tables.append(rows)
        self._break_pages(breaks)

    def _cell(self, container: Any) -> str:
        """Read a cell, what is anchored in it and tables in it, as one string."""
        pieces = []
        for block in inside(container, {"p", "tbl"}):
            if kind_of(block) == "tbl":
                pieces += [self._cell(cell) for row in inside(block, {"tr"}) for cell in inside(row, {"tc"})]
                continue
            line = self._line(block)
            pieces.append(self._numbered(block) + line.text)
            pieces += [self._cell(box) for box in line.boxes]
            pieces += line.drawn
            self._waiting += line.notes
        return " ".join(piece for piece in pieces if piece.strip())

    def _numbered(self, paragraph: Any) -> str:
        """Return a mark that is replaced by the number which unstructured finds for a paragraph in a cell."""
        properties = child(paragraph, "pPr")
        if not self.styles.is_numbered(properties):
            return ""
        mark = f"{LABEL}{self.labels}{END}"
        self.labels += 1
        self._write(properties, mark)
        return mark

    def _line(self, paragraph: Any, *, hidden: bool = False) -> _Line:
        style = None
        properties = child(paragraph, "pPr")
        if properties is not None and (named := child(properties, "pStyle")) is not None:
            style = attribute(named, "val")
        line = _Line(style)
        self._read_inline(paragraph, line, hidden=hidden)
        return line

    def _read_inline(self, element: Any, line: _Line, *, hidden: bool) -> None:
        for part in element:
            kind = kind_of(part)
            if kind == "r":
                inner = hidden or self.styles.is_hidden(child(part, "rPr"), line.style)
                self._read_inline(part, line, hidden=inner)
            elif (text := _characters(kind, part)) is not None:
                line.add(self._clean(text), hidden=hidden)
            elif kind not in LEFT_OUT:
                self._read_special(kind, part, line, hidden=hidden)

    def _read_special(self, kind: str, part: Any, line: _Line, *, hidden: bool) -> None:
        if kind == "lastRenderedPageBreak":
            line.pieces.append(PAGE)
        elif kind == "ruby":
            self._read_ruby(part, line, hidden=hidden)
        elif kind in _NOTES:
            line.notes.append((_NOTES[kind], attribute(part, "id") or ""))
        elif kind in _DRAWINGS:
            self._read_drawing(part, line)
        elif kind in {"fldChar", "instrText"}:
            self._read_field(kind, part, line, hidden=hidden)
        elif kind == "AlternateContent":
            if (branch := chosen(part)) is not None:
                self._read_inline(branch, line, hidden=hidden)
        else:
            self._read_inline(part, line, hidden=hidden)

    def _read_ruby(self, ruby: Any, line: _Line, *, hidden: bool) -> None:
        """Keep the base in the sentence, and its reading beside it."""
        base = child(ruby, "rubyBase")
        before = len(line.pieces)
        if base is not None:
            self._read_inline(base, line, hidden=hidden)
        above = child(ruby, "rt")
        reading = "" if above is None else "".join(t.text or "" for t in above.iter(f"{W}t"))
        self._remember(MARKS.sub("", "".join(line.pieces[before:])), reading)

    def _remember(self, base: str, reading: str) -> None:
        if base.strip() and reading.strip():
            self.readings.append((base.strip(), reading.strip()))

    def _read_field(self, kind: str, part: Any, line: _Line, *, hidden: bool) -> None:
        """Read a field that shows nothing but what its instruction draws; the results of others are plain text."""
        if kind == "instrText":
            line.instruction = (line.instruction + (part.text or ""))[:_LONGEST_INSTRUCTION]
            return
        state = attribute(part, "fldCharType")
        if state == "begin":
            line.instruction, line.field_from = "", len(line.pieces)
        elif state == "end" and len(line.pieces) == line.field_from:
            base, reading = overprinted(line.instruction) or ("", None)
            line.add(self._clean(base), hidden=hidden)
            self._remember(base, reading or "")

    def _read_drawing(self, drawing: Any, line: _Line) -> None:
        for part in inside(drawing, {"txbxContent", "relIds", "chart", "p"}):
            kind = kind_of(part)
            if kind == "txbxContent":
                line.boxes.append(part)
            elif kind == "p":  # Of DrawingML, as in a locked canvas.
                line.drawn.append(self._clean("".join(text.text or "" for text in part.iter("{*}t"))))
            else:
                line.drawn += map(self._clean, drawing_lines(part, self.package, self.relations))

    def _clean(self, text: str) -> str:
        """Keep a document from writing our marks."""
        if text.isascii() or not MARKS.search(text):
            return text
        text, count = MARKS.subn("", text)
        self.counters["stripped"] = self.counters.get("stripped", 0) + count
        return text


def _characters(kind: str, part: Any) -> str | None:
    """Return the characters that an element stands for; None if it is more than characters."""
    if kind == "t":
        return part.text or ""
    if kind in _CHARACTERS:
        return _CHARACTERS[kind]
    if kind == "br":
        return "\n" if attribute(part, "type") in {None, "textWrapping"} else ""
    if kind == "sym":
        return symbol(part)
    return equation(part) if kind == "oMath" else None


def _element(name: str) -> Any:
    return etree.Element(f"{W}{name}", nsmap={"w": W[1:-1]})


def _put(run: Any, text: str) -> None:
    holder = etree.SubElement(run, f"{W}t")
    holder.text = text
    holder.set(_SPACE, "preserve")


def _copy_properties(properties: Any | None, section: Any | None, paragraph: Any) -> None:
    """Give a paragraph the properties that unstructured looks at."""
    if properties is None and section is None:
        return
    copied = etree.SubElement(paragraph, f"{W}pPr")
    if properties is not None:
        for name in ("pStyle", "outlineLvl"):
            if (found := properties.find(f"{W}{name}")) is not None:
                etree.SubElement(copied, f"{W}{name}").set(f"{W}val", found.get(f"{W}val") or "")
        section = properties.find(f"{W}sectPr")
        if (numbering := properties.find(f"{W}numPr")) is not None:
            _copy_numbering(numbering, copied)
    if section is not None:
        copied.append(section)


def _copy_numbering(numbering: Any, properties: Any) -> None:
    copied = etree.SubElement(properties, f"{W}numPr")
    for name in ("ilvl", "numId"):
        if (found := numbering.find(f"{W}{name}")) is not None:
            etree.SubElement(copied, f"{W}{name}").set(f"{W}val", str(whole_number(found.get(f"{W}val"))))
