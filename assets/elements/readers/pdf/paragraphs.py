"""From lines to paragraphs, and which of them are headings, list items, prose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from unstructured.partition.text import element_from_text

from assets.elements.document import Block
from assets.elements.readers.pdf.glyphs import is_heavy
from assets.elements.readers.pdf.layout import Grid, Item, Segment, leadings
from assets.elements.readers.pdf.tables import table_html, table_text
from assets.elements.readers.pdf.text import BULLET, MARKER, is_wide, join_lines

LONGEST_HEADING = 160
LARGER = 1.12
"""A heading's size beside the body's, from which size alone tells it."""

LEVELS = 6

PLAIN = "UncategorizedText"
"""unstructured's category of text that is nothing else."""

LEAST_PROSE = 20
"""Characters of a sentence; unstructured tells prose by English words, of which a Japanese sentence has none."""

_SENTENCE_END = re.compile(r"[.。．!！?？:：」』)）]$")
_NO_HEADING_END = re.compile(r"[.。．,，、;；:：]$")
_NUMBERED = re.compile(
    r"(?P<digits>[0-9０-９]{1,2}(?:[.．][0-9０-９]{1,2})*)[.．)、]?\s*(?=[^\W\d_a-z])|(?P<roman>[IVX]{1,5}|[A-H])[.．]\s+"
    r"|第[0-9０-９一二三四五六七八九十百]+(?P<part>[編部章節款条項])|Appendix\b|(?:Chapter|Part|Section|Article)\s+[\dIVX]+"
)
_STARTS = re.compile(r"[^\W\d_a-z]|[“\"'‘「『【〈《(（[■●◆□◇○§①-⑳]")
_LETTERS = re.compile(r"[^\W\d_]")
_PARTS = {"編": 1, "部": 1, "章": 1, "節": 2, "款": 3, "条": 3, "項": 4}


@dataclass
class Paragraph:
    """Lines that belong together.

    Attributes:
        page: from 1.
        lines: as printed.
        breaks: numbers of the lines that end where their author ended them.
        size: of its characters.
        bold: whether they are heavy.
        face: their font.
        box: start, top, end and bottom in its frame.
        angle: of its frame.
        hidden: whether nobody can see it.
        grid: the table, if it is one.
        apart: distance to the line before it, as a multiple of the usual one; 0 where nothing is before it.
    """

    page: int
    lines: list[str]
    size: float
    bold: bool
    face: str
    box: tuple[float, float, float, float]
    angle: int = 0
    hidden: bool = False
    grid: Grid | None = None
    apart: float = 0.0
    breaks: set[int] = field(default_factory=set)

    def text(self, words: Collection[str]) -> str:
        """Return its text, its lines joined."""
        if self.grid is not None:
            return table_text(self.grid)
        pieces: list[list[str]] = [[]]
        for number, line in enumerate(self.lines):
            pieces[-1].append(line)
            if number in self.breaks and number + 1 < len(self.lines):
                pieces.append([])
        return "\n".join(join_lines(piece, words) for piece in pieces)


def paragraphs_of(lines: Sequence[Item], page: int, leading: float, angle: int, *, hidden: bool) -> list[Paragraph]:
    """Gather the lines of a column into paragraphs.

    Args:
        lines: from top to bottom.
        page: from 1.
        leading: usual distance of two lines, as a multiple of the font size.
        angle: of the frame.
        hidden: whether nobody can see it.
    """
    edges = _right_edges(lines, leading)
    found: list[Paragraph] = []
    group: list[Segment] = []
    apart, last = 0.0, None

    def end_group() -> None:
        if group:
            found.append(_paragraph(group, edges[id(group[0])], page, angle, hidden=hidden, apart=apart))
            group.clear()

    for line in lines:
        if isinstance(line, Grid):
            end_group()
            box = (line.start, line.top, line.end, line.bottom)
            found.append(Paragraph(page, [], 0.0, bold=False, face="", box=box, angle=angle, hidden=hidden, grid=line))
            last = None
            continue
        if group and not _continues(group, line, edges[id(line)], leading):
            end_group()
        if not group:
            apart = (line.base - last.base) / (leading * line.size) if last is not None and line.size else 0.0
        group.append(line)
        last = line
    end_group()
    return found


