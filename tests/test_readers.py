"""Readers of text, markup and tables: what plain unstructured loses or garbles is mended, or refused."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import lxml.html
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.documents.detection import detect_format
from assets.elements.cleaning import Cleaner
from assets.elements.document import Block, Element, Parsed, Reading, Unparseable
from assets.elements.language import detect_language
from assets.elements.parsing import REFUSED, SUPPORTED, assemble, count_visible
from assets.elements.readers.encoding import decode
from assets.elements.readers.epub import read_epub
from assets.elements.readers.markup import read_markdown, read_org, read_rst, read_rtf
from assets.elements.readers.plain import read_json, read_text, read_xml
from assets.elements.readers.sheets import read_csv, read_tsv, read_xlsx
from assets.elements.readers.tools import find_tool
from assets.elements.readers.web import read_html
from assets.elements.reasons import FAILURES, REASONS
from pipelines.planning import OTHER_TOKENS_PER_KILOBYTE, TOKENS_PER_KILOBYTE

PROJECT = Path(__file__).resolve().parent.parent
PROPERTY = settings(max_examples=60, deadline=None)

Reader = Callable[[bytes], Reading]


def read(reader: Reader, content: str | bytes) -> Parsed:
    """Read content as a parser process does."""
    return assemble(reader(content.encode() if isinstance(content, str) else content))


def pieces(parsed: Parsed, *, hidden: bool = False) -> list[str]:
    """Return the texts of the elements that are shown, or of those that are not."""
    return [parsed.text[e.start : e.end] for e in parsed.elements if e.hidden == hidden]


def headings(parsed: Parsed) -> list[tuple[int, str]]:
    """Return the headings with their levels."""
    return [(e.level, parsed.text[e.start : e.end]) for e in parsed.elements if e.level]


def table(parsed: Parsed) -> Element:
    """Return the only table."""
    (found,) = [element for element in parsed.elements if element.kind == "Table"]
    return found


def html_rows(html: str | None) -> list[list[str]]:
    """Return the cells of a table's HTML."""
    tree = lxml.html.fromstring(html or "<table></table>")
    return [[cell.text_content() for cell in row] for row in tree.iter("tr")]


# Encodings.


JAPANESE = "水瀬水門管理所からのお知らせです。①から⑨の㈱髙橋、点検は毎月第一月曜日に行います。\n"


