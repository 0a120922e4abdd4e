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


def test_every_text_of_a_mail_is_read_and_a_named_one_is_a_file() -> None:
    message = mail("Report", "See the plan.", ("plan.bin", b"x"))
    message.attach(second := EmailMessage())
    second.set_content("The deadline moved.")
    message.attach(third := EmailMessage())
    third.set_content("<p>Numbers</p>", subtype="html", disposition="inline", filename="report.html")
    found = read_eml(message.as_bytes())
    assert [block.text for block in found.blocks] == ["Report", "See the plan.", "The deadline moved."]
    assert [file.name for file in found.attachments] == ["plan.bin", "report.html"]


def test_signatures_and_invitations_are_no_attachments_and_a_nameless_text_is_one() -> None:
    message = mail("s", "t")
    message.add_attachment(b"0", maintype="application", subtype="pkcs7-signature", filename="smime.p7s")
    message.add_attachment("BEGIN:VCALENDAR", subtype="calendar")
    message.add_attachment("Read me.", subtype="plain")
    assert [(file.name, file.format) for file in read_eml(message.as_bytes()).attachments] == [("part-4.txt", "txt")]


def test_a_name_is_cleaned_as_text_is() -> None:
    message = mail("s", "t", ("a\u202etxt.md", b"# One"))
    assert [file.name for file in read_eml(message.as_bytes()).attachments] == ["atxt.md"]


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
    summary = refresh(make_bench())
    held = rows(database, "SELECT uri, reason FROM corpus.quarantine JOIN corpus.documents USING (document_id)", None)
    assert held == [("a.eml!/b.docx", "damaged")]
    assert summary.reports["elements"].counts["attachments_left_out"] == 1
    assert "a.eml" in published(database)


def test_a_mail_that_becomes_a_page_lets_go_of_its_attachments(
    make_bench: Callable[..., Workbench], database: Database, corpus: Path
) -> None:
    bench = make_bench(limits={"vanished_share": 1})
    write(corpus, "a.eml", mail("Outer", NOTICE, ("gate.md", b"# Gate\n\nClosed.")).as_bytes())
    refresh(bench)
    assert "a.eml!/gate.md" in published(database)
    write(corpus, "a.eml", "<!doctype html><p>The office moved to the north bank.</p>")
    refresh(bench)
    assert {uri for uri in published(database) if uri.startswith("a.eml")} == {"a.eml"}


def test_mails_in_mails_go_with_the_outermost_and_the_deepest_are_counted(
    make_bench: Callable[..., Workbench], database: Database, corpus: Path
) -> None:
    inner = mail("Deepest", "The key is here.")
    for level in range(8):
        outer = mail(f"Level {level}", "Forwarded.")
        outer.add_attachment(inner)
        inner = outer
    write(corpus, "a.eml", inner.as_bytes())
    bench = make_bench(limits={"vanished_share": 1})
    assert refresh(bench).reports["elements"].counts["attachments_left_out"] == 1
    assert len([uri for uri in published(database) if uri.startswith("a.eml")]) == 6
    assert not refresh(bench).changed
    (corpus / "a.eml").unlink()
    refresh(bench)
    assert not [uri for uri in published(database) if uri.startswith("a.eml")]


def test_a_file_of_the_source_wins_over_an_attachment_of_its_name(
    make_bench: Callable[..., Workbench], database: Database, corpus: Path
) -> None:
    write(corpus, "a.eml", mail("Outer", NOTICE, ("b.md", b"# Attached\n\nOne.")).as_bytes())
    write(corpus, "a.eml!/b.md", "# Listed\n\nTwo.\n")
    bench = make_bench()
    refresh(bench)
    assert (published(database)["a.eml!/b.md"] or "").startswith("Listed")
    assert not refresh(bench).changed


def test_a_short_mail_with_a_large_attachment_is_published(
    make_bench: Callable[..., Workbench], database: Database, corpus: Path
) -> None:
    table = b"a,b\n" + b"1,2\n" * 100_000
    write(corpus, "a.eml", mail("Outer", "See attached.", ("t.csv", table)).as_bytes())
    refresh(make_bench(chunking={"max_tokens": 2000}, space={"token_limit": 4000}))
    assert {"a.eml", "a.eml!/t.csv"} <= set(published(database))


def test_attachments_that_the_collection_excludes_are_left_out(
    make_bench: Callable[..., Workbench], database: Database, corpus: Path
) -> None:
    write(corpus, "a.eml", mail("Outer", NOTICE, ("b.md", b"# B"), ("c.csv", b"a,b\n1,2\n")).as_bytes())
    refresh(make_bench(exclude=["**/*.csv"]))
    assert {uri for uri in published(database) if uri.startswith("a.eml")} == {"a.eml", "a.eml!/b.md"}
