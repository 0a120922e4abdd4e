"""Attachments as documents: where they come from, what takes their place, and when they go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets.elements import stage
from assets.elements.parsing import SUPPORTED
from assets.recipes import chunk_recipe
from assets.settings import Chunking
from assets.workbench import Workbench
from pipelines.planning import make_plan
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer
from tests.test_mail import NOTICE, mail

MakeBench = Callable[..., Workbench]

ENCRYPTED = b"Subject: s\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nAAAA"
FREELY = {"vanished_share": 1}


def nested(depth: int) -> bytes:
    """Write a mail with mails in it, as deep as asked, and a note in the innermost."""
    inner = mail("Innermost", "The innermost mail is here.", ("deep.md", b"# Deep\n\nThe note inside."))
    for level in range(depth - 1, 0, -1):
        outer = mail(f"Level {level}", f"This is the text of level {level}.")
        outer.add_attachment(inner, filename=f"m{level}.eml")
        inner = outer
    return inner.as_bytes()


def published(database: Database) -> set[str]:
    """Return the uris of what readers see of mails."""
    return {uri for (uri,) in rows(database, "SELECT uri FROM search.documents") if ".eml" in uri}


def counts(bench: Workbench) -> dict[str, int]:
    """Refresh, and return what the elements stage counted."""
    return refresh(bench).reports["elements"].counts


def settled(database: Database) -> bool:
    """Say whether the next refresh has nothing to do."""
    return rows(database, "SELECT converged IS NOT null FROM corpus.collections", None) == [(True,)]


def test_a_mail_that_lets_go_of_a_mail_lets_go_of_all_inside(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    write(corpus, "a.eml", nested(5))
    bench = make_bench(limits=FREELY)
    refresh(bench)
    write(corpus, "a.eml", mail("Level 1", NOTICE).as_bytes())
    refresh(bench)
    assert published(database) == {"a.eml"}


def test_what_lies_deeper_than_five_mails_is_left_out_and_counted(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    write(corpus, "a.eml", nested(8))
    bench = make_bench()
    found = counts(bench)
    assert (found["attachments"], found["attachments_left_out"]) == (5, 1)
    for number in range(3):  # Nor does it come nearer by a level a refresh.
        write(corpus, "other.md", f"# Other\n\nText {number}.")
        found = counts(bench)
        assert (found["attachments"], found["attachments_left_out"]) == (0, 1)
    assert len(published(database)) == 6
    assert settled(database)


def test_an_attachment_knows_its_file_and_the_way_into_it(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    write(corpus, "a.eml", nested(2))
    refresh(make_bench())
    query = "SELECT uri, root_uri, cardinality(parts) FROM corpus.documents WHERE uri LIKE 'a.eml%' ORDER BY uri"
    assert rows(database, query, None) == [
        ("a.eml", None, 0), ("a.eml!/m1.eml", "a.eml", 1), ("a.eml!/m1.eml!/deep.md", "a.eml", 2),
    ]  # fmt: skip


def test_attachments_that_did_not_change_are_not_written(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    write(corpus, "a.eml", nested(2))
    bench = make_bench()
    refresh(bench)
    query = "SELECT document_id, xmin::text, xmax::text FROM corpus.documents WHERE parent_id IS NOT null ORDER BY 1"
    before = rows(database, query, None)
    write(corpus, "other.md", "# Other\n\nText.")
    assert counts(bench)["attachments"] == 0
    assert rows(database, query, None) == before


def test_a_file_of_the_source_wins_over_an_attachment_of_its_uri(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    write(corpus, "a.eml", mail("s", NOTICE, ("b.md", b"# Inside\n\nThe attached text.")).as_bytes())
    bench = make_bench(limits=FREELY)
    refresh(bench)
    write(corpus, "a.eml!/b.md", "# Outside\n\nThe text of the file.\n")
    assert counts(bench)["attachments_left_out"] == 1
    refresh(bench)
    assert settled(database)
    query = "SELECT title FROM search.documents WHERE uri = 'a.eml!/b.md'"
    assert rows(database, query) == [("Outside",)]
    (corpus / "a.eml!" / "b.md").unlink()
    refresh(bench)
    assert rows(database, query) == [("Inside",)]
    assert settled(database)


def test_a_mail_that_cannot_be_read_keeps_its_attachments_and_asks_for_nothing(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    files = (("bad.pdf", b"%PDF-1.4 broken"), ("good.md", b"# Good\n\nThe text."))
    write(corpus, "a.eml", mail("s", NOTICE, *files).as_bytes())
    bench = make_bench()
    refresh(bench)
    write(corpus, "a.eml", ENCRYPTED)
    refresh(bench)
    with database.connect() as session:  # As a person does who asks for another try.
        session.connection.execute("UPDATE quarantine SET retry = true")
        session.connection.execute("UPDATE collections SET converged = null")
    assert counts(bench)["deferred"] == 0
    assert published(database) == {"a.eml", "a.eml!/good.md"}
    assert settled(database)


def test_what_no_reader_reads_or_the_globs_leave_out_is_counted_and_no_document(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    for number in range(6):
        files = (("x.bin", bytes(range(256))), ("draft.md", b"# Draft\n\nNot yet."))
        write(corpus, f"m{number}.eml", mail(f"s {number}", f"{NOTICE} {number}", *files).as_bytes())
    bench = make_bench(exclude=["**/draft.md"], limits=FREELY)
    found = counts(bench)
    assert (found["attachments"], found["attachments_left_out"], found["quarantined"]) == (0, 12, 0)
    assert published(database) == {f"m{number}.eml" for number in range(6)}
    write(corpus, "other.md", "# Other\n\nText.")
    assert counts(make_bench(limits=FREELY))["attachments"] == 6
    write(corpus, "other.md", "# Other\n\nOther text.")
    refresh(bench)
    assert published(database) == {f"m{number}.eml" for number in range(6)}


def test_a_document_that_changes_under_our_hands_is_read_once_a_run(
    make_bench: MakeBench, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(corpus, "a.eml", nested(3))
    parse_waiting = stage._parse_waiting

    def disturbed(*arguments: Any) -> None:
        (corpus / "gate.md").write_text("# Another\n\nIt is written while it is read.")
        parse_waiting(*arguments)

    monkeypatch.setattr(stage, "_parse_waiting", disturbed)
    assert counts(make_bench())["deferred"] == 1


def test_an_upgrade_cuts_and_embeds_nothing_again(
    make_bench: MakeBench, database: Database, endpoint: EmbeddingServer
) -> None:
    declared = chunk_recipe(Chunking.model_validate({}), "xlm-roberta").params()["declared"]
    assert declared == "9c19bc57a69fbb0ae0378e0e6158dcfd9d46ffae0ad5a17efa8fd4caaed58f79"
    overlapping = chunk_recipe(Chunking.model_validate({"overlap_tokens": 8}), "xlm-roberta").params()["declared"]
    assert overlapping != declared
    bench = make_bench()
    refresh(bench)
    with database.connect(role=None) as session:  # As the version before left it, and not published yet.
        session.connection.execute("UPDATE corpus.recipes SET versions = 'older' WHERE stage = 'chunks'")
        session.connection.execute("UPDATE corpus.collections SET converged = null")
        session.connection.execute("DELETE FROM corpus.heads")
        session.connection.execute("DELETE FROM corpus.chunk_set_passes")
    sent = len(endpoint.requests)
    summary = refresh(bench)
    assert (summary.reports["chunks"].counts["chunks"], len(endpoint.requests)) == (0, sent)
    assert rows(database, "SELECT count(*) FROM search.documents") == [(3,)]


@pytest.mark.parametrize("kind", SUPPORTED)
def test_a_plan_estimates_every_format_that_is_read(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("assets.documents.scan.detect_format", lambda *_: kind)
    assert make_plan(make_bench(), "notes").tokens > 0