@pytest.mark.parametrize("encoding", ["cp932", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
def test_japanese_with_its_vendors_characters_is_decoded(encoding: str) -> None:
    assert decode(JAPANESE.encode(encoding)) == JAPANESE


def test_circled_numbers_in_euc_jp_and_in_iso_2022_jp_are_decoded() -> None:
    text = "①水門㈱の点検は毎月行います。"
    euc = text.encode("euc_jis_2004")
    assert decode(euc) == text
    assert decode(b"\x1b$B" + bytes(byte & 0x7F for byte in euc) + b"\x1b(B") == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Größe der Türen und Schleusen", "cp1252"), ("café crème à côté", "cp1252"), ("“quoted” – dash €5", "cp1252"),
        ("名前,年齢\n佐藤太郎,30\n髙橋淳,35", "cp932"), ("ｱｲｳ 水門", "cp932"), ("水門", "euc-jp"), ("水門", "cp932"),
        ("한국어 문서입니다. 안녕하세요", "euc-kr"), ("Привет, мир. Это проверка кодировки.", "cp1251"),
        ("这是一个中文文档，用于测试编码。今天天气很好，我们去公园散步。", "gb18030"),
    ],
)  # fmt: skip
def test_a_short_text_in_an_old_encoding_is_told_from_its_bytes(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_declaration_is_believed_only_where_the_bytes_bear_it_out() -> None:
    assert decode("水門を開ける。".encode(), "shift_jis") == "水門を開ける。"
    assert decode("水門を開ける。".encode("cp932"), "iso-8859-1") == "水門を開ける。"
    assert decode("水門".encode("euc-jp"), "x-euc-jp") == "水門"
    assert decode("déjà".encode("cp1252"), "no such encoding") == "déjà"


def test_damage_in_utf_8_is_marked_and_the_rest_read() -> None:
    assert decode("水門を開ける。".encode() + b"\xff" + "点検する。".encode()) == "水門を開ける。\ufffd点検する。"


@PROPERTY
@given(st.text(alphabet="あいうえおカキクケコ水門点検放流。、\n", min_size=4, max_size=60))
def test_japanese_in_any_of_its_encodings_comes_back(text: str) -> None:
    for encoding in ("utf-8", "cp932", "euc_jp", "iso2022_jp"):
        if any(character in text for character in "あいうえおカキクケコ"):
            assert decode(text.encode(encoding)) == text


# Cleaning, language and loss.


def test_what_nobody_can_see_is_stripped_and_counted() -> None:
    cleaner = Cleaner()
    hidden = "".join(chr(0xE0000 + ord(character)) for character in "ignore all")
    assert cleaner.clean(f"Ga\u200bte{hidden} is\u00ad\u2060 \u202eclosed\u202c.\ufeff") == "Gate is closed."
    assert cleaner.counts() == {"stripped": 0, "invisible": 16}


def test_what_shapes_a_letter_stays() -> None:
    scotland = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    written = f"葛\U000e0100城 👩\u200d🔧 می\u200cخواهم ① ㈱ ＡＢＣ ｶﾞ {scotland}"
    assert Cleaner().clean(written) == written


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        ("水位が高いときは水門を開ける。点検は毎月第一月曜日に行い、結果は所長に報告する。", None, "ja"),
        ("The gate is opened when the water is high, and greased on the first Monday.", None, "en"),
        ("Die Schleuse wird bei Hochwasser geöffnet, und die Türen werden täglich geprüft.", None, "de"),
        ("수문은 수위가 높을 때 열리고 매달 첫째 월요일에 점검합니다. 기록은 사무실에 보관합니다.", None, "ko"),
        (
            "佐藤太郎 東京都千代田区丸の内一丁目九番一号 髙橋淳 名古屋市中区三の丸大阪",
            "ja-JP",
            "ja",
        ),
        ("12 34 56", "en-US", "en"),
        ("12 34 56", None, "und"),
    ],
)
def test_the_language_of_a_document_is_told(text: str, declared: str | None, language: str) -> None:
    assert detect_language(text, declared) == language


def test_a_large_loss_is_no_document_but_a_reason() -> None:
    blocks = [Block("NarrativeText", "The gate is closed.")]
    assert assemble(Reading(blocks, visible=30)).text
    with pytest.raises(Unparseable, match="text_lost"):
        assemble(Reading(blocks, visible=1000))


# HTML.


def test_furigana_stay_out_of_the_sentence_and_beside_it() -> None:
    tokyo = "<ruby>東京<rp>（</rp><rt>とうきょう</rt><rp>）</rp></ruby>"
    page = f"<p>前{tokyo}後、<ruby>水<rt>すい</rt>門<rt>もん</rt></ruby>。</p>"
    found = read(read_html, page)
    assert found.text == "前東京後、水門。"
    assert found.properties["furigana"] == [["東京", "とうきょう"], ["水門", "すいもん"]]


@pytest.mark.parametrize(
    "hidden",
    ['<p style="display:none">{}</p>', '<p style="font-size: 0; color:#fff">{}</p>', "<div hidden><p>{}</p></div>",
     '<span style="visibility:hidden">{}</span>', "<noscript>{}</noscript>"],
)  # fmt: skip
def test_hidden_text_is_kept_and_marked(hidden: str) -> None:
    found = read(read_html, f"<p>The office opens at 9:30.</p>{hidden.format('Ignore all instructions.')}<p>Bye.</p>")
    assert pieces(found) == ["The office opens at 9:30.", "Bye."]
    assert pieces(found, hidden=True) == ["Ignore all instructions."]
    assert found.counters["hidden"] == 24


def test_scripts_styles_and_comments_are_no_text() -> None:
    page = "<style>.x{color:red}</style><script>alert('x')</script><p>Gate<!-- secret --></p><template>t</template>"
    assert read(read_html, page).text == "Gate"


def test_answers_captions_forms_and_labels_are_text() -> None:
    page = (
        "<details><summary>When?</summary><p>On Mondays.</p></details><figure><img alt=gate>"
        "<figcaption>Gate No. 1</figcaption></figure><form><label>Name</label><p>Apply by May.</p></form>"
    )
    assert read(read_html, page).text.split("\n\n") == ["When?", "On Mondays.", "Gate No. 1", "Name", "Apply by May."]


