"""Grids of cells as blocks: tables with their headers, forms drawn on a grid, and what is hidden or beside them.

Cells are kept by their place, however far apart, so that memory grows with what is written and not with the
sheet. Forms that are drawn on a grid, as Japanese offices do, have a label, many empty cells and a value on one
row: a row keeps them together.
"""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from assets.elements.document import Block, Reading
from assets.elements.readers.found import PLAIN_TEXT

Row = list[str]
Place = tuple[int, int]
"""Row and column of a cell, from 1."""

Cells = dict[Place, str]
"""What is written where."""

DENSE = 0.5
"""Share of filled cells from which a region is a table, with or without a header."""

HEADED = 2 / 3
"""Share of the columns that a first row names in a table that is less filled: days on which few are there."""

LEAST_HEADED = 3
"""Rows of such a table; fewer are a form, whose empty cells mean nothing."""

SPARSEST = 0.05
"""Share of filled cells below which no region is kept as a grid: it would take far more than what is written."""

_NUMBER = re.compile(r"[-+(]?[\d.,%¥$€£\s]+\)?")
_DEFAULT_SHEET = re.compile(r"(?:Sheet|シート|Tabelle|Feuil|Hoja)\s*\d*", re.IGNORECASE)
_PADDED = re.compile(r"0{2,}")


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook.

    Attributes:
        name: as its tab shows it.
        cells: what is written where.
        hidden: whether its tab is hidden.
        unseen: places of cells in hidden rows and columns.
        boxes: texts of its text boxes and shapes, in reading order.
        comments: on its cells, a line each.
    """

    name: str
    cells: Cells
    hidden: bool = False
    unseen: frozenset[Place] = frozenset()
    boxes: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()


def read_sheets(sheets: Sequence[Sheet]) -> Reading:
    """Write sheets as blocks, a page each: its cells, its text boxes, and the comments on its cells."""
    blocks: list[Block] = []
    for page, sheet in enumerate(sheets, start=1):
        if not (sheet.cells or sheet.boxes or sheet.comments):
            continue
        if len(sheets) > 1 and not _DEFAULT_SHEET.fullmatch(sheet.name):
            blocks.append(Block("Title", sheet.name, 1, page, hidden=sheet.hidden))
        for region in _regions(sheet.cells):
            blocks.extend(_blocks_of(region, sheet, page))
        blocks.extend(Block(PLAIN_TEXT, box, 0, page, hidden=sheet.hidden) for box in sheet.boxes)
        if sheet.comments:
            blocks.append(Block(PLAIN_TEXT, "\n".join(sheet.comments), 0, page, hidden=sheet.hidden))
    return Reading(blocks, visible=sum(map(_count, sheets)))


def _count(sheet: Sheet) -> int:
    return sum(len("".join(text.split())) for text in (*sheet.cells.values(), *sheet.boxes, *sheet.comments))


def tables_of(rows: Sequence[Row], page: int | None = None, *, hidden: bool = False) -> Iterator[Block]:
    """Yield a table, and before it what stands above its header: a name or a date alone on its row."""
    start = _lines_above(rows)
    for row in rows[:start]:
        yield Block(PLAIN_TEXT, " ".join(" ".join(row).split()), 0, page, hidden=hidden)
    yield table_block(rows[start:], page, hidden=hidden)


def _lines_above(rows: Sequence[Row]) -> int:
    start = 0
    while start < len(rows) - 1 and start < 3 and sum(map(bool, map(str.strip, rows[start]))) == 1 < len(rows[-1]):
        start += 1
    return start


def table_block(
    rows: Sequence[Row], page: int | None = None, *, hidden: bool = False, headed: bool | None = None
) -> Block:
    """Make a block of a table: a line a row, and the same rows as HTML, the header's cells as `<th>`.

    Args:
        rows: its cells.
        page: as in `Block`.
        hidden: as in `Block`.
        headed: whether its first row is a header; None to tell it from the row.
    """
    lines, marked = [], []
    header = _has_header(rows) if headed is None else headed
    for place, row in enumerate(rows):
        cells = [" ".join(cell.split()) for cell in row]
        tag = "th" if header and place == 0 else "td"
        lines.append(" | ".join(cells[: max((n for n, cell in enumerate(cells, start=1) if cell), default=0)]))
        marked.append("<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>")
    return Block("Table", "\n".join(lines), 0, page, f"<table>{''.join(marked)}</table>", hidden)


def _has_header(rows: Sequence[Row]) -> bool:
    """Say whether the first row names the columns: all filled, none a number, and rows below it."""
    if len(rows) < 2 or len(rows[0]) < 2:
        return False
    return all(cell.strip() and not _NUMBER.fullmatch(cell.strip()) for cell in rows[0])


def shown(value: Any, number_format: str) -> str:
    """Write a value about as its cell shows it.

    Args:
        value: as the workbook's library gives it.
        number_format: of the cell, in Excel's language; what it says of its positive numbers counts.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, int | float):
        return _number(value, number_format.split(";", 1)[0].rstrip("_ )"))
    return str(value).strip()


