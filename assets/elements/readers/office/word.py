"""Word documents: written anew so that unstructured reads them rightly, and its elements mended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree
from unstructured.partition.docx import partition_docx

from assets.elements.document import Block, Reading, Unparseable
from assets.elements.readers.found import NO_LANGUAGE, PLAIN_TEXT, Cell, render_table
from assets.elements.readers.office.package import (
    Package,
    attribute,
    child,
    content_types_part,
    core_properties,
    count_texts,
    pack,
    relations_part,
    written,
)
from assets.elements.readers.office.word_numbering import mark_numbers, unmark_numbers
from assets.elements.readers.office.word_styles import Styles, W
from assets.elements.readers.office.word_xml import (
    END,
    HEADING,
    HIDDEN,
    LABEL,
    MARKS,
    NOTE,
    SHOWN,
    TABLE,
    Relations,
    Story,
)

_KEPT = frozenset({"styles", "numbering", "settings", "header", "footer"})
"""Kinds of parts that unstructured looks at; pictures are not unpacked."""

_HIDDEN_TEXT = re.compile(f"{HIDDEN}(.*?){SHOWN}", re.DOTALL)
_LABELLED = re.compile(f"{LABEL}([0-9]+){END}")
_PLACE = re.compile(f"{TABLE}([0-9]+){END}")
_LEVEL = re.compile(f"{HEADING}([0-9])")


def read_docx(content: bytes) -> Reading:
    """Read a Word document.

    Raises:
        Unparseable: the package is damaged or too large.
    """
    package = Package(content)
    name = _main_part(package)
    root = package.tree(name)
    body = None if root is None else child(root, "body")
    if body is None:
        raise Unparseable("damaged")
    relations = package.relations(name)
    parts = dict(relations.values())
    notes = _notes(package, parts)
    visible = _count(body, notes.values(), package, relations)
    styles_root = package.tree(parts["styles"]) if "styles" in parts else None
    story = Story(Styles(styles_root), package, relations, notes)
    story.read(body)
    found = partition_docx(file=pack(_rewritten(package, story, relations)), languages=NO_LANGUAGE)
    return Reading(
        list(_blocks(found, story)),
        properties=core_properties(package),
        readings=story.readings,
        visible=visible,
        counters=story.counters,
    )


def _main_part(package: Package) -> str:
    kinds = package.relations("").values()
    return next((part for kind, part in kinds if kind == "officeDocument"), "word/document.xml")


def _notes(package: Package, parts: dict[str, str]) -> dict[tuple[str, str], Any]:
    """Return footnotes and endnotes, without the lines that separate them from the text."""
    found: dict[tuple[str, str], Any] = {}
    for kind in ("footnotes", "endnotes"):
        root = package.optional_tree(parts[kind]) if kind in parts else None
        for note in () if root is None else root:
            if attribute(note, "type") in {None, "normal"}:
                found[kind, attribute(note, "id") or ""] = note
    return found


def _count(body: Any, notes: Iterable[Any], package: Package, relations: Relations) -> int:
    """Count what a reader of the document sees, from the parts as they are."""
    count = sum(count_texts(root, without=("rt", "moveFrom")) for root in (body, *notes))
    for row in body.iter(f"{W}tr"):
        if row.find(f"{W}trPr/{W}del") is not None:
            count -= count_texts(row)
    for kind, part in relations.values():
        if kind in {"diagramData", "chart"} and (root := package.optional_tree(part)) is not None:
            count += count_texts(root)
    return count


def _rewritten(package: Package, story: Story, relations: Relations) -> Iterator[tuple[str, bytes]]:
    """Yield the parts of a package that says the same, and no more than unstructured looks at."""
    document = etree.Element(f"{W}document", nsmap={"w": W[1:-1]})
    etree.SubElement(document, f"{W}body").extend(story.written)
    types = {"word/document.xml": "wordprocessingml.document.main"}
    references = []
    for name, (kind, part) in relations.items():
        if kind not in _KEPT:
            continue
        base = part.rpartition("/")[2]
        if f"word/{base}" not in types:
            yield f"word/{base}", _part_of(package, kind, part, story)
            types[f"word/{base}"] = f"wordprocessingml.{kind}"
        references.append((name, kind, base))
    _without_dangling(document, {name for name, _, _ in references})
    yield "word/document.xml", written(document)
    yield "word/_rels/document.xml.rels", relations_part(references)
    yield "_rels/.rels", relations_part([("rId1", "officeDocument", "word/document.xml")])
    yield "[Content_Types].xml", content_types_part(types)


def _part_of(package: Package, kind: str, part: str, story: Story) -> bytes:
    if kind == "styles":
        return written(story.styles.reduced())
    if kind in {"header", "footer"}:
        return written(_margin(package.tree(part), part, story))
    data = package.read(part) or b""
    return mark_numbers(data) if kind == "numbering" else data


def _without_dangling(document: Any, names: set[str]) -> None:
    """Take out what refers to headers and footers that are not there."""
    for reference in list(document.iter(f"{W}headerReference", f"{W}footerReference")):
        if attribute(reference, "id") not in names:
            reference.getparent().remove(reference)


def _margin(root: Any, part: str, story: Story) -> Any:
    """Write a header or a footer anew; its tables join those of the document."""
    relations = story.package.relations(part)
    margin = Story(story.styles, story.package, relations, tables=story.tables, labels=story.labels)
    margin.read(root)
    anew = etree.Element(root.tag, nsmap={"w": W[1:-1]})
    anew.extend(margin.written)
    return anew


def _blocks(found: Iterable[Any], story: Story) -> Iterator[Block]:
    """Turn unstructured's elements into blocks, and the marks in them into what they stand for."""
    labels: dict[str, str] = {}
    for item in found:
        text, page = unmark_numbers(item.text or ""), item.metadata.page_number
        if item.category in {"Header", "Footer"}:
            yield Block(item.category, _margin_text(text, story))
        elif (label := _LABELLED.search(text)) is not None:
            labels[label.group(1)] = text[: label.start()].strip()
        elif (place := _PLACE.search(text)) is not None:
            yield from _table_blocks(story.tables[int(place.group(1))], labels, page)
        elif item.category != "PageBreak":
            yield from _text_blocks(item.category, text, page)