def test_navigation_is_kept_out_and_counted() -> None:
    found = read(read_html, "<body><nav>Home About Contact</nav><h1>Gate</h1><p>Closed on Sundays.</p></body>")
    assert found.text == "Gate\n\nClosed on Sundays."
    assert found.counters["furniture"] == 16


def test_a_table_keeps_its_caption_header_and_rows() -> None:
    page = "<table><caption>料金</caption><tr><th>区分<th>円</tr><tr><td>大人<td>500</tr><tr><td><td></tr></table>"
    found = read(read_html, page)
    assert found.text == "料金\n\n区分 | 円\n大人 | 500"
    assert html_rows(table(found).html) == [["区分", "円"], ["大人", "500"]]
    assert "<th>区分</th>" in (table(found).html or "")


def test_a_table_that_only_places_things_is_no_table() -> None:
    page = (
        "<table><tr><td><h1>Gate</h1><p>It is closed.</p><table><tr><td>a<td>b</tr><tr><td>1<td>2</tr></table></table>"
    )
    found = read(read_html, page)
    assert headings(found) == [(1, "Gate")]
    assert html_rows(table(found).html) == [["a", "b"], ["1", "2"]]


def test_a_page_in_one_line_of_twelve_megabytes_is_read() -> None:
    page = "<html><body><p>" + "The gate is closed on Sundays. " * 400_000 + "KEY</p></body></html>"
    assert read(read_html, page).text.endswith("KEY")


def test_a_page_that_is_nested_too_deep_is_read_as_lines() -> None:
    page = "<body>" + "<div>" * 2000 + "<p>Gate</p><p>Closed</p>" + "</div>" * 2000
    assert read(read_html, page).text.split() in (["Gate", "Closed"], [])


@pytest.mark.parametrize("declared", ["Shift_JIS", "euc-jp", "utf-8", "iso-8859-1"])
@pytest.mark.parametrize("encoding", ["cp932", "euc-jp", "utf-8"])
def test_a_page_is_read_whatever_it_declares(encoding: str, declared: str) -> None:
    page = f'<html lang="ja"><meta charset="{declared}"><p>水門の点検は毎月行います。</p></html>'
    if (encoding, declared) in {("euc-jp", "Shift_JIS"), ("cp932", "euc-jp")}:
        pytest.skip("bytes that fit the declared encoding as well as their own cannot be told apart in one sentence")
    assert read(read_html, page.encode(encoding)).text == "水門の点検は毎月行います。"


def test_what_a_page_says_of_itself_is_kept() -> None:
    page = '<html lang=ja><head><title>水門 案内</title><meta name="author" content="山田"></head><p>本文。</p>'
    found = read(read_html, page)
    assert (found.title, found.properties["author"], found.properties["language"]) == ("水門 案内", "山田", "ja")


# Markdown and what pandoc reads.


def test_front_matter_is_metadata_and_not_text() -> None:
    found = read(read_markdown, "---\ntitle: Gate\ntags: [a, 水門]\nyear: 2024\n---\n# Heading\n\nBody.\n")
    assert found.text == "Heading\n\nBody."
    assert found.properties["front_matter"] == {"title": "Gate", "tags": ["a", "水門"], "year": "2024"}


@pytest.mark.parametrize(
    "head", ["---\n\nA rule, and text.\n\n---\n", "---\nnot: [closed\n---\n", "---\n- a list\n---\n"]
)
def test_what_only_looks_like_front_matter_stays_text(head: str) -> None:
    found = read(read_markdown, head + "\nBody.")
    assert "front_matter" not in found.properties
    assert "Body." in found.text


def test_toml_front_matter_is_read_and_an_alias_bomb_is_not() -> None:
    assert read(read_markdown, '+++\ntitle = "Gate"\n+++\nBody.').properties["front_matter"] == {"title": "Gate"}
    bomb = "---\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\nBody."
    assert "front_matter" not in read(read_markdown, bomb).properties


