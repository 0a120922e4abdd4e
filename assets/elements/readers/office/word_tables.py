"""Word's tables as rows of cells: merged cells once, header rows told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from assets.elements.readers.found import WIDEST_SPAN, Cell
from assets.elements.readers.office.package import attribute, child, chosen, kind_of, whole_number

_OFF = {"0", "false", "off"}
_FIRST_ROW = 0x0020
"""The bit of `tblLook` that says that the first row is formatted as a header."""

LEFT_OUT = frozenset({
    "del", "moveFrom", "delText", "delInstrText", "rt", "pPr", "rPr", "tblPr", "tblPrEx", "tblGrid", "trPr", "tcPr",
    "sdtPr", "sdtEndPr", "customXmlPr", "smartTagPr", "rubyPr", "ctrlPr", "fldData",
})  # fmt: skip
"""Elements that hold no text of the document: what was deleted or moved away, and properties."""


def inside(element: Any, wanted: Collection[str]) -> Iterator[Any]:
    """Yield the elements of some names in an element, through content controls and marks of revision, not deeper."""
    for part in element:
        kind = kind_of(part)
        if kind in wanted:
            yield part
        elif kind == "AlternateContent":
            if (branch := chosen(part)) is not None:
                yield from inside(branch, wanted)
        elif kind not in LEFT_OUT:
            yield from inside(part, wanted)


def rows_of(table: Any) -> list[Any]:
    """Return a table's rows without deleted ones."""
    return [row for row in inside(table, {"tr"}) if _property(row, "trPr", "del") is None]


def read_table(table: Any, text_of: Callable[[Any], str]) -> list[list[Cell]]:
    """Read a table.

    Args:
        table: a `w:tbl`.
        text_of: reads a cell's content as one string.
    """
    rows = rows_of(table)
    headers = _header_rows(table, rows)
    found: list[list[Cell]] = []
    growing: dict[int, Cell] = {}  # By column, the cells that the row above lets reach further down.
    for at, row in enumerate(rows):
        cells: list[Cell] = []
        reaching: dict[int, Cell] = {}
        column = _count(row, "trPr", "gridBefore", 0)
        if column:
            cells.append(Cell("", columns=column))
        for element in inside(row, {"tc"}):
            columns = _count(element, "tcPr", "gridSpan", 1)
            merged = _property(element, "tcPr", "vMerge")
            above = growing.get(column) if merged is not None and attribute(merged, "val") != "restart" else None
            if above is not None:
                above.rows += 1
                _extend(above, text_of(element))
                reaching[column] = above
            elif cells and _is_swallowed(element):
                cells[-1].columns += columns
                _extend(cells[-1], text_of(element))
            else:
                cells.append(Cell(text_of(element), header=at < headers, columns=columns))
                if merged is not None:
                    reaching[column] = cells[-1]
            column += columns
        growing = reaching
        found.append(cells)
    return found


def _extend(cell: Cell, text: str) -> None:
    if text.strip():
        cell.text = f"{cell.text} {text}"


def _is_swallowed(cell: Any) -> bool:
    """Say whether a cell belongs to the one on its left, in the way of older files."""
    merged = _property(cell, "tcPr", "hMerge")
    return merged is not None and attribute(merged, "val") != "restart"


def _header_rows(table: Any, rows: list[Any]) -> int:
    repeated = 0
    for row in rows:
        mark = _property(row, "trPr", "tblHeader")
        if mark is None or attribute(mark, "val") in _OFF:
            break
        repeated += 1
    look = _property(table, "tblPr", "tblLook")
    if repeated or look is None or len(rows) < 2:
        return repeated
    first = attribute(look, "firstRow")
    if first is not None:
        return int(first not in _OFF)
    try:
        return int(bool(int(attribute(look, "val") or "0", 16) & _FIRST_ROW))
    except ValueError:
        return 0


def _property(element: Any, properties: str, name: str) -> Any | None:
    holder = child(element, properties)
    return None if holder is None else child(holder, name)


def _count(element: Any, properties: str, name: str, least: int) -> int:
    found = _property(element, properties, name)
    value = least if found is None else whole_number(attribute(found, "val"), least)
    return min(max(value, least), WIDEST_SPAN)
