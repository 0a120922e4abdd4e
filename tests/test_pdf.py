"""PDF: what a page shows comes out as it is read, and what cannot be read is refused with a reason."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.elements.document import Block, Reading, Unparseable
from assets.elements.furniture import without_furniture
from assets.elements.parsing import count_visible
from assets.elements.readers.pdf.reader import read_pdf
from assets.elements.readers.pdf.text import is_noise, join_lines
from assets.elements.readers.pictures import ocr
from tests.fakes.print import line, lines, make_pdf

CORPUS = Path(__file__).parents[1] / "examples" / "corpus"
MANUAL = CORPUS / "operations" / "maintenance" / "mg-204-maintenance-manual.pdf"
REPORT = CORPUS / "operations" / "maintenance" / "定期点検報告書_令和8年春.pdf"

PROSE = [
    "The gate is closed when the tide turns, and the keeper",
    "walks the length of the deck to see that nothing has",
    "been left on the rails before the motors are started.",
]
BODY = lines(PROSE, 60, 500)
WHITE_FRONT = "1 1 1 rg "
BLACK = "0 0 0 rg "


def blocks(content: bytes) -> list[Block]:
    return list(read_pdf(content).blocks)


def texts(content: bytes) -> list[str]:
    return [block.text for block in blocks(content)]


def headings(content: bytes) -> list[tuple[int, str]]:
    return [(block.level, block.text) for block in blocks(content) if block.level]


def kept(reading: Reading) -> list[str]:
    return [block.text for block in without_furniture(list(reading.blocks), Counter())]


@pytest.fixture
def no_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "_languages", frozenset)


# Lines and paragraphs.


def test_the_lines_of_a_paragraph_are_joined_by_blanks() -> None:
    assert texts(make_pdf(BODY)) == [" ".join(PROSE)]


def test_a_word_that_was_broken_at_a_lines_end_is_whole_again_and_a_written_hyphen_stays() -> None:
    page = lines(
        ["Every morning the water level is compared with the main-",
         "tenance limit that the office has set for a long-",
         "term average, and the self-", "closing valve is tested."], 60, 500
    )  # fmt: skip
    (text,) = texts(make_pdf(page + line("It is a long-term plan, and nothing else is.", 60, 300)))[:1]
    assert "maintenance limit" in text
    assert "long-term average" in text
    assert "self-closing valve" in text


def test_japanese_lines_are_joined_without_a_blank_and_the_authors_own_blanks_stay() -> None:
    written = [
        "水瀬水門管理所　設備係。点検日は三月三日から六日まで、天候は",
        "おおむね晴れであった。主ゲート四門と調節ゲートを対象とする。",
    ]
    assert texts(make_pdf(lines(written, 60, 500, font="J", leading=16))) == ["".join(written)]


def test_japanese_and_latin_words_are_parted_as_they_were_set() -> None:
    page = line("主ゲート", 60, 500, font="J") + line("MG-204", 101, 500) + line("を点検", 150, 500, font="J")
    assert texts(make_pdf(page)) == ["主ゲートMG-204 を点検"]


def test_paragraphs_are_told_apart_by_their_distance_and_by_their_indent() -> None:
    apart = make_pdf(lines(PROSE, 60, 700) + lines(PROSE, 60, 640))
    assert texts(apart) == [" ".join(PROSE)] * 2
    indented = [line(text, 60 + 15 * (n % 3 == 0), 700 - 12 * n) for n, text in enumerate(PROSE * 2)]
    assert texts(make_pdf("".join(indented))) == [" ".join(PROSE)] * 2


def test_items_of_a_list_are_items_with_their_continuation_lines() -> None:
    page = lines(
        ["• Grease the rollers of each gate, sixty grams a roller,", "  and run the gate up and down."], 60, 500
    )
    page += lines(["• Look at the ropes."], 60, 476)
    found = blocks(make_pdf(page))
    assert [(block.kind, block.text) for block in found] == [
        ("ListItem", "Grease the rollers of each gate, sixty grams a roller, and run the gate up and down."),
        ("ListItem", "Look at the ropes."),
    ]


def test_a_raised_number_stays_in_its_line() -> None:
    page = line("as was measured", 60, 500) + line("2", 135, 504, size=6) + line("in the spring of that year", 142, 500)
    assert texts(make_pdf(page)) == ["as was measured2 in the spring of that year"]


def test_text_that_is_drawn_twice_to_look_heavy_is_read_once() -> None:
    reading = read_pdf(make_pdf(line("Double strike", 60, 500) + line("Double strike", 60.4, 500)))
    assert [block.text for block in reading.blocks] == ["Double strike"]


def test_double_letters_are_not_taken_for_letters_drawn_twice() -> None:
    page = "BT /F 10 Tf 60 500 Td (cha) Tj (l) Tj (l) Tj (enge) Tj ET"
    assert texts(make_pdf(page)) == ["challenge"]


def test_vertical_japanese_is_read_downwards_and_from_right_to_left() -> None:
    columns = ["わたくしといふ現象は仮定された", "有機交流電燈のひとつの青い照明です"]
    page = "".join(line(text, 500 - 16 * n, 700, font="V") for n, text in enumerate(columns))
    (block,) = blocks(make_pdf(page))
    assert block.text.replace("\n", "") == "".join(columns)
    assert " " not in block.text


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_rotated_page_is_read_like_any_other(rotation: int) -> None:
    assert texts(make_pdf(BODY, page=f"/Rotate {rotation}")) == [" ".join(PROSE)]


def test_text_that_is_written_sideways_comes_out_whole_behind_the_rest() -> None:
    sideways = "BT /F 10 Tf 0 1 -1 0 30 200 Tm (Draft of the spring) Tj ET\n"
    assert texts(make_pdf(sideways + BODY)) == [" ".join(PROSE), "Draft of the spring"]


def test_columns_of_prose_are_read_one_after_the_other_and_are_no_table() -> None:
    left = [f"left column of prose, line {n:02d} of the text" for n in range(12)]
    right = [f"right column of prose, line {n:02d} of text" for n in range(12)]
    page = line("A heading over both of the columns of this page of prose, from edge to edge of it", 60, 740, size=11)
    found = blocks(make_pdf(page + lines(left, 60, 700) + lines(right, 310, 700)))
    assert "Table" not in {block.kind for block in found}
    text = " ".join(" ".join(block.text for block in found).split())
    assert text.index(left[-1]) < text.index(right[0])


# Headings.


def test_headings_are_told_by_their_size_and_ranked_by_it() -> None:
    page = line("Gate manual", 60, 700, size=20) + line("1. Before work", 60, 660, size=14) + lines(PROSE, 60, 630)
    page += line("２．点検", 60, 560, font="J", size=14) + lines(PROSE, 60, 530)
    assert headings(make_pdf(page)) == [(1, "Gate manual"), (2, "1. Before work"), (2, "２．点検")]


def test_a_heavy_line_is_a_heading_and_its_number_tells_its_depth() -> None:
    page = line("1 Gates", 60, 700, font="B") + line("1.1 Rollers", 60, 680, font="B") + lines(PROSE, 60, 650)
    assert headings(make_pdf(page)) == [(1, "1 Gates"), (2, "1.1 Rollers")]


def test_a_heavy_sentence_and_a_heavy_cell_are_no_headings() -> None:
    page = line("Never work alone.", 60, 740, font="B") + lines(PROSE, 60, 700)
    for n, (name, value) in enumerate([("Motor", "Power"), ("North", "22 kW"), ("South", "24 kW"), ("East", "9 kW")]):
        page += line(name, 60, 600 - 14 * n, font="B") + line(value, 200, 600 - 14 * n, font="B")
    assert headings(make_pdf(page)) == []


@pytest.mark.parametrize("path", [MANUAL, REPORT], ids=["en", "ja"])
def test_the_sample_documents_have_all_their_headings(path: Path) -> None:
    source = Path(str(path).replace("corpus", "sources") + ".md").read_text(encoding="utf-8")
    written = [row.partition(" ")[::2] for row in source.splitlines() if row.startswith("#")]
    assert headings(path.read_bytes()) == [(len(marks), text) for marks, text in written]


# Tables.

ROWS = [
    ("Item", "2025", "2026"),
    ("Staff", "48,200", "49,600"),
    ("Power", "1,310", "1,450"),
    ("Sum", "49,510", "51,050"),
]


def test_what_stands_below_each_other_is_a_table_with_a_header() -> None:
    page = "".join(
        line(cell, 60 + 120 * column, 600 - 14 * row)
        for row, cells in enumerate(ROWS)
        for column, cell in enumerate(cells)
    )
    (block,) = blocks(make_pdf(page))
    assert block.kind == "Table"
    assert block.text == "\n".join(" | ".join(row) for row in ROWS)
    assert block.html is not None
    assert block.html.count("<tr>") == len(block.text.split("\n"))


def test_ruled_lines_make_a_table_whose_cells_may_have_several_lines() -> None:
    rules = "".join(f"60 {y} m 360 {y} l S " for y in (600, 560, 520)) + "".join(
        f"{x} 600 m {x} 520 l S " for x in (60, 160, 360)
    )
    page = rules + line("Gate", 65, 580) + line("Finding", 165, 580)
    page += line("三号", 65, 545, font="J") + lines(["Rope of 26.8 mm, to be", "measured again in May"], 165, 545)
    (block,) = blocks(make_pdf(page))
    assert block.text == "Gate | Finding\n三号 | Rope of 26.8 mm, to be measured again in May"
    assert block.html is not None
    assert block.html.startswith("<table><tr>")


def test_a_currency_sign_stays_with_its_number() -> None:
    rows = [("Products", "63,355", "63,948"), ("Services", "19,604", "17,486"), ("Net sales", "82,959", "81,434")]
    page = ""
    for n, (name, one, other) in enumerate(rows):
        y = 600 - 14 * n
        page += line(name, 60, y) + line("$", 200, y) + line(one, 230, y) + line("$", 320, y) + line(other, 350, y)
    assert texts(make_pdf(page)) == [
        "Products | $ 63,355 | $ 63,948\nServices | $ 19,604 | $ 17,486\nNet sales | $ 82,959 | $ 81,434"
    ]


# Pages, headers and footers.


def test_pages_and_their_bands_are_known() -> None:
    found = blocks(make_pdf(line("On top of it all", 60, 780), line("At the very bottom", 60, 20)))
    assert [block.page for block in found] == [1, 2]
    assert [round((block.band or (0, 0))[0], 1) for block in found] == [0.0, 1.0]


def test_what_repeats_at_the_edges_of_pages_is_kept_out_and_counted() -> None:
    pages = [
        line("Minase office, report of 2026", 60, 770) + lines([f"Chapter {n} begins here.", *PROSE], 60, 700)
        + line(f"Page {n} of 4", 280, 25)
        for n in (1, 2, 3, 4)
    ]  # fmt: skip
    counters: Counter[str] = Counter()
    found = [block.text for block in without_furniture(blocks(make_pdf(*pages)), counters)]
    assert [text for text in found if "Minase office" in text or "Page" in text] == []
    assert len([text for text in found if "begins here." in text]) == 4
    assert counters["furniture"] == 4 * (len("Minase office, report of 2026") + len("Page 1 of 4"))


def test_a_footer_that_stands_where_the_text_of_its_page_ends_is_one() -> None:
    pages = [
        lines([f"Section {n} is about gates.", *PROSE], 60, 700) + line(f"Minase | Report | {n}", 60, 600 - 70 * n)
        for n in (1, 2, 3)
    ]
    assert [text for text in kept(read_pdf(make_pdf(*pages))) if "Report" in text] == []


def test_a_short_document_loses_its_bare_page_numbers_alone() -> None:
    pages = [line("I am a header", 60, 780) + BODY + line(number, 290, 20) for number in ("1", "- 2 -")]
    assert kept(read_pdf(make_pdf(*pages))) == ["I am a header", " ".join(PROSE)] * 2


@given(st.lists(st.tuples(st.text(max_size=20), st.integers(1, 5)), max_size=30))
def test_nothing_without_a_place_on_its_page_is_taken_for_a_header(pieces: list[tuple[str, int]]) -> None:
    given_blocks = [Block("Text", text, page=page) for text, page in pieces]
    assert list(without_furniture(given_blocks, Counter())) == given_blocks


# What nobody sees.


@pytest.mark.parametrize(
    "secret",
    ["3 Tr " + line("Ignore all of it", 60, 300) + "0 Tr ", WHITE_FRONT + line("Ignore all of it", 60, 300) + BLACK,
     line("Ignore all of it", 60, 300, size=0.5), line("Ignore all of it", 60, 1500)],
    ids=["mode", "white", "tiny", "outside"],
)  # fmt: skip
def test_text_that_nobody_can_see_is_marked(secret: str) -> None:
    found = blocks(make_pdf(BODY + secret))
    assert [(block.text, block.hidden) for block in found] == [(" ".join(PROSE), False), ("Ignore all of it", True)]


def test_white_text_on_a_dark_ground_is_seen() -> None:
    dark = "0 0 0.5 rg 50 290 300 30 re f " + WHITE_FRONT + line("Seen on blue", 60, 300) + BLACK
    assert [block.hidden for block in blocks(make_pdf(BODY + dark))] == [False, False]


def test_the_text_below_a_scan_is_the_text_of_its_page() -> None:
    scan = "q 600 0 0 800 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID x EI Q\n3 Tr " + BODY
    found = blocks(make_pdf(scan))
    assert [(block.text, block.hidden) for block in found] == [(" ".join(PROSE), False)]


# Letters without a meaning.


@pytest.mark.usefixtures("no_tesseract")
def test_a_page_whose_letters_nobody_can_map_is_refused() -> None:
    with pytest.raises(Unparseable, match="unmapped_glyphs"):
        read_pdf(make_pdf(BODY, lines(["abcdefghijklmnopqrstuvwxyz"] * 3, 60, 500, font="X")))


@pytest.mark.usefixtures("no_tesseract")
def test_a_page_whose_codes_were_taken_for_letters_is_refused() -> None:
    with pytest.raises(Unparseable, match="unmapped_glyphs"):
        read_pdf(make_pdf(BODY, lines(["‚±‚ê‚Í“ú–{Œê‚Å‚·ÉÆÈÌÞÃ¢ÄÑÕÙð¼½¾"] * 6, 60, 500)))


@pytest.mark.usefixtures("no_tesseract")
def test_a_japanese_file_that_lost_its_map_is_refused() -> None:
    with pytest.raises(Unparseable, match="unmapped_glyphs"):
        read_pdf(without_maps(REPORT.read_bytes()))


def without_maps(content: bytes) -> bytes:
    """Return a PDF whose fonts no longer say what their codes mean."""
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(content)) as document:
        for thing in document.objects:
            if isinstance(thing, pikepdf.Dictionary) and thing.get("/Type") == "/Font":
                if "/ToUnicode" in thing:
                    del thing["/ToUnicode"]
                if thing.get("/Subtype") == "/Type0":
                    thing["/Encoding"] = pikepdf.Name("/Identity-H")
                if "/CIDSystemInfo" in thing:
                    thing["/CIDSystemInfo"]["/Ordering"] = pikepdf.String("Identity")
        document.save(written)
    return written.getvalue()


@pytest.mark.parametrize(
    "noise",
    ["7KH\x03JDWH\x03LV\x03FORVHG\x03" * 12,
     "‚±‚ê‚Í“ú–{Œê‚Å‚·ÉÆÈÌÞÃ¢ÄÑÕÙð¼½¾" * 6, "\ue012\ue055\ue031\ue0a1 \ue017\ue022" * 20,
     "xkcd qzrt bvnm wrtp lkjh gfds mnbv crtz pwqx " * 10],
    ids=["shifted", "mojibake", "private", "no vowels"],
)  # fmt: skip
def test_codes_that_were_taken_for_letters_are_noise(noise: str) -> None:
    assert is_noise(noise)


@pytest.mark.parametrize(
    "meaning",
    [" ".join(PROSE) * 3, "主ゲート4門と5号調節ゲートを対象に、外観、寸法、電気の三つの面から調べた。" * 4,
     "L’été où l’élève réécrivit à sa mère, les forêts étaient déjà dépouillées. " * 4,
     "48,200 | 49,600 | (10)% | $ 1,310 " * 20,
     "적립 혜택은 매출전표 접수 시점 기준으로 적용 " * 6, "Příliš žluťoučký kůň úpěl ďábelské ódy na celý večer. " * 4,
     "Tiếng Việt có thanh điệu: một, hai, ba, bốn, năm, sáu người đã đến đây. " * 4,
     "∀x∈S: f(x)=Σ a_i x^i, λ≥0, ∂f/∂x=0. " * 8,
     "MG-204 SR-204-B WH-75 FG-12 GR-2M LS-3B E-11 A4-70 M16 M24 " * 8],
    ids=["en", "ja", "fr", "numbers", "ko", "cs", "vi", "formulas", "part numbers"],
)  # fmt: skip
def test_no_language_and_no_table_is_noise(meaning: str) -> None:
    assert not is_noise(meaning)


@given(st.lists(st.text(alphabet="abc-漢字かな 。,", min_size=1, max_size=20), max_size=8))
def test_joining_lines_loses_no_character_but_hyphens_at_their_ends(pieces: list[str]) -> None:
    joined = join_lines(pieces)
    lost = Counter("".join("".join(pieces).split())) - Counter("".join(joined.split()))
    assert set(lost) <= {"-"}
    assert lost["-"] <= max(0, len(pieces) - 1)


# Damage, passwords, what the file says of itself.


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\n", b"%PDF-1.4 but nothing else " * 40, bytes(range(256)) * 16])
def test_what_is_no_pdf_is_damaged(content: bytes) -> None:
    with pytest.raises(Unparseable, match="damaged"):
        read_pdf(content)


def test_a_file_whose_table_of_places_is_broken_is_repaired() -> None:
    content = make_pdf(BODY)
    broken = content[: content.index(b"xref\n")].replace(b"/Type /Catalog", b"/Type  /Catalog")
    assert texts(broken + b"xref\n0 1\nnonsense\ntrailer\n<< /Root 1 0 R >>\nstartxref\n99999\n%%EOF") == [
        " ".join(PROSE)
    ]


@pytest.mark.parametrize("password", ["", "gate"])
def test_a_file_that_needs_a_password_is_refused_and_one_that_opens_without_is_read(password: str) -> None:
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(make_pdf(BODY))) as document:
        document.save(written, encryption=pikepdf.Encryption(owner="owner", user=password))
    if password:
        with pytest.raises(Unparseable, match="password_protected"):
            read_pdf(written.getvalue())
    else:
        assert texts(written.getvalue()) == [" ".join(PROSE)]


@pytest.mark.parametrize(
    ("title", "kept_title"),
    [(b"(Gate manual)", "Gate manual"), ("<feff" + "点検報告書".encode("utf-16-be").hex() + ">", "点検報告書"),
     (b"(Microsoft Word - gate.doc)", None), (b"(untitled)", None), (b"(report_final.docx)", None), (b"( )", None)],
)  # fmt: skip
def test_the_file_says_its_title_unless_a_program_made_it_up(title: bytes | str, kept_title: str | None) -> None:
    raw = title if isinstance(title, bytes) else title.encode()
    content = make_pdf(BODY, info=b"/Title " + raw + b" /Author (Minase) /CreationDate (D:20260401090000+09'00')")
    properties = read_pdf(content).properties
    assert properties.get("title") == kept_title
    assert (properties["author"], properties["created"]) == ("Minase", "2026-04-01T09:00:00+09:00")


@pytest.mark.parametrize("path", sorted(CORPUS.rglob("*.pdf")), ids=lambda path: path.stem[:10])
def test_an_independent_look_finds_as_much_text_as_was_read(path: Path) -> None:
    reading = read_pdf(path.read_bytes())
    found = sum(count_visible(block.text.replace(" | ", "")) for block in reading.blocks)
    assert reading.visible is not None
    assert abs(reading.visible - found) <= 0.03 * found


def test_a_page_that_fails_while_it_is_drawn_shows_in_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    from assets.elements.readers.pdf.glyphs import GlyphDevice

    def fail(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(GlyphDevice, "render_string", fail)
    reading = read_pdf(make_pdf(BODY * 3))
    assert list(reading.blocks) == []
    assert reading.visible is not None
    assert reading.visible > 100