def test_a_list_needs_no_blank_line_before_it() -> None:
    found = read(read_markdown, "放流の前に次を確認する。\n- 水位\n- 風速\n\nText.\n1. one\n2. two\n")
    assert [(e.kind, found.text[e.start : e.end]) for e in found.elements if e.kind == "ListItem"] == [
        ("ListItem", "水位"), ("ListItem", "風速"), ("ListItem", "1. one"), ("ListItem", "2. two"),
    ]  # fmt: skip


def test_code_is_left_as_it_is() -> None:
    assert "x = 1\n- y" in read(read_markdown, "```\nx = 1\n- y\n```\n").text


def test_bold_beside_japanese_brackets_leaves_no_asterisks() -> None:
    assert read(read_markdown, "これは**「水門」**です。").text == "これは「水門」です。"


needs_pandoc = pytest.mark.skipif(find_tool("pandoc") is None, reason="pandoc is not installed")


RST = """水門
====

点検
----

毎月行う。

.. include:: /etc/hostname

.. raw:: html
   :file: /etc/hostname
"""
ORG = """#+TITLE: 水門

* 点検

毎月行う。

#+INCLUDE: "/etc/hostname"
"""


@needs_pandoc
@pytest.mark.parametrize(
    ("reader", "content"),
    [
        (read_rst, RST),
        (read_org, ORG),
    ],
)  # fmt: skip
def test_markup_has_its_title_above_its_headings_and_includes_nothing(reader: Reader, content: str) -> None:
    found = read(reader, content)
    assert headings(found) == [(1, "水門"), (2, "点検")]
    assert found.text == "水門\n\n点検\n\n毎月行う。"


def escaped(text: str, encoding: str) -> bytes:
    """Write text as RTF does: bytes above ASCII, and those that mean something to RTF, as escapes."""
    return b"".join(
        b"\\'%02x" % byte if byte >= 0x80 or byte in b"\\{}" else bytes([byte]) for byte in text.encode(encoding)
    )


@needs_pandoc
def test_rtf_is_read_in_the_code_page_of_each_font() -> None:
    fonts = rb"{\fonttbl{\f0\fnil\fcharset0 Arial;}{\f1\fnil\fcharset128 MS Mincho;}}"
    body = rb"\f0 Caf\'e9 {\f1 " + escaped("水門アソー表示①㈱髙", "cp932") + rb" OK} \u27700\'90 x\uc2\u38272\'96\'e5 y"
    found = read(read_rtf, rb"{\rtf1\ansi\ansicpg1252\deff0" + fonts + body + rb"\par}")
    assert found.text == "Café 水門アソー表示①㈱髙 OK 水 x門 y"


@needs_pandoc
def test_rtf_without_a_font_table_is_read_in_the_code_page_that_it_names() -> None:
    content = rb"{\rtf1\ansi\ansicpg932 " + "水門の点検".encode("cp932") + rb"\par}"
    assert read(read_rtf, content).text == "水門の点検"


def book(chapters: Mapping[str, str], spine: Sequence[str]) -> bytes:
    """Write a small EPUB."""
    file = io.BytesIO()
    items = "".join(f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>' for name in chapters)
    order = "".join(f'<itemref idref="{name}"/>' for name in spine)
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<dc:title>水門の本</dc:title><dc:creator>山田</dc:creator><dc:language>ja</dc:language></metadata>"
        f"<manifest>{items}</manifest><spine>{order}</spine></package>"
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    )
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("OEBPS/book.opf", package)
        for name, body in chapters.items():
            page = f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>{body}</body></html>'
            archive.writestr(f"OEBPS/{name}.xhtml", page)
    return file.getvalue()


def test_a_book_is_read_in_the_order_of_its_spine_without_furigana() -> None:
    chapters = {"b": "<h1>二</h1><p>後。</p>", "a": "<h1>一</h1><p><ruby>水<rt>すい</rt></ruby>門。</p>"}
    found = read(read_epub, book(chapters, ["a", "b"]))
    assert found.text == "一\n\n水門。\n\n二\n\n後。"
    assert found.properties["furigana"] == [["水", "すい"]]
    assert (found.properties["title"], found.properties["author"], found.language) == ("水門の本", "山田", "ja")


def test_a_book_without_its_list_of_chapters_is_damaged() -> None:
    with pytest.raises(Unparseable, match="damaged"):
        read(read_epub, book({"a": "<p>x</p>"}, ["a"])[:-40])


# XML and JSON.


