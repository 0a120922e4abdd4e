"""Writes the docx, xlsx, pptx and pdf files of the sample corpus.

Every binary document has a readable source below ``examples/sources``: the
source ``sources/a/b.docx.md`` becomes ``corpus/a/b.docx``. The sources use a
small part of Markdown: headings, paragraphs, ``-`` and ``1.`` lists, tables,
``>`` for speaker notes and ``---`` for a page break. In a presentation each
``#`` heading starts a slide, in a workbook each ``#`` heading starts a sheet.

All dates inside the files are fixed, so running the script again with the same
library versions gives the same bytes. It needs four libraries::

    python -m pip install python-docx openpyxl python-pptx reportlab
    python examples/make_binary_documents.py
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import io
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
AUTHOR = "Minase Sluice Gate Office"
DATE = datetime.datetime.fromisoformat("2026-04-01T09:00:00")
LONGEST_SHEET_NAME = 31
WIDEST_COLUMN = 60

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
HEADING = re.compile(r"(#{1,3}) (.+)")
NUMBERED = re.compile(r"\d+\. (.+)")
TABLE_RULE = re.compile(r"\|[\s:|-]+\|")
MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*")
WHOLE_NUMBER = re.compile(r"[1-9]\d*")


@dataclass(frozen=True)
class Block:
    """One piece of a source document.

    Attributes:
        kind: One of heading, paragraph, bullet, number, note, break or table.
        text: The text; empty for a table or a break.
        level: The depth of a heading, 1 being the highest.
        rows: The cells of a table, row by row.
    """

    kind: str
    text: str = ""
    level: int = 0
    rows: list[list[str]] = field(default_factory=list)


def library(name: str) -> Any:
    """Loads a library when it is needed.

    The libraries are not dependencies of the project, so they are named here
    rather than imported at the top, and the project's type check does not need
    them.

    Args:
        name: The dotted name of the module.

    Returns:
        The module.
    """
    return importlib.import_module(name)


def parse(source: str) -> list[Block]:
    """Reads a source document.

    Args:
        source: The text of the document.

    Returns:
        Its blocks, in order.
    """
    blocks: list[Block] = []
    for line in (raw.strip() for raw in source.splitlines()):
        if not line or TABLE_RULE.fullmatch(line):
            continue
        if line == "---":
            blocks.append(Block("break"))
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not blocks or blocks[-1].kind != "table":
                blocks.append(Block("table"))
            blocks[-1].rows.append(cells)
        elif match := HEADING.fullmatch(line):
            blocks.append(Block("heading", match[2], level=len(match[1])))
        elif match := NUMBERED.fullmatch(line):
            blocks.append(Block("number", match[1]))
        elif line.startswith("- "):
            blocks.append(Block("bullet", line[2:]))
        elif line.startswith("> "):
            blocks.append(Block("note", line[2:]))
        else:
            blocks.append(Block("paragraph", line))
    return blocks


def title_of(blocks: list[Block]) -> str:
    """Finds the title of a document.

    Args:
        blocks: The blocks of the document.

    Returns:
        The text of the first heading, or an empty string.
    """
    return next((block.text for block in blocks if block.kind == "heading"), "")


def sections(blocks: list[Block]) -> Iterator[tuple[str, list[Block]]]:
    """Splits a document at its highest headings.

    Args:
        blocks: The blocks of the document; the first one is such a heading.

    Yields:
        The text of each heading, with the blocks that follow it.
    """
    starts = [position for position, block in enumerate(blocks) if block.kind == "heading" and block.level == 1]
    for start, end in zip(starts, [*starts[1:], len(blocks)], strict=True):
        yield blocks[start].text, blocks[start + 1 : end]


def set_properties(properties: Any, title: str) -> None:
    """Sets the metadata of an Office document to fixed values.

    Args:
        properties: The core properties of a docx or pptx document.
        title: The title of the document.
    """
    properties.title = title
    properties.author = AUTHOR
    properties.last_modified_by = AUTHOR
    properties.comments = ""
    properties.created = DATE
    properties.modified = DATE
    properties.last_printed = DATE
    properties.revision = 1


def fixed_zip(content: bytes) -> bytes:
    """Rewrites an Office file so that it does not depend on the time of day.

    Args:
        content: The file, which is a zip archive.

    Returns:
        The same archive with fixed dates.
    """
    stamp = DATE.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                data = MODIFIED.sub(rb"\g<1>" + stamp, data)
            entry = zipfile.ZipInfo(name, date_time=DATE.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, data)
    return result.getvalue()


def make_docx(blocks: list[Block]) -> bytes:
    """Writes a Word document.

    Args:
        blocks: The blocks of the document.

    Returns:
        The content of the file.
    """
    document = library("docx").Document()
    set_properties(document.core_properties, title_of(blocks))
    styles = {"bullet": "List Bullet", "number": "List Number", "note": "Intense Quote"}
    for block in blocks:
        if block.kind == "heading":
            document.add_heading(block.text, level=block.level)
        elif block.kind == "break":
            document.add_page_break()
        elif block.kind == "table":
            size = len(block.rows), len(block.rows[0])
            table = document.add_table(*size, "Table Grid")
            for row, cells in zip(table.rows, block.rows, strict=True):
                for cell, text in zip(row.cells, cells, strict=True):
                    cell.text = text
            for cell in table.rows[0].cells:
                cell.paragraphs[0].runs[0].bold = True
            document.add_paragraph()
        else:
            document.add_paragraph(block.text, style=styles.get(block.kind))
    buffer = io.BytesIO()
    document.save(buffer)
    return fixed_zip(buffer.getvalue())


def number_or_text(cell: str) -> int | str:
    """Turns a cell that holds nothing but a whole number into that number.

    Args:
        cell: The text of the cell.

    Returns:
        The number or the text.
    """
    return int(cell) if WHOLE_NUMBER.fullmatch(cell) else cell


def make_xlsx(blocks: list[Block]) -> bytes:
    """Writes a workbook with one sheet for each highest heading.

    When the first row of a table has text in its first cell only, that row is a
    caption. The title of the workbook is the first cell of its first table.

    Args:
        blocks: The blocks of the document.

    Returns:
        The content of the file.
    """
    styles = library("openpyxl.styles")
    letters = library("openpyxl.utils")
    workbook = library("openpyxl").Workbook()
    workbook.remove(workbook.active)
    for name, content in sections(blocks):
        sheet = workbook.create_sheet(name[:LONGEST_SHEET_NAME])
        rows = [row for block in content for row in block.rows]
        captions = 0 if any(rows[0][1:]) else 1
        for row in rows:
            sheet.append([number_or_text(cell) for cell in row])
        for row_cells in sheet.iter_rows():
            for cell in row_cells:
                wrap = cell.row > captions
                cell.alignment = styles.Alignment(vertical="top", wrap_text=wrap)
                cell.font = styles.Font(bold=cell.row <= captions + 1)
                if isinstance(cell.value, int):
                    cell.number_format = "#,##0"
        for position, column in enumerate(zip(*rows[captions:], strict=True), start=1):
            width = max(len(cell) + len(JAPANESE.findall(cell)) for cell in column) + 3
            letter = letters.get_column_letter(position)
            sheet.column_dimensions[letter].width = min(width, WIDEST_COLUMN)
    tables = (block.rows for block in blocks if block.kind == "table")
    workbook.properties.title = next(tables)[0][0]
    workbook.properties.creator = AUTHOR
    workbook.properties.lastModifiedBy = AUTHOR
    workbook.properties.created = DATE
    buffer = io.BytesIO()
    workbook.save(buffer)
    return fixed_zip(buffer.getvalue())


def make_pptx(blocks: list[Block]) -> bytes:
    """Writes a presentation with one slide for each highest heading.

    Args:
        blocks: The blocks of the document.

    Returns:
        The content of the file.
    """
    units = library("pptx.util")
    presentation = library("pptx").Presentation()
    set_properties(presentation.core_properties, title_of(blocks))
    text_layout, table_layout = (
        presentation.slide_layouts[1],
        presentation.slide_layouts[5],
    )
    for title, content in sections(blocks):
        lines = [block.text for block in content if block.kind in {"bullet", "number"}]
        notes = [block.text for block in content if block.kind == "note"]
        slide = presentation.slides.add_slide(text_layout if lines else table_layout)
        slide.shapes.title.text = title
        if lines:
            slide.placeholders[1].text = "\n".join(lines)
        for rows in (block.rows for block in content if block.kind == "table"):
            place = [units.Cm(size) for size in (1.5, 5, 22.4, 1.2 * len(rows))]
            table = slide.shapes.add_table(len(rows), len(rows[0]), *place).table
            for row, cells in zip(table.rows, rows, strict=True):
                for cell, text in zip(row.cells, cells, strict=True):
                    cell.text = text
        if notes:
            slide.notes_slide.notes_text_frame.text = "\n".join(notes)
    buffer = io.BytesIO()
    presentation.save(buffer)
    return fixed_zip(buffer.getvalue())


def make_pdf(blocks: list[Block]) -> bytes:
    """Writes a PDF file with A5 pages.

    Japanese text uses the standard font HeiseiMin-W3, which PDF readers supply
    themselves, so that no font file is needed here.

    Args:
        blocks: The blocks of the document.

    Returns:
        The content of the file.
    """
    platypus = library("reportlab.platypus")
    colors = library("reportlab.lib.colors")
    units = library("reportlab.lib.units")
    style = library("reportlab.lib.styles").ParagraphStyle

    words = " ".join(block.text for block in blocks)
    japanese = JAPANESE.search(words) is not None
    font, bold_font, wrap = "Helvetica", "Helvetica-Bold", None
    if japanese:
        font = bold_font = "HeiseiMin-W3"
        wrap = "CJK"
        fonts = library("reportlab.pdfbase.cidfonts")
        library("reportlab.pdfbase.pdfmetrics").registerFont(fonts.UnicodeCIDFont(font))
    body = style("body", fontName=font, leading=14.5, spaceAfter=7, wordWrap=wrap)
    item = style("item", body, leftIndent=12, firstLineIndent=-12, spaceAfter=4)
    cell = style("cell", body, fontSize=9, leading=12, spaceAfter=0)
    head = style("head", cell, fontName=bold_font)
    headings = {
        1: style("h1", body, fontName=bold_font, fontSize=17, leading=22, spaceAfter=9),
        2: style("h2", body, fontName=bold_font, fontSize=12, spaceBefore=8),
        3: style("h3", body, fontName=bold_font, fontSize=10.5, spaceBefore=5),
    }
    bullet = "・" if japanese else "- "

    def flowable(block: Block) -> Any:
        """Lays out one block.

        Args:
            block: The block.

        Returns:
            What reportlab places on the page.
        """
        if block.kind == "break":
            return platypus.PageBreak()
        if block.kind == "heading":
            return platypus.Paragraph(escape(block.text), headings[block.level])
        if block.kind == "bullet":
            return platypus.Paragraph(bullet + escape(block.text), item)
        if block.kind == "table":
            widths = [
                max(len(text) + len(JAPANESE.findall(text)) for text in column) + 9
                for column in zip(*block.rows, strict=True)
            ]
            share = 114 * units.mm / sum(widths)
            looks = [head] + [cell] * (len(block.rows) - 1)
            return platypus.Table(
                [
                    [platypus.Paragraph(escape(text), look) for text in cells]
                    for look, cells in zip(looks, block.rows, strict=True)
                ],
                colWidths=[width * share for width in widths],
                style=[
                    ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
                    ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ],
                spaceBefore=4,
                spaceAfter=10,
            )
        return platypus.Paragraph(escape(block.text), body)

    def number_page(canvas: Any, document: Any) -> None:
        """Writes the page number below the text.

        Args:
            canvas: The page.
            document: The document, which knows the number.
        """
        canvas.setFont(font, 8)
        middle = document.pagesize[0] / 2
        canvas.drawCentredString(middle, 9 * units.mm, str(document.page))

    buffer = io.BytesIO()
    document = platypus.SimpleDocTemplate(
        buffer,
        pagesize=library("reportlab.lib.pagesizes").A5,
        leftMargin=17 * units.mm,
        rightMargin=17 * units.mm,
        topMargin=16 * units.mm,
        bottomMargin=17 * units.mm,
        title=title_of(blocks),
        author=AUTHOR,
        lang="ja" if japanese else "en",
        invariant=1,
    )
    story = [flowable(block) for block in blocks]
    document.build(story, onFirstPage=number_page, onLaterPages=number_page)
    return buffer.getvalue()


MAKERS: dict[str, Callable[[list[Block]], bytes]] = {
    ".docx": make_docx,
    ".xlsx": make_xlsx,
    ".pptx": make_pptx,
    ".pdf": make_pdf,
}


def main() -> int:
    """Writes all documents.

    Returns:
        The exit status, 0 when all went well.
    """
    parser = argparse.ArgumentParser(description="Write the binary documents.")
    parser.add_argument("--output", type=Path, default=HERE / "corpus")
    output: Path = parser.parse_args().output
    sources = HERE / "sources"
    for source in sorted(sources.rglob("*.md")):
        target = output / source.relative_to(sources).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        blocks = parse(source.read_text(encoding="utf-8"))
        target.write_bytes(MAKERS[target.suffix](blocks))
        sys.stdout.write(f"{target.relative_to(output).as_posix()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
