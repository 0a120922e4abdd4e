"""Tables in print: between ruled lines, or by what stands below each other over several lines.

Conservative: columns of prose are no table, and neither are the items of a list.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from statistics import median

from assets.elements.readers.pdf.glyphs import Box
from assets.elements.readers.pdf.layout import Frame, Grid, Item, Segment
from assets.elements.readers.pdf.text import BULLET, MARKER, is_wide, join_lines

MOST_RULES = 600
LEAST_ROWS = 3
NEAR = 3.0
PROSE_CELL = 160
"""Characters of a mean cell, above which lines part a page and make no table."""

_DIGIT = re.compile(r"\d")
_UNIT = re.compile(r"[$€£¥]|[)%]+|\)\s*%")


def with_tables(frame: Frame) -> list[Item]:
    """Return a frame's segments, with a grid in the place of those that are a table's cells."""
    rest = list(frame.segments)
    grids: list[Grid] = []
    for columns, rows in _ruled(frame.rules):
        inside = [
            s
            for s in rest
            if columns[0] - 1 <= s.start and s.end <= columns[-1] + 1 and rows[0] <= s.middle <= rows[-1]
        ]
        grid = _filled(inside, columns, rows)
        if grid is not None:
            grids.append(grid)
            kept = set(map(id, inside))
            rest = [segment for segment in rest if id(segment) not in kept]
    aligned = _aligned(rest)
    taken = {id(segment) for _, segments in aligned for segment in segments}
    return [*grids, *(grid for grid, _ in aligned), *(segment for segment in rest if id(segment) not in taken)]


def table_html(grid: Grid) -> str:
    """Write a table as HTML, a row for each line of its text."""
    lines = []
    for number, row in enumerate(grid.rows):
        name = "th" if grid.header and number == 0 else "td"
        lines.append("<tr>" + "".join(f"<{name}>{escape(cell, quote=False)}</{name}>" for cell in row) + "</tr>")
    return "<table>" + "".join(lines) + "</table>"


def table_text(grid: Grid) -> str:
    """Write a table as lines, its cells apart by bars."""
    return "\n".join(" | ".join(row) for row in grid.rows)


def _ruled(rules: Sequence[Box]) -> list[tuple[list[float], list[float]]]:
    """Return the edges of columns and rows of each group of lines that touch and cross."""
    merged = _merged(rules)
    if len(merged) > MOST_RULES:
        return []
    groups: list[list[Box]] = []
    for rule in merged:
        touching = [group for group in groups if any(_touch(rule, other) for other in group)]
        groups = [group for group in groups if group not in touching]
        groups.append([rule, *(other for group in touching for other in group)])
    found = []
    for group in groups:
        columns = _edges([rule[0] for rule in group if rule[2] - rule[0] <= NEAR])
        rows = _edges([rule[1] for rule in group if rule[3] - rule[1] <= NEAR])
        if len(columns) >= 3 and len(rows) >= 3:
            found.append((columns, rows))
    return found


def _merged(rules: Sequence[Box]) -> list[Box]:
    """Join the pieces of one line, as cells draw their borders one by one."""
    lines: dict[tuple[bool, int], list[Box]] = defaultdict(list)
    for x0, y0, x1, y1 in rules:
        across = x1 - x0 >= y1 - y0
        lines[across, round((y0 if across else x0) / 1.5)].append((x0, y0, x1, y1))
    merged: list[Box] = []
    for (across, _), pieces in lines.items():
        low, high = (0, 2) if across else (1, 3)
        pieces.sort(key=lambda box: box[low])
        current = pieces[0]
        for piece in pieces[1:]:
            if piece[low] <= current[high] + NEAR:
                current = _union(current, piece)
            else:
                merged.append(current)
                current = piece
        merged.append(current)
    return merged


def _union(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _touch(one: Box, other: Box) -> bool:
    return (
        one[0] <= other[2] + NEAR
        and other[0] <= one[2] + NEAR
        and one[1] <= other[3] + NEAR
        and other[1] <= one[3] + NEAR
    )


def _edges(places: Sequence[float]) -> list[float]:
    edges: list[float] = []
    for place in sorted(places):
        if not edges or place - edges[-1] > NEAR:
            edges.append(place)
    return edges


def _filled(segments: Sequence[Segment], columns: list[float], rows: list[float]) -> Grid | None:
    cells: dict[tuple[int, int], list[Segment]] = defaultdict(list)
    for segment in segments:
        row = min(bisect_right(rows, segment.middle), len(rows) - 1) - 1
        column = min(bisect_right(columns, (segment.start + segment.end) / 2), len(columns) - 1) - 1
        cells[row, max(column, 0)].append(segment)
    used_rows, used_columns = sorted({row for row, _ in cells}), sorted({column for _, column in cells})
    if len(used_rows) < 2 or len(used_columns) < 2:
        return None
    table = [[_cell(cells.get((row, column), [])) for column in used_columns] for row in used_rows]
    if sum(len(cell) for row in table for cell in row) > PROSE_CELL * len(cells):
        return None  # Lines that part a page, not a table.
    heavy = [all(s.bold for column in used_columns for s in cells.get((row, column), [])) for row in used_rows]
    return Grid(table, _has_header(table, heavy), columns[0], columns[-1], rows[0], rows[-1])


def _cell(segments: Sequence[Segment]) -> str:
    lines: list[tuple[float, list[Segment]]] = []
    for segment in sorted(segments, key=lambda segment: segment.base):
        if lines and segment.base - lines[-1][0] < 0.3 * segment.size:
            lines[-1][1].append(segment)
        else:
            lines.append((segment.base, [segment]))
    texts = [" ".join(s.text for s in sorted(row, key=lambda segment: segment.start)) for _, row in lines]
    return join_lines(texts).replace("|", "¦")


def _has_header(table: Sequence[Sequence[str]], heavy: Sequence[bool]) -> bool:
    if heavy[0] and not all(heavy):
        return True
    if any(_DIGIT.search(cell) for cell in table[0][1:]) or not all(table[0][1:]):
        return False
    return any(_DIGIT.search(cell) for row in table[1:] for cell in row[1:])


Row = list[Segment]


def _aligned(segments: Sequence[Segment]) -> list[tuple[Grid, list[Segment]]]:
    found = []
    for rows in _groups(_rows(segments)):
        grid = _aligned_grid(rows)
        if grid is not None:
            found.append((grid, [segment for row in rows for segment in row]))
    return found


def _rows(segments: Sequence[Segment]) -> list[Row]:
    rows: list[Row] = []
    for segment in sorted(segments, key=lambda segment: segment.base):
        if rows and abs(segment.base - rows[-1][0].base) < 0.35 * max(segment.size, rows[-1][0].size):
            rows[-1].append(segment)
        else:
            rows.append([segment])
    for row in rows:
        row.sort(key=lambda segment: segment.start)
    return rows


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Return rows that follow each other closely and have several cells; one with a single cell may lie between."""
    groups: list[list[Row]] = []
    group: list[Row] = []
    for row in [*rows, []]:
        close = bool(row and group) and row[0].base - group[-1][0].base < 3.2 * max(row[0].size, group[-1][0].size)
        if group and not close:
            groups.append(group)
            group = []
        if not row or (not group and len(row) < 2):
            continue
        if len(row) < 2 and len(group[-1]) < 2:
            groups.append(group[:-1])
            group = []
            continue
        group.append(row)
    trimmed = [group[:-1] if len(group[-1]) < 2 else group for group in groups if group]
    return [group for group in trimmed if sum(1 for row in group if len(row) > 1) >= LEAST_ROWS]


