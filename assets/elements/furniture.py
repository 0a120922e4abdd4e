"""Headers, footers and page numbers: what print repeats on every page, and nobody wrote into the text."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

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

Piece = tuple[int, str, tuple[float, float] | None]
"""Page, text and band of a block or a line."""

_KINDS = {"Header", "Footer", "PageNumber"}
_NUMBER = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"[-–—(\[]*\s*(?:(?:page|p\.|seite|頁|ページ|第)\s*)?(?:\d{1,4}|[ivxlc]{1,6})\s*(?:(?:of|/|von|／)\s*\d{1,4})?\s*"
    r"(?:頁|ページ)?\s*[-–—)\]]*",
    re.IGNORECASE,
)


def without_furniture(blocks: Sequence[Block], counters: Counter[str]) -> Iterator[Block]:
    """Yield the blocks that belong to the text; count the characters of the others as `furniture`.

    Args:
        blocks: of a document, those of print with their band.
        counters: are added to.
    """
    repeated = furniture_among([(block.page or 0, block.text, block.band) for block in blocks])
    for place, block in enumerate(blocks):
        if block.kind in _KINDS or place in repeated:
            counters["furniture"] += len(block.text)
        else:
            yield block


def furniture_among(pieces: Sequence[Piece]) -> set[int]:
    """Return which pieces are a header, a footer or a page number.

    Headers and footers repeat from page to page but for their numbers, in the outer bands, or as the first or the
    last line wherever it is: a page made from HTML ends where its text does, and so does its footer. What says
    nothing but a page's number needs no second page.

    Args:
        pieces: blocks or lines of a document.
    """
    outer, extreme = _places(pieces)
    least = max(LEAST_PAGES, LEAST_SHARE * len({page for page, _, _ in pieces}))
    found: set[int] = set()
    for places in (outer, extreme):
        pages: dict[str, set[int]] = defaultdict(set)
        for place in places:
            pages[shape_of(pieces[place][1])].add(pieces[place][0])
        found |= {place for place in places if len(pages[shape_of(pieces[place][1])]) >= least}
    return found | {place for place in outer if is_page_number(pieces[place][1])}


def _places(pieces: Sequence[Piece]) -> tuple[set[int], set[int]]:
    """Return the pieces in the outer bands, and those that are the first or the last of their page."""
    tops: dict[int, float] = {}
    bottoms: dict[int, float] = {}
    for page, _, band in pieces:
        if band is not None:
            tops[page] = min(tops.get(page, 1.0), band[0])
            bottoms[page] = max(bottoms.get(page, 0.0), band[1])
    outer, extreme = set(), set()
    for place, (page, text, band) in enumerate(pieces):
        if band is None or len(text) > LONGEST:
            continue
        if at_edge(band):
            outer.add(place)
        if band[0] <= tops[page] + NEAR or band[1] >= bottoms[page] - NEAR:
            extreme.add(place)
    return outer, extreme


def at_edge(band: tuple[float, float]) -> bool:
    """Tell whether a band lies in the upper or lower edge of its page."""
    return band[1] <= EDGE or band[0] >= 1 - EDGE


def shape_of(text: str) -> str:
    """Return a text as it is compared from page to page."""
    return "".join(_NUMBER.sub("#", unicodedata.normalize("NFKC", text)).split())


def is_page_number(text: str) -> bool:
    """Tell whether a text is a page's number and no more."""
    return _PAGE_NUMBER.fullmatch(unicodedata.normalize("NFKC", text).strip()) is not None
