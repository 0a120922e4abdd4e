"""OpenDocument's tables as rows of cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from assets.elements.readers.found import WIDEST_SPAN, Cell
from assets.elements.readers.office.package import attribute, kind_of, whole_number

MOST_REPEATED = 200
"""How often a row or cell that is declared once may stand in a table: a file can ask for millions."""

_GROUPS = frozenset({"table-rows", "table-row-group", "table-header-rows"})


def read_open_table(table: Any, text_of: Callable[[Any], str]) -> list[list[Cell]]:
    """Read a table.

    Args:
        table: a `table:table`.
        text_of: reads a cell's content as one string.
    """
    rows: list[list[Cell]] = []
    for row, header in _rows(table, header=False):
        cells = _cells(row, text_of, header=header)
        repeated = _times(row, "number-rows-repeated") if any(cell.text.strip() for cell in cells) else 1
        rows += [[Cell(c.text, c.header, c.columns, c.rows) for c in cells] for _ in range(repeated)]
    return rows


def _rows(element: Any, *, header: bool) -> Iterator[tuple[Any, bool]]:
    for part in element:
        kind = kind_of(part)
        if kind == "table-row":
            yield part, header
        elif kind in _GROUPS:
            yield from _rows(part, header=header or kind == "table-header-rows")


def _cells(row: Any, text_of: Callable[[Any], str], *, header: bool) -> list[Cell]:
    cells: list[Cell] = []
    for part in row:
        if kind_of(part) != "table-cell":  # A covered cell belongs to the one that spans it.
            continue
        columns, lines = (_times(part, f"number-{name}-spanned") for name in ("columns", "rows"))
        text = text_of(part)
        repeated = _times(part, "number-columns-repeated") if text.strip() else 1
        empty = _times(part, "number-columns-repeated") if not text.strip() else 1
        cells += [Cell(text, header, max(columns, empty), lines) for _ in range(repeated)]
    return cells


def _times(element: Any, name: str) -> int:
    limit = WIDEST_SPAN if name.endswith("spanned") else MOST_REPEATED
    return min(max(whole_number(attribute(element, name), 1), 1), limit)
