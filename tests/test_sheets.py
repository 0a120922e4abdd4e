"""Sheets: what Excel shows on and beside its cells, what is hidden, and tables of text as offices exchange them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping

import openpyxl
import pytest
from openpyxl.comments import Comment

from assets.chunks.chunking import Chunk, chunk
from assets.elements.document import Element, Parsed
from assets.elements.parsing import assemble
from assets.elements.readers.encoding import decode
from assets.elements.readers.grids import shown
from assets.elements.readers.sheets import read_csv, read_xlsx
from assets.settings import Chunking

RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"


def book(rows: list[list[object]]) -> openpyxl.Workbook:
    """Make a workbook of one sheet."""
    made = openpyxl.Workbook()
    for row in rows:
        made.worksheets[0].append(row)
    return made


def saved(made: openpyxl.Workbook, parts: Mapping[str, str] | None = None) -> bytes:
    """Return a workbook's bytes, with parts put in or in the place of others."""
    file, whole = io.BytesIO(), io.BytesIO()
    made.save(file)
    put = dict(parts or {})
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(whole, "w") as new:
        for name in old.namelist():
            new.writestr(name, put.pop(name) if name in put else old.read(name))
        for name, text in put.items():
            new.writestr(name, text)
    return whole.getvalue()


def read(content: bytes) -> Parsed:
    """Read a workbook as a parser process does."""
    return assemble(read_xlsx(content))


def pieces(parsed: Parsed, *, hidden: bool = False) -> list[str]:
    """Return the texts of the elements that are shown, or of those that are not."""
    return [parsed.text[e.start : e.end] for e in parsed.elements if e.hidden == hidden]


def cut(content: bytes, most: int) -> list[Chunk]:
    """Read and cut a table of text, a token a word."""
    parsed = assemble(read_csv(content))
    settings = Chunking.model_validate({"max_tokens": most, "min_tokens": 1, "overlap_tokens": 0})
    return chunk(parsed.text, parsed.elements, settings, lambda text: len(text.split()))


def shape(row: int, text: str) -> str:
    """Write a text box that is anchored to a row."""
    place = f"<xdr:col>1</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>{row}</xdr:row><xdr:rowOff>0</xdr:rowOff>"
    return (
        f'<xdr:twoCellAnchor><xdr:from>{place}</xdr:from><xdr:to>{place}</xdr:to><xdr:sp macro="" textlink="">'
        f'<xdr:nvSpPr><xdr:cNvPr id="2" name="box"/><xdr:cNvSpPr/></xdr:nvSpPr><xdr:spPr/><xdr:txBody><a:bodyPr/>'
        f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p></xdr:txBody></xdr:sp><xdr:clientData/></xdr:twoCellAnchor>"
    )


def test_text_boxes_follow_the_cells_from_top_to_bottom() -> None:
    reference = f'<Relationship Id="r1" Type="{RELATIONS}/drawing" Target="../drawings/drawing1.xml"/>'
    parts = {
        "xl/worksheets/_rels/sheet1.xml.rels": (
            f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{reference}'
            "</Relationships>"
        ),
        "xl/drawings/drawing1.xml": (
            f'<xdr:wsDr xmlns:xdr="{DRAWING}/spreadsheetDrawing" xmlns:a="{DRAWING}/main">'
            f"{shape(9, 'Then open the gate.')}{shape(2, '非常停止を押す。')}</xdr:wsDr>"
        ),
    }
    content = saved(book([["手順"], ["below"]]), parts)
    assert pieces(read(content)) == ["手順\nbelow", "非常停止を押す。", "Then open the gate."]
    assert read_xlsx(content).visible == len("手順below非常停止を押す。Thenopenthegate.")


def test_comments_on_cells_are_lines() -> None:
    made = book([["gate", "水門"]])
    made.worksheets[0]["A1"].comment = Comment("Greased in May.", "a")
    made.worksheets[0]["B1"].comment = Comment("点検\n済み", "a")
    content = saved(made)
    assert pieces(read(content))[1:] == ["Greased in May.\n点検 済み"]
    assert read_xlsx(content).visible == len("gate水門GreasedinMay.点検済み")


def test_hidden_rows_and_columns_are_hidden_blocks_and_do_not_part_a_table() -> None:
    made = book([["品名", "数", "原価"], ["水門", 2, 70], ["旧堰", 3, 80], ["堰", 4, 90]])
    made.worksheets[0].row_dimensions[3].hidden = True
    assert pieces(read(saved(made))) == ["品名 | 数 | 原価\n水門 | 2 | 70\n堰 | 4 | 90"]
    assert pieces(read(saved(made)), hidden=True) == ["旧堰 | 3 | 80"]
    made = book([["品名", "数", "原価"], ["水門", 2, 70]])
    made.worksheets[0].column_dimensions["C"].hidden = True
    assert pieces(read(saved(made))) == ["品名 | 数\n水門 | 2"]
    assert pieces(read(saved(made)), hidden=True) == ["原価\n70"]


