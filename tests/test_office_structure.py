"""Word documents: headings, lists, pages and tables; and tables whatever they come from."""

from __future__ import annotations

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.elements.document import Block
from assets.elements.readers.found import Cell, render_table, table_of
from assets.elements.readers.office.numerals import written
from tests.office_documents import (
    cell,
    item,
    numbering,
    p,
    r,
    read,
    row,
    style,
    styles,
    table,
    texts,
    word,
)


def lines_and_rows(block: Block) -> tuple[list[str], list[str]]:
    """Return a table's lines, and its HTML rows written the same way."""
    rows = lxml.html.fromstring(block.html or "").iter("tr")
    return block.text.splitlines(), [" | ".join(cell.text or "" for cell in row) for row in rows]


def test_headings_have_their_level_whatever_their_style_is_called() -> None:
    sheet = styles(
        style("T", "Title"),
        style("1", "heading 1", '<w:outlineLvl w:val="0"/>'),
        style("a", "見出し ２"),
        style("b", "Chapter", base="1"),
        style("c", "TOC Heading", '<w:outlineLvl w:val="9"/>', base="1"),
        style("d", "副題"),
    )
    body = "".join(p(r(name), style=name) for name in ("T", "1", "a", "b", "c", "d"))
    body += p(r("own"), properties='<w:outlineLvl w:val="3"/>') + p(r("plain"))
    blocks = read(word(body, styles=sheet))
    assert [(block.text, block.level) for block in blocks] == [
        ("T", 1), ("1", 1), ("a", 2), ("b", 1), ("c", 0), ("d", 2), ("own", 4), ("plain", 0),
    ]  # fmt: skip
    assert {block.kind for block in blocks if block.level} == {"Title"}
    assert "Title" not in {block.kind for block in blocks if not block.level}


def test_list_items_keep_their_number_as_it_is_printed() -> None:
    lists = numbering(
        n1="%1. decimal", n2="第%1条 japaneseCounting", n3="（%1） decimalFullWidth", n4="%1) aiueoFullWidth"
    )
    body = "".join(item(text, number) for number in (1, 2, 3, 4) for text in ("x", "y"))
    blocks = read(word(body, numbering=lists))
    assert texts(blocks) == ["1. x", "2. y", "第一条 x", "第二条 y", "（１） x", "（２） y", "ア) x", "イ) y"]
    assert {block.kind for block in blocks} == {"ListItem"}


def test_numbers_in_cells_are_kept_and_counted_on_below_the_table() -> None:
    body = item("before", 1) + table(*(row(cell(item(name, 1)), cell(p(r("-")))) for name in "ab")) + item("after", 1)
    blocks = read(word(body, numbering=numbering(n1="%1. decimal")))
    assert texts(blocks) == ["1. before", "2. a | -\n3. b | -", "4. after"]


def test_a_hidden_item_bears_no_number() -> None:
    hidden = item("gone", 1).replace("<w:rPr>", "<w:rPr><w:vanish/>")
    blocks = read(word(item("a", 1) + hidden + item("b", 1), numbering=numbering(n1="%1. decimal")))
    assert [(block.text, block.hidden) for block in blocks] == [("1. a", False), ("gone", True), ("2. b", False)]


def test_a_paragraph_that_a_page_breaks_stays_whole() -> None:
    mark = "<w:r><w:lastRenderedPageBreak/></w:r>"
    cells = row(cell(p(mark, r("a"))), cell(p(mark, r("b"))))
    body = p(r("One ")) + p(r("two "), mark, r("halves")) + p(r("three")) + table(cells) + p(mark, r("four"))
    blocks = read(word(body))
    assert [(block.text.strip(), block.page) for block in blocks] == [
        ("One", 1), ("two halves", 1), ("three", 2), ("a | b", 2), ("four", 4),
    ]  # fmt: skip


