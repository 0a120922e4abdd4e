"""Parsing: what a file's text becomes, and that a bad file costs itself alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.elements.cleaning import Cleaner
from assets.elements.document import Attachment, Block, Element, Parsed, Reading, Unparseable
from assets.elements.parsing import Packed, assemble, modules_for
from assets.elements.readers.encoding import decode
from assets.elements.readers.found import table_text
from resources.parser_pool import ParserPool, Task
from tests.conftest import write

PROJECT = Path(__file__).resolve().parent.parent
CORPUS = PROJECT / "examples" / "corpus"
PROPERTY = settings(max_examples=100, deadline=None)

Parse = Callable[..., Parsed]


def unpack(packed: Packed) -> Parsed:
    """Undo what a parse is packed into for its journey."""
    return Parsed(
        packed.text,
        tuple(Element(**element) for element in json.loads(packed.elements)),
        packed.title,
        packed.pages,
        packed.language,
        packed.counters,
        json.loads(packed.properties),
        tuple(Attachment(**attachment) for attachment in json.loads(packed.attachments)),
    )


def parse_task(path: Path, format: str) -> Task:  # noqa: A002  # The field's own word.
    """Make a task for a file as it is now."""
    return Task(path.name, (str(path), format, hashlib.sha256(path.read_bytes()).digest()))


@pytest.fixture
def parse(parser_pool: ParserPool, tmp_path: Path) -> Parse:
    """Parses content in a worker, as the stage does."""

    def parse_content(content: str | bytes, format: str) -> Parsed:  # noqa: A002
        path = write(tmp_path, f"document.{format}", content)
        (outcome,) = parser_pool.map([parse_task(path, format)], seconds=120, memory_mb=2048)
        assert outcome.failure is None, outcome.detail
        return unpack(outcome.value)

    return parse_content


@pytest.fixture(scope="module")
def sample(parser_pool: ParserPool) -> dict[str, Parsed]:
    """The sample corpus, parsed, by file name."""
    paths = [path for path in CORPUS.rglob("*") if path.is_file()]
    tasks = [parse_task(path, path.suffix[1:]) for path in paths]
    outcomes = list(parser_pool.map(tasks, seconds=120, memory_mb=2048))
    assert [(outcome.key, outcome.detail) for outcome in outcomes if outcome.failure] == []
    return {outcome.key: unpack(outcome.value) for outcome in outcomes}


KNOWN = {
    "flood-gate-operation.md": ["This procedure covers gates No. 1 to No. 4 (model MG-204)", "Closing order"],
    "放流手順.md": ["大雨のあと、水門の内側にたまった水を海へ流すときの手順を定める。"],
    "shift-handover.txt": ["Handover takes place at 08:15 and at 17:00"],
    "夏期勤務体制.txt": ["7月1日から9月30日まで、夏期の勤務体制をとる。"],
    "visitor-guide.html": ["The sluice gate has stood at the mouth of the Sasane River since 1968."],
    "よくある質問.html": ["50秒と10秒をくり返すサイレンは、これから水を流すという合図で"],
    "mg-204-maintenance-manual.pdf": ["MG-204 is a vertical roller gate."],
    "定期点検報告書_令和8年春.pdf": ["水瀬水門管理所 設備係。", "底部水密ゴムが最大9 mm摩耗"],
    "school-tour-handbook.docx": ["For teachers of grades 3 to 6 and for our guides."],
    "停電時対応要領.docx": ["商用電源が止まったときに、当直員がとる行動を時間の順に示す。"],
    "budget-fy2026.xlsx": ["Item | FY2025 actual | FY2026 budget | Remark", "Staff (14 posts) | 48200000 | 49600000"],
    "修繕計画.xlsx": ["令和8年度 | 2号ゲート | 底部水密ゴムの交換 | 3850 | 10月末までに完了"],
    "storm-review-2025.pptx": [
        "Training deck for operators, spring 2026",
        "Let the shift that was on duty speak first.",
    ],
    "spare-parts.csv": ["part_number | description | fits", "WR-28-60 | Wire rope 28 mm, 60 m, galvanised"],
    "siren-test-2026-09.eml": ["On Thursday 3 September 2026 we will test all six river sirens"],
    "魚道観察会のお知らせ.eml": ["海から川へのぼる若鮎を間近で見る「魚道観察会」を開きます。"],
}


SAMPLED = {"md", "txt", "html", "pdf", "docx", "xlsx", "pptx", "csv", "eml"}


@pytest.mark.parametrize(("name", "strings"), KNOWN.items(), ids=KNOWN.keys())
def test_every_format_becomes_text_that_holds_what_was_written(
    sample: dict[str, Parsed], name: str, strings: list[str]
) -> None:
    assert [wanted for wanted in strings if wanted not in sample[name].text] == []


def test_the_sample_corpus_covers_every_format_in_both_languages(sample: dict[str, Parsed]) -> None:
    assert {name.rsplit(".", 1)[1] for name in sample} == SAMPLED
    assert {name.rsplit(".", 1)[1] for name in KNOWN if not name.isascii()} == SAMPLED - {"csv", "pptx"}


def test_spans_slice_the_text_into_its_elements(sample: dict[str, Parsed]) -> None:
    for name, parsed in sample.items():
        pieces = [parsed.text[element.start : element.end] for element in parsed.elements]
        assert "\n\n".join(pieces) == parsed.text, name
        assert all(piece == piece.strip() != "" for piece in pieces), name
        assert (parsed.counters["stripped"], parsed.counters["replaced"]) == (0, 0), name


def test_a_japanese_sentence_that_a_page_breaks_over_lines_is_put_together_again(sample: dict[str, Parsed]) -> None:
    text = sample["定期点検報告書_令和8年春.pdf"].text
    assert "天候はおおむね晴れ" in text
    assert "外観、寸法、電気の三つの面から調べた" in text


def test_pages_are_told_where_a_format_has_them(sample: dict[str, Parsed]) -> None:
    manual = sample["mg-204-maintenance-manual.pdf"]
    assert manual.pages == 3
    assert sorted({element.page for element in manual.elements if element.page}) == [1, 2, 3]
    assert sample["storm-review-2025.pptx"].pages == 5
    assert sample["flood-gate-operation.md"].pages == 0


def test_the_title_is_the_first_heading(sample: dict[str, Parsed]) -> None:
    assert sample["flood-gate-operation.md"].title == "Flood gate operation (procedure FP-1)"
    assert sample["停電時対応要領.docx"].title == "停電時対応要領"
    assert sample["shift-handover.txt"].title is None


def headings(parsed: Parsed) -> list[tuple[int, str]]:
    """Return headings with their levels."""
    return [(element.level, parsed.text[element.start : element.end]) for element in parsed.elements if element.level]


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ("# Gate\n\nOpen it.\n\n## 点検\n\n毎月行う。\n\n### Hinges\n\nGrease.\n\n# Tides\n\nSee table.\n", "md"),
        (
            "<h1>Gate</h1><p>Open it.</p><h2>点検</h2><p>毎月行う。</p><h3>Hinges</h3><p>Grease.</p><h1>Tides</h1>",
            "html",
        ),
    ],
    ids=["md", "html"],
)  # fmt: skip
def test_heading_levels_are_those_of_the_document(parse: Parse, content: str, format: str) -> None:  # noqa: A002
    assert headings(parse(content, format)) == [(1, "Gate"), (2, "点検"), (3, "Hinges"), (1, "Tides")]


def test_heading_levels_of_a_word_document_are_those_of_its_styles(parse: Parse, tmp_path: Path) -> None:
    import docx

    made = docx.Document()
    made.add_heading("Gate", 1)
    made.add_paragraph("Open it when the water is high.")
    made.add_heading("点検", 2)
    made.add_paragraph("点検は毎月行う。")
    made.add_heading("Tides", 1)
    made.add_paragraph("See the table of tides.")
    made.save(str(tmp_path / "made.docx"))
    assert headings(parse((tmp_path / "made.docx").read_bytes(), "docx")) == [(1, "Gate"), (2, "点検"), (1, "Tides")]


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ("| part | 在庫 |\n|---|---|\n| bolt M8 | 3 |\n| seal | 4 |\n", "md"),
        (
            """<table><tr><th>part</th><th>在庫</th></tr><tr><td>bolt
            M8</td><td>3</td></tr><tr><td>seal</td><td>4</td></tr></table>""",
            "html",
        ),
        ("part,在庫\nbolt M8,3\nseal,4\n", "csv"),
    ],
    ids=["md", "html", "csv"],
)  # fmt: skip
def test_a_table_becomes_a_line_a_row(parse: Parse, content: str, format: str) -> None:  # noqa: A002
    parsed = parse(content, format)
    assert parsed.text == "part | 在庫\nbolt M8 | 3\nseal | 4"
    assert [element.kind for element in parsed.elements] == ["Table"]


def test_an_empty_table_is_no_text() -> None:
    assert table_text("<table><tr><td> </td></tr></table>") == ""


@pytest.mark.parametrize("format", ["txt", "md", "html", "csv"])
def test_an_empty_document_has_no_text(parse: Parse, format: str) -> None:  # noqa: A002
    assert parse(b"", format) == Parsed("", (), None, 0, "und", {"stripped": 0, "replaced": 0})


def test_nul_and_control_characters_are_taken_out_and_counted(parse: Parse) -> None:
    parsed = parse(b"The gate\x00 is opened\x07 when the \x1bwater is high.\r\n", "txt")
    assert parsed.text == "The gate is opened when the water is high."
    assert parsed.counters["stripped"] == 3


def test_replacement_characters_are_counted(parse: Parse) -> None:
    assert parse("The gate \ufffd\ufffd is opened.", "txt").counters["replaced"] == 2


def assembled(*texts: str) -> Parsed:
    """Assemble blocks of running text."""
    return assemble(Reading([Block("NarrativeText", text) for text in texts]))


def test_lone_surrogates_are_taken_out_and_counted() -> None:
    parsed = assembled("wa\ud800ter", "\udfff", "", "\ufffe gate \uffff")
    assert parsed.text == "water\n\ngate"
    assert parsed.counters["stripped"] == 4
    assert parsed.text.encode()


@PROPERTY
@given(texts=st.lists(st.text(st.characters(), max_size=12), max_size=8))
def test_whatever_a_parser_gives_the_text_can_be_stored_and_the_spans_are_right(texts: list[str]) -> None:
    parsed = assembled(*texts)
    assert "\x00" not in parsed.text
    assert parsed.text.encode().decode() == parsed.text
    pieces = [parsed.text[element.start : element.end] for element in parsed.elements]
    assert "\n\n".join(pieces) == parsed.text
    assert all(piece.strip() == piece != "" for piece in pieces)


@PROPERTY
@given(text=st.text(st.characters(), max_size=30))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    cleaned = Cleaner().clean(text)
    again = Cleaner()
    assert again.clean(cleaned) == cleaned
    assert again.stripped == 0


JAPANESE = (
    "水瀬水門管理所からのお知らせです。水位が高いときは水門を開けます。点検は毎月第一月曜日に行います。\n"
    "ゲートの開閉には20分から30分ほどかかり、その間は低い音が続きます。ご理解とご協力をお願いします。\n"
)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp932", "euc-jp", "iso2022_jp", "utf-16", "utf-16-le-mark", "utf-16-be-mark"]
)
def test_japanese_text_in_any_encoding_is_read(parse: Parse, encoding: str) -> None:
    marks = {"utf-16-le-mark": (b"\xff\xfe", "utf-16-le"), "utf-16-be-mark": (b"\xfe\xff", "utf-16-be")}
    mark, codec = marks.get(encoding, (b"", encoding))
    content = mark + JAPANESE.encode(codec)
    assert decode(content) == JAPANESE
    assert "点検は毎月第一月曜日に行います。" in parse(content, "txt").text


def test_western_text_in_an_old_encoding_is_read() -> None:
    text = "Die Schleuse wird bei Hochwasser geöffnet. Prüfen Sie täglich die Türen und Größen. Café crème à côté.\n"
    assert decode(text.encode("cp1252")) == text


@pytest.mark.parametrize("encoding", ["cp932", "euc-jp"])
def test_a_short_japanese_text_in_an_old_encoding_is_read(encoding: str) -> None:
    assert decode("水門を開ける。\n".encode(encoding)) == "水門を開ける。\n"


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Unparseable, match="unknown_encoding"):
        decode(bytes(range(128, 256)) * 3 + b"\x81\x00\x9d\xff")


def test_a_file_that_changed_after_it_was_hashed_is_not_parsed(parser_pool: ParserPool, tmp_path: Path) -> None:
    path = write(tmp_path, "gate.md", "# Gate\n\nClosed.\n")
    task = parse_task(path, "md")
    path.write_text("# Gate\n\nOpened.\n", encoding="utf-8")
    (outcome,) = parser_pool.map([task], seconds=60, memory_mb=2048)
    assert (outcome.value, outcome.failure, outcome.detail) == (None, "refused", "changed_while_reading")


def test_only_the_parsers_that_are_needed_are_named() -> None:
    assert modules_for(["md", "pdf", "zip", "md"]) == [
        "assets.elements.readers.markup",
        "assets.elements.readers.pdf.reader",
    ]
    assert modules_for([]) == []
