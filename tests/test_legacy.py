"""Word and PowerPoint of before 2007: converted by a program that is kept on a short leash."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import docx
import pptx
import pytest

from assets.elements.document import Unparseable
from assets.elements.readers.office import legacy
from assets.elements.readers.tools import find_tool, run_tool
from resources.parser_pool import ParserPool, Task

needs_libreoffice = pytest.mark.skipif(find_tool("soffice") is None, reason="LibreOffice is not installed")

WORD = ["水門を開ける。", "The gate opens at nine."]
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.fixture(scope="module")
def old_word() -> bytes:
    """A Word document of before 2007."""
    document = docx.Document()
    document.add_heading("Operation", 1)
    for paragraph in WORD:
        document.add_paragraph(paragraph)
    file = io.BytesIO()
    document.save(file)
    return legacy.convert(file.getvalue(), "docx", "doc")


@pytest.fixture(scope="module")
def old_slides() -> bytes:
    """A presentation of before 2007."""
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[0])
    slide.shapes.title.text, slide.placeholders[1].text = WORD
    file = io.BytesIO()
    presentation.save(file)
    return legacy.convert(file.getvalue(), "pptx", "ppt")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in LibreOffice's place."""

    def put(script: str) -> None:
        path = tmp_path / "soffice"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(legacy, "find_tool", lambda _name: str(path))

    return put


def reason(read: Callable[[bytes], object], content: bytes) -> str:
    """Return why a document is refused."""
    with pytest.raises(Unparseable) as caught:
        read(content)
    return caught.value.reason


@needs_libreoffice
def test_an_old_word_document_is_read_with_its_headings(old_word: bytes) -> None:
    assert old_word.startswith(OLE)
    blocks = [(block.text, block.level) for block in legacy.read_doc(old_word).blocks]
    assert blocks == [("Operation", 1), *((text, 0) for text in WORD)]


@needs_libreoffice
def test_an_old_presentation_is_read(old_slides: bytes) -> None:
    assert old_slides.startswith(OLE)
    assert [block.text for block in legacy.read_ppt(old_slides).blocks if block.text] == WORD


@pytest.fixture
def converters() -> Iterator[ParserPool]:
    """Two workers that convert, walled in as they are in a refresh."""
    pool = ParserPool(
        "assets.elements.readers.office.legacy:convert", preload=("assets.elements.readers.office.legacy",), processes=2
    )
    yield pool
    pool.close()


@needs_libreoffice
def test_conversions_side_by_side_and_one_after_the_other_work_within_the_default_limits(
    converters: ParserPool, old_word: bytes
) -> None:
    tasks = [Task(number, (old_word, "doc", "docx")) for number in range(4)]
    outcomes = list(converters.map(tasks, seconds=120, memory_mb=2048))
    assert {(outcome.failure, outcome.detail) for outcome in outcomes} == {(None, "")}
    assert all("水門を開ける。" in docx.Document(io.BytesIO(outcome.value)).paragraphs[1].text for outcome in outcomes)


@needs_libreoffice
def test_a_conversion_after_one_that_was_killed_works(converters: ParserPool, old_word: bytes) -> None:
    task = Task(1, (old_word, "doc", "docx"))
    assert [outcome.failure for outcome in converters.map([task], seconds=0.4, memory_mb=2048)] == ["timeout"]
    assert [outcome.failure for outcome in converters.map([task], seconds=120, memory_mb=2048)] == [None]


@needs_libreoffice
def test_what_libreoffice_cannot_read_is_damaged() -> None:
    assert reason(legacy.read_doc, OLE + bytes(4096)) == "damaged"


@pytest.mark.parametrize("script", ["exit 0", "exit 77", "kill -9 $$"])
def test_a_conversion_without_a_result_is_damaged(program: Callable[[str], None], script: str) -> None:
    program(script)
    assert reason(legacy.read_doc, OLE) == "damaged"


def test_a_conversion_that_never_ends_is_ended(program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    program("sleep 600")
    monkeypatch.setattr(legacy, "run_tool", lambda arguments: run_tool(arguments, seconds=0.5))
    assert reason(legacy.read_ppt, OLE) == "parse_timeout"


def test_a_conversion_leaves_nothing_behind(
    program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    program("touch left; exit 1")
    assert reason(legacy.read_doc, OLE) == "damaged"
    assert [path.name for path in scratch.iterdir()] == [
        "left"
    ]  # In the worker's folder, which is emptied after each document.


def test_a_conversion_result_is_looked_through_like_any_archive(program: Callable[[str], None]) -> None:
    program('while [ "$1" != --outdir ]; do shift; done; mkdir -p "$2"; echo "no archive" > "$2/document.docx"')
    assert reason(legacy.read_doc, OLE) == "damaged"


def test_without_libreoffice_the_reason_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legacy, "find_tool", lambda _name: None)
    assert reason(legacy.read_doc, OLE) == "needs_libreoffice"
    assert reason(legacy.read_ppt, OLE) == "needs_libreoffice"


@needs_libreoffice
def test_a_locked_document_needs_a_password(old_word: bytes, old_slides: bytes) -> None:
    locked = bytearray(old_word)
    head = locked.index(b"\xec\xa5")  # Of the stream WordDocument; see [MS-DOC] 2.5.2, fEncrypted.
    locked[head + 11] |= 1
    assert reason(legacy.read_doc, bytes(locked)) == "password_protected"
    locked = bytearray(old_slides)
    head = locked.index(b"\x00\x00\xf5\x0f\x1c\x00\x00\x00")  # A UserEditAtom; see [MS-PPT] 2.3.3.
    locked[head + 4] = 0x20
    assert reason(legacy.read_ppt, bytes(locked)) == "password_protected"