def _aligned_grid(rows: Sequence[Row]) -> Grid | None:
    full = [row for row in rows if len(row) > 1]
    columns = _columns(full)
    if len(columns) < 2 or _is_list(full) or _is_prose(full, columns):
        return None
    table = []
    for row in rows:
        cells = [""] * len(columns)
        for segment in row:
            number = max(0, bisect_right([column[0] for column in columns], (segment.start + segment.end) / 2) - 1)
            if len(row) == 1:
                number = 0
            text = segment.text.replace("|", "¦")
            cells[number] = f"{cells[number]} {text}" if cells[number] else text
        table.append(cells)
    table = _without_unit_columns(table)
    heavy = [all(segment.bold for segment in row) for row in rows]
    flat = [segment for row in rows for segment in row]
    return Grid(
        table,
        _has_header(table, heavy),
        min(segment.start for segment in flat),
        max(segment.end for segment in flat),
        min(segment.top for segment in flat),
        max(segment.bottom for segment in flat),
    )


def _columns(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Return the columns: intervals that are parted by gaps which few rows cross."""
    spans = sorted((segment.start, segment.end) for row in rows for segment in row)
    most = max(1, len(rows) // 8)
    edges = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    columns: list[tuple[float, float]] = []
    depth, begin = 0, None
    for place, change in edges:
        depth += change
        threshold = most if len(rows) > 8 else 0
        if begin is None and depth > threshold:
            begin = place
        elif begin is not None and depth <= threshold:
            columns.append((begin, place))
            begin = None
    size = median(segment.size for row in rows for segment in row)
    joined: list[tuple[float, float]] = []
    for column in columns:
        if joined and column[0] - joined[-1][1] < 0.3 * size:
            joined[-1] = joined[-1][0], column[1]
        else:
            joined.append(column)
    return joined


def _is_list(rows: Sequence[Row]) -> bool:
    marked = sum(1 for row in rows if MARKER.fullmatch(row[0].text + " ") or BULLET.fullmatch(row[0].text))
    return marked * 2 > len(rows) and all(len(row) == 2 for row in rows)


def _is_prose(rows: Sequence[Row], columns: Sequence[tuple[float, float]]) -> bool:
    """Tell whether the cells are lines of text columns: most of them long, or filling their column."""
    long = full = count = 0
    for row in rows:
        for segment in row[1:]:
            column = next((c for c in columns if c[0] - 1 <= segment.start <= c[1]), (segment.start, segment.end))
            weight = len(segment.text) + sum(map(is_wide, segment.text))
            count += 1
            long += weight >= 28
            full += weight >= 14 and segment.end - segment.start >= 0.85 * (column[1] - column[0])
    first = [len(row[0].text) + sum(map(is_wide, row[0].text)) for row in rows]
    return long > 0.3 * count or (full > 0.6 * count and median(first) >= 14)


def _without_unit_columns(table: list[list[str]]) -> list[list[str]]:
    """Put a currency sign with the number behind it, and a bracket or per cent sign with the one before it."""
    slim = []
    for row in table:
        cells = list(row)
        for number, cell in enumerate(cells):
            if not cell or not _UNIT.fullmatch(cell):
                continue
            if cell in "$€£¥" and number + 1 < len(cells):
                cells[number + 1] = f"{cell} {cells[number + 1]}".strip()
                cells[number] = ""
            elif cell not in "$€£¥" and number > 0 and cells[number - 1]:
                cells[number - 1] += cell
                cells[number] = ""
        slim.append(cells)
    used = [number for number in range(len(slim[0])) if any(row[number] for row in slim)]
    return [[row[number] for number in used] for row in slim]
