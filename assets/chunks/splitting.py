"""Cutting a text that is longer than a chunk, at the best break in reach. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain, islice

import regex

from assets.chunks.sentences import sentence_ends

Count = Callable[[str], int]
"""Tokens of a text."""

LONGEST_COUNTED = 48_000
"""Characters beyond which a text is not counted but taken to be too long: counting takes time, and the tables of
OpenAI's models refuse texts of more than 200,000 tokens, of which a character can be four."""

_MOST_GRAPHEMES = 8
"""In a token, where a text has no break."""

_PARAGRAPH = re.compile(
    r"\n[^\S\n]*\n\s*"
    r"|\n(?=[^\S\n]*(?:[-*•・●○■□◆◇▪‣–]\s?|[(（]?\d{1,3}[.)．）、]\s?|[①-⑳]))"
)  # fmt: skip
"""A blank line, or a line that begins as an item of a list does."""

_LINE_END = re.compile(r"[^\S\n]*\n")
_LINE = re.compile(r"\n+")
_CLAUSE = re.compile(r"[、，；：]+|[,;:](?=\s)")
_WORD = re.compile(r"(?<=[,;:])|\s+")


def measure(text: str, room: int, count: Count) -> int:
    """Return the tokens of a text, or more than `room` if it is far too long to be counted."""
    return count(text) if len(text) <= LONGEST_COUNTED else room + 1


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a part of a text without outer white space; start and end meet where there is nothing else."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def split(text: str, room: int, count: Count) -> Iterator[tuple[int, int, int]]:
    """Cut a text into pieces of at most `room` tokens, at the best breaks in reach.

    Yields (start, end, tokens) of pieces without outer white space; only white space lies between them.

    Args:
        text: what to cut.
        room: most tokens of a piece.
        count: tokens of a text.
    """
    start, end = trim(text, 0, len(text))
    if start == end:
        return
    tokens = measure(text[start:end], room, count)
    if tokens <= room:
        yield start, end, tokens
    else:
        yield from _split(text, start, end, room, count, 0)


def sentence_starts(text: str, start: int, end: int) -> list[int]:
    """Return where sentences and paragraphs begin within a part of a text, but for its first character."""
    starts = {trim(text, at, end)[0] for at in [*_sentences(text, start, end), *_paragraphs(text, start, end)]}
    return sorted(at for at in starts if start < at < end)


def _split(text: str, start: int, end: int, room: int, count: Count, rank: int) -> Iterator[tuple[int, int, int]]:
    """Cut what is known to be too long: pieces that fit are gathered, those that do not are cut at lesser breaks."""
    pieces, rank = _cut(text, start, end, rank)
    if pieces is None:
        yield from _split_graphemes(text, start, end, room, count)
        return
    gathered: tuple[int, int, int] | None = None
    for piece_start, piece_end in pieces:
        size = measure(text[piece_start:piece_end], room, count)
        if gathered is not None and gathered[2] + size <= room:
            together = measure(text[gathered[0] : piece_end], room, count)
            if together <= room:
                gathered = (gathered[0], piece_end, together)
                continue
        if gathered is not None:
            yield gathered
            gathered = None
        if size <= room:
            gathered = (piece_start, piece_end, size)
        else:
            yield from _split(text, piece_start, piece_end, room, count, rank)
    if gathered is not None:
        yield gathered


def _cut(text: str, start: int, end: int, rank: int) -> tuple[Iterator[tuple[int, int]] | None, int]:
    """Cut at the best breaks that there are; also say which are next. Pieces come one by one: there may be millions."""
    for at in range(rank, len(_BREAKS)):
        pieces = _pieces(text, start, end, _BREAKS[at](text, start, end))
        first, second = next(pieces, None), next(pieces, None)
        if first is not None and second is not None:
            return chain((first, second), pieces), at + 1
    return None, len(_BREAKS)


def _pieces(text: str, start: int, end: int, breaks: Iterable[int]) -> Iterator[tuple[int, int]]:
    at = start
    for edge in (*breaks, end):
        piece = trim(text, at, edge)
        if piece[0] < piece[1]:
            yield piece
            at = edge


def _paragraphs(text: str, start: int, end: int) -> Iterator[int]:
    """A line that ends within a sentence was wrapped by a program: it is no better a place than any blank."""
    if text.find("\n", start, end) < 0:
        return iter(())
    marked = (match.end() for match in _PARAGRAPH.finditer(text, start, end))
    ended = (at for at in _sentences(text, start, end) if _LINE_END.match(text, at, end))
    return merge(marked, ended)


def _sentences(text: str, start: int, end: int) -> Iterator[int]:
    return (at for at, outside in sentence_ends(text, start, end) if outside)


def _quoted_sentences(text: str, start: int, end: int) -> Iterator[int]:
    return (at for at, _ in sentence_ends(text, start, end))


def _matches(pattern: re.Pattern[str]) -> Callable[[str, int, int], Iterator[int]]:
    return lambda text, start, end: (match.end() for match in pattern.finditer(text, start, end))


_BREAKS: Sequence[Callable[[str, int, int], Iterator[int]]] = (
    _paragraphs,
    _sentences,
    _quoted_sentences,
    _matches(_LINE),
    _matches(_CLAUSE),
    _matches(_WORD),
)
"""Where a text may be cut, best first: paragraph, sentence, sentence within a quote, line, clause, word."""


def _split_graphemes(text: str, start: int, end: int, room: int, count: Count) -> Iterator[tuple[int, int, int]]:
    """Cut a text without any break between graphemes, by halving until the pieces fit."""
    coming = (match.end() for match in regex.finditer(r"\X", text, pos=start, endpos=end))
    edges: list[int] = []
    at = start
    while True:
        edges += islice(coming, room * _MOST_GRAPHEMES - len(edges))
        if not edges:
            return
        last = _reach(text, at, edges, room, count)
        yield at, edges[last], count(text[at : edges[last]])
        at = edges[last]
        del edges[: last + 1]


def _reach(text: str, at: int, edges: Sequence[int], room: int, count: Count) -> int:
    """Return the last edge up to which a piece that begins at `at` fits; at least one grapheme."""
    first, last = 0, len(edges) - 1
    while first < last:
        middle = (first + last + 1) // 2
        if measure(text[at : edges[middle]], room, count) <= room:
            first = middle
        else:
            last = middle - 1
    return first
