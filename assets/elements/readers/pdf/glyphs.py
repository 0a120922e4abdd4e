"""What a PDF page draws: runs of text with their place, size, weight and colour, lines, filled areas, images.

pdfminer interprets the page; its layout analysis is not used, because it joins columns, tables and the lines of a
paragraph with the same blank, and leaves out whether anybody can see a text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pdfminer.pdfdevice import PDFTextDevice
from pdfminer.pdffont import PDFFont, PDFType3Font, PDFUnicodeNotDefined
from pdfminer.pdfpage import PDFPage
from pdfminer.utils import mult_matrix

Box = tuple[float, float, float, float]

UNMAPPED = "\ufffd"
"""Stands for a glyph of which the file does not say what it means."""

WORD_GAP = 0.15
"""Of the font size: a wider gap between two glyphs is one between words. Kerning stays below it."""

MOST_SHAPES = 20_000
MOST_RUNS = 400_000
"""Of one page: a map or a chart draws more than a table does, and a hostile page without end."""

MOST_COMPARISONS = 5_000_000
"""Of white runs with what lies behind them."""

_BLANKS = {" ", "\xa0"}
_INVISIBLE_MODES = {3, 7}
_BOLD = re.compile(r"bold|black|heavy|demi|-medi$|^(?:cm|sf|ec)s?s?bx|[-_]?w[6-9]$", re.IGNORECASE)
_GOTHIC = re.compile(r"goth|ゴシック|kakugo", re.IGNORECASE)
_SUBSET = re.compile(r"^[A-Z]{6}\+")
_FORCE_BOLD = 1 << 18


@dataclass(slots=True)
class Run:
    """Glyphs that follow each other without a gap.

    Its place is told in the frame of its writing direction: `u` runs along the line, `v` from line to line, whether
    the text is written across, downwards or on a rotated page.

    Attributes:
        text: as the file maps its glyphs.
        start: where it begins, in `u`.
        end: where it ends.
        base: its baseline, in `v`.
        size: of the font, in points.
        angle: of the writing direction, in degrees against the page.
        bold: whether the font is a heavy one.
        face: the font's name.
        hidden: whether nobody can see it: mode, colour, size or place.
        invisible: whether it is drawn in the mode that leaves no mark, as below a scan.
    """

    text: str
    start: float
    end: float
    base: float
    size: float
    angle: int
    bold: bool
    face: str
    hidden: bool = False
    invisible: bool = False


@dataclass
class Drawing:
    """What a page draws, in points, with the page's lower left corner as origin.

    Attributes:
        width: of the page as shown.
        height: of the page as shown.
        runs: in the order of drawing.
        rules: straight lines across and down, as boxes.
        fills: areas with a colour in which white text can be seen, as boxes.
        images: boxes.
        shaded: whether areas are coloured in a way that is not followed.
        unmapped: glyphs without a meaning.
        unshown: those of them whose shape is not in the file either: no picture of the page shows what they are.
    """

    width: float
    height: float
    crop: Box
    runs: list[Run] = field(default_factory=list)
    rules: list[Box] = field(default_factory=list)
    fills: list[Box] = field(default_factory=list)
    images: list[Box] = field(default_factory=list)
    shaded: bool = False
    unmapped: int = 0
    unshown: int = 0

    def image_share(self) -> float:
        """Return the share of the page that its largest image covers, or several strips of one together."""
        area = self.width * self.height
        return min(1.0, sum(_overlap(box, self.crop) for box in self.images) / area) if area else 0.0


class GlyphDevice(PDFTextDevice):
    """Collects what pages draw."""

    def __init__(self, resources: Any) -> None:
        """Start without a page."""
        super().__init__(resources)
        self.drawing = Drawing(0, 0, (0, 0, 0, 0))
        self._glyphs: dict[PDFFont, dict[int, tuple[str, float, float | None]]] = {}
        self._traits: dict[PDFFont, tuple[str, bool]] = {}
        self._white: list[tuple[Run, float, float]] = []

    def begin_page(self, page: PDFPage, ctm: tuple[float, ...]) -> None:
        """Start a page."""
        x0, y0, x1, y1 = _moved(page.mediabox, ctm)
        crop = _moved(page.cropbox, ctm)
        self.drawing = Drawing(x1 - x0, y1 - y0, crop if _area(crop) > 1 else (x0, y0, x1, y1))
        self._white = []

    def end_page(self, page: PDFPage) -> None:  # noqa: ARG002
        """Decide what white text can be seen, now that all that lies behind it is known."""
        drawing = self.drawing
        areas = len(drawing.fills) + len(drawing.images)
        drawing.shaded = drawing.shaded or areas * len(self._white) > MOST_COMPARISONS
        for run, x, y in self._white:
            behind = any(_holds(box, x, y) for box in (*drawing.fills, *drawing.images))
            run.hidden = run.hidden or not (behind or drawing.shaded)

    def note_shading(self) -> None:
        """Note that areas of the page have a colour that is not followed."""
        self.drawing.shaded = True

    def render_image(self, name: str, stream: Any) -> None:  # noqa: ARG002
        """Note where an image is: the unit square, transformed."""
        if self.ctm is not None and len(self.drawing.images) < MOST_SHAPES:
            self.drawing.images.append(_moved((0, 0, 1, 1), self.ctm))

    def paint_path(self, graphicstate: Any, stroke: bool, fill: bool, evenodd: bool, path: Sequence[Any]) -> None:  # noqa: ARG002, FBT001
        """Note straight lines, and areas that are not white."""
        drawing = self.drawing
        if len(drawing.rules) + len(drawing.fills) > MOST_SHAPES or self.ctm is None:
            return
        coloured = fill and not _is_white(graphicstate.ncolor)
        if not (stroke or coloured):
            return
        for box, straight in _shapes(path, self.ctm):
            width, height = box[2] - box[0], box[3] - box[1]
            thin = min(width, height) <= 2.0
            if straight and thin and max(width, height) > 4.0:
                drawing.rules.append(box)
            elif not thin:
                if coloured:
                    drawing.fills.append(box)
                if stroke and straight:
                    drawing.rules.extend(_sides(box))

    def render_string(self, textstate: Any, seq: Any, ncs: Any, graphicstate: Any) -> None:  # noqa: ARG002
        """Cut what an operator shows into runs."""
        font = textstate.font
        matrix = mult_matrix(textstate.matrix, self.ctm)  # type: ignore[arg-type]
        vertical = font.is_vertical()
        scaling = 1.0 if vertical else textstate.scaling * 0.01
        writer = _Writer(self, textstate, matrix, font, vertical=vertical, white=_is_white(graphicstate.ncolor))
        x, y = textstate.linematrix
        at = y if vertical else x
        size = textstate.fontsize
        charspace = textstate.charspace * scaling
        wordspace = textstate.wordspace * scaling if not font.is_multibyte() else 0.0
        adjust = 0.001 * size * scaling
        glyphs = self._glyphs.setdefault(font, {})
        for piece in seq:
            if isinstance(piece, int | float):
                at -= piece * adjust
            elif isinstance(piece, bytes):
                for code in font.decode(piece):
                    text, width, across = glyphs.get(code) or self._glyph(font, glyphs, code)
                    advance = width * size * scaling
                    writer.add(text, at, at + advance, charspace, across)
                    at += advance + charspace + (wordspace if code == 32 else 0.0)
        writer.close()
        textstate.linematrix = (x, at) if vertical else (at, y)

    def _glyph(
        self, font: PDFFont, known: dict[int, tuple[str, float, float | None]], code: int
    ) -> tuple[str, float, float | None]:
        try:
            text = font.to_unichr(code) or UNMAPPED
        except (PDFUnicodeNotDefined, KeyError, ValueError):
            text = UNMAPPED
        width = font.char_width(code)
        shift = font.char_disp(code)
        across = shift[0] if isinstance(shift, tuple) else None
        known[code] = text, float(width), across
        return known[code]

    def traits(self, font: PDFFont) -> tuple[str, bool]:
        """Return a font's name and whether it is a heavy one."""
        found = self._traits.get(font)
        if found is None:
            raw = font.fontname
            name = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
            name = _SUBSET.sub("", getattr(font, "basefont", None) or name)
            found = self._traits[font] = name, bool(_BOLD.search(name) or int(font.flags or 0) & _FORCE_BOLD)
        return found

    def note(self, run: Run, x: float, y: float, *, white: bool) -> None:
        """Keep a run whose middle is at a place on the page."""
        if len(self.drawing.runs) >= MOST_RUNS:
            return
        run.hidden = run.invisible or run.size < 1.0 or not _holds(self.drawing.crop, x, y)
        if white:
            self._white.append((run, x, y))
        self.drawing.runs.append(run)


