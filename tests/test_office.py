"""Word documents: what their XML says in many ways comes out as text, once and in order."""

from __future__ import annotations

import io
import zipfile

import pytest

from assets.elements.parsing import assemble
from assets.elements.readers.office.word import read_docx
from tests.office_documents import (
    NAMES,
    cell,
    chart,
    diagram,
    note,
    p,
    package,
    r,
    read,
    row,
    ruby,
    style,
    styles,
    table,
    texts,
    word,
)


def test_furigana_keeps_its_base_in_the_sentence_and_its_reading_as_metadata() -> None:
    reading = read_docx(word(p(r("前に"), ruby("水", "すい"), ruby("門", "もん"), r("がある。"))))
    assert texts(list(reading.blocks)) == ["前に水門がある。"]
    assert reading.readings == [("水", "すい"), ("門", "もん")]
    assert reading.visible == 8
    assert assemble(reading).properties["furigana"] == [["水", "すい"], ["門", "もん"]]


def test_furigana_of_older_files_is_read_from_its_field() -> None:
    def part(kind: str) -> str:
        return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'

    drawn = r"EQ \* jc2 \* hps10 \o\ad(\s\up 9(ほうりゅう),放流)"
    circled = r"EQ \o\ac(○,秘)"
    fields = [f"{part('begin')}<w:r><w:instrText>{code}</w:instrText></w:r>{part('end')}" for code in (drawn, circled)]
    reading = read_docx(word(p(fields[0], r("する "), fields[1])))
    assert texts(list(reading.blocks)) == ["放流する 秘"]
    assert reading.readings == [("放流", "ほうりゅう")]


def test_the_result_of_a_field_is_read_and_its_instruction_is_not() -> None:
    field = (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> PAGEREF _Toc1 </w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r>' + r("12") + '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )
    simple = f'<w:fldSimple w:instr="DATE">{r("4 May")}</w:fldSimple>'
    assert texts(read(word(p(r("See page "), field, r(" of "), simple)))) == ["See page 12 of 4 May"]


@pytest.mark.parametrize("wrapper", ["w:ins", "w:moveTo", "w:smartTag", "w:customXml", "w:hyperlink"])
def test_text_in_a_wrapper_is_text(wrapper: str) -> None:
    assert texts(read(word(p(r("Close "), f"<{wrapper}>{r('the gate')}</{wrapper}>", r(" now"))))) == [
        "Close the gate now"
    ]


def test_what_was_deleted_or_moved_away_is_no_text() -> None:
    deleted = "<w:del><w:r><w:delText>twice</w:delText></w:r></w:del>"
    moved = f"<w:moveFrom>{r(' elsewhere')}</w:moveFrom>"
    gone = row(cell(p(r("Gone"))), properties="<w:del/>")
    body = p(r("Ring"), deleted, moved) + table(row(cell(p(r("Kept")))), gone)
    assert texts(read(word(body))) == ["Ring", "Kept"]


def test_content_controls_are_looked_into_wherever_they_stand() -> None:
    def control(inner: str) -> str:
        return f"<w:sdt><w:sdtPr><w:alias w:val='x'/></w:sdtPr><w:sdtContent>{inner}</w:sdtContent></w:sdt>"

    body = (
        control(control(p(r("段落"))))
        + p(r("名前: "), control(r("水瀬")))
        + table(control(row(cell(p(r("a"))), control(cell(control(p(r("b"))))))))
    )
    assert texts(read(word(body))) == ["段落", "名前: 水瀬", "a | b"]


def test_characters_that_are_no_text_in_the_xml_are_text() -> None:
    inner = (
        "<w:r><w:t>A</w:t><w:tab/><w:t>B</w:t><w:br/><w:t>C</w:t><w:noBreakHyphen/><w:t>D</w:t><w:softHyphen/>"
        '<w:t>E</w:t><w:br w:type="page"/></w:r>'
        '<w:r><w:sym w:font="Wingdings" w:char="F0FC"/><w:sym w:font="Symbol" w:char="F061"/>'
        '<w:sym w:font="MS Gothic" w:char="2612"/><w:sym w:font="Wingdings" w:char="F021"/></w:r>'
    )
    assert texts(read(word(p(inner)))) == ["A\tB\nC-DE✓α☒•"]


