"""From elements to units, which are never cut again: whole elements, or pieces of those that are too long. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from assets.chunks.leads import is_question, lead_of, leads_into_list
from assets.chunks.splitting import Count, measure, split
from assets.chunks.tables import Rows, cut_rows, header_of, read_table
from assets.elements.document import Element
from assets.settings import Chunking

HEADING_SHARE = 0.25
"""Largest part of a chunk that headings may take; of a longer path the outermost headings are left out."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is never cut again.

    Attributes:
        start: first character in the document's text.
        end: character after the last.
        tokens: of it.
        page: as in `Element`.
        level: as in `Element`.
        path: the headings above.
        hidden: as in `Element`.
        begins: whether its element begins with it.
        ends: whether its element ends with it.
        leads: whether what follows belongs to it: a list, an answer.
        lead: what is repeated before it where a chunk begins with it.
        lead_tokens: of `lead`.
        rows: of a table.
    """

    start: int
    end: int
    tokens: int
    page: int | None
    level: int
    path: tuple[str, ...]
    hidden: bool = False
    begins: bool = True
    ends: bool = True
    leads: bool = False
    lead: str = ""
    lead_tokens: int = 0
    rows: Rows | None = None


_NOTHING = ("", 0)
"""No lead, and its tokens."""


@dataclass(frozen=True, slots=True)
class _Task:
    """What every cut of a document needs: its text, tokens of a chunk, tokens of an overlap, and who counts."""

    text: str
    most: int
    overlap: int
    count: Count


@dataclass
class _Place:
    """Where the walk is: the headings above, and how much room those just above have taken already."""

    above: list[tuple[int, str]] = field(default_factory=list)
    waiting: int = 0

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(heading for _, heading in self.above)

    def close(self, level: int) -> None:
        """Leave the sections that a heading of this level ends."""
        while self.above and self.above[-1][0] >= level:
            self.above.pop()


def units_of(text: str, elements: Sequence[Element], settings: Chunking, count: Count) -> Iterator[Unit]:
    """Walk the elements with the headings above each; cut what is longer than a chunk.

    Args:
        text: the document's text.
        elements: spans of it, in order.
        settings: sizes in tokens.
        count: tokens of a text.
    """
    room = settings.max_tokens - (int(settings.max_tokens * HEADING_SHARE) if settings.heading_path else 0)
    task = _Task(text, settings.max_tokens, settings.overlap_tokens, count)
    place = _Place()
    lead = _NOTHING
    for number, element in enumerate(elements):
        is_heading = element.level > 0 and not element.hidden  # What nobody sees is no heading of what is seen.
        if is_heading:
            place.close(element.level)
        following = elements[number + 1] if number + 1 < len(elements) else None
        leads = following is not None and leads_into_list(text, element, following)
        if element.kind != "ListItem":
            lead = lead_of(text, element, settings.max_tokens, count) if leads else _NOTHING
        # Headings just above have to find room in the first piece, or they would stand alone.
        left = max(room // 2, room - place.waiting)
        if element.kind == "Table":
            units = _rows(task, element, place.path, room, left)
        else:
            units = _pieces(task, element, place.path, left, lead if element.kind == "ListItem" else _NOTHING)
        tokens = 0
        stays = leads or (following is not None and not element.level and is_question(element, following))
        for unit in _mark_last(units) if stays else units:
            tokens += unit.tokens
            yield unit
        place.waiting = place.waiting + tokens + 1 if element.level else 0
        if is_heading:
            place.above.append((element.level, " ".join(text[element.start : element.end].split())))


def _pieces(task: _Task, element: Element, path: tuple[str, ...], room: int, lead: tuple[str, int]) -> Iterator[Unit]:
    """Keep an element whole where it fits; otherwise leave room in its pieces for what they will repeat."""
    body = task.text[element.start : element.end]
    room -= lead[1]
    tokens = measure(body, room, task.count)
    whole = Unit(
        element.start, element.end, tokens, element.page, element.level, path, element.hidden,
        lead=lead[0], lead_tokens=lead[1],
    )  # fmt: skip
    if tokens <= room:
        yield whole
        return
    room = room if lead[0] else max(room - task.overlap, room // 2)
    pieces = list(split(body, room, task.count))
    for number, (start, end, size) in enumerate(pieces):
        yield replace(
            whole, start=element.start + start, end=element.start + end, tokens=size,
            begins=number == 0, ends=number == len(pieces) - 1,
        )  # fmt: skip


def _rows(task: _Task, element: Element, path: tuple[str, ...], room: int, left: int) -> Iterator[Unit]:
    """Cut a table between rows; later pieces stand under its header."""
    table = read_table(task.text, element)
    header, header_tokens = header_of(task.text, table, task.most, task.count)
    for rows in cut_rows(task.text, table, left, room - header_tokens, task.count):
        below = rows.first >= table.header and rows.first > 0
        yield Unit(
            rows.start, rows.end, rows.tokens, element.page, element.level, path, element.hidden,
            begins=rows.start == table.lines[0][0], ends=rows.end == table.lines[-1][1],
            lead=header if below else "", lead_tokens=header_tokens if below else 0, rows=rows,
        )  # fmt: skip


def _mark_last(units: Iterable[Unit]) -> Iterator[Unit]:
    *others, last = units
    yield from others
    yield replace(last, leads=True)