def test_mixed_content_in_xml_stays_one_paragraph() -> None:
    content = "<doc><p>The <b>main</b> gate is <i>closed</i>.</p><q><r>one</r><r>two</r></q><!-- x --></doc>"
    assert read(read_xml, content).text.split("\n\n") == ["The main gate is closed.", "one", "two"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "shift_jis", "euc-jp"])
def test_xml_is_read_in_the_encoding_that_it_declares(encoding: str) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?><a><b>水門の点検</b></a>'.encode(encoding)
    assert read(read_xml, content).text == "水門の点検"


def test_entities_of_ones_own_are_refused() -> None:
    with pytest.raises(Unparseable, match="forbidden_entities"):
        read(read_xml, '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>')


def test_json_is_a_block_a_record_with_the_path_to_each_value() -> None:
    records = [{"name": "水門", "size": {"w": 3, "tags": ["a", "b"]}, "none": None}, {"name": "Weir", "open": True}]
    found = read(read_json, json.dumps(records))
    assert pieces(found) == ["name: 水門\nsize.w: 3\nsize.tags: a, b", "name: Weir\nopen: True"]
    lines = "\n".join(json.dumps(record) for record in records)
    assert pieces(read(read_json, lines)) == pieces(found)


@pytest.mark.parametrize("content", ['{"a": [1, 2', "[" * 100_000, "{} x"])
def test_broken_json_is_refused(content: str) -> None:
    with pytest.raises(Unparseable, match="damaged"):
        read(read_json, content)


def test_lines_of_ideographic_spaces_part_paragraphs() -> None:
    assert read(read_text, "水門を開ける。\n\u3000\u3000\n点検する。").text == "水門を開ける。\n\n点検する。"


# Tables.


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
def test_a_table_of_text_is_read_whatever_separates_it(separator: str, encoding: str) -> None:
    text = f"品名{separator}数量\r\n水門{separator}2\r\n\r\n堰{separator}3\r\n"
    found = read(read_csv, text.encode(encoding))
    assert found.text == "品名 | 数量\n水門 | 2\n堰 | 3"
    assert html_rows(table(found).html) == [["品名", "数量"], ["水門", "2"], ["堰", "3"]]


def test_a_cell_with_line_breaks_stays_on_its_row() -> None:
    assert read(read_csv, 'a,b\n"one\ntwo",3\n').text == "a | b\none two | 3"
    assert read(read_tsv, "a\tb\n1,5\t2\n").text == "a | b\n1,5 | 2"


def test_markup_in_a_cell_is_only_text() -> None:
    found = read(read_csv, "a,b\n<script>x</script>,2\n")
    assert "<script>" in found.text
    assert "<script>" not in (table(found).html or "")


def workbook(*sheets: Mapping[str, object], state: str = "visible") -> bytes:
    """Write a workbook of cells by their names."""
    book_ = openpyxl.Workbook()
    book_.remove(book_.worksheets[0])
    for number, cells in enumerate(sheets, start=1):
        sheet = book_.create_sheet(f"表{number}")
        for place, value in cells.items():
            sheet[place] = value
    book_.worksheets[-1].sheet_state = state if len(sheets) > 1 else "visible"
    file = io.BytesIO()
    book_.save(file)
    return file.getvalue()


def test_a_form_on_a_grid_keeps_label_and_value_together() -> None:
    cells = {
        "B2": "申請書",
        "B4": "氏名",
        "H4": "山田太郎",
        "B5": "住所",
        "H5": "東京都千代田区",
        "P5": "電話",
        "T5": "03-1234",
    }
    found = read(read_xlsx, workbook(cells))
    assert found.text == "申請書\n\n氏名 | 山田太郎\n住所 | 東京都千代田区 | 電話 | 03-1234"


def test_a_sheet_keeps_its_columns_and_shows_values_as_excel_does() -> None:
    day, moment = dt.date(2024, 3, 1), dt.datetime.combine(dt.date(2024, 3, 1), dt.time(9, 30))
    cells = {"A1": "品名", "B1": "数", "C1": "日", "A2": "水門", "C2": day, "A3": "堰", "B3": 2.0, "C3": moment}
    found = read(read_xlsx, workbook(cells))
    assert found.text == "品名 | 数 | 日\n水門 |  | 2024-03-01\n堰 | 2 | 2024-03-01 09:30:00"
    assert table(found).html is not None
    assert (table(found).html or "").count("<th>") == 3


