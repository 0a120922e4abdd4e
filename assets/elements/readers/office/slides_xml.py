"""The slides of a presentation, written anew in plain shapes that unstructured reads rightly.

What unstructured passes over becomes text where it stands: diagrams, charts, equations, what is in groups. What text
cannot say travels as a mark at the head of a paragraph, a noncharacter that no document may hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lxml import etree

from assets.elements.readers.found import WIDEST_SPAN, Cell
from assets.elements.readers.office.numerals import written
from assets.elements.readers.office.package import (
    Package,
    child,
    chosen,
    drawing_lines,
    kind_of,
    whole_number,
)
from assets.elements.readers.office.package import written as to_bytes
from assets.elements.readers.office.word_characters import equation

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
HIDDEN = "\ufdd0"
TABLE, END = "\ufdd1", "\ufdd2"
FURNITURE = {"\ufdd3": "Footer", "\ufdd4": "Header", "\ufdd5": "PageNumber"}
MARKS = re.compile("[\ufdd0-\ufdef]")

_PLACEHOLDERS = {"ftr": "\ufdd3", "dt": "\ufdd3", "hdr": "\ufdd4", "sldNum": "\ufdd5"}
_TITLES = {"title", "ctrTitle"}
_SHAPES = {"sp", "cxnSp", "graphicFrame", "grpSp", "AlternateContent"}
_FIGURES = {"arabic": "1", "alphaLc": "a", "alphaUc": "A", "romanLc": "i", "romanUc": "I", "circleNumDb": "①",
            "circleNumWd": "①", "ea1Jpn": "一", "ea1Chs": "一", "ea1Cht": "一", "arabicDb": "１"}  # fmt: skip
_AROUND = {"Period": ("", "."), "ParenR": ("", ")"), "ParenBoth": ("(", ")"), "Plain": ("", ""), "Minus": ("-", "-")}
_NUMBERING = re.compile(f"({'|'.join(_FIGURES)})(?:Kor|ChtDb)?({'|'.join(_AROUND)})?")

Relations = dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """How a group's coordinates become the slide's."""

    left: float = 0
    top: float = 0
    across: float = 1
    down: float = 1

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return a point of the group as one of the slide."""
        return self.left + x * self.across, self.top + y * self.down

    def inner(self, shape: Any | None) -> _Frame:
        """Return the frame of a group inside, by its `a:xfrm`."""
        if shape is None:
            return self
        (x, y), (width, height) = _pair(shape, "off", "x", "y"), _pair(shape, "ext", "cx", "cy")
        (from_x, from_y), (wide, high) = _pair(shape, "chOff", "x", "y"), _pair(shape, "chExt", "cx", "cy")
        across, down = (width / wide if wide else 1), (height / high if high else 1)
        left, top = self.place(x - from_x * across, y - from_y * down)
        return _Frame(left, top, self.across * across, self.down * down)


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape as it is written anew.

    Attributes:
        paragraphs: texts, with the depth of each and whether it is an item of a list.
        left: in the slide's units.
        top: in the slide's units.
        title: whether it is the slide's title.
    """

    paragraphs: list[tuple[str, int, bool]]
    left: int = 0
    top: int = 0
    title: bool = False


@dataclass
class SlideReader:
    """Reads slides, one after another.

    Attributes:
        package: where they are.
        size: of a slide.
        tables: rows of cells; a paragraph stands for each.
    """

    package: Package
    size: tuple[int, int]
    tables: list[list[list[Cell]]] = field(default_factory=list)

    def shapes(self, root: Any, relations: Relations, inherited: list[Any]) -> list[Shape]:
        """Return a slide's shapes, its title first.

        Args:
            root: of the slide.
            relations: of the slide.
            inherited: its layout and its master, from which placeholders take their place.
        """
        tree = root.find("{*}cSld/{*}spTree")
        found = [] if tree is None else list(self._shapes(tree, relations, inherited, _Frame()))
        return sorted((shape for shape in found if shape.paragraphs), key=lambda shape: not shape.title)

    def _shapes(self, tree: Any, relations: Relations, inherited: list[Any], frame: _Frame) -> Iterator[Shape]:
        for part in tree:
            kind = kind_of(part)
            if kind == "AlternateContent":
                if (branch := chosen(part)) is not None:
                    yield from self._shapes(branch, relations, inherited, frame)
            elif kind == "grpSp":
                yield from self._shapes(part, relations, inherited, frame.inner(part.find("{*}grpSpPr/{*}xfrm")))
            elif kind in _SHAPES:
                shape = self._frame_of(part, relations) if kind == "graphicFrame" else _text_shape(part)
                yield self._placed(shape, part, inherited, frame)

    def _frame_of(self, part: Any, relations: Relations) -> Shape:
        table = next(part.iter(f"{A}tbl"), None)
        if table is None:
            lines = (MARKS.sub("", line) for line in drawing_lines(part, self.package, relations))
            return Shape([(line, 0, False) for line in lines])
        self.tables.append(read_slide_table(table))
        return Shape([(f"{TABLE}{len(self.tables) - 1}{END}", 0, False)])

    def _placed(self, shape: Shape, part: Any, inherited: list[Any], frame: _Frame) -> Shape:
        """Give a shape its place, and mark what is outside the slide, hidden or furniture."""
        placeholder = part.find("*/{*}nvPr/{*}ph")
        kind = None if placeholder is None else placeholder.get("type")
        if kind in _TITLES:
            text = " ".join(" ".join(text.split()) for text, _, _ in shape.paragraphs)
            return Shape([(text, 0, False)] if text else [], title=True)
        place = _place_of(part, placeholder, inherited)
        hidden = (described := part.find("*/{*}cNvPr")) is not None and described.get("hidden") in {"1", "true"}
        mark = _PLACEHOLDERS.get(kind or "", "")
        left = top = 0.0
        if place is not None:
            (x, y), (width, height) = _pair(place, "off", "x", "y"), _pair(place, "ext", "cx", "cy")
            (left, top), (right, bottom) = frame.place(x, y), frame.place(x + width, y + height)
            outside = right < 0 or bottom < 0 or left > self.size[0] or top > self.size[1]
            hidden = hidden or outside
        mark += HIDDEN if hidden else ""
        marked = [(mark + text, depth, item) for text, depth, item in shape.paragraphs]
        return replace(shape, paragraphs=marked, left=max(int(left), 0), top=max(int(top), 0))


def _place_of(part: Any, placeholder: Any | None, inherited: list[Any]) -> Any | None:
    """Return where a shape is: its own `xfrm`, or that of the placeholder that it fills."""
    own = part.find("{*}spPr/{*}xfrm")
    own = part.find("{*}xfrm") if own is None else own
    if own is not None or placeholder is None:
        return own
    kind, index = placeholder.get("type", "obj"), placeholder.get("idx", "0")
    for root in inherited:
        for other in root.iterfind("{*}cSld/{*}spTree/{*}sp"):
            declared = other.find("*/{*}nvPr/{*}ph")
            if declared is None or (place := other.find("{*}spPr/{*}xfrm")) is None:
                continue
            same_index = index != "0" and declared.get("idx") == index
            if same_index or declared.get("type", "obj") in {kind, "body" if kind == "obj" else kind}:
                return place
    return None


def _pair(place: Any, name: str, first: str, second: str) -> tuple[int, int]:
    found = place.find(f"{A}{name}")
    if found is None:
        return 0, 0
    return whole_number(found.get(first)), whole_number(found.get(second))


def _text_shape(part: Any) -> Shape:
    return Shape(list(paragraphs_of(child(part, "txBody"))))


def paragraphs_of(body: Any | None) -> Iterator[tuple[str, int, bool]]:
    """Yield the paragraphs of a shape's text: each with its depth, and whether it is an item of a list."""
    numbers: dict[int, int] = {}
    for paragraph in () if body is None else body.iterfind(f"{A}p"):
        text = inline_text(paragraph)
        if not text.strip():
            continue
        properties = paragraph.find(f"{A}pPr")
        depth = 0 if properties is None else min(max(whole_number(properties.get("lvl")), 0), 8)
        automatic = None if properties is None else properties.find(f"{A}buAutoNum")
        numbers = {level: number for level, number in numbers.items() if level <= depth - (automatic is None)}
        label = ""
        if automatic is not None:
            numbers[depth] = numbers.get(depth, whole_number(automatic.get("startAt"), 1) - 1) + 1
            label = _label(automatic.get("type") or "", numbers[depth])
        bulleted = automatic is not None or (properties is not None and properties.find(f"{A}buChar") is not None)
        yield f"{label} {text}".lstrip(" "), depth, bulleted


