"""Cutting a document into passages: by structure first, by tokens where structure is too coarse.

Pure: no database, no Dagster. A chunk is one span of the document's text, so that slicing the text gives
the passage. Chunks follow each other and leave out nothing but white space.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

import regex

from assets.elements.parsing import Element
from assets.settings import Chunking

Count = Callable[[str], int]
"""Tokens of a text."""

HEADING_SEPARATOR = " > "
BODY_SEPARATOR = "\n\n"
HEADING_SHARE = 0.25
"""Largest part of a chunk that headings may take; of a longer path the outermost headings are left out."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage.

    Attributes:
        start: first character in the document's text.
        end: character after the last.
        text: what is embedded: the headings above, if asked for, and the passage.
        body_start: characters of `text` before the passage.
        tokens: of `text`; a sum over its parts, which may be a few above the true number.
        pages: pages that it touches, in order.
        heading_path: headings that it stands under, outermost first, those it begins with included.
    """

    start: int
    end: int
    text: str
    body_start: int
    tokens: int
    pages: tuple[int, ...]
    heading_path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never cut again: an element, or a piece of one that was too long."""

    start: int
    end: int
    tokens: int
    page: int | None
    level: int
    path: tuple[str, ...]


def chunk(text: str, elements: Sequence[Element], settings: Chunking, count: Count) -> list[Chunk]:
    """Cut a document.

    Args:
        text: the document's text.
        elements: spans of it, in order.
        settings: sizes in tokens.
        count: tokens of a text, by the space's own tokenizer.
    """
    units = list(_units(text, elements, settings, count))
    return [_finish(text, run, settings, count) for run in _runs(text, units, settings, count)]


