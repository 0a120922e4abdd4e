"""From unstructured's elements to blocks: what most readers share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from assets.elements.cleaning import Cleaner
from assets.elements.document import Block

NO_LANGUAGE = [""]
"""Tells unstructured not to guess a language: its guess is slow, differs from run to run on short texts, and
makes it look for English verbs."""

PLAIN_TEXT = "UncategorizedText"
"""unstructured's category for text that is nothing in particular."""

WIDEST_SPAN = 1000
"""Columns or rows that a merged cell may claim to cover: what HTML allows, and more than any table means."""

_APART = frozenset({"td", "th", "tr", "p", "div", "br", "li", "dt", "dd", "table", "caption", "pre", "blockquote"})
"""Elements in a cell that stand apart from their neighbours: between them goes a blank, also in Japanese."""


@dataclass(slots=True)
class Cell:
    """A cell of a table, as it is being read: merged cells grow.

    Attributes:
        text: on one line.
        header: whether it says what its row or column holds.
        columns: that it covers.
        rows: that it covers.
    """

    text: str
    header: bool = False
    columns: int = 1
    rows: int = 1


def blocks_of(found: Iterable[Any], *, headings: bool) -> Iterator[Block]:
    """Turn unstructured's elements into blocks.

    Args:
        found: elements in reading order.
        headings: whether the format has headings of its own, so that a title's depth is known and not guessed.
    """
    for item in found:
        if item.category == "PageBreak":
            continue
        html = getattr(item.metadata, "text_as_html", None) if item.category == "Table" else None
        depth = getattr(item.metadata, "category_depth", None)
        level = depth + 1 if headings and item.category == "Title" and depth is not None else 0
        text, html = table_of(html) if html else (item.text or "", None)
        yield Block(item.category, text, level, getattr(item.metadata, "page_number", None), html)


def table_text(html: str) -> str:
    """Write a table as lines, cells apart by bars, so that rows stay whole in plain text."""
    return table_of(html)[0]


def table_of(html: str) -> tuple[str, str]:
    """Write an HTML table as text and as plain HTML whose rows are the text's lines; as `render_table` does."""
    import lxml.html

    root = lxml.html.fromstring(html)
    table = root if root.tag == "table" else next(root.iter("table"), root)
    rows = [row for row in table.iter("tr") if next(row.iterancestors("table"), table) is table]
    return render_table([[_cell(cell) for cell in row if cell.tag in {"td", "th"}] for row in rows])


def _cell(element: Any) -> Cell:
    columns, rows = (_span(element.get(name)) for name in ("colspan", "rowspan"))
    return Cell(_flat(element), element.tag == "th", columns, rows)


def _span(value: str | None) -> int:
    return min(max(int(value), 1), WIDEST_SPAN) if value and value.isascii() and value.isdigit() else 1


def _flat(element: Any) -> str:
    """Return all text of a cell, that of tables inside it too."""
    import lxml.etree

    pieces = []
    for event, node in lxml.etree.iterwalk(element, events=("start", "end", "comment", "pi")):
        if node is not element and node.tag in _APART:
            pieces.append(" ")
        if event == "start":
            pieces.append(node.text or "")
        elif node is not element:
            pieces.append(node.tail or "")
    return "".join(pieces)


def render_table(rows: Sequence[Sequence[Cell]]) -> tuple[str, str]:
    """Write a table as lines, cells apart by bars, and as HTML with a `tr` for each line, in order.

    A row without any text is in neither, and what spans it is shortened. What cannot be seen is taken out of the
    HTML here; of the text it is taken out, and counted, with that of other elements.
    """
    cleaner = Cleaner()
    lines: list[str] = []
    kept: list[list[tuple[Cell, str]]] = []
    spanning: list[tuple[Cell, int]] = []  # A cell that reaches below its row, and the row that is its last.
    for at, row in enumerate(rows):
        texts = [" ".join(cell.text.split()) for cell in row]
        cleaned = [" ".join(cleaner.clean(text).split()) for text in texts]
        spanning = [(cell, last) for cell, last in spanning if last >= at]
        if any(cleaned):
            lines.append(" | ".join(texts))
            kept.append(list(zip(row, cleaned, strict=True)))
            spanning += [(cell, at + cell.rows - 1) for cell in row if cell.rows > 1]
        else:
            for cell, _ in spanning:
                cell.rows -= 1
    html = "".join(f"<tr>{''.join(_written(cell, text) for cell, text in row)}</tr>" for row in kept)
    return "\n".join(lines), f"<table>{html}</table>"


def _written(cell: Cell, text: str) -> str:
    name = "th" if cell.header else "td"
    columns = f' colspan="{cell.columns}"' if cell.columns > 1 else ""
    rows = f' rowspan="{cell.rows}"' if cell.rows > 1 else ""
    return f"<{name}{columns}{rows}>{escape(text, quote=False)}</{name}>"
