"""OpenDocument text: read from its XML, structure, notes, furigana and lists included."""

from __future__ import annotations

import pytest

from assets.elements.document import Block, Unparseable
from assets.elements.readers.office.odt import read_odt
from tests.office_documents import (
    package,
    read,
    texts,
)

OPEN = "urn:oasis:names:tc:opendocument:xmlns"


OPEN_NAMES = " ".join(
    f'xmlns:{name}="{OPEN}:{long}:1.0"'
    for name, long in {"office": "office", "text": "text", "table": "table", "style": "style", "draw": "drawing",
                       "svg": "svg-compatible", "meta": "meta"}.items()
) + ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"'  # fmt: skip


def odt(body: str, automatic: str = "", **parts: str) -> bytes:
    """Make an OpenDocument text of its body's XML."""
    content = (
        f"<office:document-content {OPEN_NAMES}><office:automatic-styles>{automatic}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    members = {"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content}
    return package(members | {f"{name}.xml": text for name, text in parts.items()})


def read_open(content: bytes) -> list[Block]:
    """Return the blocks of an OpenDocument text."""
    return read(content, read_odt)


def test_open_document_headings_and_paragraphs_keep_their_order_and_level() -> None:
    styled = '<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>'
    body = (
        '<text:p text:style-name="P1">操作規程</text:p><text:h text:outline-level="2">Closing</text:h>'
        "<text:p>Close<text:s text:c='2'/>the\n gate<text:tab/>"
        "at <text:span>once</text:span>.<text:line-break/>直ちに。"
        "</text:p>"
        "<text:section><text:p>In a section</text:p></text:section>"
    )
    blocks = read_open(odt(body, styled + '<style:style style:name="Title" style:family="paragraph"/>'))
    assert [(block.kind, block.level, block.text) for block in blocks] == [
        ("Title", 1, "操作規程"), ("Title", 2, "Closing"),
        ("NarrativeText", 0, "Close  the gate\tat once.\n直ちに。"), ("UncategorizedText", 0, "In a section"),
    ]  # fmt: skip


def test_open_document_furigana_notes_boxes_and_changes() -> None:
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion>"
        "</text:changed-region></text:tracked-changes>"
        "<text:p><text:ruby><text:ruby-base>水門</text:ruby-base><text:ruby-text>すいもん</text:ruby-text></text:ruby>を閉じる"
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>満潮時。</text:p></text:note-body>"
        "</text:note>。"
        "<office:annotation><text:p>comment</text:p></office:annotation>"
        "<draw:frame><draw:text-box><text:p>Box</text:p></draw:text-box><svg:title>alt</svg:title></draw:frame>"
        "<draw:custom-shape><text:p>Shape</text:p></draw:custom-shape></text:p>"
    )
    reading = read_odt(odt(body))
    assert [(block.kind, block.text) for block in reading.blocks] == [
        ("NarrativeText", "水門を閉じる。"), ("Footnote", "満潮時。"),
        ("UncategorizedText", "Box"), ("UncategorizedText", "Shape"),
    ]  # fmt: skip
    assert reading.readings == [("水門", "すいもん")]
    assert reading.visible == 7 + 4 + 3 + 5


def test_open_document_lists_keep_their_numbers() -> None:
    automatic = (
        '<text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-format="1" '
        'style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="ア, イ, ウ, ..." '
        'style:num-prefix="(" style:num-suffix=")"/></text:list-style>'
    )
    body = (
        '<text:list text:style-name="L1"><text:list-item><text:p>One</text:p><text:list>'
        "<text:list-item><text:p>甲</text:p></text:list-item><text:list-item><text:p>乙</text:p></text:list-item></text:list></text:list-item>"
        "<text:list-item><text:p>Two</text:p></text:list-item></text:list><text:p>Between</text:p>"
        '<text:list text:style-name="L1" text:continue-numbering="true"><text:list-item><text:p>Three</text:p>'
        "</text:list-item></text:list><text:list><text:list-item><text:p>Bullet</text:p></text:list-item></text:list>"
    )
    blocks = read_open(odt(body, automatic))
    assert texts(blocks) == ["1. One", "(ア) 甲", "(イ) 乙", "2. Two", "Between", "3. Three", "Bullet"]
    assert [block.kind for block in blocks].count("ListItem") == 6