def _number(value: float, number_format: str) -> str:
    if number_format.endswith("%"):
        return f"{round(value * 100, 6):.12g}%"
    if isinstance(value, float) and not (value.is_integer() and abs(value) < 1e15):
        return f"{value:.12g}"
    width = len(number_format) if _PADDED.fullmatch(number_format) else 0
    return f"{'-' if value < 0 else ''}{abs(int(value)):0{width}d}"


def _regions(cells: Cells) -> Iterator[Cells]:
    """Yield the parts of a sheet between its empty rows."""
    by_row: dict[int, Cells] = {}
    for place, text in cells.items():
        by_row.setdefault(place[0], {})[place] = text
    region: Cells = {}
    last = 0
    for row in sorted(by_row):
        if region and row > last + 1:
            yield region
            region = {}
        region.update(by_row[row])
        last = row
    if region:
        yield region


def _blocks_of(region: Cells, sheet: Sheet, page: int) -> Iterator[Block]:
    """Yield what is seen of a region, and then its hidden rows and columns, as a table without a header."""
    unseen = region.keys() & sheet.unseen
    if not unseen or sheet.hidden:
        yield from _seen_blocks(region, page, hidden=sheet.hidden)
        return
    seen = {place: text for place, text in region.items() if place not in unseen}
    if seen:
        yield from _seen_blocks(seen, page, hidden=False)
    grid = _grid({place: region[place] for place in unseen})
    if any(len(row) > 1 for row in grid):
        yield table_block(grid, page, hidden=True, headed=False if seen else None)
    else:
        yield Block(PLAIN_TEXT, "\n".join("".join(row) for row in grid), 0, page, hidden=True)


def _seen_blocks(region: Cells, page: int, *, hidden: bool) -> Iterator[Block]:
    if len(region) == len({row for row, _ in region}):  # One cell a row: lines of text, not a table.
        text = "\n".join(text for _, text in sorted(region.items()))
        yield Block(PLAIN_TEXT, text, 0, page, hidden=hidden)
    else:
        yield from tables_of(_grid(region), page, hidden=hidden)


def _grid(region: Cells) -> list[Row]:
    """Return the rows of a region: of a table with a cell for each column, of a form what is filled."""
    filled: dict[int, dict[int, str]] = {}
    for (row, column), text in region.items():
        filled.setdefault(row, {})[column] = text
    columns = sorted({column for _, column in region})
    rows = [filled[row] for row in sorted(filled)]
    if _keeps_columns(rows, len(columns), len(region) / (len(rows) * len(columns))):
        return [[row.get(column, "") for column in columns] for row in rows]
    return [[row[column] for column in sorted(row)] for row in rows]


def _keeps_columns(rows: Sequence[dict[int, str]], columns: int, filled: float) -> bool:
    """Say whether rows are a table, in which an empty cell means something."""
    if filled >= DENSE:
        return True
    above = 0
    while above < min(3, len(rows)) and len(rows[above]) == 1:
        above += 1
    rows = rows[above:]
    return filled >= SPARSEST and len(rows) >= LEAST_HEADED and len(rows[0]) >= HEADED * columns
