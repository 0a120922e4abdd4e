"""PDF: text as it is laid out, pages that are images or whose letters mean nothing by OCR."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from pdfminer.pdfdocument import PDFDocument, PDFPasswordIncorrect
from pdfminer.pdfpage import PDFPage
from pdfminer.pdfparser import PDFParser
from unstructured.partition.pdf_image.pdfminer_utils import CustomPDFResourceManager

from assets.elements.document import Block, Reading, Unparseable
from assets.elements.furniture import furniture_among
from assets.elements.readers.pdf.glyphs import UNMAPPED, Drawing, GlyphDevice
from assets.elements.readers.pdf.layout import Frame, Item, Segment, band_of, frames_of, in_reading_order, lines_of
from assets.elements.readers.pdf.operators import Interpreter
from assets.elements.readers.pdf.paragraphs import (
    Paragraph,
    block_of,
    body_of,
    levels_of,
    paragraphs_of,
    usual_leading,
)
from assets.elements.readers.pdf.properties import properties_of
from assets.elements.readers.pdf.rendering import Rendering
from assets.elements.readers.pdf.tables import with_tables
from assets.elements.readers.pdf.text import is_noise, words_of

LEAST_CHARACTERS = 20
"""A page with less text, and covered by an image, is a scan."""

SCAN_SHARE = 0.5
"""Of a page that an image covers, from which the page is its image."""

OUTLINES = 40
"""Filled shapes on a page without text: its letters were turned into outlines."""

UNMAPPED_SHARE = 0.2


@dataclass
class _Page:
    """A page as it was drawn.

    Attributes:
        number: from 1.
        height: in points.
        frames: its text by direction.
        state: `text`; `scan` if it has to be recognised; `unmapped` if its letters mean nothing; `unknown` if
            their shapes are not in the file either; `empty`.
    """

    number: int
    height: float
    frames: list[Frame] = field(default_factory=list)
    state: str = "text"


def read_pdf(content: bytes) -> Reading:
    """Read print.

    Raises:
        Unparseable: `damaged`, `password_protected`, `unmapped_glyphs`, `needs_tesseract`, or what OCR says.
    """
    counters: Counter[str] = Counter()
    content, pages, properties = _read_pages(content)
    with Rendering(content) as rendering:
        recognised = _recognise(pages, rendering, counters)
        printed = [page for page in pages if page.state in {"text", "empty"}]
        doubled = sum(frame.doubled for page in printed for frame in page.frames)
        visible = rendering.count_characters([page.number for page in printed])
        visible = None if visible is None else max(0, visible - doubled)
    found: dict[int, list[Block]] = _blocks(printed)
    found.update(recognised)
    blocks = [block for number in sorted(found) for block in found[number]]
    if visible is not None:
        visible += sum(_count(block.text) for blocks_of_page in recognised.values() for block in blocks_of_page)
    return Reading(blocks, properties, visible=visible, counters=dict(+counters))


def _count(text: str) -> int:
    return len("".join(text.split()))


def _read_pages(content: bytes) -> tuple[bytes, list[_Page], dict[str, str]]:
    """Return the pages, from the file as it is or, where nothing comes out of it, from its repaired copy."""
    try:
        document = _open(content)
        pages = list(_pages(document))
        if any(page.state != "empty" for page in pages):
            return content, pages, properties_of(document)
    except PDFPasswordIncorrect:
        raise Unparseable("password_protected") from None
    except (MemoryError, Unparseable):
        raise
    except Exception:  # pdfminer meets a damaged file with whatever its code stumbles over.
        pages = []
    repaired = _repaired(content)
    try:
        document = _open(repaired)
        mended = list(_pages(document))
    except MemoryError:
        raise
    except Exception:
        raise Unparseable("damaged") from None
    if not mended and not pages:
        raise Unparseable("damaged")
    return repaired, mended or pages, properties_of(document)


def _open(content: bytes) -> PDFDocument:
    return PDFDocument(PDFParser(io.BytesIO(content)), password="")


def _repaired(content: bytes) -> bytes:
    import pikepdf

    repaired = io.BytesIO()
    try:
        with pikepdf.open(io.BytesIO(content)) as document:
            document.save(repaired)
    except pikepdf.PasswordError:
        raise Unparseable("password_protected") from None
    except (pikepdf.PdfError, ValueError, RuntimeError):
        raise Unparseable("damaged") from None
    return repaired.getvalue()


def _pages(document: PDFDocument) -> Iterator[_Page]:
    resources = CustomPDFResourceManager()
    device = GlyphDevice(resources)
    interpreter = Interpreter(resources, device)
    for number, page in enumerate(PDFPage.create_pages(document), start=1):
        with suppress(Exception):  # What was drawn before a page's damage is kept; a loss of much shows in the count.
            interpreter.process_page(page)
        yield _page(device.drawing, number)
        device.drawing = Drawing(0, 0, (0, 0, 0, 0))


def _page(drawing: Drawing, number: int) -> _Page:
    _reveal_recognised(drawing)
    text = "".join(run.text for run in drawing.runs if not run.hidden)
    shown = _count(text)
    page = _Page(number, drawing.height)
    if shown < LEAST_CHARACTERS and (
        drawing.image_share() > SCAN_SHARE or (not shown and len(drawing.fills) > OUTLINES)
    ):
        page.state = "scan"
    elif not shown and not drawing.runs:
        page.state = "empty"
    elif text.count(UNMAPPED) > UNMAPPED_SHARE * shown or is_noise(text):
        page.state = "unmapped" if drawing.unshown * 2 <= drawing.unmapped else "unknown"
    else:
        page.frames = frames_of(drawing)
    return page


def _reveal_recognised(drawing: Drawing) -> None:
    """Take text without a mark for the page's text where it lies on a scan, or where there is no other."""
    unmarked = [run for run in drawing.runs if run.invisible]
    if unmarked and (drawing.image_share() > SCAN_SHARE or len(unmarked) == len(drawing.runs)):
        for run in unmarked:
            run.hidden = run.size < 1.0


