"""Tables: their rows as spans of the document's text and as HTML, and where they are cut. Pure.

A reader gives a table as lines, a line a row, and as HTML with a `<tr>` a line. Here the HTML is written
again from its cells' text, so that nothing in it can act when it is shown.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from assets.chunks.splitting import Count, measure, split, trim
from assets.elements.document import Element

CELL_SEPARATOR = " | "
HEADER_SHARE = 1 / 3
"""Largest part of a chunk that a repeated header may take; a longer one is not repeated."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table that have any text.

    Attributes:
        lines: first character and character after the last of each row, in the document's text.
        rows: each as `<tr>`.
        header: how many at its start are repeated where the table is cut.
    """

    lines: Sequence[tuple[int, int]]
    rows: Sequence[str]
    header: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table that stay together, or a part of one that is longer than a chunk.

    Attributes:
        table: whose.
        first: number of the first.
        last: number after the last.
        start: first character in the document's text.
        end: character after the last.
        tokens: of them; a sum over the rows.
        whole: whether they are rows, and not a part of one.
    """

    table: Table
    first: int
    last: int
    start: int
    end: int
    tokens: int
    whole: bool = True

    def html(self, text: str) -> Iterator[str]:
        """Write each row as `<tr>`."""
        if self.whole:
            yield from self.table.rows[self.first : self.last]
        else:
            yield _row_of_line(text[self.start : self.end], "td")


def read_table(text: str, element: Element) -> Table:
    """Find the rows of a table.

    Where its HTML has other rows than its text has lines, or there is none, HTML is made from the lines. Without
    any HTML the first line is taken for a header; with it, only header cells are one.

    Args:
        text: the document's text.
        element: the table.
    """
    lines = list(_lines(text, element.start, element.end))
    rows, header = _read_html(element.html) if element.html else ([], 0)
    least = 2  # A header alone is no header.
    if len(rows) == len(lines):
        return Table(lines, rows, header if header < len(rows) else int(len(rows) >= least))
    header = int((header > 0 or not rows) and len(lines) >= least)
    return Table(
        lines,
        [_row_of_line(text[start:end], "th" if at < header else "td") for at, (start, end) in enumerate(lines)],
        header,
    )


def header_of(text: str, table: Table, most: int, count: Count) -> tuple[str, int]:
    """Return what is repeated above later rows, and its tokens; nothing where it would take too much room.

    Args:
        text: the document's text.
        table: whose header.
        most: tokens of a chunk.
        count: tokens of a text.
    """
    lines = table.lines[: table.header]
    header = "".join(f"{text[start:end]}\n" for start, end in lines)
    tokens = measure(header, most, count)
    return (header, tokens) if tokens <= most * HEADER_SHARE else ("", 0)


def cut_rows(text: str, table: Table, first_room: int, room: int, count: Count) -> Iterator[Rows]:
    """Cut a table between rows, into pieces of at most `room` tokens; a row that is longer is cut as text.

    Each row is counted once, however long the table is.

    Args:
        text: the document's text.
        table: what to cut.
        first_room: most tokens of the first piece.
        room: most tokens of a later piece.
        count: tokens of a text.
    """
    first, tokens, limit = 0, 0, first_room
    for number, (start, end) in enumerate(table.lines):
        after = table.lines[number + 1][0] if number + 1 < len(table.lines) else end
        # Counted with its line end, so that the sum is not below the number for the whole.
        size = measure(text[start:after], max(limit, room), count)
        if number > first and tokens + size > limit:
            yield _together(table, first, number, tokens)
            # A row that has to be cut in any case begins below the header that is not above any other row.
            only_header = first == 0 and number == table.header and size > room
            limit = limit - tokens - 1 if only_header and tokens < limit // 2 else room
            first, tokens = number, 0
        if size > limit:
            for piece_start, piece_end, piece in split(text[start:end], limit, count):
                yield Rows(table, number, number + 1, start + piece_start, start + piece_end, piece, whole=False)
            first, tokens, limit = number + 1, 0, room
        else:
            tokens += size
    if first < len(table.lines):
        yield _together(table, first, len(table.lines), tokens)


def _together(table: Table, first: int, last: int, tokens: int) -> Rows:
    return Rows(table, first, last, table.lines[first][0], table.lines[last - 1][1], tokens)


def write_html(text: str, pieces: Sequence[Rows], *, header_repeated: bool) -> str | None:
    """Write the rows of a chunk as HTML, a `<table>` for each table; None where it has no rows.

    Args:
        text: the document's text.
        pieces: the rows, in order.
        header_repeated: whether the first piece stands under its table's header.
    """
    written: list[str] = []
    table: Table | None = None
    for piece in _joined(pieces):
        if piece.table is not table:
            written.append("</table>\n<table>" if table else "<table>")
            if header_repeated and table is None:
                written += piece.table.rows[: piece.table.header]
            table = piece.table
        written += piece.html(text)
    return "".join([*written, "</table>"]) if table else None


def _joined(pieces: Sequence[Rows]) -> Iterator[Rows]:
    """Put parts of a row together that are in one chunk."""
    open_row: Rows | None = None
    for piece in pieces:
        if open_row and not piece.whole and piece.table is open_row.table and piece.first == open_row.first:
            whole = (open_row.start, piece.end) == piece.table.lines[piece.first]
            open_row = replace(open_row, end=piece.end, whole=whole)
            continue
        if open_row:
            yield open_row
        open_row = piece
    if open_row:
        yield open_row


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    while at < end:
        edge = text.find("\n", at, end)
        edge = end if edge < 0 else edge
        line = trim(text, at, edge)
        if line[0] < line[1]:
            yield line
        at = edge + 1


def _row_of_line(line: str, tag: str) -> str:
    cells = "".join(f"<{tag}>{escape(cell.strip())}</{tag}>" for cell in line.split(CELL_SEPARATOR))
    return f"<tr>{cells}</tr>"


def _read_html(html: str) -> tuple[list[str], int]:
    """Return the rows that have any text, and how many at the start are made of header cells alone.

    The rows are read one after another, so that a large table is never a tree in memory. A table within
    a cell has no line of its own: such HTML is not used.
    """
    from lxml import etree  # Costs a moment, and most documents have no table.

    rows: list[str] = []
    header = 0
    source = io.BytesIO(html.encode("utf-8", "replace"))
    try:
        found = etree.iterparse(source, events=("end",), tag="tr", html=True, encoding="utf-8", huge_tree=True)
        for _, row in found:
            if next(row.iterancestors("tr"), None) is not None:
                return [], 0
            cells = [(cell, " ".join(_text_of(cell).split())) for cell in row.iterchildren("td", "th")]
            if any(words for _, words in cells):
                if header == len(rows) and all(cell.tag == "th" for cell, _ in cells):
                    header += 1
                rows.append(_row(cells))
            row.clear()
    except etree.XMLSyntaxError:
        return [], 0
    return rows, header


def _text_of(cell: Any) -> str:
    if not len(cell):
        return cell.text or ""
    for part in cell.iter("br", "p", "div", "li"):  # Words on two lines are two words.
        part.text, part.tail = f" {part.text or ''}", f" {part.tail or ''}"
    return "".join(cell.itertext())


def _row(cells: Sequence[tuple[Any, str]]) -> str:
    written = []
    for cell, words in cells:
        spans = "".join(
            f' {name}="{value}"' for name in ("colspan", "rowspan") if (value := cell.get(name, "")).isascii()
            and value.isdigit() and value != "1"
        )  # fmt: skip
        written.append(f"<{cell.tag}{spans}>{escape(words)}</{cell.tag}>")
    return f"<tr>{''.join(written)}</tr>"
