"""Presentations: written anew so that unstructured reads them rightly, and its elements mended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree
from unstructured.partition.pptx import partition_pptx

from assets.elements.document import Block, Reading, Unparseable
from assets.elements.readers.found import NO_LANGUAGE, PLAIN_TEXT, Cell, render_table
from assets.elements.readers.office.package import (
    RELATION,
    Package,
    content_types_part,
    core_properties,
    count_texts,
    pack,
    relations_part,
    whole_number,
    written,
)
from assets.elements.readers.office.slides_xml import (
    END,
    FURNITURE,
    HIDDEN,
    MARKS,
    TABLE,
    P,
    Relations,
    SlideReader,
    inline_text,
    write_slide,
)

_PLACE = re.compile(f"{TABLE}([0-9]+){END}")
_STANDARD_SIZE = (12_192_000, 6_858_000)


@dataclass
class _Slide:
    """What is known of a slide besides its text."""

    hidden: bool
    notes: list[str]
    blocks: list[Block] = field(default_factory=list)


def read_pptx(content: bytes) -> Reading:
    """Read a presentation: a page a slide, the notes of each after it.

    Raises:
        Unparseable: the package is damaged or too large.
    """
    package = Package(content)
    names = (part for kind, part in package.relations("").values() if kind == "officeDocument")
    main = next(names, "ppt/presentation.xml")
    root = package.tree(main)
    if root is None:
        raise Unparseable("damaged")
    deck = _Deck(package, SlideReader(package, _size(root)))
    relations = package.relations(main)
    for entry in root.iterfind("{*}sldIdLst/{*}sldId"):
        kind, part = relations.get(entry.get(f"{{{RELATION}}}id") or "", ("", ""))
        if kind == "slide":
            deck.add(part)
    found = partition_pptx(file=pack(deck.parts()), languages=NO_LANGUAGE)
    for item in found:
        deck.keep(item)
    return Reading(list(deck.blocks()), properties=core_properties(package), visible=deck.visible)


def _size(root: Any) -> tuple[int, int]:
    size = root.find("{*}sldSz")
    if size is None:
        return _STANDARD_SIZE
    return whole_number(size.get("cx"), _STANDARD_SIZE[0]), whole_number(size.get("cy"), _STANDARD_SIZE[1])


@dataclass
class _Deck:
    """A presentation while it is read.

    Attributes:
        package: where it is.
        reader: of its slides.
        slides: in order.
        written: the slides as they are written anew.
        visible: characters in slides and notes, white space apart.
    """

    package: Package
    reader: SlideReader
    slides: list[_Slide] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    visible: int = 0
    _known: dict[str, Any] = field(default_factory=dict)

    def add(self, part: str) -> None:
        """Read a slide."""
        root, relations = self.package.tree(part), self.package.relations(part)
        if root is None:
            return
        self._count(root, relations)
        layout = self._related(relations, "slideLayout")
        inherited = [] if layout is None else [layout[1], self._master(layout[0])]
        shapes = self.reader.shapes(root, relations, [other for other in inherited if other is not None])
        self.written.append(write_slide(shapes))
        self.slides.append(_Slide(root.get("show") in {"0", "false"}, self._notes(relations)))

    def _count(self, root: Any, relations: Relations) -> None:
        self.visible += count_texts(root)
        for kind, part in relations.values():
            if kind in {"diagramData", "chart"} and (other := self.package.optional_tree(part)) is not None:
                self.visible += count_texts(other)

    def _related(self, relations: Relations, wanted: str) -> tuple[str, Any] | None:
        part = next((part for kind, part in relations.values() if kind == wanted), None)
        if part is None:
            return None
        if part not in self._known:
            self._known[part] = self.package.optional_tree(part)
        return None if self._known[part] is None else (part, self._known[part])

    def _master(self, layout: str) -> Any | None:
        found = self._related(self.package.relations(layout), "slideMaster")
        return None if found is None else found[1]

    def _notes(self, relations: Relations) -> list[str]:
        """Return the paragraphs of a slide's notes, without what print puts on every page."""
        found = self._related(relations, "notesSlide")
        notes: list[str] = []
        for shape in () if found is None else found[1].iter(f"{P}sp"):
            placeholder = shape.find("*/{*}nvPr/{*}ph")
            if placeholder is None or placeholder.get("type") == "body":
                paragraphs = [inline_text(paragraph) for paragraph in shape.iterfind("{*}txBody/{*}p")]
                notes += [text for text in paragraphs if text.strip()]
                self.visible += count_texts(shape)
        return notes

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """Yield the parts of a package that says the same in plain shapes."""
        numbers = range(1, len(self.written) + 1)
        presentation = etree.Element(f"{P}presentation", nsmap={"p": P[1:-1], "r": RELATION})
        slides = etree.SubElement(presentation, f"{P}sldIdLst")
        for number, data in zip(numbers, self.written, strict=True):
            etree.SubElement(slides, f"{P}sldId", {"id": str(255 + number), f"{{{RELATION}}}id": f"rId{number}"})
            yield f"ppt/slides/slide{number}.xml", data
        yield "ppt/presentation.xml", written(presentation)
        targets = [(f"rId{number}", "slide", f"slides/slide{number}.xml") for number in numbers]
        yield "ppt/_rels/presentation.xml.rels", relations_part(targets)
        yield "_rels/.rels", relations_part([("rId1", "officeDocument", "ppt/presentation.xml")])
        types = {f"ppt/slides/slide{number}.xml": "presentationml.slide" for number in numbers}
        types["ppt/presentation.xml"] = "presentationml.presentation.main"
        yield "[Content_Types].xml", content_types_part(types)

    def keep(self, item: Any) -> None:
        """Keep an element that unstructured found, as a block of its slide."""
        page = item.metadata.page_number
        if item.category == "PageBreak" or page is None:
            return
        slide, text = self.slides[page - 1], item.text or ""
        hidden = slide.hidden or HIDDEN in text
        furniture = next((kind for mark, kind in FURNITURE.items() if mark in text), None)
        if (place := _PLACE.search(text)) is not None:
            rows: list[list[Cell]] = self.reader.tables[int(place.group(1))]
            text, html = render_table(rows)
            if text:
                slide.blocks.append(Block("Table", text, page=page, html=html, hidden=hidden))
            return
        level = int(item.category == "Title" and item.metadata.category_depth == 0)
        kind = PLAIN_TEXT if item.category == "Title" and not level else item.category
        slide.blocks.append(Block(furniture or kind, MARKS.sub("", text), level, page, hidden=hidden))

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks, a slide's notes after it."""
        for page, slide in enumerate(self.slides, start=1):
            yield from slide.blocks
            if slide.notes:
                yield Block("NarrativeText", "\n".join(slide.notes), page=page, hidden=slide.hidden)