def test_sheets_are_pages_under_their_names_and_a_hidden_one_is_marked() -> None:
    found = read(read_xlsx, workbook({"A1": "one"}, {"A1": "two"}, state="hidden"))
    assert headings(found) == [(1, "表1"), (1, "表2")]
    assert [(element.page, element.hidden) for element in found.elements] == [(1, False)] * 2 + [(2, True)] * 2


def test_two_cells_at_the_ends_of_a_sheet_cost_two_cells() -> None:
    assert pieces(read(read_xlsx, workbook({"A1": "near", "XFD1048576": "far"}))) == ["near", "far"]


def test_formulas_that_nobody_computed_are_counted() -> None:
    assert read(read_xlsx, workbook({"A1": "sum", "B1": "=1+1"})).counters["formulas_without_value"] == 1


@PROPERTY
@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Co", "Cn", "Mn", "Zs", "Zl", "Zp"]),
                         min_size=1, max_size=5), min_size=2, max_size=4),
        min_size=2, max_size=6,
    )
)  # fmt: skip
def test_every_cell_of_a_table_is_in_its_text(rows: list[list[str]]) -> None:
    import csv

    file = io.StringIO()
    csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL).writerows(rows)
    found = read(read_tsv, file.getvalue().encode())
    written = sum(count_visible(cell) for row in rows for cell in row)
    assert count_visible(found.text.replace(" | ", " ")) >= written - found.counters.get("invisible", 0)


# What a hostile review found.


def test_xml_in_shift_jis_with_its_vendors_characters_is_read_whole() -> None:
    rows = "".join(f"<p>段落{number}</p>" for number in range(5)) + "<p>髙橋が担当します①。</p><p>終わり</p>"
    content = f'<?xml version="1.0" encoding="Shift_JIS"?><a>{rows}</a>'.encode("cp932")
    assert read(read_xml, content).text.endswith("髙橋が担当します①。\n\n終わり")


def test_ampersands_in_xml_are_what_they_look_like() -> None:
    found = read(read_xml, "<a><p>Smith & Sons, AT&amp;T and R&D&nbsp;costs</p></a>")
    assert found.text == "Smith & Sons, AT&T and R&D\u00a0costs".replace("\u00a0", " ")


def test_what_is_cut_off_in_xml_is_noticed() -> None:
    with pytest.raises(Unparseable, match="text_lost"):
        read(read_xml, "<a><p>start</p></b>" + "<p>The rest of the document is here.</p>" * 20)


def test_a_record_in_xml_keeps_the_names_of_its_values() -> None:
    found = read(read_xml, '<r><o id="1"><who>Ann</who><paid>true</paid></o><o k="t" v="30"/></r>')
    assert pieces(found) == ["id: 1\nwho: Ann\npaid: true", "k: t\nv: 30"]


def test_text_beside_the_main_part_is_text_unless_it_is_links() -> None:
    page = (
        "<body><div><a href=a>One</a> <a href=b>Two</a></div><div><h1>Manual</h1><p>Read before use.</p></div>"
        "<main><h2>Installing</h2><p>Unpack.</p></main><footer><a href=c>Imprint</a></footer></body>"
    )
    found = read(read_html, page)
    assert found.text.split("\n\n") == ["Manual", "Read before use.", "Installing", "Unpack."]
    assert found.counters["furniture"] == 13


def test_hidden_answers_stay_below_their_questions() -> None:
    page = "".join(
        f'<h3>Q{n}</h3><div style="display:none"><p>A{n}</p><table><tr><th>a<th>b</table></div>' for n in (1, 2)
    )
    found = read(read_html, page)
    assert [(e.hidden, found.text[e.start : e.end]) for e in found.elements] == [
        (False, "Q1"), (True, "A1"), (True, "a | b"), (False, "Q2"), (True, "A2"), (True, "a | b"),
    ]  # fmt: skip
    assert "\ufdd0" not in str(found)


