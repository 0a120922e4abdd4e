"""Pictures and scans: what tesseract reads, what is refused before it is decoded, what is said where it is missing."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pikepdf
import pytest
from PIL import Image, ImageDraw, ImageFont

from assets.elements.document import Block, Unparseable
from assets.elements.readers.pdf.reader import read_pdf
from assets.elements.readers.pictures import ocr
from assets.elements.readers.pictures.image import read_image
from assets.elements.readers.tools import find_tool
from tests.fakes.print import lines, make_pdf
from tests.test_pdf import BODY, PROSE, REPORT, without_maps

SENTENCE = "The north gate was closed at noon."
JAPANESE = ["水門の点検は毎年三月に行う。", "主ゲート四門を対象とする。"]
FONTS = [
    *Path("/usr/share/fonts").rglob("NotoSansCJK-Regular.ttc"),
    *Path("/usr/share/fonts").rglob("NotoSerifCJK-Regular.ttc"),
    *Path("/usr/share/fonts").rglob("ipag.ttf"),
]

tesseract = pytest.mark.skipif(find_tool("tesseract") is None, reason="tesseract is not installed")
japanese = pytest.mark.skipif(not FONTS, reason="no font with Japanese letters is installed")


def picture(texts: list[str], size: tuple[int, int] = (1300, 400), font: Path | None = None) -> Image.Image:
    """Return a drawn picture of lines of text."""
    image = Image.new("L", size, 255)
    letters = ImageFont.truetype(str(font), 44) if font else ImageFont.load_default(44)
    for number, text in enumerate(texts):
        ImageDraw.Draw(image).text((60, 60 + 62 * number), text, fill=0, font=letters)
    return image


def stored(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


def read(content: bytes) -> str:
    return "\n".join(block.text for block in read_image(content).blocks)


@pytest.fixture
def no_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "_languages", frozenset)


@tesseract
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
def test_text_in_a_picture_is_read(form: str) -> None:
    (block,) = read_image(stored(picture([SENTENCE]), form)).blocks
    assert (block.text, block.page) == (SENTENCE, 1)
    assert block.band is not None
    assert 0 < block.band[0] < block.band[1] < 0.4


@tesseract
def test_the_lines_of_a_paragraph_in_a_picture_are_one() -> None:
    long = ["The north gate was closed at noon and the keeper", "walked along the deck before he went home."]
    assert read(stored(picture(long))) == " ".join(long)


@tesseract
@japanese
def test_japanese_in_a_picture_has_no_blanks_between_its_letters() -> None:
    assert read(stored(picture(JAPANESE, font=FONTS[0]))).replace("\n", "") == "".join(JAPANESE)


@tesseract
@japanese
def test_vertical_japanese_in_a_picture_is_read_in_its_direction() -> None:
    if "jpn_vert" not in ocr._languages():
        pytest.skip("tesseract has no data for vertical Japanese")
    columns = ["水門の点検は毎年三月に行う。主ゲートを", "対象とし、外観と寸法の面から調べること"]
    image = Image.new("L", (400, 1000), 255)
    letters = ImageFont.truetype(str(FONTS[0]), 44)
    for number, column in enumerate(columns):
        for place, letter in enumerate(column):
            shift = (26, -26) if letter in "。、" else (0, 0)
            at = 280 - 90 * number + shift[0], 40 + 48 * place + shift[1]
            ImageDraw.Draw(image).text(at, "︱" if letter == "ー" else letter, fill=0, font=letters)
    found = read(stored(image)).replace("\n", "")
    assert found.startswith("水門の点検は毎年三月に行う")
    assert found.index("水門の点検") < found.index("寸法の面")


@tesseract
def test_a_picture_that_a_camera_turned_is_read_upright() -> None:
    turned = picture([SENTENCE]).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read(stored(turned, "JPEG", exif=exif)) == SENTENCE


@tesseract
def test_each_page_of_a_fax_is_read() -> None:
    pages = [picture([SENTENCE]), picture(["The second page of the fax."])]
    found = list(read_image(stored(pages[0], "TIFF", save_all=True, append_images=pages[1:])).blocks)
    assert [(block.page, block.text) for block in found] == [(1, SENTENCE), (2, "The second page of the fax.")]


@tesseract
def test_black_letters_on_a_clear_ground_are_read() -> None:
    grey = picture([SENTENCE])
    clear = Image.new("RGBA", grey.size, (0, 0, 0, 0))
    clear.putalpha(Image.eval(grey, lambda value: 255 - value))
    assert read(stored(clear)) == SENTENCE


@tesseract
def test_a_picture_without_text_has_no_blocks() -> None:
    assert list(read_image(stored(Image.new("L", (800, 600), 255))).blocks) == []


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(Unparseable, match="image_too_large"):
        read_image(bomb)


@pytest.mark.parametrize("content", [b"", b"no picture", stored(Image.new("L", (400, 300), 255))[:60]])
def test_what_is_no_picture_is_damaged(content: bytes) -> None:
    with pytest.raises(Unparseable, match="damaged"):
        read_image(content)


@pytest.mark.usefixtures("no_tesseract")
def test_without_tesseract_a_picture_and_a_scan_say_so() -> None:
    with pytest.raises(Unparseable, match="needs_tesseract"):
        read_image(stored(picture([SENTENCE])))
    with pytest.raises(Unparseable, match="needs_tesseract"):
        read_pdf(stored(picture([SENTENCE]), "PDF"))


SCAN = "q 600 0 0 800 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID x EI Q\n"


@pytest.mark.usefixtures("no_tesseract")
def test_a_scanned_page_among_others_is_counted_where_it_cannot_be_read() -> None:
    reading = read_pdf(make_pdf(BODY, SCAN))
    assert [block.text for block in reading.blocks] == [" ".join(PROSE)]
    assert reading.counters["pages_without_text"] == 1


@tesseract
def test_a_scan_is_read_page_by_page() -> None:
    pages = [picture([SENTENCE]), picture(["The second page of the scan."])]
    reading = read_pdf(stored(pages[0], "PDF", save_all=True, append_images=pages[1:], resolution=150))
    assert [(block.page, block.text) for block in reading.blocks] == [
        (1, SENTENCE),
        (2, "The second page of the scan."),
    ]
    assert reading.counters["pages_recognised"] == 2


def without_meaning(texts: list[str]) -> bytes:
    """Return a PDF with embedded letters, of which it does not say which they are."""
    import importlib

    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"pdf.fonttype": 42, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(8, 4))
        for number, text in enumerate(texts):
            figure.text(0.08, 0.8 - 0.075 * number, text, fontsize=14)
        made = io.BytesIO()
        figure.savefig(made, format="pdf")
    written = io.BytesIO()
    with pikepdf.open(made) as document:
        for thing in document.objects:
            if isinstance(thing, pikepdf.Dictionary) and "/ToUnicode" in thing:
                del thing["/ToUnicode"]
            if isinstance(thing, pikepdf.Dictionary) and "/FontFile2" in thing:
                font = importlib.import_module("fontTools.ttLib").TTFont(io.BytesIO(thing["/FontFile2"].read_bytes()))
                font["cmap"].tables.clear()
                bare = io.BytesIO()
                font.save(bare)
                thing["/FontFile2"].write(bare.getvalue())
        document.save(written)
    return written.getvalue()


@tesseract
def test_letters_that_mean_nothing_are_read_as_they_look() -> None:
    reading = read_pdf(without_meaning(PROSE))
    assert [block.text for block in reading.blocks] == [" ".join(PROSE)]
    assert reading.counters == {"pages_recognised": 1}


@pytest.mark.usefixtures("no_tesseract")
def test_letters_that_mean_nothing_are_refused_where_nothing_can_look_at_them() -> None:
    with pytest.raises(Unparseable, match="unmapped_glyphs"):
        read_pdf(without_meaning(PROSE))


@tesseract
@pytest.mark.parametrize(
    "content",
    [without_maps(REPORT.read_bytes()), make_pdf(BODY, lines(["abcdefghij"] * 3, 60, 500, font="X"))],
    ids=["ja", "codes"],
)
def test_letters_whose_shapes_are_not_in_the_file_are_never_guessed(content: bytes) -> None:
    with pytest.raises(Unparseable, match="unmapped_glyphs"):
        read_pdf(content)


def test_a_guess_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"]
    rows += [f"5\t1\t1\t1\t1\t{n}\t{n * 40}\t10\t30\t12\t24.5\tgqxz" for n in range(1, 9)]
    monkeypatch.setattr(ocr, "_languages", lambda: frozenset({"eng"}))
    monkeypatch.setattr(ocr, "run_tool", lambda *_, **__: "\n".join(rows).encode())
    with pytest.raises(Unparseable, match="ocr_unsure"):
        read_image(stored(picture([SENTENCE])))


def test_specks_that_were_taken_for_words_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"]
    rows += ["5\t1\t1\t1\t1\t1\t40\t10\t30\t12\t96\tGate", "5\t1\t1\t1\t1\t2\t90\t10\t3\t3\t4\t'~"]
    monkeypatch.setattr(ocr, "_languages", lambda: frozenset({"eng"}))
    monkeypatch.setattr(ocr, "run_tool", lambda *_, **__: "\n".join(rows).encode())
    found: list[Block] = list(read_image(stored(picture([SENTENCE]))).blocks)
    assert [block.text for block in found] == ["Gate"]
