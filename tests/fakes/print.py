"""PDF files written by hand: each test says with the operators themselves what is on a page."""

from __future__ import annotations

from collections.abc import Sequence

FONTS = {
    "F": b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    "B": b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
    "J": b"<< /Type /Font /Subtype /Type0 /BaseFont /KozMinPr6N-Regular /Encoding /UniJIS-UTF16-H"
    b" /DescendantFonts [<< /Type /Font /Subtype /CIDFontType0 /BaseFont /KozMinPr6N-Regular /DW 1000"
    b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Japan1) /Supplement 6 >> >>] >>",
    "V": b"<< /Type /Font /Subtype /Type0 /BaseFont /KozMinPr6N-Regular /Encoding /UniJIS-UTF16-V"
    b" /DescendantFonts [<< /Type /Font /Subtype /CIDFontType0 /BaseFont /KozMinPr6N-Regular /DW 1000"
    b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Japan1) /Supplement 6 >> >>] >>",
    "X": b"<< /Type /Font /Subtype /Type0 /BaseFont /Unknown /Encoding /Identity-H"
    b" /DescendantFonts [<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Unknown /DW 1000"
    b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>] >>",
}
"""F plain, B bold, J Japanese, V Japanese downwards, X with codes that nobody can map."""


def shown(text: str, font: str = "F") -> str:
    """Return a string as an operand."""
    if font in {"J", "V", "X"}:
        return f"<{text.encode('utf-16-be').hex()}>"
    return "(" + text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") + ")"


def line(text: str, x: float, y: float, *, font: str = "F", size: float = 10) -> str:
    """Return the operators that set a line; y counts from below."""
    return f"BT /{font} {size} Tf 1 0 0 1 {x} {y} Tm {shown(text, font)} Tj ET\n"


def lines(texts: Sequence[str], x: float, y: float, *, font: str = "F", size: float = 10, leading: float = 12) -> str:
    """Return the operators that set lines below each other."""
    return "".join(line(text, x, y - leading * n, font=font, size=size) for n, text in enumerate(texts))


def make_pdf(*pages: str, page: str = "", root: str = "", info: bytes = b"", media: str = "0 0 600 800") -> bytes:
    """Return a PDF.

    Args:
        pages: the operators of each.
        page: more entries of each page's dictionary.
        root: more entries of the catalog.
        info: entries of the Info dictionary.
        media: the size of the pages.
    """
    fonts = b" ".join(b"/" + name.encode() + b" " + font for name, font in FONTS.items())
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {root} >>".encode(),
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< " + info + b" >>",
    ]
    for number, content in enumerate(pages):
        data = content.encode("cp1252")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [{media}] /Contents {5 + 2 * number} 0 R {page} ".encode()
            + b"/Resources << /Font << "
            + fonts
            + b" >> >> >>"
        )
        objects.append(f"<< /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream")
    return _written(objects)


def _written(objects: Sequence[bytes]) -> bytes:
    written = bytearray(b"%PDF-1.7\n")
    places = []
    for number, item in enumerate(objects, start=1):
        places.append(len(written))
        written += f"{number} 0 obj\n".encode() + item + b"\nendobj\n"
    start = len(written)
    written += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    written += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    written += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info 3 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(written)
