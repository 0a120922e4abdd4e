"""Presentations: what stands on a slide comes out in order, with its notes; damaged office packages."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import pytest

from assets.elements.document import Block, Unparseable
from assets.elements.parsing import assemble
from assets.elements.readers.office.odt import read_odt
from assets.elements.readers.office.slides import read_pptx
from assets.elements.readers.office.word import read_docx
from tests.office_documents import (
    NAMES,
    chart,
    diagram,
    p,
    package,
    r,
    read,
    relations,
    texts,
    word,
)


def shape(*paragraphs: str, kind: str = "", at: tuple[int, int] = (0, 0), named: str = "") -> str:
    """Write a shape with text."""
    holder = f'<p:ph type="{kind}"/>' if kind else ""
    place = f'<a:xfrm><a:off x="{at[0]}" y="{at[1]}"/><a:ext cx="100" cy="100"/></a:xfrm>'
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="x" {named}/><p:cNvSpPr/><p:nvPr>{holder}</p:nvPr></p:nvSpPr>'
        f"<p:spPr>{place}</p:spPr><p:txBody><a:bodyPr/>{''.join(paragraphs)}</p:txBody></p:sp>"
    )


def line(*inner: str, properties: str = "") -> str:
    """Write a paragraph of a shape."""
    runs = "".join(part if part.startswith("<") else f"<a:r><a:t>{part}</a:t></a:r>" for part in inner)
    return f"<a:p>{properties}{runs}</a:p>"


def frame(inner: str, at: tuple[int, int] = (0, 0)) -> str:
    """Write a graphic frame."""
    place = f'<p:xfrm><a:off x="{at[0]}" y="{at[1]}"/><a:ext cx="9" cy="9"/></p:xfrm>'
    named = '<p:nvGraphicFramePr><p:cNvPr id="3" name="y"/><p:nvPr/></p:nvGraphicFramePr>'
    graphic = f"<a:graphic><a:graphicData>{inner}</a:graphicData></a:graphic>"
    return f"<p:graphicFrame>{named}{place}{graphic}</p:graphicFrame>"


def deck(*slides: str, notes: dict[int, str] | None = None, hidden: Sequence[int] = (), **parts: str) -> bytes:
    """Make a presentation of its slides' shapes."""
    numbers = range(1, len(slides) + 1)
    listed = "".join(f'<p:sldId id="{255 + number}" r:id="rId{number}"/>' for number in numbers)
    listing = f'<p:sldIdLst>{listed}</p:sldIdLst><p:sldSz cx="9000" cy="5000"/>'
    members = {
        "_rels/.rels": relations({"rId1": ("officeDocument", "ppt/presentation.xml")}),
        "ppt/presentation.xml": f"<p:presentation {NAMES}>{listing}</p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(
            {f"rId{number}": ("slide", f"slides/slide{number}.xml") for number in numbers}
        ),
    }
    for number, shapes in zip(numbers, slides, strict=True):
        show = 'show="0"' if number in hidden else ""
        members[f"ppt/slides/slide{number}.xml"] = (
            f"<p:sld {NAMES} {show}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        )
        members[f"ppt/slides/_rels/slide{number}.xml.rels"] = relations(
            {
                "rIdNotes": ("notesSlide", f"../notesSlides/notes{number}.xml"),
                "rIdChart": ("chart", "../charts/chart1.xml"),
                "rIdData": ("diagramData", "../diagrams/data1.xml"),
            }
        )
    for number, shapes in (notes or {}).items():
        members[f"ppt/notesSlides/notes{number}.xml"] = (
            f"<p:notes {NAMES}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:notes>"
        )
    files = {"chart": "ppt/charts/chart1.xml", "data": "ppt/diagrams/data1.xml"}
    return package(members | {files[name]: text for name, text in parts.items()})


def read_deck(content: bytes) -> list[Block]:
    """Return the blocks of a presentation."""
    return read(content, read_pptx)


def test_a_slide_is_a_page_with_its_title_first_and_its_notes_last() -> None:
    content = deck(
        shape(line("上の箱")) + shape(line("水門の", "<a:br/>", "操作"), kind="title", at=(0, 500)),
        shape(line("Second"), kind="ctrTitle") + shape(line("Body text here."), at=(10, 900)),
        notes={1: shape(line("Say this first."), kind="body") + shape(line("1"), kind="sldNum")},
    )
    assert [(block.text, block.level, block.page) for block in read_deck(content)] == [
        ("水門の 操作", 1, 1), ("上の箱", 0, 1), ("Say this first.", 0, 1),
        ("Second", 1, 2), ("Body text here.", 0, 2),
    ]  # fmt: skip


def test_shapes_are_read_by_their_place_also_in_groups_and_alternatives() -> None:
    group = (
        '<p:grpSp><p:nvGrpSpPr/><p:grpSpPr><a:xfrm><a:off x="0" y="3000"/><a:ext cx="100" cy="100"/>'
        f'<a:chOff x="0" y="0"/><a:chExt cx="100" cy="100"/></a:xfrm></p:grpSpPr>'
        f"{shape(line('In group'), at=(0, 50))}</p:grpSp>"
    )
    either = (
        f'<mc:AlternateContent><mc:Choice Requires="x">{shape(line("The choice"), at=(0, 2000))}</mc:Choice>'
        f"<mc:Fallback>{shape(line('Fallback'))}</mc:Fallback></mc:AlternateContent>"
    )
    content = deck(group + either + shape(line("Top"), at=(0, 1000)))
    assert texts(read_deck(content)) == ["Top", "The choice", "In group"]


def test_line_breaks_fields_and_equations_of_slides_are_text() -> None:
    formula = "<a14:m><m:oMath><m:r><m:t>Q=vA</m:t></m:r></m:oMath></a14:m>"
    math = f'<mc:AlternateContent><mc:Choice Requires="a14">{formula}</mc:Choice><mc:Fallback/></mc:AlternateContent>'
    body = line("一行", "<a:br/>", "二行 ", '<a:fld type="datetime"><a:t>4 May</a:t></a:fld>', math)
    assert texts(read_deck(deck(shape(body)))) == ["一行\n二行 4 MayQ=vA"]


def test_lists_of_slides_are_numbered_as_shown() -> None:
    def numbered(text: str, kind: str, level: int = 0) -> str:
        return line(text, properties=f'<a:pPr lvl="{level}"><a:buAutoNum type="{kind}"/></a:pPr>')

    body = (
        numbered("Open", "arabicPeriod") + numbered("左", "circleNumDbPlain", 1) + numbered("右", "circleNumDbPlain", 1)
        + numbered("Close", "arabicPeriod") + line("Plain") + numbered("Again", "arabicParenBoth")
    )  # fmt: skip
    blocks = read_deck(deck(shape(body)))
    assert texts(blocks) == ["1. Open", "① 左", "② 右", "2. Close", "Plain", "(1) Again"]
    assert [block.kind for block in blocks].count("ListItem") == 5


def test_tables_diagrams_and_charts_of_slides_stand_in_their_place() -> None:
    def slide_cell(text: str, attributes: str = "") -> str:
        return f"<a:tc {attributes}><a:txBody>{line(text)}</a:txBody></a:tc>"

    merged = slide_cell("wide", 'gridSpan="2"') + slide_cell("", 'hMerge="1"')
    grid = (
        f'<a:tbl><a:tblPr firstRow="1"/><a:tr>{slide_cell("区分")}{slide_cell("Level")}</a:tr>'
        f"<a:tr>{merged}</a:tr></a:tbl>"
    )
    content = deck(
        frame('<c:chart r:id="rIdChart"/>', (0, 900))
        + frame(grid, (0, 300))
        + frame('<dgm:relIds r:dm="rIdData"/>', (0, 600)),
        chart=chart("Levels", "水位", ["Spring"]),
        data=diagram("点検"),
    )
    blocks = read_deck(content)
    assert texts(blocks) == ["区分 | Level\nwide", "点検", "Levels", "水位", "Spring"]
    assert blocks[0].html == '<table><tr><th>区分</th><th>Level</th></tr><tr><td colspan="2">wide</td></tr></table>'


def test_hidden_slides_shapes_and_what_lies_outside_are_marked() -> None:
    content = deck(
        shape(line("Seen"), at=(-20, -20))
        + shape(line("外"), at=(-500, 700))
        + shape(line("Off"), at=(0, 800), named='hidden="1"'),
        shape(line("Hidden slide"), kind="title"),
        hidden=[2],
        notes={2: shape(line("Its notes"), kind="body")},
    )
    assert [(block.text, block.hidden) for block in read_deck(content)] == [
        ("Seen", False), ("外", True), ("Off", True), ("Hidden slide", True), ("Its notes", True),
    ]  # fmt: skip


def test_footers_dates_and_numbers_of_slides_are_kept_out() -> None:
    margins = (
        shape(line("Minase office"), kind="ftr") + shape(line("4 May"), kind="dt") + shape(line("7"), kind="sldNum")
    )
    reading = read_pptx(deck(shape(line("本文"), kind="body") + margins))
    assert sorted(block.kind for block in reading.blocks) == ["Footer", "Footer", "PageNumber", "UncategorizedText"]
    assert assemble(reading).text == "本文"


def test_a_placeholder_takes_its_place_from_its_layout() -> None:
    body = shape(line("Body"), kind="body").replace(
        '<a:xfrm><a:off x="0" y="0"/><a:ext cx="100" cy="100"/></a:xfrm>', ""
    )
    with zipfile.ZipFile(io.BytesIO(deck(body + shape(line("Above"), at=(0, 100))))) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    members["ppt/slides/_rels/slide1.xml.rels"] = relations({"rId1": ("slideLayout", "../slideLayouts/l.xml")})
    layout = shape(kind="body", at=(0, 2000))
    members["ppt/slideLayouts/l.xml"] = (
        f"<p:sldLayout {NAMES}><p:cSld><p:spTree>{layout}</p:spTree></p:cSld></p:sldLayout>"
    )
    assert texts(read_deck(package(members))) == ["Above", "Body"]


def test_a_damaged_package_is_refused_as_such() -> None:
    whole = word(p(r("x" * 500)))
    bad = [
        whole[: len(whole) // 2],
        package({"a.txt": "x"}),
        package({"word/document.xml": "<w:document"}),
        b"PK\x03\x04",
    ]
    for reader in (read_docx, read_odt, read_pptx):
        for content in bad:
            with pytest.raises(Unparseable) as refused:
                reader(content)
            assert refused.value.reason == "damaged"


def test_an_entity_reaches_nothing() -> None:
    body = p("<w:r><w:t>a&e;b</w:t></w:r>")
    declared = '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    document = f"{declared}<w:document {NAMES}><w:body>{body}</w:body></w:document>"
    content = word("")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    blocks = list(read_docx(package(members | {"word/document.xml": document})).blocks)
    assert "root" not in "".join(texts(blocks))


def test_a_part_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.elements.readers.office.package.LARGEST_MEMBER", 10_000)
    with pytest.raises(Unparseable) as refused:
        read_docx(word(p(r("a" * 20_000))))
    assert refused.value.reason == "unpacks_too_large"


def test_a_large_loss_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.elements.readers.office.word_xml.Story._paragraph", lambda *_, **__: None)
    with pytest.raises(Unparseable) as refused:
        assemble(read_docx(word(p(r("A sentence that goes astray. " * 20)))))
    assert refused.value.reason == "text_lost"