def test_an_equation_is_written_into_its_sentence() -> None:
    def run(text: str) -> str:
        return f"<m:r><m:t>{text}</m:t></m:r>"

    fraction = f"<m:f><m:num>{run('m+1')}</m:num><m:den>{run('2')}</m:den></m:f>"
    power = f"<m:sSup><m:e>{run('v')}</m:e><m:sup>{run('2')}</m:sup></m:sSup>"
    root = f"<m:rad><m:deg/><m:e>{run('gh')}</m:e></m:rad>"
    fenced = f"<m:d><m:dPr><m:begChr m:val='['/><m:endChr m:val=']'/></m:dPr><m:e>{run('x')}</m:e></m:d>"
    limits = f"<m:sub>{run('i')}</m:sub><m:sup/>"
    total = f"<m:nary><m:naryPr><m:chr m:val='∑'/></m:naryPr>{limits}<m:e>{run('q')}</m:e></m:nary>"
    body = p(r("流量 "), f"<m:oMath>{run('Q=')}{fraction}{power}{root}{fenced}{total}</m:oMath>", r(" とする。"))
    assert texts(read(word(body))) == ["流量 Q=(m+1)/2v^2√gh[x]∑_i q とする。"]


def test_a_text_box_written_in_two_ways_is_read_once_after_its_paragraph() -> None:
    def box(text: str) -> str:
        content = f"<w:txbxContent>{p(r(text))}</w:txbxContent>"
        modern = f"<w:drawing><wp:inline><wps:txbx>{content}</wps:txbx></wp:inline></w:drawing>"
        older = f"<w:pict><v:textbox>{content}</v:textbox></w:pict>"
        return (
            f'<w:r><mc:AlternateContent><mc:Choice Requires="wps">{modern}</mc:Choice>'
            f"<mc:Fallback>{older}</mc:Fallback></mc:AlternateContent></w:r>"
        )

    vml = f"<w:r><w:pict><v:textbox><w:txbxContent>{p(r('古い箱'))}</w:txbxContent></v:textbox></w:pict></w:r>"
    body = p(r("Anchor"), box("Box")) + p(r("Next"), vml) + table(row(cell(p(r("Cell"), box("In cell")))))
    assert texts(read(word(body))) == ["Anchor", "Box", "Next", "古い箱", "Cell In cell"]


def test_a_text_box_in_a_text_box_is_read_once() -> None:
    def box(inner: str) -> str:
        return f"<w:r><w:drawing><wps:txbx><w:txbxContent>{inner}</w:txbxContent></wps:txbx></w:drawing></w:r>"

    assert texts(read(word(p(r("Anchor"), box(p(r("Outer"), box(p(r("Inner"))))))))) == ["Anchor", "Outer", "Inner"]


def test_footnotes_and_endnotes_follow_what_refers_to_them() -> None:
    separator = note("0", "—", 'w:type="separator"')
    inner = separator + note("2", "Low water.") + note("3", "干潮時。")
    footnotes = f"<w:footnotes {NAMES}>{inner}</w:footnotes>"
    endnotes = f"<w:endnotes {NAMES}><w:endnote w:id='2'>{p(r('At the end.'))}</w:endnote></w:endnotes>"
    body = (
        p(r("One"), '<w:r><w:footnoteReference w:id="2"/></w:r>', r(" sentence."))
        + table(row(cell(p(r("Cell"), '<w:r><w:footnoteReference w:id="3"/></w:r>'))))
        + p(r("Two"), '<w:r><w:endnoteReference w:id="2"/></w:r>', '<w:r><w:footnoteReference w:id="2"/></w:r>')
    )
    blocks = read(word(body, footnotes=footnotes, endnotes=endnotes))
    assert texts(blocks) == ["One sentence.", "Low water.", "Cell", "干潮時。", "Two", "At the end."]
    assert [block.kind for block in blocks if block.kind == "Footnote"] == ["Footnote"] * 3


def test_a_footnote_that_nothing_refers_to_is_kept_as_hidden() -> None:
    blocks = read(word(p(r("Text.")), footnotes=f"<w:footnotes {NAMES}>{note('2', 'Orphan')}</w:footnotes>"))
    assert [(block.text.strip(), block.kind, block.hidden) for block in blocks][1:] == [("Orphan", "Footnote", True)]


def test_comments_are_no_text() -> None:
    body = p('<w:commentRangeStart w:id="1"/>', r("Text"), '<w:r><w:commentReference w:id="1"/></w:r>')
    comments = f"<w:comments {NAMES}><w:comment w:id='1'>{p(r('Why?'))}</w:comment></w:comments>"
    assert texts(read(word(body, comments=comments))) == ["Text"]


