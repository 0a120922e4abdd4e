"""Text in pictures, read by tesseract."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from statistics import median
from typing import TYPE_CHECKING

from assets.elements.document import Block, Unparseable
from assets.elements.readers.pdf.layout import Segment
from assets.elements.readers.pdf.paragraphs import block_of, paragraphs_of, usual_leading
from assets.elements.readers.pdf.text import is_wide, needs_blank
from assets.elements.readers.tools import find_tool, run_tool

if TYPE_CHECKING:
    from PIL.Image import Image

SECONDS = 50.0
"""For one picture and one way to read it; below what a worker has for a whole file."""

WORTH_A_SECOND_LOOK = 75.0
"""Mean confidence below which the picture is read in the other writing direction too."""

UNSURE = 40.0
"""Mean confidence below which the text is a guess."""

LEAST_WORD = 20.0
"""Confidence below which a word is left out: specks and lines that were taken for letters."""

LOOSE = 2.2
"""Heights of its letters that a line may stand below another, where there are too few lines to tell the usual."""

_HORIZONTAL = ("eng", "jpn")
_VERTICAL = "jpn_vert"
_VISIBLE = re.compile(r"\w")


@dataclass
class _Line:
    words: list[tuple[str, float, int, int, int, int]] = field(default_factory=list)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        return (
            min(word[2] for word in self.words),
            min(word[3] for word in self.words),
            max(word[2] + word[4] for word in self.words),
            max(word[3] + word[5] for word in self.words),
        )


@dataclass(frozen=True)
class _Look:
    """What one way to read a picture gave.

    Attributes:
        blocks: lines of words with confidence and place.
        characters: letters and digits.
        confidence: mean over them, 0 to 100.
    """

    blocks: list[list[_Line]]
    characters: int
    confidence: float
    vertical: bool = False

    @property
    def score(self) -> float:
        """How much was read, how surely; what is unsure counts little."""
        return self.characters * max(0.0, self.confidence - 25.0)


def is_installed() -> bool:
    """Tell whether there is a tesseract with a language that is known here."""
    return bool(_languages())


@cache
def _languages() -> frozenset[str]:
    program = find_tool("tesseract")
    if program is None:
        return frozenset()
    try:
        printed = run_tool([program, "--list-langs"], seconds=20).decode("utf-8", "replace")
    except Unparseable:
        return frozenset()
    return frozenset(printed.split()) & {*_HORIZONTAL, _VERTICAL}


def read_picture(picture: Image, page: int) -> list[Block]:
    """Read a picture; one without text gives no blocks.

    Args:
        picture: upright.
        page: its number.

    Raises:
        Unparseable: `needs_tesseract`; `ocr_unsure` where what it shows cannot be told.
    """
    known = _languages()
    if not known:
        raise Unparseable("needs_tesseract")
    encoded = _encoded(picture)
    looks = []
    across = [language for language in _HORIZONTAL if language in known]
    if across:
        looks.append(_look(encoded, "+".join(across), 3))
    if _VERTICAL in known and (not looks or looks[0].confidence < WORTH_A_SECOND_LOOK or _is_upright(looks[0])):
        looks.append(_look(encoded, _VERTICAL, 5, vertical=True))
    best = max(looks, key=lambda look: look.score)
    if not best.characters:
        return []
    if best.confidence < UNSURE:
        raise Unparseable("ocr_unsure")
    return list(_blocks(best, page, picture.height))


def _encoded(picture: Image) -> bytes:
    """Return the picture in a format that costs no time, with its resolution: a guessed one costs accuracy."""
    grey = picture if picture.mode == "L" else picture.convert("L")
    written = io.BytesIO()
    dots = picture.info.get("dpi", (0, 0))[0]
    grey.save(written, "PNG", compress_level=1, dpi=(dots, dots) if 70 <= dots <= 1200 else (300, 300))
    return written.getvalue()


def _look(encoded: bytes, languages: str, layout: int, *, vertical: bool = False) -> _Look:
    program = find_tool("tesseract") or "tesseract"
    printed = run_tool(
        [program, "stdin", "stdout", "-l", languages, "--psm", str(layout), "tsv"], seconds=SECONDS, content=encoded
    )
    blocks = [[line for line in lines if line.words] for lines in _table(printed.decode("utf-8", "replace"))]
    weighed = [(len(_VISIBLE.findall(word[0])), word[1]) for lines in blocks for line in lines for word in line.words]
    characters = sum(count for count, _ in weighed)
    confidence = sum(count * sure for count, sure in weighed) / characters if characters else 0.0
    return _Look([lines for lines in blocks if lines], characters, confidence, vertical)


def _table(printed: str) -> Iterator[list[_Line]]:
    """Yield the lines of each block of text in tesseract's table."""
    current: tuple[str, ...] = ()
    lines: list[_Line] = []
    for row in csv.DictReader(io.StringIO(printed), delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["level"] == "2":
            yield lines
            lines = []
        if row["level"] != "5" or not (row["text"] or "").strip() or float(row["conf"]) < LEAST_WORD:
            continue
        place = (row["block_num"], row["par_num"], row["line_num"])
        if place != current or not lines:
            lines.append(_Line())
            current = place
        left, top, width, height = (int(row[name]) for name in ("left", "top", "width", "height"))
        lines[-1].words.append((row["text"].strip(), float(row["conf"]), left, top, width, height))
    yield lines


def _is_upright(look: _Look) -> bool:
    """Tell whether Japanese stands in columns: most of its lines are higher than they are wide."""
    lines = [line for lines in look.blocks for line in lines]
    letters = "".join(word[0] for line in lines for word in line.words)
    if sum(map(is_wide, letters)) * 2 < len(letters):
        return False
    high = sum(1 for line in lines if line.box[3] - line.box[1] > line.box[2] - line.box[0])
    return high * 2 > len(lines)


def _blocks(look: _Look, page: int, height: int) -> Iterator[Block]:
    """Yield paragraphs; tesseract ends one at nearly every line, so its lines are gathered as those of print are."""
    angle = 270 if look.vertical else 0
    for lines in look.blocks:
        segments = [_segment(line, vertical=look.vertical) for line in lines]
        size = median(segment.size for segment in segments)
        even = [replace(s, size=size) if 0.7 * size < s.size < 1.4 * size else s for s in segments]
        even.sort(key=lambda segment: segment.base)
        leading = usual_leading([even]) if len(even) > 3 else LOOSE
        for paragraph in paragraphs_of(even, page, leading, angle, hidden=False):
            text = paragraph.text(())
            start, top, end, bottom = paragraph.box
            band = (start, end) if look.vertical else (top, bottom)
            if _VISIBLE.search(text):
                edges = (min(1.0, max(0.0, band[0] / height)), min(1.0, max(0.0, band[1] / height)))
                yield block_of(paragraph, text, 0, edges)


def _segment(line: _Line, *, vertical: bool) -> Segment:
    """Return a line in the frame of its writing direction: columns go from right to left."""
    left, top, right, bottom = line.box
    text = _text(line, vertical=vertical)
    if vertical:
        size = float(right - left)
        return Segment(text, top, bottom, -left - 0.2 * size, size, bold=False, face="")
    size = float(bottom - top)
    return Segment(text, left, right, bottom - 0.2 * size, size, bold=False, face="")


def _text(line: _Line, *, vertical: bool) -> str:
    """Join the words of a line; tesseract parts Japanese into words where nobody wrote a blank."""
    sizes: Sequence[int] = sorted(word[4] if vertical else word[5] for word in line.words)
    size = max(1, sizes[len(sizes) // 2])
    text, end = "", 0
    for word, _, left, top, width, height in line.words:
        begin = top if vertical else left
        wide = bool(text) and (is_wide(text[-1]) or is_wide(word[0]))
        blank = needs_blank(text, word, (begin - end) / size) if wide else bool(text)
        text = f"{text} {word}" if blank else text + word
        end = begin + (height if vertical else width)
    return text
