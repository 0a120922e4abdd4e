"""Tables: spreadsheets, and text with separators.

Cells are kept by their place, however far apart, so that memory grows with what is written and not with the
sheet. Forms that are drawn on a grid, as Japanese offices do, have a label, many empty cells and a value on one
row: a row keeps them together.
"""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from assets.elements.document import Block, Reading, Unparseable
from assets.elements.readers.encoding import decode
from assets.elements.readers.found import PLAIN_TEXT

Row = list[str]
Cells = dict[tuple[int, int], str]
"""What is written where: (row, column), from 1."""

DENSE = 0.5
"""Share of filled cells from which a region is a table; below it, it is a form, and empty cells mean nothing."""

SEPARATORS = ",\t;|"
_NUMBER = re.compile(r"[-+(]?[\d.,%¥$€£\s]+\)?")
_DEFAULT_SHEET = re.compile(r"(?:Sheet|シート|Tabelle|Feuil|Hoja)\s*\d*", re.IGNORECASE)
LONGEST_FIELD = 10_000_000


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook.

    Attributes:
        name: as its tab shows it.
        cells: what is written where.
        hidden: whether its tab is hidden.
    """

    name: str
    cells: Cells
    hidden: bool = False


def read_csv(content: bytes) -> Reading:
    """Read a table of text; its separator is told from its rows."""
    return _read_separated(content, None)


def read_tsv(content: bytes) -> Reading:
    """Read a table of text whose cells are apart by tabs."""
    return _read_separated(content, "\t")


def _read_separated(content: bytes, separator: str | None) -> Reading:
    text = decode(content).replace("\x00", "")
    if not text.strip():
        return Reading([])
    csv.field_size_limit(LONGEST_FIELD)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator or _separator(text)))
    except csv.Error:
        raise Unparseable("damaged") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    visible = sum(len("".join(cell.split())) for row in rows for cell in row)
    return Reading(list(_tables(rows)), visible=visible)


def _separator(text: str) -> str:
    """Return the separator that cuts the first rows into the same number of cells, most of them."""
    sample = text[:64_000].rsplit("\n", 1)[0] if len(text) > 64_000 else text

    def agreement(separator: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator) if row]
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual) / max(1, len(widths)) if usual > 1 else 0.0, usual)

    return max(SEPARATORS, key=agreement)


def _tables(rows: Sequence[Row], page: int | None = None, *, hidden: bool = False) -> Iterator[Block]:
    """Yield a table, and before it what stands above its header: a name or a date alone on its row."""
    start = 0
    while start < len(rows) - 1 and start < 3 and sum(map(bool, map(str.strip, rows[start]))) == 1 < len(rows[-1]):
        yield Block(PLAIN_TEXT, " ".join(" ".join(rows[start]).split()), 0, page, hidden=hidden)
        start += 1
    yield table_block(rows[start:], page, hidden=hidden)


def table_block(rows: Sequence[Row], page: int | None = None, *, hidden: bool = False) -> Block:
    """Make a block of a table: a line a row, and the same rows as HTML, the header's cells as `<th>`."""
    lines, marked = [], []
    header = _has_header(rows)
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


def read_xlsx(content: bytes) -> Reading:
    """Read a workbook of Excel 2007 or later.

    Raises:
        Unparseable: it is damaged.
    """
    import openpyxl

    try:
        workbook = openpyxl.load_workbook(io.BytesIO(content), data_only=True, keep_links=False)
    except (KeyError, ValueError, zipfile.BadZipFile, TypeError, AttributeError, SyntaxError):
        raise Unparseable("damaged") from None
    sheets = [
        Sheet(sheet.title, dict(_written(sheet)), hidden=sheet.sheet_state != "visible")
        for sheet in workbook.worksheets
    ]
    about = workbook.properties
    properties = {"title": about.title, "author": about.creator, "subject": about.subject, "keywords": about.keywords,
                  "created": about.created, "modified": about.modified}  # fmt: skip
    reading = _read_sheets(sheets)
    reading.properties = {
        name: value.isoformat() if isinstance(value, dt.datetime) else str(value)
        for name, value in properties.items()
        if value and value != "openpyxl"
    }
    if unreckoned := _count_unreckoned(content):
        reading.counters["formulas_without_value"] = unreckoned
    return reading


