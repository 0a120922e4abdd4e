"""Headers, footers and page numbers: what print repeats on every page, and nobody wrote into the text.

A footer that is kept costs a line of noise; a heading or a price that is taken for one is lost. So whatever is in
doubt is kept.
"""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from assets.elements.document import Block

EDGE = 0.12
"""Of the page's height: headers stand above, footers below."""

LEAST_PAGES = 3
LEAST_SHARE = 0.4
"""Of the pages: left and right pages often have a header each, of which one stands on less than half of them."""

LONGEST = 200
"""Characters: no header is longer."""

NEAR = 0.004
"""Of the page's height: within it, pieces stand on one line."""

HIGH = 0.25
LOW = 0.5
"""Of the page's height: a header outside the edge stands above the first, most of a footer's places below the second.
Pages that end high up with one answer each end with the same answer, not with a footer."""

ONE_LINE = 0.03
TWO_LINES = 0.06
"""Of the page's height: what is lower is one line of text, or one of a title."""

LARGER = 1.15
"""Times the height of a usual line: so large is a heading's."""

APART = 2
"""Pages between two numbers of one sequence: some pages, as those with a figure, have none."""

Band = tuple[float, float]
Piece = tuple[int, str, Band | None]
"""Page, text and band of a block or a line."""

_Moving = tuple[str, int, str]
"""What stands before or behind a number, how far it is from its page's, and what follows it."""

_KINDS = {"Header", "Footer", "PageNumber"}
_LETTER = re.compile(r"[^\W\d_]")
_OF = r"(?:\s*(?:of|/|von)\s*(?P<of>\d{1,4}))?"
_ROMAN = r"(?=[ivxlc])c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})"
_BARE = re.compile(rf"[-–—(\[]*\s*(?:[Pp]\.\s*)?(?:(?P<number>\d{{1,4}}){_OF}|(?P<roman>{_ROMAN}))\s*[-–—)\]]*")
_NAMED = re.compile(
    rf"[-–—(\[]*\s*(?:(?:page|seite|頁|ページ)\s*(?:\d{{1,4}}|{_ROMAN}){_OF.replace('?P<of>', '')}"
    rf"|第?\s*\d{{1,4}}{_OF.replace('?P<of>', '')}\s*(?:頁|ページ))\s*[-–—)\]]*",
    re.IGNORECASE,
)
_APART = r"(?:[|·•]|\s[-–—/]\s|\b(?:page|seite|p\.)|頁|ページ)"
_TAIL = rf"(?P<tail>{_OF}\s*(?:頁|ページ)?[\s|\-–—)\]]*)"
_LAST = re.compile(rf"(?P<rest>.*?\D)(?P<number>\d{{1,4}}){_TAIL}", re.DOTALL)
_FIRST = re.compile(r"(?P<number>\d{1,4})(?P<rest>(?P<tail>)\D.*)", re.DOTALL)
_ENDS_APART = re.compile(rf"{_APART}[\s(\[]*$", re.IGNORECASE)
_STARTS_APART = re.compile(rf"\s*{_APART}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Places:
    """Which pieces stand where.

    Attributes:
        outer: in the upper or lower edge of their page.
        first: on the first line of their page.
        last: on the last line.
        shared: on a line with other pieces, which are named.
    """

    outer: set[int]
    first: set[int]
    last: set[int]
    shared: dict[int, set[int]]


def without_furniture(blocks: Sequence[Block], counters: Counter[str]) -> Iterator[Block]:
    """Yield the blocks that belong to the text; count the characters of the others as `furniture`.

    Headings and tables belong to the text wherever they are.

    Args:
        blocks: of a document, those of print with their band.
        counters: are added to.
    """
    repeated = furniture_among([(block.page or 0, block.text, block.band) for block in blocks])
    for place, block in enumerate(blocks):
        is_text = block.level > 0 or block.kind == "Table"
        if block.kind in _KINDS or (place in repeated and not is_text):
            counters["furniture"] += len(block.text)
        else:
            yield block


def furniture_among(pieces: Sequence[Piece]) -> set[int]:
    """Return which pieces are a header, a footer or a page number.

    Headers and footers are the same from page to page, or have a number that moves with the page, in the outer
    bands, or as the first or the last line: a page made from HTML ends where its text does, and so does its footer.
    A bare number is the page's if those of the pages beside it go on as the pages do. What is set larger than the
    text is none of them.

    Args:
        pieces: blocks or lines of a document.
    """
    places = _places(pieces)
    found = _repeated(pieces, places)
    found |= {place for place in places.outer if _NAMED.fullmatch(_plain(pieces[place][1]))}
    found |= _page_numbers(pieces, places, found)
    return found - _larger(pieces, found)


def at_edge(band: Band) -> bool:
    """Tell whether a band lies in the upper or lower edge of its page."""
    return band[1] <= EDGE or band[0] >= 1 - EDGE


def page_number_in(text: str) -> tuple[str, int] | None:
    """Return the kind and the value of the number of which a text consists; None where it is anything else.

    Args:
        text: as `3`, `- 3 -`, `3 / 9` or `iv`.
    """
    match = _BARE.fullmatch(_plain(text))
    if match is None:
        return None
    if match["roman"]:
        return "roman", _roman_value(match["roman"])
    number = int(match["number"])
    return None if match["of"] and int(match["of"]) < number else ("arabic", number)


def _roman_value(roman: str) -> int:
    values = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}[letter] for letter in roman]
    following = [*values[1:], 0]
    return sum(-one if one < after else one for one, after in zip(values, following, strict=True))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _places(pieces: Sequence[Piece]) -> _Places:
    pages: dict[int, list[tuple[int, Band]]] = defaultdict(list)
    for place, (page, _, band) in enumerate(pieces):
        if band is not None:
            pages[page].append((place, band))
    found = _Places(set(), set(), set(), {})
    for on_page in pages.values():
        top, bottom = min(band[0] for _, band in on_page), max(band[1] for _, band in on_page)
        for place, band in on_page:
            if len(pieces[place][1]) > LONGEST:
                continue
            groups = {"outer": at_edge(band), "first": band[0] <= top + NEAR, "last": band[1] >= bottom - NEAR}
            for name, is_there in groups.items():
                if is_there:
                    getattr(found, name).add(place)
            if any(groups.values()):
                found.shared[place] = {other for other, near in on_page if other != place and _on_one_line(band, near)}
    return found


