"""Tables: text with separators, and workbooks of Excel; what becomes of their cells is in `grids`."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from assets.elements.document import Reading, Unparseable
from assets.elements.readers.encoding import decode
from assets.elements.readers.grids import Cells, Place, Sheet, read_sheets, shown, tables_of
from assets.elements.readers.office.package import Package, core_properties
from assets.elements.readers.office.sheet_parts import Beside, read_beside

SEPARATORS = ",\t;|"
_NAMED_SEPARATOR = re.compile(r'"?sep=([^"\r\n])"?[ ,;\t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
"""A first line by which Excel is told the separator."""

LONGEST_FIELD = 10_000_000


def read_csv(content: bytes) -> Reading:
    """Read a table of text; its separator is told from its rows."""
    return _read_separated(content, None)


def read_tsv(content: bytes) -> Reading:
    """Read a table of text whose cells are apart by tabs."""
    return _read_separated(content, "\t")


def _read_separated(content: bytes, separator: str | None) -> Reading:
    text = decode(content).replace("\x00", "")
    if named := _NAMED_SEPARATOR.match(text):
        separator, text = named.group(1), text[named.end() :]
    if not text.strip():
        return Reading([])
    csv.field_size_limit(LONGEST_FIELD)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator or _separator(text)))
    except csv.Error:
        raise Unparseable("damaged") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    visible = sum(len("".join(cell.split())) for row in rows for cell in row)
    return Reading(list(tables_of(rows)), visible=visible)


def _separator(text: str) -> str:
    """Return the separator that cuts the first rows into the same number of cells, most of them."""
    sample = text[:64_000].rsplit("\n", 1)[0] if len(text) > 64_000 else text

    def agreement(separator: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator) if row]
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual) / max(1, len(widths)) if usual > 1 else 0.0, usual)

    return max(SEPARATORS, key=agreement)


def read_xlsx(content: bytes) -> Reading:
    """Read a workbook of Excel 2007 or later.

    Raises:
        Unparseable: it is damaged, or too much comes out of its drawings.
    """
    import openpyxl

    try:
        workbook = openpyxl.load_workbook(io.BytesIO(content), data_only=True, keep_links=False)
    except (KeyError, ValueError, zipfile.BadZipFile, TypeError, AttributeError, SyntaxError):
        raise Unparseable("damaged") from None
    package = Package(content)
    beside = read_beside(package)
    reading = read_sheets([_of_xlsx(sheet, beside.get(sheet.title, Beside())) for sheet in workbook.worksheets])
    # Not openpyxl's own properties: where a date is missing, they say that it is now.
    reading.properties = {name: value for name, value in core_properties(package).items() if value != "openpyxl"}
    if unreckoned := _count_unreckoned(content):
        reading.counters["formulas_without_value"] = unreckoned
    return reading


def _of_xlsx(sheet: Any, beside: Beside) -> Sheet:
    cells = dict(_written(sheet))
    rows = {row for row, dimension in sheet.row_dimensions.items() if dimension.hidden}
    spans = [(one.min, one.max) for one in sheet.column_dimensions.values() if one.hidden and one.min and one.max]
    columns = {column for _, column in cells if any(first <= column <= last for first, last in spans)}
    return Sheet(
        sheet.title, cells, sheet.sheet_state != "visible", _within(cells, rows, columns), beside.boxes, beside.comments
    )


def _within(cells: Cells, rows: set[int], columns: set[int]) -> frozenset[Place]:
    return frozenset(place for place in cells if place[0] in rows or place[1] in columns)


def _written(sheet: Any) -> Iterator[tuple[Place, str]]:
    # The public iterators visit each cell of the rectangle, and two cells can lie 17 billion apart.
    for place, cell in sheet._cells.items():  # noqa: SLF001
        text = shown(cell.value, str(cell.number_format or ""))
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


def read_xls(content: bytes) -> Reading:
    """Read a workbook of Excel 97 to 2003.

    Raises:
        Unparseable: it is damaged, or needs a password.
    """
    import xlrd

    try:
        workbook = _open_xls(content)
    except xlrd.XLRDError as error:
        raise Unparseable("password_protected" if "encrypted" in str(error).lower() else "damaged") from None
    except _XLS_DAMAGE:
        raise Unparseable("damaged") from None
    reading = read_sheets([_sheet_of_xls(sheet, workbook) for sheet in workbook.sheets()])
    if workbook.user_name and isinstance(workbook.user_name, str):
        reading.properties["author"] = workbook.user_name.strip()
    return reading


_XLS_DAMAGE = (AssertionError, IndexError, KeyError, ValueError, TypeError, AttributeError, UnicodeError,
               NotImplementedError)  # fmt: skip
"""What xlrd raises for records that do not hold together."""


def _open_xls(content: bytes) -> Any:
    """Open a workbook with its formats; without them where it is they that are damaged."""
    import xlrd

    try:
        return xlrd.open_workbook(file_contents=content, logfile=io.StringIO(), formatting_info=True, ragged_rows=True)
    except _XLS_DAMAGE:
        return xlrd.open_workbook(file_contents=content, logfile=io.StringIO(), ragged_rows=True)


def _sheet_of_xls(sheet: Any, workbook: Any) -> Sheet:
    cells = dict(_of_xls(sheet, workbook))
    rows = {row + 1 for row, info in sheet.rowinfo_map.items() if info.hidden}
    columns = {column + 1 for column, info in sheet.colinfo_map.items() if info.hidden}
    notes = ((place, " ".join(note.text.split())) for place, note in sorted(sheet.cell_note_map.items()))
    comments = tuple(text for _, text in notes if text)
    return Sheet(sheet.name, cells, sheet.visibility != 0, _within(cells, rows, columns), comments=comments)


def _of_xls(sheet: Any, workbook: Any) -> Iterator[tuple[Place, str]]:
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
            if text := shown(value, _format_of_xls(cell, workbook)):
                yield (row + 1, column + 1), text


def _format_of_xls(cell: Any, workbook: Any) -> str:
    if cell.xf_index is None or not 0 <= cell.xf_index < len(workbook.xf_list):
        return ""
    found = workbook.format_map.get(workbook.xf_list[cell.xf_index].format_key)
    return str(found.format_str) if found else ""