def _label(kind: str, number: int) -> str:
    found = _NUMBERING.match(kind)
    if found is None:
        return f"{number}."
    before, after = _AROUND.get(found.group(2) or "Plain", ("", ""))
    return f"{before}{written(number, _FIGURES[found.group(1)])}{after}"


def inline_text(element: Any) -> str:
    """Return the text of a paragraph: its runs, fields, line breaks and equations."""
    pieces = []
    for part in element:
        kind = kind_of(part)
        if kind == "t":
            pieces.append(MARKS.sub("", part.text or ""))
        elif kind == "br":
            pieces.append("\n")
        elif kind == "oMath":
            pieces.append(MARKS.sub("", equation(part)))
        elif kind == "AlternateContent":
            branch = chosen(part)
            pieces.append("" if branch is None else inline_text(branch))
        elif kind not in {"pPr", "rPr", "endParaRPr"}:
            pieces.append(inline_text(part))
    return "".join(pieces)


def read_slide_table(table: Any) -> list[list[Cell]]:
    """Read an `a:tbl` as rows of cells, merged cells once."""
    rows = table.findall(f"{A}tr")
    properties = table.find(f"{A}tblPr")
    first = properties is not None and properties.get("firstRow") in {"1", "true"} and len(rows) > 1
    found = []
    for at, row in enumerate(rows):
        cells = []
        for part in row.iterfind(f"{A}tc"):
            if {part.get("hMerge"), part.get("vMerge")} & {"1", "true"}:
                continue
            columns, lines = (min(max(whole_number(part.get(n), 1), 1), WIDEST_SPAN) for n in ("gridSpan", "rowSpan"))
            text = " ".join(text for text, _, _ in paragraphs_of(child(part, "txBody")))
            cells.append(Cell(text, first and at == 0, columns, lines))
        found.append(cells)
    return found


