"""Cutting a document into passages: by structure first, by tokens where structure is too coarse.

Pure: no database, no Dagster. A chunk is one span of the document's text, so that slicing the text gives
the passage. Chunks follow each other and leave out nothing but white space; they share text only where an
overlap is declared. What a chunk repeats to be understood, as a table's header, stands before its span.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

from assets.chunks.boilerplate import is_boilerplate
from assets.chunks.packing import Run, gather, path_room
from assets.chunks.splitting import Count, measure
from assets.chunks.tables import Rows, write_html
from assets.chunks.units import Unit, units_of
from assets.elements.document import Element
from assets.settings import Chunking

HEADING_SEPARATOR = " > "
BODY_SEPARATOR = "\n\n"

NEAR_EMPTY = 12
"""Letters, digits, kana and kanji; with fewer a passage says nothing by itself."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage.

    `text[body_start + lead :]` is the document's text from `start` to `end`.

    Attributes:
        start: first character in the document's text.
        end: character after the last.
        text: what is embedded: the headings above, if asked for, and what is shown.
        body_start: characters of `text` before what is shown.
        tokens: of `text`; a sum over its parts, which may be a few above the true number.
        pages: pages that it touches, in order.
        heading_path: headings that it stands under, outermost first, those it begins with included.
        lead: characters at the start of what is shown that repeat an earlier place: a table's header, the
            sentence that leads into a list.
        html: the rows of tables that are shown, a `<tr>` each; None where there are none.
        flags: `hidden`, `near_empty`, `boilerplate`.
    """

    start: int
    end: int
    text: str
    body_start: int
    tokens: int
    pages: tuple[int, ...]
    heading_path: tuple[str, ...]
    lead: int = 0
    html: str | None = None
    flags: tuple[str, ...] = ()


def chunk(text: str, elements: Sequence[Element], settings: Chunking, count: Count) -> list[Chunk]:
    """Cut a document.

    Args:
        text: the document's text.
        elements: spans of it, in order.
        settings: sizes in tokens.
        count: tokens of a text, by the space's own tokenizer.
    """
    runs = list(gather(text, units_of(text, elements, settings, count), settings, count))
    return [_finish(text, run, settings, count, alone=len(runs) == 1) for run in runs]


def _finish(text: str, run: Run, settings: Chunking, count: Count, *, alone: bool) -> Chunk:
    first = run.units[0]
    prefix, prefix_tokens = "", 0
    if settings.heading_path and first.path:
        prefix, prefix_tokens = _prefix(first.path, path_room(settings), count)
    body = text[run.start : run.end]
    rows = [unit.rows for unit in run.units if unit.rows]
    return Chunk(
        start=run.start,
        end=run.end,
        text=prefix + run.lead + body,
        body_start=len(prefix),
        tokens=prefix_tokens + run.tokens,
        pages=tuple(sorted({unit.page for unit in (*run.shared, *run.units) if unit.page is not None})),
        heading_path=first.path + _own_headings(text, run.units),
        lead=len(run.lead),
        html=write_html(text, rows, header_repeated=bool(run.lead and first.rows)),
        flags=tuple(_flags(run, body, rows, alone=alone)),
    )


def _own_headings(text: str, units: Sequence[Unit]) -> tuple[str, ...]:
    """Return the headings that a chunk begins with, without one that its successor closed."""
    own: list[Unit] = []
    for unit in takewhile(_is_heading, units):
        while own and own[-1].level >= unit.level:
            own.pop()
        own.append(unit)
    return tuple(" ".join(text[unit.start : unit.end].split()) for unit in own)


def _is_heading(unit: Unit) -> bool:
    return unit.level > 0


def _prefix(path: Sequence[str], room: int, count: Count) -> tuple[str, int]:
    """Write the headings above a passage, innermost ones first to stay when there is no room for all."""
    for first in range(len(path)):
        prefix = HEADING_SEPARATOR.join(path[first:]) + BODY_SEPARATOR
        tokens = measure(prefix, room, count)
        if tokens <= room:
            return prefix, tokens
    return "", 0


def _flags(run: Run, body: str, rows: Sequence[Rows], *, alone: bool) -> Iterator[str]:
    """Say what a reader may want to leave out; headings without a passage are near empty, however long."""
    if run.hidden:
        yield "hidden"
    if not alone and (all(map(_is_heading, run.units)) or _is_near_empty(body)):
        yield "near_empty"
    if not rows and is_boilerplate(body):
        yield "boilerplate"


def _is_near_empty(body: str) -> bool:
    return len(list(islice(filter(str.isalnum, body), NEAR_EMPTY))) < NEAR_EMPTY
