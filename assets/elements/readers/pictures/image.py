"""Pictures of text."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from PIL import Image, ImageOps, UnidentifiedImageError

from assets.elements.document import Reading, Unparseable
from assets.elements.readers.pictures import ocr

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_PIXELS = 120_000_000
"""Of one picture: more does not fit into a worker's memory when it is decoded."""

READ_PIXELS = 30_000_000
"""A larger picture is made smaller before it is read."""

SMALL_WIDTH = 1_200
"""A screenshot of fewer pixels is enlarged: its letters are too small for tesseract."""

MOST_PAGES = 200

with suppress(ImportError):
    import pi_heif

    _register: Callable[[], None] = pi_heif.register_heif_opener
    _register()


def read_image(content: bytes) -> Reading:
    """Read a picture, page by page where it has several.

    Raises:
        Unparseable: `image_too_large`, `damaged`, `needs_tesseract`, `ocr_unsure`.
    """
    blocks = []
    for number, picture in enumerate(_pictures(content), start=1):
        blocks += ocr.read_picture(picture, number)
    return Reading(blocks, counters={"pages_recognised": len({block.page for block in blocks})})


def _pictures(content: bytes) -> Iterator[Image.Image]:
    Image.MAX_IMAGE_PIXELS = None  # Our own bound is looked at before anything is decoded.
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content)) as image:
            warnings.simplefilter("ignore")
            # An animation's frames show the same again and again; a fax has pages.
            frames = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
            for frame in range(min(frames, MOST_PAGES)):
                image.seek(frame)
                yield _upright(image)
    except Unparseable:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        raise Unparseable("damaged") from None


def _upright(image: Image.Image) -> Image.Image:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise Unparseable("image_too_large")
    dots = image.info.get("dpi")
    picture = ImageOps.exif_transpose(image)
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        picture = Image.new("RGBA", clear.size, "white")
        picture.alpha_composite(clear)
    picture = picture.convert("L")
    shrink = (READ_PIXELS / (picture.width * picture.height)) ** 0.5
    scale = min(1.0, shrink) if shrink < 1 else _enlargement(picture.width, picture.height)
    if abs(scale - 1.0) > 0.01:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    elif dots:
        picture.info["dpi"] = tuple(float(value) for value in dots)
    return picture


def _enlargement(width: int, height: int) -> float:
    shorter = max(1, min(width, height))
    return 2.0 if max(width, height) < SMALL_WIDTH and shorter > 20 else 1.0
