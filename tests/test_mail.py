"""Mails: their own text, and their attachments as documents of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from assets.elements.document import Parsed, Unparseable
from assets.elements.parsing import assemble, parse
from assets.elements.readers.mail import extract, read_eml
from assets.workbench import Workbench
from resources.postgres import Database
from tests.conftest import refresh, rows, write

NOTICE = "The siren is tested on the first Monday of each month."


def mail(subject: str, text: str, *files: tuple[str, bytes]) -> EmailMessage:
    """Write a mail with attachments."""
    message = EmailMessage()
    message["From"] = "Gate office <gate@example.org>"
    message["To"] = "all@example.org"
    message["Subject"] = subject
    message["Date"] = "Mon, 03 Jun 2024 10:00:00 +0900"
    message.set_content(text)
    for name, content in files:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message


def read(message: EmailMessage | bytes) -> Parsed:
    """Read a mail as a parser process does."""
    return assemble(read_eml(message if isinstance(message, bytes) else message.as_bytes()))


def test_a_mail_is_its_subject_its_text_and_who_wrote_it() -> None:
    found = read(mail("Siren test", NOTICE))
    assert found.text == f"Siren test\n\n{NOTICE}"
    assert (found.elements[0].kind, found.elements[0].level) == ("Title", 1)
    assert found.properties["from"] == "Gate office <gate@example.org>"
    assert found.properties["sent"] == "2024-06-03T10:00:00+09:00"


def test_a_japanese_mail_with_circled_numbers_is_read_as_it_was_written() -> None:
    body = b"\x1b$B" + bytes(byte & 0x7F for byte in "①水門の点検は㈱水瀬".encode("euc_jis_2004")) + b"\x1b(B"
    head = "Subject: =?ISO-2022-JP?B?GyRCP2VMZyRORUA4ISEhGyhC?=\nContent-Type: text/plain; charset=ISO-2022-JP\n\n"
    found = read(head.encode() + body)
    assert "①水門の点検は㈱水瀬" in found.text
    assert found.title is not None
    assert found.title.startswith("水門の点検")


def test_a_charset_that_lies_does_not_garble() -> None:
    head = "Subject: s\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n"
    assert "水門を開ける。" in read(head.encode() + "水門を開ける。点検は毎月行う。".encode("cp932")).text


def test_html_is_preferred_and_its_headings_stand_below_the_subject() -> None:
    message = mail("News", "plain")
    message.add_alternative("<h1>Gate</h1><p>It is closed on Sundays.</p>", subtype="html")
    found = read(message)
    assert found.text == "News\n\nGate\n\nIt is closed on Sundays."
    assert [element.level for element in found.elements] == [1, 2, 0]


def test_an_encrypted_mail_is_refused_with_a_reason() -> None:
    with pytest.raises(Unparseable, match="password_protected"):
        read(b"Subject: s\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nAAAA")


def test_attachments_have_safe_and_different_names_and_are_found_again() -> None:
    message = mail("s", "t", ("../../etc/gate.md", b"# One"), ("gate.md", b"# Two"), ("C:\\x\\gate.md", b"# Three"))
    content = message.as_bytes()
    found = read_eml(content).attachments
    assert [file.name for file in found] == ["gate.md", "gate (2).md", "gate (3).md"]
    assert [extract(content, file.part) for file in found] == [b"# One", b"# Two", b"# Three"]
    assert [file.format for file in found] == ["md", "md", "md"]


def test_a_picture_that_the_body_shows_is_no_attachment() -> None:
    message = mail("s", "t")
    message.add_alternative("<img src='cid:logo'>", subtype="html")
    html = list(message.iter_parts())[1]
    assert isinstance(html, EmailMessage)
    html.add_related(b"\x89PNG\r\n\x1a\n", "image", "png", cid="<logo>")
    assert read_eml(message.as_bytes()).attachments == []


def test_an_attachment_is_parsed_out_of_its_mail(tmp_path: Path) -> None:
    inner = mail("Inner", "t", ("gate.md", b"# Gate\n\nClosed."))
    outer = mail("Outer", "t")
    outer.add_attachment(inner)
    path = write(tmp_path, "a.eml", outer.as_bytes())
    (letter,) = read_eml(path.read_bytes()).attachments
    (file,) = read_eml(extract(path.read_bytes(), letter.part)).attachments
    digest = hashlib.sha256(b"# Gate\n\nClosed.").digest()
    assert parse(str(path), "md", digest, (letter.part, file.part)).text == "Gate\n\nClosed."
    with pytest.raises(Unparseable, match="changed_while_reading"):
        parse(str(path), "md", hashlib.sha256(b"another").digest(), (letter.part, file.part))


def published(database: Database) -> dict[str, str | None]:
    """Return the published documents with what their text begins with."""
    found = rows(
        database,
        "SELECT d.uri, min(k.text) FILTER (WHERE k.ordinal = 0) FROM search.documents AS d"
        " LEFT JOIN search.chunks AS k USING (document_id) GROUP BY d.uri",
    )
    return dict(found)


def test_attachments_are_documents_that_come_and_go_with_their_mail(
    make_bench: Callable[..., Workbench], database: Database, corpus: Path
) -> None:
    files = (("gate.md", b"# Gate\n\nThe gate is closed on Sundays."), ("表.csv", "品目,数\n水門,2\n".encode("cp932")))
    inner = mail("Inner", "Forwarded.", ("deep.txt", b"Deep inside lies the key."))
    outer = mail("Outer", NOTICE, *files)
    outer.add_attachment(inner)
    write(corpus, "a.eml", outer.as_bytes())
    bench = make_bench(limits={"vanished_share": 1})
    summary = refresh(bench)
    assert summary.reports["elements"].counts["attachments"] == 4
    found = published(database)
    assert {uri for uri in found if uri.startswith("a.eml")} == {
        "a.eml", "a.eml!/gate.md", "a.eml!/表.csv", "a.eml!/mail-4.eml", "a.eml!/mail-4.eml!/deep.txt",
    }  # fmt: skip
    assert found["a.eml!/表.csv"] == "品目 | 数\n水門 | 2"
    assert "Deep inside" in (found["a.eml!/mail-4.eml!/deep.txt"] or "")
    assert not refresh(bench).changed

    write(corpus, "a.eml", mail("Outer", NOTICE, files[0]).as_bytes())
    refresh(bench)
    assert {uri for uri in published(database) if uri.startswith("a.eml")} == {"a.eml", "a.eml!/gate.md"}

    (corpus / "a.eml").unlink()
    refresh(bench)
    assert not [uri for uri in published(database) if uri.startswith("a.eml")]


def test_a_bad_attachment_costs_itself_alone(
    make_bench: Callable[..., Workbench], database: Database, corpus: Path
) -> None:
    write(corpus, "a.eml", mail("Outer", NOTICE, ("x.bin", bytes(range(256))), ("b.docx", b"PK\x03\x04")).as_bytes())
    refresh(make_bench())
    held = rows(database, "SELECT uri, reason FROM corpus.quarantine JOIN corpus.documents USING (document_id)", None)
    assert sorted(held) == [("a.eml!/b.docx", "damaged"), ("a.eml!/x.bin", "unsupported_format")]
    assert "a.eml" in published(database)