def _right_edges(lines: Sequence[Item], leading: float) -> dict[int, float]:
    """Return, for each line, how far the lines around it reach: an abstract is narrower than what follows it."""
    widest = max((line.end for line in lines if isinstance(line, Segment)), default=0.0)
    edges: dict[int, float] = {}
    group: list[Segment] = []
    for line in [*lines, None]:
        joins = isinstance(line, Segment) and (not group or _is_close(group[-1], line, leading))
        if group and not joins:
            reach = max(segment.end for segment in group) if len(group) > 3 else widest
            edges |= dict.fromkeys(map(id, group), reach)
            group = []
        if isinstance(line, Segment):
            group.append(line)
    return edges


def _is_close(one: Segment, other: Segment, leading: float) -> bool:
    distance = (other.base - one.base) / max(one.size, other.size, 0.1)
    return 0.3 <= distance <= max(leading * 1.25, 1.05) and abs(one.size - other.size) <= 0.08 * one.size


def usual_leading(columns: Iterable[Sequence[Item]]) -> float:
    """Return the distance of two lines of one paragraph: the smallest that is frequent."""
    counts: Counter[float] = Counter()
    for column in columns:
        counts.update(leadings(column))
    total = sum(counts.values())
    frequent = [distance for distance, count in counts.items() if count >= max(2, total * 0.12)]
    return min(frequent, default=1.3)


def _continues(group: Sequence[Segment], line: Segment, right: float, leading: float) -> bool:
    last = group[-1]
    if not _is_close(last, line, leading):
        return False
    ended = _ends_early(last, line, right)
    if MARKER.match(line.text) and (ended or MARKER.match(group[0].text) or line.start < last.start + 0.3 * line.size):
        return _is_number_in_prose(last, line, ended=ended)
    if ended and (_SENTENCE_END.search(last.text) or last.bold != line.bold):
        return False
    return _keeps_indent(group, line, ended=ended)


def _is_number_in_prose(last: Segment, line: Segment, *, ended: bool) -> bool:
    """Tell whether what looks like a list's mark continues a sentence, as a line that begins with `5. ` may."""
    return (
        not ended and not BULLET.match(line.text) and not _SENTENCE_END.search(last.text) and last.text[-1:].islower()
    )


def _ends_early(last: Segment, line: Segment, right: float) -> bool:
    """Tell whether the next line's first word would have found room behind the last line.

    Where the sentence plainly goes on, in the middle of a word or with a small letter, it takes more room than that.
    """
    if last.text.endswith(("-", "\u2010", "\u00ad")) and line.text[:1].islower():
        return False
    word = line.text.split(" ", 1)[0]
    wide = is_wide(line.text[:1])
    share = min(len(word), 2 if wide else 30) / max(1, len(line.text))
    room = right - last.end - (line.end - line.start) * share - (0.8 if wide else 0.5) * line.size
    goes_on = line.text[:1].islower() and not _SENTENCE_END.search(last.text)
    return room > (0.3 * (right - last.start) if goes_on else 0.0)


def _keeps_indent(group: Sequence[Segment], line: Segment, *, ended: bool) -> bool:
    first, step = group[0], 0.6 * line.size
    if abs((line.start + line.end) - (group[-1].start + group[-1].end)) < line.size and ended:
        return True  # Centred.
    marked = MARKER.match(first.text) is not None
    if len(group) == 1:
        shift = line.start - first.start
        if shift > step:
            return marked or (not ended and not _SENTENCE_END.search(first.text) and shift < 5 * line.size)
        return shift > -6 * line.size and not (marked and shift < -step)
    body = min(segment.start for segment in group[1:])
    return abs(line.start - body) <= step


def _paragraph(
    group: Sequence[Segment], right: float, page: int, angle: int, *, hidden: bool, apart: float
) -> Paragraph:
    main = max(group, key=lambda segment: len(segment.text))
    box = (
        min(segment.start for segment in group),
        min(segment.top for segment in group),
        max(segment.end for segment in group),
        max(segment.bottom for segment in group),
    )
    heavy = sum(len(segment.text) for segment in group if segment.bold)
    return Paragraph(
        page,
        [segment.text for segment in group],
        main.size,
        heavy * 2 > sum(len(segment.text) for segment in group),
        main.face,
        box,
        angle,
        hidden,
        apart=apart,
        breaks={n for n, (one, other) in enumerate(pairwise(group)) if _ends_early(one, other, right)},
    )


@dataclass(frozen=True)
class Body:
    """How most of a document's text is set.

    Attributes:
        size: of its font.
        bold: whether it is heavy.
        face: its font.
    """

    size: float
    bold: bool
    face: str