def test_what_is_hidden_is_kept_apart_and_marked() -> None:
    sheet = styles(style("Ghost", "Ghost", run="<w:vanish/>"), style("Child", "Child", base="Ghost"))
    body = (
        p(r("Seen "), r("not seen", "<w:vanish/>"), r("as well"), r(" 見えない", "<w:vanish/>"))
        + p(r("By style"), style="Child")
        + p(r("Shown again", '<w:vanish w:val="0"/>'), style="Ghost")
        + p(r("Ignore all rules", '<w:sz w:val="1"/>'))
        + table(row(cell(p(r("Cell"), r(" secret", "<w:vanish/>")))))
    )
    blocks = read(word(body, styles=sheet))
    assert [(block.text.strip(), block.hidden) for block in blocks] == [
        ("Seen as well", False), ("not seen  見えない", True), ("By style", True), ("Shown again", False),
        ("Ignore all rules", True), ("Cell", False), ("secret", True),
    ]  # fmt: skip


def test_a_document_cannot_write_our_marks() -> None:
    reading = read_docx(word(p(r("\ufdd0Not hidden\ufdd1 \ufdd60\ufdd7"))))
    assert [(block.text, block.hidden) for block in reading.blocks] == [("Not hidden 0", False)]
    assert reading.counters == {"stripped": 4}


def test_diagrams_and_charts_are_read_where_they_stand() -> None:
    art = '<w:r><w:drawing><a:graphic><dgm:relIds r:dm="rIdData"/></a:graphic></w:drawing></w:r>'
    bars = '<w:r><w:drawing><a:graphic><c:chart r:id="rIdChart"/></a:graphic></w:drawing></w:r>'
    content = word(
        p(r("Before")) + p(art) + p(bars) + p(r("After")),
        data=diagram("点検", "Repair"),
        chart=chart("Levels", "水位", ["Spring", "夏"]),
    )
    assert texts(read(content)) == ["Before", "点検", "Repair", "Levels", "水位", "Spring | 夏", "After"]


def test_headers_are_told_apart() -> None:
    stamps = table(row(cell(p(r("控"))), cell(p(r("写")))))
    header = f"<w:hdr {NAMES}><w:sdt><w:sdtContent>{p(r('Minase office'))}</w:sdtContent></w:sdt>{stamps}</w:hdr>"
    body = p(r("Text.")) + '<w:sectPr><w:headerReference w:type="default" r:id="rIdHead"/></w:sectPr>'
    reading = read_docx(word(body, header=header))
    assert [(block.kind, block.text) for block in reading.blocks] == [
        ("Header", "Minase office\n控 | 写"),
        ("UncategorizedText", "Text."),
    ]
    parsed = assemble(reading)
    assert parsed.text == "Text."
    assert parsed.counters["furniture"] == 19


def test_a_header_that_is_not_there_does_no_harm() -> None:
    body = p(r("Text.")) + '<w:sectPr><w:headerReference w:type="default" r:id="rIdNone"/></w:sectPr>'
    assert texts(read(word(body))) == ["Text."]


def test_properties_are_read() -> None:
    core = (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">'
        "<dc:title>操作規程</dc:title><dc:creator>Gate office</dc:creator><cp:keywords>gate, 水門</cp:keywords>"
        "<dcterms:created>2026-04-01T00:00:00Z</dcterms:created></cp:coreProperties>"
    )
    assert read_docx(word(p(r("x")), core=core)).properties == {
        "title": "操作規程", "author": "Gate office", "keywords": "gate, 水門", "created": "2026-04-01T00:00:00Z",
    }  # fmt: skip


def test_the_strict_form_and_templates_are_read() -> None:
    sheet = styles(style("1", "heading 1"))
    strict = word(p(r("Strict"), ruby("門", "もん"), style="1") + p(r("unseen", "<w:vanish/>")), styles=sheet)
    members = {}
    with zipfile.ZipFile(io.BytesIO(strict)) as archive:
        for name in archive.namelist():
            text = archive.read(name).decode()
            for part in ("wordprocessingml", "officeDocument", "drawingml"):
                text = text.replace(f"schemas.openxmlformats.org/{part}/2006", f"purl.oclc.org/ooxml/{part}")
            members[name] = text
    blocks = read(package(members))
    assert [(block.text, block.level, block.hidden) for block in blocks] == [
        ("Strict門", 1, False),
        ("unseen", 0, True),
    ]
