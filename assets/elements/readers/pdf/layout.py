"""From the runs of a page to its lines in reading order.

Segments are pieces of a line without a gap; tables are found among them first, because what is left can then be read
column by column. A gutter counts as one only where there is prose on both sides of it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from assets.elements.readers.pdf.glyphs import Box, Drawing, Run
from assets.elements.readers.pdf.text import is_wide, needs_blank

COLUMN_GAP = 1.0
"""Of the font size: pieces of a line that are further apart may belong to different columns."""

LEAST_COLUMN_LINES = 4
GUTTER = 0.8


@dataclass(slots=True)
class Segment:
    """A piece of a line, in the frame of its writing direction.

    Attributes:
        text: of its runs.
        start: in `u`.
        end: in `u`.
        base: baseline, in `v`.
        size: of most of its characters.
        bold: whether most of its characters are heavy.
        face: of most of its characters.
    """

    text: str
    start: float
    end: float
    base: float
    size: float
    bold: bool
    face: str

    @property
    def top(self) -> float:
        """Upper edge."""
        return self.base - 0.8 * self.size

    @property
    def bottom(self) -> float:
        """Lower edge."""
        return self.base + 0.2 * self.size

    @property
    def middle(self) -> float:
        """Height of its middle."""
        return self.base - 0.3 * self.size


@dataclass(slots=True)
class Grid:
    """A table.

    Attributes:
        rows: the text of its cells, row by row.
        header: whether the first row names the columns.
        start: left edge.
        end: right edge.
        top: upper edge.
        bottom: lower edge.
    """

    rows: list[list[str]]
    header: bool
    start: float
    end: float
    top: float
    bottom: float


Item = Segment | Grid


@dataclass
class Frame:
    """All that a page shows in one writing direction.

    Attributes:
        angle: of the direction.
        segments: from top to bottom.
        rules: lines in the frame's own coordinates.
        hidden: whether nobody can see it.
        doubled: characters that were drawn twice in one place, to look heavy.
    """

    angle: int
    segments: list[Segment]
    rules: list[Box] = field(default_factory=list)
    hidden: bool = False
    doubled: int = 0


def frames_of(drawing: Drawing) -> list[Frame]:
    """Sort a page's runs by direction and visibility: the main direction first, what is hidden last."""
    groups: dict[tuple[bool, int], list[Run]] = defaultdict(list)
    for run in drawing.runs:
        groups[run.hidden, run.angle].append(run)
    frames = []
    order = sorted(groups, key=lambda key: (key[0], -sum(len(run.text) for run in groups[key])))
    for hidden, angle in order:
        rules = [] if hidden else [_turned(box, angle) for box in drawing.rules if angle % 90 == 0]
        frame = Frame(angle, [], rules, hidden)
        frame.segments = _segments(groups[hidden, angle], frame)
        frames.append(frame)
    return frames


def _turned(box: Box, angle: int) -> Box:
    turn = math.radians(angle)
    cosine, sine = math.cos(turn), math.sin(turn)
    us = [x * cosine + y * sine for x in (box[0], box[2]) for y in (box[1], box[3])]
    vs = [x * sine - y * cosine for x in (box[0], box[2]) for y in (box[1], box[3])]
    return min(us), min(vs), max(us), max(vs)


def band_of(angle: int, start: float, top: float, end: float, bottom: float, height: float) -> tuple[float, float]:
    """Return where a box of a frame is on the page: its edges as shares of the height, 0 the top."""
    turn = math.radians(angle)
    cosine, sine = math.cos(turn), math.sin(turn)
    ys = [u * sine - v * cosine for u in (start, end) for v in (top, bottom)]
    if height <= 0:
        return 0.0, 1.0
    shares = [min(1.0, max(0.0, 1 - y / height)) for y in ys]
    return round(min(shares), 4), round(max(shares), 4)


def _segments(runs: list[Run], frame: Frame) -> list[Segment]:
    walls = sorted((box for box in frame.rules if box[2] - box[0] <= 2.0 < box[3] - box[1]), key=lambda box: box[0])
    lefts = [box[0] for box in walls]
    found: list[Segment] = []
    for row in _rows_of_runs(runs):
        row.sort(key=lambda run: (run.start, run.end))
        group: list[Run] = []
        end = 0.0
        for run in row:
            if not run.text.strip():
                continue
            if group and _is_double(group[-1], run):
                frame.doubled += len("".join(run.text.split()))
                continue
            gap = run.start - end
            size = max(run.size, group[-1].size) if group else run.size
            if group and (gap > COLUMN_GAP * size or (gap > 0.2 * size and _walled(walls, lefts, end, run))):
                found.append(_segment(group))
                group = []
            end = max(end, run.end) if group else run.end
            group.append(run)
        if group:
            found.append(_segment(group))
    return found


def _rows_of_runs(runs: list[Run]) -> Iterable[list[Run]]:
    row: list[Run] = []
    largest: Run | None = None
    for run in sorted(runs, key=lambda run: run.base):
        if largest is not None and run.base - largest.base > _reach(largest, run):
            yield row
            row, largest = [], None
        row.append(run)
        if largest is None or run.size > largest.size:
            largest = run
    if row:
        yield row


def _reach(largest: Run, run: Run) -> float:
    """Return how far below the row's base another run may stand and still belong to it."""
    if largest.size < 0.8 * run.size:
        return 0.6 * run.size  # What came before is raised, as a note's number is.
    return 0.35 * max(largest.size, run.size)