def write_slide(shapes: list[Shape]) -> bytes:
    """Write a slide that holds these shapes and nothing else."""
    root = etree.Element(f"{P}sld", nsmap={"a": A[1:-1], "p": P[1:-1]})
    tree = etree.SubElement(etree.SubElement(root, f"{P}cSld"), f"{P}spTree")
    for number, shape in enumerate(shapes, start=2):
        _write_shape(etree.SubElement(tree, f"{P}sp"), number, shape)
    return to_bytes(root)


def _write_shape(written_shape: Any, number: int, shape: Shape) -> None:
    names = etree.SubElement(written_shape, f"{P}nvSpPr")
    etree.SubElement(names, f"{P}cNvPr", id=str(number), name=str(number))
    etree.SubElement(names, f"{P}cNvSpPr")
    holder = etree.SubElement(names, f"{P}nvPr")
    if shape.title:
        etree.SubElement(holder, f"{P}ph", type="title")
    place = etree.SubElement(etree.SubElement(written_shape, f"{P}spPr"), f"{A}xfrm")
    etree.SubElement(place, f"{A}off", x=str(shape.left), y=str(shape.top))
    etree.SubElement(place, f"{A}ext", cx="1", cy="1")
    body = etree.SubElement(written_shape, f"{P}txBody")
    etree.SubElement(body, f"{A}bodyPr")
    for text, depth, item in shape.paragraphs:
        paragraph = etree.SubElement(body, f"{A}p")
        properties = etree.SubElement(paragraph, f"{A}pPr", lvl=str(depth))
        if item:
            etree.SubElement(properties, f"{A}buChar", char="•")
        etree.SubElement(etree.SubElement(paragraph, f"{A}r"), f"{A}t").text = text