def _units(text: str, elements: Sequence[Element], settings: Chunking, count: Count) -> Iterator[_Unit]:
    """Walk the elements with the headings above each; cut what is longer than a chunk."""
    room = settings.max_tokens - (int(settings.max_tokens * HEADING_SHARE) if settings.heading_path else 0)
    above: list[tuple[int, str]] = []
    waiting = 0
    for element in elements:
        body = text[element.start : element.end]
        if element.level:
            while above and above[-1][0] >= element.level:
                above.pop()
        path = tuple(heading for _, heading in above)
        tokens = count(body)
        # Headings just above have to find room in the first piece, or they would stand alone.
        left = max(room // 2, room - waiting)
        if tokens <= left:
            yield _Unit(element.start, element.end, tokens, element.page, element.level, path)
        else:
            for start, end, size in split(body, left, count):
                yield _Unit(element.start + start, element.start + end, size, element.page, element.level, path)
        waiting = waiting + tokens + 1 if element.level else 0
        if element.level:
            above.append((element.level, " ".join(body.split())))


def _runs(text: str, units: Sequence[_Unit], settings: Chunking, count: Count) -> Iterator[list[_Unit]]:
    """Gather units into chunks: full enough, not too full, and not across a heading if that can be helped."""
    run: list[_Unit] = []
    for unit in units:
        while run and _begins(text, run, unit, settings, count):
            finished, run = _without_trailing_headings(run)
            yield finished
        run.append(unit)
    if run:
        yield run


def _begins(text: str, run: Sequence[_Unit], unit: _Unit, settings: Chunking, count: Count) -> bool:
    """Say whether a unit has to begin a new chunk."""
    size = _size(text, run, count)
    room = settings.max_tokens - (_path_room(settings) if run[0].path else 0)
    if _size(text, [*run, unit], count) > room:
        return True
    if not unit.level or all(member.level for member in run):
        return False
    section = next((member.path for member in reversed(run) if member.level), run[-1].path[:-1])
    elsewhere = unit.path[: len(section)] != section
    return elsewhere or size >= settings.min_tokens


def _size(text: str, run: Sequence[_Unit], count: Count) -> int:
    """Return the tokens of a run: of its units, and of what lies between them."""
    gaps = (text[one.end : other.start] for one, other in pairwise(run))
    return sum(unit.tokens for unit in run) + sum(
        1 if len(gap) <= len(BODY_SEPARATOR) else count(gap) + 1 for gap in gaps
    )


def _path_room(settings: Chunking) -> int:
    return int(settings.max_tokens * HEADING_SHARE) if settings.heading_path else 0


def _without_trailing_headings(run: list[_Unit]) -> tuple[list[_Unit], list[_Unit]]:
    """A heading belongs to what follows it, unless there is nothing else in the chunk."""
    keep = len(run)
    while keep > 1 and run[keep - 1].level:
        keep -= 1
    if run[keep - 1].level:
        return run, []
    return run[:keep], run[keep:]


def _finish(text: str, run: Sequence[_Unit], settings: Chunking, count: Count) -> Chunk:
    start, end = run[0].start, run[-1].end
    path = run[0].path
    body = text[start:end]
    tokens = _size(text, run, count)
    prefix = ""
    if settings.heading_path and path:
        prefix, prefix_tokens = _prefix(path, _path_room(settings), count)
        tokens += prefix_tokens
    pages = tuple(sorted({unit.page for unit in run if unit.page is not None}))
    return Chunk(start, end, prefix + body, len(prefix), tokens, pages, path + _own_headings(text, run))


def _own_headings(text: str, run: Sequence[_Unit]) -> tuple[str, ...]:
    """Return the headings that a chunk begins with, without one that its successor closed."""
    own: list[_Unit] = []
    for unit in takewhile(_is_heading, run):
        while own and own[-1].level >= unit.level:
            own.pop()
        own.append(unit)
    return tuple(" ".join(text[unit.start : unit.end].split()) for unit in own)


def _is_heading(unit: _Unit) -> bool:
    return unit.level > 0


def _prefix(path: Sequence[str], room: int, count: Count) -> tuple[str, int]:
    """Write the headings above a passage, innermost ones first to stay when there is no room for all."""
    for first in range(len(path)):
        prefix = HEADING_SEPARATOR.join(path[first:]) + BODY_SEPARATOR
        tokens = count(prefix)
        if tokens <= room:
            return prefix, tokens
    return "", 0


_BREAKS = (
    re.compile(r"\n+"),
    re.compile(r"(?<=[。！？])[。！？」』）”’\"')\]]*|(?<=[.!?])[\"')\]”’]*\s+"),
    re.compile(r"(?<=[、，；;：:,])\s*|\s+"),
)
"""Where a text may be cut, best first: line, sentence, clause or word."""


def split(text: str, room: int, count: Count) -> Iterator[tuple[int, int, int]]:
    """Cut a text into pieces of at most `room` tokens, at the best breaks in reach.

    Yields (start, end, tokens) of pieces without outer white space; only white space lies between them.

    Args:
        text: what to cut.
        room: most tokens of a piece.
        count: tokens of a text.
    """
    yield from _split(text, 0, len(text), room, count, 0)


def _split(text: str, start: int, end: int, room: int, count: Count, rank: int) -> Iterator[tuple[int, int, int]]:
    start, end = _trim(text, start, end)
    if start >= end:
        return
    tokens = count(text[start:end])
    if tokens <= room:
        yield start, end, tokens
        return
    if rank == len(_BREAKS):
        yield from _split_graphemes(text, start, end, room, count)
        return
    gathered: tuple[int, int, int] | None = None
    for piece_start, piece_end in _pieces(text, start, end, _BREAKS[rank]):
        size = count(text[piece_start:piece_end])
        if gathered is not None and gathered[2] + size <= room:
            together = count(text[gathered[0] : piece_end])
            if together <= room:
                gathered = (gathered[0], piece_end, together)
                continue
        if gathered is not None:
            yield gathered
            gathered = None
        if size <= room:
            gathered = (piece_start, piece_end, size)
        else:
            yield from _split(text, piece_start, piece_end, room, count, rank + 1)
    if gathered is not None:
        yield gathered


def _pieces(text: str, start: int, end: int, breaks: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    at = start
    for match in breaks.finditer(text, start, end):
        if match.end() > at:
            yield from _nonblank(text, at, match.end())
            at = match.end()
    yield from _nonblank(text, at, end)


def _nonblank(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    start, end = _trim(text, start, end)
    if start < end:
        yield start, end


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _split_graphemes(text: str, start: int, end: int, room: int, count: Count) -> Iterator[tuple[int, int, int]]:
    """Cut a text without any break between graphemes, by halving until the pieces fit."""
    edges = [start + match.end() for match in regex.finditer(r"\X", text[start:end])]
    low = 0
    at = start
    while low < len(edges):
        high = _reach(text, at, edges, low, room, count)
        yield at, edges[high], count(text[at : edges[high]])
        at = edges[high]
        low = high + 1


def _reach(text: str, at: int, edges: Sequence[int], low: int, room: int, count: Count) -> int:
    """Return the last edge up to which a piece that begins at `at` fits; at least one grapheme."""
    first, last = low, min(len(edges) - 1, low + room * 8)
    while first < last:
        middle = (first + last + 1) // 2
        if count(text[at : edges[middle]]) <= room:
            first = middle
        else:
            last = middle - 1
    return first