def test_a_table_that_is_hardly_filled_keeps_its_columns_under_its_header() -> None:
    days = ["4/1", "4/2", "4/3", "4/4", "4/5", "4/6"]
    rows: list[list[object]] = [["氏名", *days], ["佐藤", None, "○"], ["鈴木", *[None] * 5, "○"], ["田中", "○"], ["林"]]
    assert pieces(read(saved(book(rows)))) == [
        "氏名 | 4/1 | 4/2 | 4/3 | 4/4 | 4/5 | 4/6\n佐藤 |  | ○\n鈴木 |  |  |  |  |  | ○\n田中 | ○\n林"
    ]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [(1, "0%", "100%"), (0.125, "0.0%", "12.5%"), (123, "00000", "00123"), (-7.0, "000", "-007"), (5, "General", "5"),
     (0.1, "0%;-0%", "10%"), (12.0, '0"%"', "12"), (True, "0%", "TRUE")],
)  # fmt: skip
def test_a_number_is_written_as_its_cell_shows_it(value: object, number_format: str, text: str) -> None:
    assert shown(value, number_format) == text


def test_a_workbook_without_dates_has_none() -> None:
    core = (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>表</dc:title></cp:coreProperties>'
    )
    assert read(saved(book([["a", "b"]]), {"docProps/core.xml": core})).properties == {"title": "表"}


def test_half_width_kana_are_read_and_neither_euc_nor_russian_is_taken_for_them() -> None:
    bank = "".join(f"2024{number:04d},0001,ﾐｽﾞﾎ,{number:03d},ﾔﾏﾀﾞ ﾀﾛｳ,{number}\r\n" for number in range(30))
    assert decode(bank.encode("cp932")) == bank
    assert decode("氏名,ﾌﾘｶﾞﾅ\n,ｶﾌﾞｼｷｶﾞｲｼｬ ｽｲﾓﾝ\n".encode("cp932")) == "氏名,ﾌﾘｶﾞﾅ\n,ｶﾌﾞｼｷｶﾞｲｼｬ ｽｲﾓﾝ\n"
    for text in ("カタカナ、水門\n", "山田太郎 山田太郎 山田\n", "山田太郎,鈴木一郎,田中花子,佐藤次郎,高橋三郎\n" * 9):
        assert not re.search("[\uff61-\uff9f]", decode(text.encode("euc-jp")))
    russian = "ночью течёт вода через речной шлюз, и сторож ещё раз проверяет ключи от ворот\n" * 9
    assert not re.search("[\uff61-\uff9f]", decode(russian.encode("koi8-r")))


@pytest.mark.parametrize("line", ["sep=;\r\n", '"SEP=;"\n'])
def test_a_line_that_tells_excel_the_separator_is_obeyed_and_is_no_text(line: str) -> None:
    assert assemble(read_csv(f"{line}a,b;c\n1,5;2\n".encode())).text == "a,b | c\n1,5 | 2"


def test_a_table_without_a_header_repeats_no_record() -> None:
    chunks = cut("".join(f"2024-01-{n:02d},{n},customer {n}\n" for n in range(1, 20)).encode(), 32)
    assert len(chunks) > 2
    assert [piece.lead for piece in chunks] == [0] * len(chunks)
    assert "<th>" not in "".join(str(piece.html) for piece in chunks)
    chunks = cut("".join(["day,number,who\n", *(f"2024,{n},customer {n}\n" for n in range(1, 20))]).encode(), 32)
    assert all(piece.text.startswith("day | number | who\n") for piece in chunks)


def test_a_header_is_repeated_too_where_its_html_has_other_rows() -> None:
    text = "\n".join(["part | size", *(f"bolt{number} | {number}" for number in range(20))])
    html = "<table><tr><th>part</th><th>size</th></tr><tr><td>other</td></tr></table>"
    settings = Chunking.model_validate({"max_tokens": 32, "min_tokens": 1, "overlap_tokens": 0})
    chunks = chunk(text, [Element("Table", 0, len(text), html=html)], settings, lambda part: len(part.split()))
    assert len(chunks) > 1
    assert all(piece.text.startswith("part | size\n") for piece in chunks)