class _Writer:
    """Cuts one operator's glyphs into runs."""

    def __init__(
        self,
        device: GlyphDevice,
        textstate: Any,
        matrix: Sequence[float],
        font: PDFFont,
        *,
        vertical: bool,
        white: bool,
    ) -> None:
        a, b, c, d, self._e, self._f = matrix
        self._along, self._across = ((c, d), (a, b)) if vertical else ((a, b), (c, d))
        self._device = device
        self._vertical = vertical
        self._white = white
        self._rise = textstate.rise
        self._x, self._y = textstate.linematrix
        self._font_size = textstate.fontsize or 1.0
        sign = -1.0 if (self._font_size < 0) != vertical else 1.0
        angle = round(math.degrees(math.atan2(self._along[1] * sign, self._along[0] * sign))) % 360
        self._angle = round(angle / 90) * 90 % 360 if min(angle % 90, -angle % 90) <= 2 else angle
        self._size = abs(self._font_size) * math.hypot(*self._across)
        self._invisible = textstate.render in _INVISIBLE_MODES
        self._face, self._bold = device.traits(font)
        self._embedded = isinstance(font, PDFType3Font) or any(
            name in font.descriptor for name in ("FontFile", "FontFile2", "FontFile3")
        )
        self._gap = WORD_GAP * abs(self._font_size) * (1.0 if vertical else max(textstate.scaling * 0.01, 0.1))
        self._text: list[str] = []
        self._start = self._end = self._next = 0.0
        self._shift = 0.0

    def add(self, text: str, start: float, end: float, charspace: float, across: float | None) -> None:
        """Add a glyph, in a run of its own where there is a gap before it."""
        if text == UNMAPPED:
            self._device.drawing.unmapped += 1
            self._device.drawing.unshown += not self._embedded
        if text in _BLANKS:
            text = " "
            if not self._text or self._text[-1] == " ":
                self.close()
                return
        if self._text and abs(start - self._next) > self._gap:
            self.close()
        if not self._text:
            self._start = start
            if self._vertical:
                self._shift = (0.5 if across is None else across * 0.001) - 0.5
        self._text.append(text)
        self._next = end + charspace
        if text != " ":
            self._end = end

    def close(self) -> None:
        """End the run."""
        if not self._text:
            return
        text = "".join(self._text)
        self._text = []
        x0, y0 = self._place(self._start)
        x1, y1 = self._place(self._end)
        turn = math.radians(self._angle)
        cosine, sine = math.cos(turn), math.sin(turn)
        start, end = sorted((x0 * cosine + y0 * sine, x1 * cosine + y1 * sine))
        base = x0 * sine - y0 * cosine
        if self._vertical:
            base += (0.3 + self._shift) * self._size
        run = Run(text, start, end, base, self._size, self._angle, self._bold, self._face, invisible=self._invisible)
        middle = self._size * (0.0 if self._vertical else 0.3)
        self._device.note(run, (x0 + x1) / 2 - sine * middle, (y0 + y1) / 2 + cosine * middle, white=self._white)

    def _place(self, at: float) -> tuple[float, float]:
        other = (self._x if self._vertical else self._y) + self._rise
        (a, b), (c, d) = self._along, self._across
        return a * at + c * other + self._e, b * at + d * other + self._f