def _text_blocks(kind: str, text: str, page: int | None) -> Iterator[Block]:
    level = _LEVEL.search(text)
    if NOTE in text:
        kind = "Footnote"
    elif kind == "Title" or level:
        kind = "Title" if level else PLAIN_TEXT
    text, hidden = _apart(_LEVEL.sub("", text))
    if text.strip():
        yield Block(kind, text, int(level.group(1)) if level else 0, page)
    if hidden.strip():
        yield Block("Footnote" if kind == "Footnote" else PLAIN_TEXT, hidden, page=page, hidden=True)


def _table_blocks(rows: list[list[Cell]], labels: dict[str, str], page: int | None) -> Iterator[Block]:
    hidden: list[str] = []
    for cells in rows:
        for cell in cells:
            text = _LABELLED.sub(lambda found: f"{labels.get(found.group(1), '')} ", cell.text)
            cell.text, unseen = _apart(text)
            hidden.append(unseen)
    text, html = render_table(rows)
    if text:
        yield Block("Table", text, page=page, html=html)
    if unseen := "\n".join(filter(str.strip, hidden)):
        yield Block(PLAIN_TEXT, unseen, page=page, hidden=True)


def _margin_text(text: str, story: Story) -> str:
    def text_of(found: re.Match[str]) -> str:
        return render_table(story.tables[int(found.group(1))])[0]

    return MARKS.sub("", _LEVEL.sub("", _LABELLED.sub("", _PLACE.sub(text_of, text))))


def _apart(text: str) -> tuple[str, str]:
    """Take what is hidden out of a text; returns what is left, and what was hidden."""
    text = text.replace(f"{SHOWN}{HIDDEN}", "")
    hidden = " ".join(_HIDDEN_TEXT.findall(text)) if HIDDEN in text else ""
    return MARKS.sub("", _HIDDEN_TEXT.sub("", text)), MARKS.sub("", hidden)