def _is_double(one: Run, other: Run) -> bool:
    shift = min(0.15 * one.size, 0.5 * (one.end - one.start))
    near = abs(one.start - other.start) <= shift and abs(one.base - other.base) < 0.15 * one.size
    return near and one.text.strip() == other.text.strip()


def _walled(walls: Sequence[Box], lefts: Sequence[float], end: float, run: Run) -> bool:
    height = run.base - 0.3 * run.size
    first, last = bisect_left(lefts, end - 1.0), bisect_right(lefts, run.start + 1.0)
    return any(wall[1] <= height <= wall[3] for wall in walls[first:last])


def _segment(runs: list[Run]) -> Segment:
    main = max(runs, key=lambda run: len(run.text) * run.size) if len(runs) > 1 else runs[0]
    text, end = "", runs[0].start
    for run in runs:
        blank = needs_blank(text, run.text, (run.start - end) / (main.size or 1.0))
        text = f"{text} {run.text}" if blank else text + (run.text.lstrip() if text.endswith(" ") else run.text)
        end = max(end, run.end)
    heavy = sum(len(run.text) for run in runs if run.bold)
    bold = heavy * 2 > sum(len(run.text) for run in runs)
    return Segment(text.strip(), runs[0].start, end, main.base, main.size, bold, main.face)


def in_reading_order(items: Sequence[Item]) -> list[list[Item]]:
    """Return the columns of a page in the order in which they are read, each from top to bottom."""
    return _split(sorted(items, key=lambda item: (item.top, item.start)), 0)


def _split(items: list[Item], depth: int) -> list[list[Item]]:
    gutter = _gutter(items) if depth < 6 else None
    if gutter is None:
        return [items] if items else []
    columns: list[list[Item]] = []
    left: list[Item] = []
    right: list[Item] = []
    across: list[Item] = []
    for item in items:
        if item.start < gutter < item.end:
            if left or right:
                columns += [*_split(left, depth + 1), *_split(right, depth + 1)]
                left, right = [], []
            across.append(item)
            continue
        if across:
            columns.append(across)
            across = []
        (left if item.end <= gutter else right).append(item)
    columns += [*_split(left, depth + 1), *_split(right, depth + 1)]
    return [*columns, across] if across else columns


def _gutter(items: list[Item]) -> float | None:
    """Return where a group of items falls into two columns; None where it does not."""
    if len(items) < 2 * LEAST_COLUMN_LINES:
        return None
    starts, ends = sorted(item.start for item in items), sorted(item.end for item in items)
    size = median(item.size for item in items if isinstance(item, Segment)) if items else 0
    best: tuple[float, float] | None = None
    for end in dict.fromkeys(ends):
        place = bisect_right(starts, end)
        following = bisect_left(starts, end + 0.1)
        if following >= len(starts) or starts[following] - end < GUTTER * size:
            continue
        crossing = place - bisect_right(ends, end)
        left, right = len(items) - crossing - (len(starts) - following), len(starts) - following
        if min(left, right) < LEAST_COLUMN_LINES or crossing > 0.4 * len(items):
            continue
        share = crossing / min(left, right)
        if best is None or share < best[0]:
            best = share, (end + starts[following]) / 2
    return best[1] if best and _is_prose_on_both_sides(items, best[1]) else None


def _is_prose_on_both_sides(items: list[Item], gutter: float) -> bool:
    left = [item for item in items if item.end <= gutter]
    right = [item for item in items if item.start >= gutter]
    for side in (left, right):
        weights = [_weight(item) for item in side]
        if sum(weights) < 12 * len(side) or len(side) < LEAST_COLUMN_LINES:
            return False
    top, bottom = max(left[0].top, right[0].top), min(_bottom(left), _bottom(right))
    shorter = min(_bottom(left) - left[0].top, _bottom(right) - right[0].top)
    return bottom - top > 0.5 * shorter


def _bottom(items: Sequence[Item]) -> float:
    return max(item.bottom for item in items)


def _weight(item: Item) -> int:
    if isinstance(item, Grid):
        return 24
    return len(item.text) + sum(map(is_wide, item.text))


def lines_of(column: Sequence[Item]) -> list[Item]:
    """Join the segments of a column that stand on one line."""
    lines: list[Item] = []
    for item in sorted(column, key=lambda item: item.bottom if isinstance(item, Grid) else item.base):
        last = lines[-1] if lines else None
        if isinstance(item, Segment) and isinstance(last, Segment) and _on_one_line(last, item):
            lines[-1] = _together(last, item)
        else:
            lines.append(item)
    return lines


def _on_one_line(one: Segment, other: Segment) -> bool:
    apart = other.start >= one.end - 0.3 * one.size or one.start >= other.end - 0.3 * one.size
    return apart and abs(one.base - other.base) < 0.3 * max(one.size, other.size)


def _together(one: Segment, other: Segment) -> Segment:
    left, right = (one, other) if one.start <= other.start else (other, one)
    main = max(one, other, key=lambda segment: len(segment.text))
    return replace(main, text=f"{left.text} {right.text}", start=left.start, end=max(left.end, right.end))


def leadings(lines: Sequence[Item]) -> Counter[float]:
    """Count the distances between neighbouring lines of one size."""
    found: Counter[float] = Counter()
    for one, other in pairwise(lines):
        if isinstance(one, Segment) and isinstance(other, Segment) and abs(one.size - other.size) < 0.3:
            distance = round((other.base - one.base) / other.size, 2)
            if 0.8 < distance < 2.6:
                found[distance] += 1
    return found