def is_heavy(face: str, body: str) -> bool:
    """Tell whether a font stands out beside the body's by its kind: Gothic beside Mincho."""
    return bool(_GOTHIC.search(face)) and not _GOTHIC.search(body)


def _is_white(colour: Any) -> bool:
    """Tell whether a colour is white, as grey, RGB or CMYK; a pattern is not."""
    if isinstance(colour, int | float):
        return colour >= 0.98
    if not isinstance(colour, tuple | list) or not all(isinstance(part, int | float) for part in colour):
        return False
    if len(colour) == 4:
        return all(part <= 0.02 for part in colour)
    return bool(colour) and all(part >= 0.98 for part in colour)


def _shapes(path: Sequence[Any], ctm: Sequence[float]) -> list[tuple[Box, bool]]:
    """Return the box of each part of a path, and whether it is a straight line or a rectangle."""
    a, b, c, d, e, f = ctm
    shapes: list[tuple[Box, bool]] = []
    xs: list[float] = []
    ys: list[float] = []
    curved = False
    for step in (*path, ("m",)):
        if step[0] == "m" and xs:
            box = (min(xs), min(ys), max(xs), max(ys))
            rectangular = len({round(x, 1) for x in xs}) <= 2 and len({round(y, 1) for y in ys}) <= 2
            shapes.append((box, not curved and rectangular))
            xs, ys, curved = [], [], False
        if len(step) >= 3:
            curved = curved or step[0] not in "ml"
            x, y = step[-2:]
            xs.append(a * x + c * y + e)
            ys.append(b * x + d * y + f)
    return shapes


def _sides(box: Box) -> list[Box]:
    x0, y0, x1, y1 = box
    return [(x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)]


def _moved(box: Sequence[float], ctm: Sequence[float]) -> Box:
    a, b, c, d, e, f = ctm
    corners = [(a * x + c * y + e, b * x + d * y + f) for x in (box[0], box[2]) for y in (box[1], box[3])]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _holds(box: Box, x: float, y: float) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _overlap(one: Box, other: Box) -> float:
    return _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))