def test_open_document_tables_are_rows_with_headers_and_bounded_repeats() -> None:
    def open_cell(text: str, attributes: str = "") -> str:
        return f"<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>"

    many = open_cell("", 'table:number-columns-repeated="9000000"')
    spanning = open_cell("a", 'table:number-rows-spanned="2"')
    body = (
        "<table:table><table:table-column/><table:table-header-rows><table:table-row>"
        f"{open_cell('区分')}{open_cell('Value')}{many}</table:table-row>"
        "</table:table-header-rows>"
        f"<table:table-row>{spanning}{open_cell('1')}</table:table-row>"
        f"<table:table-row><table:covered-table-cell/>{open_cell('2')}</table:table-row>"
        f'<table:table-row table:number-rows-repeated="9000000">{open_cell("")}</table:table-row></table:table>'
    )
    (block,) = read_open(odt(body))
    assert block.text == "区分 | Value | \na | 1\n2"
    assert block.html is not None
    assert block.html.startswith("<table><tr><th>区分</th><th>Value</th>")
    assert '<td rowspan="2">a</td>' in block.html


def test_an_open_document_list_that_continues_none_begins_anew() -> None:
    level = '<text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>'
    one = '<text:list text:style-name="L1"><text:list-item><text:p>x</text:p></text:list-item></text:list>'
    content = odt(one + one, f'<text:list-style style:name="L1">{level}</text:list-style>')
    assert texts(read_open(content)) == ["1. x", "1. x"]


def test_a_cell_that_claims_to_be_repeated_a_million_times_is_not() -> None:
    repeated = '<table:table-cell table:number-columns-repeated="1000000"><text:p>x</text:p></table:table-cell>'
    (block,) = read_open(odt(f"<table:table><table:table-row>{repeated}</table:table-row></table:table>"))
    assert block.text.count("x") == 200


def test_open_document_hidden_text_pages_and_properties() -> None:
    automatic = (
        '<style:style style:name="T1" style:family="text"><style:text-properties text:display="none"/></style:style>'
    )
    body = (
        '<text:p>Seen<text:span text:style-name="T1"> unseen</text:span></text:p>'
        "<text:p><text:soft-page-break/>二頁</text:p>"
        '<text:section text:display="none"><text:p>Section</text:p></text:section>'
        '<text:p><text:hidden-paragraph text:is-hidden="true"/>Gone</text:p>'
    )
    meta = (
        f"<office:document-meta {OPEN_NAMES}><office:meta><dc:title>規程</dc:title><meta:initial-creator>Gate office"
        "</meta:initial-creator><dc:creator>Editor</dc:creator><meta:keyword>a</meta:keyword>"
        "<meta:keyword>b</meta:keyword>"
        "</office:meta></office:document-meta>"
    )
    content = odt(body, automatic, meta=meta)
    assert [(block.text, block.page, block.hidden) for block in read_open(content)] == [
        ("Seen", 1, False), ("unseen", 1, True), ("二頁", 1, False), ("Section", 2, True), ("Gone", 2, True),
    ]  # fmt: skip
    assert read_odt(content).properties == {"title": "規程", "author": "Gate office", "keywords": "a, b"}


def test_an_encrypted_open_document_is_told_from_a_damaged_one() -> None:
    members = {"content.xml": "\x01\x02", "META-INF/manifest.xml": "<m><encryption-data/></m>"}
    with pytest.raises(Unparseable) as refused:
        read_odt(package(members))
    assert refused.value.reason == "password_protected"