def _recognise(pages: list[_Page], rendering: Rendering, counters: Counter[str]) -> dict[int, list[Block]]:
    """Read by OCR what cannot be read otherwise; say what is missing where that cannot be."""
    from assets.elements.readers.pictures import ocr

    if any(page.state == "unknown" or (page.state == "unmapped" and not ocr.is_installed()) for page in pages):
        raise Unparseable("unmapped_glyphs")
    found: dict[int, list[Block]] = {}
    for page in pages:
        if page.state == "unmapped":
            found[page.number] = _look_at_letters(page, rendering)
        elif page.state == "scan":
            recognised = _look_at_scan(page, rendering) if ocr.is_installed() else None
            if recognised is None:
                counters["pages_without_text"] += 1
            else:
                found[page.number] = recognised
    counters["pages_recognised"] += len(found)
    if counters["pages_without_text"] and not found and not any(page.state == "text" for page in pages):
        raise Unparseable("ocr_unsure" if ocr.is_installed() else "needs_tesseract")
    return found


def _look_at_letters(page: _Page, rendering: Rendering) -> list[Block]:
    from assets.elements.readers.pictures import ocr

    image = rendering.page(page.number)
    try:
        blocks = ocr.read_picture(image, page.number) if image is not None else []
    except Unparseable:
        blocks = []
    if _means_nothing(blocks):
        raise Unparseable("unmapped_glyphs")
    return blocks


def _look_at_scan(page: _Page, rendering: Rendering) -> list[Block] | None:
    """Return what a scan shows; None where that cannot be told."""
    from assets.elements.readers.pictures import ocr

    image = rendering.page(page.number)
    if image is None:
        return None
    try:
        return ocr.read_picture(image, page.number)
    except Unparseable as refusal:
        if refusal.reason != "ocr_unsure":
            raise
        return None


def _means_nothing(blocks: list[Block]) -> bool:
    text = "\n".join(block.text for block in blocks)
    return not text or is_noise(text)


def _blocks(pages: list[_Page]) -> dict[int, list[Block]]:
    heights = {page.number: page.height for page in pages}
    segments = [(page, frame, segment) for page in pages for frame in page.frames for segment in frame.segments]
    lines = [(page.number, segment.text, _band(frame, segment, page.height)) for page, frame, segment in segments]
    repeated = {id(segments[place][2]) for place in furniture_among(lines)}
    words = words_of([text for _, text, _ in lines])
    paragraphs = [paragraph for page in pages for paragraph in _paragraphs(page, repeated)]
    bands = [band_of(paragraph.angle, *paragraph.box, heights[paragraph.page]) for paragraph in paragraphs]
    kept = furniture_among(
        [(paragraph.page, " ".join(paragraph.lines), band) for paragraph, band in zip(paragraphs, bands, strict=True)]
    )
    text = [paragraph for place, paragraph in enumerate(paragraphs) if place not in kept]
    levels = dict(zip(map(id, text), levels_of(text, body_of(text)), strict=True))
    blocks: dict[int, list[Block]] = {page.number: [] for page in pages}
    for paragraph, band in zip(paragraphs, bands, strict=True):
        level = levels.get(id(paragraph), 0)
        blocks[paragraph.page].append(block_of(paragraph, paragraph.text(words), level, band))
    return blocks


def _band(frame: Frame, segment: Segment, height: float) -> tuple[float, float]:
    return band_of(frame.angle, segment.start, segment.top, segment.end, segment.bottom, height)


def _paragraphs(page: _Page, repeated: set[int]) -> list[Paragraph]:
    """Return a page's paragraphs; what repeats from page to page is one each, so that nothing is joined to it."""
    found: list[Paragraph] = []
    for frame in page.frames:
        single: list[list[Item]] = [[segment] for segment in frame.segments if id(segment) in repeated]
        frame.segments = [segment for segment in frame.segments if id(segment) not in repeated]
        columns = [lines_of(column) for column in in_reading_order(with_tables(frame))]
        leading = usual_leading(columns)
        for column in [*columns, *single]:
            found += paragraphs_of(column, page.number, leading, frame.angle, hidden=frame.hidden)
    return found