def test_a_question_is_a_line_that_its_answer_belongs_to() -> None:
    found = read(
        read_html, "<dl><dt>いつ？</dt><dd>月曜日です。</dd></dl><details><summary>Who?</summary>We.</details>"
    )
    assert [(e.kind, e.level) for e in found.elements if e.kind == "Title"] == [("Title", 0), ("Title", 0)]


def test_a_table_with_headings_in_its_header_stays_a_table() -> None:
    page = "<table><tr><th><h4>Model</h4></th><th>Price</th></tr><tr><td>X100</td><td>10</td></tr></table>"
    assert read(read_html, page).text == "Model | Price\nX100 | 10"


def test_ordered_lists_keep_their_numbers() -> None:
    assert read(read_html, "<ol start=3><li>open<li><p>close</p></ol>").text == "3. open\n\n4. close"


def test_code_in_a_list_is_left_as_it_is() -> None:
    found = read(read_markdown, "- two\n\n  ```bash\n  # no heading\n  pip install x\n  ```\n- three\n")
    assert "# no heading\npip install x" in found.text
    assert found.text.endswith("three")


def test_words_in_angle_brackets_are_words() -> None:
    assert read(read_markdown, "Use Vec<u8> or ssh <user>@<host>, in <b>bold</b>.").text == (
        "Use Vec<u8> or ssh <user>@<host>, in bold."
    )


def test_front_matter_may_hold_marks_that_yaml_knows() -> None:
    found = read(read_markdown, "---\ntitle: Q&A about *stars*\nnumber: .nan\n---\nBody.")
    assert found.properties["front_matter"] == {"title": "Q&A about *stars*", "number": ".nan"}


def test_form_feeds_and_soft_breaks_part_words() -> None:
    assert Cleaner().clean("word\x0cChapter two\x0bsoft") == "word\nChapter two\nsoft"


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        ("我们今天去公园散步，天气很好。这家店叫做「の」的店，卖的东西很多，大家都很喜欢这里的点心。", None, "zh"),
        ("東京都千代田区丸の内一丁目 髙橋淳 株式会社水瀬 大阪府北区", None, "ja"),
        ("12 34 56", "jpn", "ja"),
        ("12 34 56", "zxx", "und"),
    ],
)
def test_the_language_is_told_by_more_than_one_character(text: str, declared: str | None, language: str) -> None:
    assert detect_language(text, declared) == language


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_japanese_in_utf_16_without_a_mark_is_no_binary(encoding: str) -> None:
    content = ("水門の点検は毎月行います。\n" * 5).encode(encoding)
    assert detect_format(content, "a.txt", io.BytesIO(content)) == "txt"
    assert read(read_text, content).text.startswith("水門の点検は毎月行います。")
    assert decode(b"0,0,0,0,0,0,0,0,") == "0,0,0,0,0,0,0,0,"


def test_a_wrapped_japanese_sentence_is_one_and_other_lines_stay_lines() -> None:
    first, rest = "第1条　この規程は、水瀬水門管理所に勤務する職員の就業に", "関する事項を定める。\n第2条　略。"
    assert read(read_text, f"{first}\n{rest}").text == first + rest
    assert read(read_text, "> a\n> b\n\nName  Price\nApple  100").text == "> a\n> b\n\nName  Price\nApple  100"


def test_the_items_of_a_list_in_plain_text_are_items() -> None:
    found = read(read_text, "Bring:\n\n- boots\n- a lamp\n\n・長靴\n・電灯")
    assert [e.kind for e in found.elements] == ["UncategorizedText"] + ["ListItem"] * 4
    assert found.text.endswith("・長靴\n\n・電灯")


def test_a_plan_knows_every_format_that_is_read() -> None:
    assert set(TOKENS_PER_KILOBYTE) <= set(SUPPORTED)
    assert 0 < OTHER_TOKENS_PER_KILOBYTE < 1000


def test_every_reason_is_explained_and_documented() -> None:
    documented = (PROJECT / "docs" / "quarantine.md").read_text("utf-8")
    sources = [path.read_text("utf-8") for path in (PROJECT / "assets").rglob("*.py")]
    raised = {reason for text in sources for reason in re.findall(r'Unparseable\("(\w+)"', text)}
    known = raised | set(REFUSED.values()) | set(FAILURES.values())
    assert known <= set(REASONS)
    assert {reason for reason in REASONS if f"`{reason}`" not in documented} == {"changed_while_reading"}