def _written(sheet: Any) -> Iterator[tuple[tuple[int, int], str]]:
    # The public iterators visit each cell of the rectangle, and two cells can lie 17 billion apart.
    for place, cell in sheet._cells.items():  # noqa: SLF001
        text = _shown(cell.value, str(cell.number_format or ""))
        if text:
            yield place, text


def _count_unreckoned(content: bytes) -> int:
    """Count formulas whose value nobody has computed: they show nothing until Excel opens the file."""
    count = 0
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/sheet"):
                count += len(re.findall(rb"</f>(?:<v\s*/>|<v></v>)?</c>", archive.read(name)))
    return count


def _shown(value: Any, number_format: str) -> str:
    """Write a value about as its cell shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, float):
        if number_format.rstrip("_ )").endswith("%"):
            return f"{round(value * 100, 6):g}%"
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    return str(value).strip()


def read_xls(content: bytes) -> Reading:
    """Read a workbook of Excel 97 to 2003.

    Raises:
        Unparseable: it is damaged, or needs a password.
    """
    import xlrd

    try:
        workbook = xlrd.open_workbook(file_contents=content, logfile=io.StringIO())
    except xlrd.XLRDError as error:
        raise Unparseable("password_protected" if "encrypted" in str(error).lower() else "damaged") from None
    except (AssertionError, IndexError, KeyError, ValueError, TypeError, UnicodeError):
        raise Unparseable("damaged") from None
    sheets = [Sheet(sheet.name, dict(_of_xls(sheet, workbook)), sheet.visibility != 0) for sheet in workbook.sheets()]
    reading = _read_sheets(sheets)
    if workbook.user_name and isinstance(workbook.user_name, str):
        reading.properties["author"] = workbook.user_name.strip()
    return reading


def _of_xls(sheet: Any, workbook: Any) -> Iterator[tuple[tuple[int, int], str]]:
    import xlrd

    for row in range(sheet.nrows):
        for column, cell in enumerate(sheet.row(row)):
            value = cell.value
            if cell.ctype == xlrd.XL_CELL_DATE:
                try:
                    value = xlrd.xldate_as_datetime(value, workbook.datemode)
                except (ValueError, OverflowError):
                    value = cell.value
            elif cell.ctype == xlrd.XL_CELL_BOOLEAN:
                value = bool(value)
            elif cell.ctype == xlrd.XL_CELL_ERROR:
                continue
            if text := _shown(value, ""):
                yield (row + 1, column + 1), text


def _read_sheets(sheets: Sequence[Sheet]) -> Reading:
    blocks: list[Block] = []
    for page, sheet in enumerate(sheets, start=1):
        if not sheet.cells:
            continue
        if len(sheets) > 1 and not _DEFAULT_SHEET.fullmatch(sheet.name):
            blocks.append(Block("Title", sheet.name, 1, page, hidden=sheet.hidden))
        for region in _regions(sheet.cells):
            blocks.extend(_blocks_of(region, page, hidden=sheet.hidden))
    visible = sum(len("".join(text.split())) for sheet in sheets for text in sheet.cells.values())
    return Reading(blocks, visible=visible)


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


def _blocks_of(region: Cells, page: int, *, hidden: bool) -> Iterator[Block]:
    rows = sorted({row for row, _ in region})
    columns = sorted({column for _, column in region})
    if len(region) == len(rows):  # One cell a row: lines of text, not a table.
        text = "\n".join(text for _, text in sorted(region.items()))
        yield Block(PLAIN_TEXT, text, 0, page, hidden=hidden)
        return
    dense = len(region) >= DENSE * len(rows) * len(columns)
    grid: list[Row] = []
    filled: dict[int, dict[int, str]] = {}
    for (row, column), text in region.items():
        filled.setdefault(row, {})[column] = text
    for row in rows:
        there = filled[row]
        grid.append([there.get(column, "") for column in columns] if dense else [there[c] for c in sorted(there)])
    yield from _tables(grid, page, hidden=hidden)