def body_of(paragraphs: Iterable[Paragraph]) -> Body:
    """Return how most of the text is set."""
    sizes: Counter[float] = Counter()
    bold: Counter[bool] = Counter()
    faces: Counter[str] = Counter()
    for paragraph in paragraphs:
        if paragraph.grid is None and not paragraph.hidden:
            weight = sum(len(line) for line in paragraph.lines)
            weight *= 3 if len(paragraph.lines) > 2 else 1
            sizes[round(paragraph.size * 2) / 2] += weight
            bold[paragraph.bold] += weight
            faces[paragraph.face] += weight
    if not sizes:
        return Body(10.0, bold=False, face="")
    return Body(*(counts.most_common(1)[0][0] for counts in (sizes, bold, faces)))  # type: ignore[arg-type]


def levels_of(paragraphs: Sequence[Paragraph], body: Body) -> list[int]:
    """Return the heading level of each paragraph, 0 for what is no heading: larger ones first, then by their numbers.

    Args:
        paragraphs: of the whole document, without what repeats on its pages.
        body: how most of it is set.
    """
    keys: list[tuple[float, int] | None] = []
    for paragraph in paragraphs:
        text = join_lines(paragraph.lines)
        is_one = _is_heading(paragraph, text, body)
        larger = paragraph.size >= body.size * 1.06
        keys.append((paragraph.size if larger else body.size, _depth(text)) if is_one else None)
    sizes = _classes([key[0] for key in keys if key])
    ranks = {key: rank for rank, key in enumerate(sorted({(sizes[key[0]], key[1]) for key in keys if key}), start=1)}
    return [min(LEVELS, ranks[sizes[key[0]], key[1]]) if key else 0 for key in keys]


def _classes(sizes: Iterable[float]) -> dict[float, int]:
    """Number sizes from the largest; those that nobody tells apart have one number."""
    classes: dict[float, int] = {}
    number, largest = 0, 0.0
    for size in sorted(set(sizes), reverse=True):
        if not classes or size < largest * 0.95:
            number, largest = number + 1, size
        classes[size] = number
    return classes


def _is_heading(paragraph: Paragraph, text: str, body: Body) -> bool:
    if paragraph.hidden or paragraph.grid is not None or len(paragraph.lines) > 3:
        return False
    if len(text) + sum(map(is_wide, text)) > LONGEST_HEADING or len(_LETTERS.findall(text)) < 2:
        return False
    numbered = _NUMBERED.match(text)
    if not (numbered or _STARTS.match(text)) or _NO_HEADING_END.search(text):
        return False
    if paragraph.size >= body.size * (1.06 if numbered or paragraph.bold else LARGER):
        return True
    if paragraph.size < body.size * 0.97:
        return False
    heavier = paragraph.bold and not body.bold
    if heavier or is_heavy(paragraph.face, body.face):
        return True
    part = numbered is not None and (numbered.group("part") or "." in (numbered.group("digits") or ""))
    return bool(part) and len(paragraph.lines) == 1 and len(text) <= 40 and paragraph.apart > 1.3


def _depth(text: str) -> int:
    found = _NUMBERED.match(text)
    if found is None:
        return 1
    if found.group("part"):
        return _PARTS[found.group("part")]
    digits = found.group("digits")
    return len(re.split("[.．]", digits)) if digits else 1


def block_of(paragraph: Paragraph, text: str, level: int, band: tuple[float, float]) -> Block:
    """Return a paragraph as a block, in unstructured's categories."""
    if paragraph.grid is not None:
        html = table_html(paragraph.grid)
        return Block("Table", text, 0, paragraph.page, html, paragraph.hidden, band)
    if level:
        return Block("Title", " ".join(text.split("\n")), level, paragraph.page, None, paragraph.hidden, band)
    if MARKER.match(text):
        kind, text = "ListItem", BULLET.sub("", text, count=1) if BULLET.match(text) else text
    else:
        kind = str(element_from_text(text).category) if text.strip() else PLAIN
        if kind in {"Title", PLAIN, "ListItem"}:
            prose = len(paragraph.lines) > 2 or (len(text) >= LEAST_PROSE and _SENTENCE_END.search(text))
            kind = "NarrativeText" if prose else PLAIN
    return Block(kind, text, 0, paragraph.page, None, paragraph.hidden, band)