def _on_one_line(band: Band, other: Band) -> bool:
    shared = min(band[1], other[1]) - max(band[0], other[0])
    return shared > 0.5 * min(band[1] - band[0], other[1] - other[0])


def _repeated(pieces: Sequence[Piece], places: _Places) -> set[int]:
    """Return what stands on enough pages, the same or with a number that moves with them."""
    least = max(LEAST_PAGES, LEAST_SHARE * len({page for page, _, _ in pieces}))
    groups: dict[tuple[str, str | _Moving], list[int]] = defaultdict(list)
    for where in ("outer", "first", "last"):
        for place in getattr(places, where):
            page, text, _ = pieces[place]
            plain = _plain(text)
            if _LETTER.search(plain) or not places.shared[place]:
                groups[where, "".join(plain.split())].append(place)
            moving = _moving(plain, page, is_footer=place in places.outer & places.last) if where != "first" else None
            if moving is not None:
                groups[where, moving].append(place)
    found: set[int] = set()
    for (where, key), members in groups.items():
        if len({pieces[place][0] for place in members}) < least:
            continue
        if where == "outer" or isinstance(key, tuple) or _stands_as_furniture(where, members, pieces, places):
            found.update(members)
    return found


def _stands_as_furniture(where: str, members: list[int], pieces: Sequence[Piece], places: _Places) -> bool:
    """Tell whether the same text on many pages' first or last line, wherever that is, can be a header or footer."""
    bands = [band for _, _, band in (pieces[place] for place in members) if band is not None]
    if where == "first":
        return all(band[1] <= HIGH for band in bands) and not any(places.shared[place] for place in members)
    return statistics.median(band[0] for band in bands) >= LOW


def _moving(plain: str, page: int, *, is_footer: bool) -> _Moving | None:
    """Return a text's other parts and how far its number is from the page's; None if it has none at an end.

    Args:
        plain: the text, normalised.
        page: on which it stands.
        is_footer: whether it is its page's last line and in the lower edge, where no heading is: elsewhere
            `Question 3` may well be one, and the number must be set apart, as in `Minase | 3`.
    """
    for pattern, is_apart in ((_LAST, _ENDS_APART.search), (_FIRST, _STARTS_APART.match)):
        match = pattern.fullmatch(plain)
        if match and _LETTER.search(match["rest"]) and (is_footer or is_apart(match["rest"])):
            return match["rest"], int(match["number"]) - page, match["tail"]
    return None


def _page_numbers(pieces: Sequence[Piece], places: _Places, furniture: Collection[int]) -> set[int]:
    """Return the bare numbers at the edges that count the pages.

    On one or two pages no sequence shows, so that only the page's own number is one.
    """
    is_short = len({page for page, _, _ in pieces}) < LEAST_PAGES
    found: set[int] = set()
    sequences: dict[tuple[str, int], list[int]] = defaultdict(list)
    for place in places.outer:
        number = page_number_in(pieces[place][1])
        if number is None:
            continue
        kind, value = number
        off = value - pieces[place][0]
        sequences[kind, off].append(place)
        if is_short and kind == "arabic" and not off and places.shared[place] <= set(furniture):
            found.add(place)
    for (kind, off), members in sequences.items():
        if is_short and (kind == "arabic" or off):
            continue
        pages = {pieces[place][0] for place in members}
        for place in members:
            beside = sum(0 < abs(page - pieces[place][0]) <= APART for page in pages)
            alone = places.shared[place] <= set(furniture)
            outermost = place in places.first | places.last
            if beside and (alone or (outermost and len(pages) >= LEAST_PAGES)):
                found.add(place)
    return found


def _larger(pieces: Sequence[Piece], found: Collection[int]) -> set[int]:
    """Return those of the found pieces that are set larger than a usual line of the others."""
    heights = {place: band[1] - band[0] for place, (_, _, band) in enumerate(pieces) if band is not None}
    lines = [height for place, height in heights.items() if place not in found and 0 < height <= ONE_LINE]
    if not lines:
        return set()
    usual = statistics.median(lines)
    return {place for place in found if LARGER * usual < heights[place] <= TWO_LINES}
