"""What tests of readers share: read bytes as the parser does, and look at what came of it."""

from __future__ import annotations

from collections.abc import Callable

import lxml.html

from assets.elements.document import Element, Parsed, Reading
from assets.elements.parsing import assemble

Reader = Callable[[bytes], Reading]


def read(reader: Reader, content: str | bytes) -> Parsed:
    """Read content as a parser process does."""
    return assemble(reader(content.encode() if isinstance(content, str) else content))


def pieces(parsed: Parsed, *, hidden: bool = False) -> list[str]:
    """Return the texts of the elements that are shown, or of those that are not."""
    return [parsed.text[e.start : e.end] for e in parsed.elements if e.hidden == hidden]


def headings(parsed: Parsed) -> list[tuple[int, str]]:
    """Return the headings with their levels."""
    return [(e.level, parsed.text[e.start : e.end]) for e in parsed.elements if e.level]


def table(parsed: Parsed) -> Element:
    """Return the only table."""
    (found,) = [element for element in parsed.elements if element.kind == "Table"]
    return found


def html_rows(html: str | None) -> list[list[str]]:
    """Return the cells of a table's HTML."""
    tree = lxml.html.fromstring(html or "<table></table>")
    return [[cell.text_content() for cell in row] for row in tree.iter("tr")]
