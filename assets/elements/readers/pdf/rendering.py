"""PDF pages as pictures, and how many characters another library sees on them: pdfium, which browsers use."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import pypdfium2

if TYPE_CHECKING:
    from PIL.Image import Image

DOTS = 300
"""An inch: what tesseract was made for."""

MOST_PIXELS = 30_000_000
SAMPLED_PAGES = 40
"""Are counted; what a longer document has is told from these."""


class Rendering:
    """An open document; without pages where pdfium cannot open it."""

    def __init__(self, content: bytes) -> None:
        """Open the document."""
        self._document: Any = None
        with suppress(pypdfium2.PdfiumError):
            self._document = pypdfium2.PdfDocument(content)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the document."""
        if self._document is not None:
            self._document.close()

    def page(self, number: int) -> Image | None:
        """Return a page as a grey picture, as large as OCR wants it; None if it cannot be drawn.

        Args:
            number: from 1.
        """
        if self._document is None or number > len(self._document):
            return None
        try:
            page = self._document[number - 1]
            width, height = page.get_size()
            scale = min(DOTS / 72, (MOST_PIXELS / max(1.0, width * height)) ** 0.5)
            picture: Image = page.render(scale=scale, grayscale=True).to_pil()
        except (pypdfium2.PdfiumError, ValueError):
            return None
        picture.info["dpi"] = (scale * 72, scale * 72)
        page.close()
        return picture

    def count_characters(self, numbers: Sequence[int]) -> int | None:
        """Count characters other than white space on some pages; None where that cannot be told.

        Args:
            numbers: of the pages, from 1.
        """
        if self._document is None or any(number > len(self._document) for number in numbers):
            return None
        step = max(1, -(-len(numbers) // SAMPLED_PAGES))
        sample = numbers[::step]
        if not sample:
            return 0
        try:
            found = sum(self._count(number) for number in sample)
        except pypdfium2.PdfiumError:
            return None
        return found * len(numbers) // len(sample)

    def _count(self, number: int) -> int:
        page = self._document[number - 1]
        text = page.get_textpage()
        found = len("".join(str(text.get_text_range()).split()))
        text.close()
        page.close()
        return found
