"""Archives: what a docx, xlsx, pptx, odt or epub may not do to whoever unpacks it."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import docx
import openpyxl
import pptx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.elements.document import Unparseable
from assets.elements.readers.office import archives
from assets.elements.readers.office.archives import check_archive

TYPES = "[Content_Types].xml"


def pack(*members: tuple[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make an archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, content)
    return file.getvalue()


def saved(document: docx.document.Document | pptx.presentation.Presentation | openpyxl.Workbook) -> bytes:
    """Save an office document into memory."""
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def with_part(content: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Change one member of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(member, archive.read(member)) for member in archive.namelist()]
    return pack(*((member, change(part) if member == name else part) for member, part in members))


def declare(content: bytes, name: str, *, size: int) -> bytes:
    """Let an archive's directory say that a member has another size than it has."""
    changed = bytearray(content)
    at = content.rindex(name.encode()) - 46
    assert changed[at : at + 4] == b"PK\1\2"
    changed[at + 24 : at + 28] = struct.pack("<I", size)
    return bytes(changed)


def reason(content: bytes) -> str:
    """Return why an archive is refused; empty if it is not."""
    try:
        check_archive(content)
    except Unparseable as error:
        return error.reason
    return ""


@pytest.fixture(scope="module")
def document() -> bytes:
    """A Word document as Word might have written it."""
    made = docx.Document()
    made.add_paragraph("水門を開ける。")
    return saved(made)


def test_honest_documents_are_let_through(document: bytes) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["水位", 3.2])
    presentation = pptx.Presentation()
    book = pack(("mimetype", "application/epub+zip"), ("OEBPS/one.xhtml", "<!DOCTYPE html><html>One</html>"))
    for content in (document, saved(workbook), saved(presentation), book):
        assert reason(content) == ""


@pytest.mark.parametrize("content", [b"", b"PK\3\4 and then nothing", b"no archive"])
def test_what_is_no_archive_is_damaged(content: bytes) -> None:
    assert reason(content) == "damaged"


def test_an_archive_that_was_cut_is_damaged(document: bytes) -> None:
    assert reason(document[: len(document) * 2 // 3]) == "damaged"


def test_a_member_that_shrank_to_nearly_nothing_is_not_unpacked_at_all() -> None:
    content = pack((TYPES, "<Types/>"), ("word/document.xml", b" " * 60_000_000))
    assert len(content) < 100_000
    assert reason(content) == "unpacks_too_large"


def test_a_bomb_is_noticed_though_the_directory_calls_it_small(document: bytes) -> None:
    content = pack((TYPES, "<Types/>"), ("word/document.xml", b" " * 60_000_000))
    assert reason(declare(content, "word/document.xml", size=4711)) == "unpacks_too_large"


def test_a_directory_that_lies_about_a_size_is_damaged(document: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        size = archive.getinfo("word/document.xml").file_size
    assert reason(declare(document, "word/document.xml", size=size - 1)) == "damaged"
    assert reason(declare(document, "word/document.xml", size=size + 1)) == "damaged"


def test_many_middling_members_are_a_bomb_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_XML_BYTES", 100_000)
    pages = [(f"page{number}.xhtml", f"{number:01000d}") for number in range(90)]
    assert reason(pack(*pages)) == ""
    assert reason(pack(*pages, *((f"more/{name}", text) for name, text in pages))) == "unpacks_too_large"


def test_pictures_may_be_larger_than_text_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_XML_BYTES", 100_000)
    monkeypatch.setattr(archives, "MOST_BYTES", 300_000)
    assert reason(pack(("word/media/image1.png", bytes(200_000)))) == ""
    assert reason(pack(("word/media/image1.png", bytes(400_000)))) == "unpacks_too_large"
    assert reason(declare(pack(("media/one.png", bytes(400_000))), "media/one.png", size=9)) == "unpacks_too_large"


def test_an_archive_of_too_many_members_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 10)
    assert reason(pack(*((f"{number}.xml", "") for number in range(11)))) == "unpacks_too_large"


def test_a_locked_member_needs_a_password(document: bytes) -> None:
    locked = bytearray(document)
    at = document.rindex(b"PK\1\2")
    locked[at + 8] |= 1
    assert reason(bytes(locked)) == "password_protected"


def test_a_locked_open_document_needs_a_password() -> None:
    entry = '<m:file-entry xmlns:m="m"><m:encryption-data/></m:file-entry>'
    assert reason(pack(("content.xml", b"\1\2"), ("META-INF/manifest.xml", entry))) == "password_protected"


@pytest.mark.parametrize(
    ("algorithm", "refused"),
    [
        ("http://www.idpf.org/2008/embedding", ""),
        ("http://ns.adobe.com/pdf/enc#RC", ""),
        ("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "password_protected"),
    ],
)
def test_a_book_whose_text_is_locked_needs_a_password_and_one_whose_fonts_are_does_not(
    algorithm: str, refused: str
) -> None:
    entry = f'<e:EncryptedData xmlns:e="e"><e:EncryptionMethod Algorithm="{algorithm}"/></e:EncryptedData>'
    assert reason(pack(("META-INF/encryption.xml", entry))) == refused


def test_members_of_one_name_may_not_differ() -> None:
    same, other = ("word/document.xml", "<a/>"), ("word/document.xml", "<b/>")
    with pytest.warns(UserWarning, match="Duplicate name"):
        assert reason(pack((TYPES, "<Types/>"), same, other)) == "damaged"
    with pytest.warns(UserWarning, match="Duplicate name"):
        assert reason(pack((TYPES, "<Types/>"), same, same)) == ""


def test_a_member_that_names_another_folder_is_harmless_since_nothing_is_extracted() -> None:
    assert reason(pack((TYPES, "<Types/>"), ("../../../tmp/evil", "x"), ("/etc/evil", "x"))) == ""


def test_a_broken_picture_costs_no_text_and_a_broken_part_is_refused() -> None:
    for name, expected in (("word/media/image1.png", ""), ("word/document.xml", "damaged")):
        content = pack((name, b"water" * 100), method=zipfile.ZIP_STORED)
        assert reason(content.replace(b"water" * 100, b"Water" * 100)) == expected


LAUGHS = (
    "<!DOCTYPE lolz [<!ENTITY a0 'lol'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
    + "]>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("padding", [0, archives._PIECE - 70])
def test_an_office_document_may_declare_no_entities(document: bytes, encoding: str, padding: int) -> None:
    def laugh(part: bytes) -> bytes:
        text = part.decode("utf-8").partition("?>")[2]
        return f"<!--{' ' * padding}-->{LAUGHS}{text}".encode(encoding)

    assert reason(with_part(document, "word/document.xml", laugh)) == "forbidden_entities"


def test_a_workbook_may_declare_no_entities() -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["水位", 3.2])
    content = with_part(saved(workbook), "xl/workbook.xml", lambda part: LAUGHS.encode() + part)
    assert reason(content) == "forbidden_entities"


def test_a_picture_inside_an_office_document_may_have_a_document_type() -> None:
    picture = "<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'svg11.dtd'><svg/>"
    assert reason(pack((TYPES, "<Types/>"), ("word/media/image1.svg", picture))) == ""


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0), value=st.integers(0, 255))
def test_whatever_byte_is_wrong_an_archive_passes_or_is_refused_with_a_reason(position: int, value: int) -> None:
    content = bytearray(
        pack((TYPES, "<Types/>"), ("word/document.xml", "<a>水門</a>" * 20), ("x/", ""), ("b.png", "b"))
    )
    content[position % len(content)] = value
    assert reason(bytes(content)) in {"", "damaged", "unpacks_too_large", "password_protected"}
