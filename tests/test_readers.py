"""Readers of text, markup and tables: what plain unstructured loses or garbles is mended, or refused."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.elements.cleaning import Cleaner
from assets.elements.document import Unparseable
from assets.elements.parsing import REFUSED, SUPPORTED, count_visible
from assets.elements.readers.epub import read_epub
from assets.elements.readers.markup import read_markdown, read_org, read_rst, read_rtf
from assets.elements.readers.plain import read_json, read_text, read_xml
from assets.elements.readers.sheets import read_csv, read_tsv, read_xlsx
from assets.elements.readers.tools import find_tool
from assets.elements.readers.web import read_html
from assets.elements.reasons import FAILURES, REASONS
from pipelines.planning import OTHER_TOKENS_PER_KILOBYTE, TOKENS_PER_KILOBYTE
from tests.reading import Reader, headings, html_rows, pieces, read, table

PROJECT = Path(__file__).resolve().parent.parent
PROPERTY = settings(max_examples=60, deadline=None)


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