def test_the_rows_of_a_table_are_its_lines() -> None:
    inner = table(row(cell(p(r("in"))), cell(p(r("ner")))))
    body = table(
        row(cell(p(r("区分"))), cell(p(r("値 &lt;1&gt;"))), cell(p(r("Note")))),
        row(cell(p()), cell(p()), cell(p())),
        row(
            cell(p(r("水位")), properties='<w:vMerge w:val="restart"/>'),
            cell(p(r("3 m")), p(r("high"))),
            cell(inner, p()),
        ),
        row(cell(p(), properties="<w:vMerge/>"), cell(p(r("wide")), properties='<w:gridSpan w:val="2"/>')),
        properties='<w:tblLook w:val="04A0"/>',
    )
    (block,) = read(word(body))
    assert block.html == (
        "<table><tr><th>区分</th><th>値 &lt;1&gt;</th><th>Note</th></tr>"
        '<tr><td rowspan="2">水位</td><td>3 m high</td><td>in ner</td></tr><tr><td colspan="2">wide</td></tr></table>'
    )
    lines, rows = lines_and_rows(block)
    assert lines == rows == ["区分 | 値 <1> | Note", "水位 | 3 m high | in ner", "wide"]


def test_header_rows_are_those_that_word_repeats_or_formats() -> None:
    def headers(*rows: str, look: str = "") -> int:
        (block,) = read(word(table(*rows, properties=look)))
        return sum(all(c.tag == "th" for c in row) for row in lxml.html.fromstring(block.html or "").iter("tr"))

    plain, repeated = row(cell(p(r("a")))), row(cell(p(r("b"))), properties="<w:tblHeader/>")
    assert headers(repeated, repeated, plain) == 2
    assert headers(plain, plain) == 0
    assert headers(plain, plain, look='<w:tblLook w:firstRow="1"/>') == 1
    assert headers(plain, plain, look='<w:tblLook w:val="0480" w:firstRow="0"/>') == 0
    assert headers(plain, look='<w:tblLook w:firstRow="1"/>') == 0


def test_a_cell_that_claims_a_million_columns_is_read() -> None:
    wide = cell(p(r("x")), properties='<w:gridSpan w:val="100000000"/>')
    odd = cell(p(r("y")), properties='<w:gridSpan w:val="many"/>')
    (block,) = read(word(table(row(wide, odd))))
    assert block.text == "x | y"


PROPERTY = settings(max_examples=60, deadline=None)


cells = st.builds(
    Cell,
    st.sampled_from(["", " ", "\u200b", "a", "水 門", "x\ny", "<b>", "\x01", "&amp;"]),
    st.booleans(),
    st.integers(1, 3),
    st.integers(1, 3),
)


@PROPERTY
@given(st.lists(st.lists(cells, max_size=4), max_size=5))
def test_a_table_as_html_has_a_row_for_each_line(rows: list[list[Cell]]) -> None:
    text, html = render_table(rows)
    lines = [line for line in text.split("\n") if line]
    found = list(lxml.html.fromstring(html).iter("tr"))
    assert len(found) == len(lines)
    for line, row_found in zip(lines, found, strict=True):
        assert len(line.split(" | ")) == len(row_found)
        assert {cell.tag for cell in row_found} <= {"td", "th"}
    assert table_of(html)[1] == html


def test_a_cell_that_spans_a_row_without_text_spans_one_less() -> None:
    text, html = render_table([[Cell("a", rows=3), Cell("b")], [Cell("")], [Cell("c")]])
    assert text == "a | b\nc"
    assert html == '<table><tr><td rowspan="2">a</td><td>b</td></tr><tr><td>c</td></tr></table>'


def test_html_of_others_is_put_in_order() -> None:
    text, html = table_of(
        '<table class="x" onclick="y"><thead><tr style="z"><th id="a">区分<br/>値</th><td>b</td></tr></thead><tbody>'
        "<tr><td></td></tr><tr><td><p>one</p><p>two</p><table><tr><td>in</td><td>ner</td></tr></table></td>"
        "<td colspan='2'>a<b>b</b></td></tr></tbody></table>"
    )
    assert text == "区分 値 | b\none two in ner | ab"
    assert (
        html
        == '<table><tr><th>区分 値</th><td>b</td></tr><tr><td>one two in ner</td><td colspan="2">ab</td></tr></table>'
    )


@pytest.mark.parametrize(
    ("number", "one", "expected"),
    [(21, "一", "二十一"), (110, "一", "百十"), (10_305, "一", "一万三百五"), (10, "〇", "一〇"), (28, "a", "bb"),
     (9, "I", "IX"), (3, "イ", "ハ"), (12, "甲", "12"), (12, "１", "１２")],
)  # fmt: skip
def test_numbers_are_written_in_their_figures(number: int, one: str, expected: str) -> None:
    assert written(number, one) == expected
