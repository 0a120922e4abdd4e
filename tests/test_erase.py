"""Erasing and dropping: what goes at once and stays out, what others have and keep, and what people are told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from assets import partitions
from assets.engine import refresh_collection
from assets.lease import acquire
from assets.publication.rollback import rollback
from assets.refresh import end_refresh, open_refresh
from assets.settings import Collection
from assets.upkeep.drop import drop
from assets.upkeep.erase import NAMED_BY_ITS_MAIL, Receipt, erase, lift
from assets.upkeep.sweep import alone
from assets.workbench import Workbench
from pipelines.cli.main import run
from pipelines.cli.sweep import swept as swept_words
from resources.errors import ConfigurationError, LeaseLost
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer
from tests.sweeping import at, collect, do, hooked, strike, unmeasured
from tests.test_cli import declare
from tests.test_mail import mail

assert declare
assert unmeasured
MakeBench = Callable[..., Workbench]

FREELY = {"vanished_share": 1, "quarantined_share": 1}
SECRET = "# Zanzibar\n\nThe quixotic zephyr of Zanzibar.\n\n## Shared\n\nGrease the hinges of every lock gate twice.\n"
OTHER = "# Other\n\nNothing special here.\n\n# Zanzibar\n\n## Shared\n\nGrease the hinges of every lock gate twice.\n"


def remove(bench: Workbench, uri: str, collection: str = "notes") -> Receipt:
    """Erase a document as a person."""
    return erase(bench, collection, uri, by="somebody", run_id="erase")


def places(database: Database, needle: str, *, but: tuple[str, ...] = ()) -> set[str]:
    """Search every text, bytea, jsonb, array and tsvector column of every table for words or, in hex, for bytes."""
    columns = do(
        database,
        "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns AS c "
        "JOIN information_schema.tables AS t ON c.table_schema = t.table_schema AND c.table_name = t.table_name "
        "WHERE c.table_schema = 'corpus' AND t.table_type = 'BASE TABLE' "
        "AND c.data_type IN ('text', 'bytea', 'jsonb', 'ARRAY', 'tsvector')",
    )
    found = set()
    for table, column, kind in columns:
        written = f"encode({column}, 'hex')" if kind == "bytea" else f"{column}::text"
        query = f"SELECT count(*) FROM {table} WHERE strpos({written}, %s) > 0"
        if table not in but and do(database, query, needle)[0][0]:
            found.add(f"{table}.{column}")
    return found


def uris(database: Database) -> set[str]:
    """Return what readers see."""
    return {uri for (uri,) in rows(database, "SELECT uri FROM search.documents")}


def test_nothing_of_an_erased_document_is_left_in_any_column(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    bench = make_bench(limits=FREELY)
    write(corpus, "private/secret.md", SECRET.replace("quixotic", "unpublished"))
    refresh(bench)
    first = hashlib.sha256((corpus / "private/secret.md").read_bytes()).hexdigest()
    write(corpus, "private/secret.md", SECRET)
    write(corpus, "other.md", OTHER)
    refresh(bench)
    second = hashlib.sha256(SECRET.encode()).hexdigest()
    examples = json.dumps([{"kind": "heads_missing", "examples": ["private/secret.md", "other.md"]}])
    do(
        database,
        "INSERT INTO verifications (run_id, repaired, findings, started_at) VALUES ('v', false, %s, now())",
        examples,
    )
    assert places(database, "zephyr") == {"elements.text", "texts.text", "texts.lexemes", "term_counts.term"}
    assert {"documents.content_hash", "elements.content_hash"} == places(database, second)
    receipt = remove(bench, "private/secret.md")
    for needle in ("zephyr", "unpublished", "private/secret", "secret.md"):
        assert places(database, needle) == set(), needle
    for digest in (first, second):
        assert places(database, digest, but=("erasures",)) == set()
    assert (receipt.documents, receipt.removed["heads"], receipt.removed["publish_changes"]) == (1, 1, 2)
    assert receipt.removed["elements"] == 2
    assert receipt.removed["vectors"] == receipt.removed["texts"] > 0
    assert receipt.shared["texts"] == 1
    assert uris(database) == {"gate.md", "tides.txt", "水門.md", "other.md"}
    shown = rows(database, "SELECT uri FROM search.chunks WHERE text LIKE '%every lock gate twice%'")
    assert shown == [("other.md",)]
    marks = do(database, "SELECT collection, uri_hash, content_hash, erased_by FROM erasures")
    name = hashlib.sha256(b"private/secret.md").digest()
    assert {(c, bytes(u), bytes(h).hex(), by) for c, u, h, by in marks} == {
        ("notes", name, first, "somebody"), ("notes", name, second, "somebody"),
    }  # fmt: skip
    assert do(database, "SELECT findings FROM verifications")[0][0][0]["examples"] == ["(erased)", "other.md"]


def test_a_version_that_was_never_published_goes_too(bench: Workbench, database: Database, corpus: Path) -> None:
    write(corpus, "secret.md", SECRET)
    refresh(bench)
    write(corpus, "secret.md", SECRET.replace("quixotic", "unpublished"))
    with hooked(at("publication.gated", strike)), pytest.raises(RuntimeError):
        refresh(bench)
    write(corpus, "secret.md", SECRET.replace("quixotic", "third"))
    refresh(bench)
    assert places(database, "unpublished") == {"elements.text", "texts.text"}
    leftovers = remove(bench, "secret.md").leftovers
    assert leftovers is not None
    assert leftovers["elements"] == 1
    assert places(database, "zephyr") == set()


def test_an_erased_document_stays_out_and_everything_adds_up(
    make_bench: MakeBench, database: Database, corpus: Path, endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(limits=FREELY)
    write(corpus, "secret.md", SECRET)
    refresh(bench)
    write(corpus, "tides.txt", "No tide.\n")
    refresh(bench)
    remove(bench, "secret.md")
    endpoint.forget()
    opened: list[str] = []
    source = type(bench.source("notes"))
    really = source.open

    def note(self: Any, uri: str) -> Any:
        opened.append(uri)
        return really(self, uri)

    monkeypatch.setattr(source, "open", note)
    write(corpus, "secret.md", SECRET.replace("quixotic", "changed"))
    summary = refresh(bench)
    assert summary.reports["documents"].counts["erased"] == 1
    assert "secret.md" not in opened
    assert not summary.changed
    write(corpus, "tides.txt", "Tide.\n")
    refresh(bench)
    with database.connect() as session:
        counted = session.record("auditing/heads", {"collection_id": 1, "space_id": 1}, vectors="vectors_small")
    assert counted == {"differing_heads": 0, "unsearchable_chunks": 0}
    rollback(bench, "notes", 1, by="somebody", run_id="back")
    assert uris(database) == {"gate.md", "tides.txt", "水門.md"}
    assert places(database, "Zanzibar") == set()


def test_a_renamed_copy_is_held_back_and_a_copy_that_was_there_stays(
    make_bench: MakeBench, database: Database, corpus: Path, endpoint: EmbeddingServer
) -> None:
    bench = make_bench(limits=FREELY)
    write(corpus, "secret.md", SECRET)
    write(corpus, "copy.md", SECRET)
    refresh(bench)
    receipt = remove(bench, "secret.md")
    assert receipt.removed["elements"] == 0
    assert receipt.shared == {"elements": 1, "texts": 0}
    endpoint.forget()
    (corpus / "secret.md").rename(corpus / "moved.md")
    write(corpus, "copy.md", SECRET)  # Touched.
    refresh(bench)
    assert uris(database) == {"gate.md", "tides.txt", "水門.md", "copy.md"}
    held = do(
        database,
        "SELECT d.uri, d.format, q.reason FROM quarantine AS q JOIN documents AS d ON q.document_id = d.document_id",
    )
    assert held == [("moved.md", "erased", "erased")]
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    assert do(database, "SELECT uri FROM documents WHERE encode(content_hash, 'hex') = %s", digest) == [("copy.md",)]
    write(corpus, "moved.md", SECRET)  # Touched.
    refresh(bench)
    assert "moved.md" not in uris(database)
    assert endpoint.texts == []


def test_a_mail_goes_with_what_is_attached_at_any_depth_and_keeps_it_out(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    bench = make_bench(limits=FREELY)
    note = b"# Deep\n\nThe note about Zanzibar."
    inner = mail("Inner", "The inner mail of Zanzibar.", ("deep.md", note))
    outer = mail("Outer", "The outer mail.")
    outer.add_attachment(inner, filename="inner.eml")
    write(corpus, "a.eml", outer.as_bytes())
    write(corpus, "b.eml", mail("Kept", "This one stays.", ("same.md", note)).as_bytes())
    refresh(bench)
    receipt = remove(bench, "a.eml")
    assert receipt.documents == 3
    assert uris(database) == {"gate.md", "tides.txt", "水門.md", "b.eml", "b.eml!/same.md"}
    assert places(database, "a.eml") == set()
    assert places(database, "inner mail") == set()
    write(corpus, "c.eml", mail("New", "Another mail.", ("again.md", note)).as_bytes())
    write(corpus, "b.eml", mail("Kept", "This one stays, a little longer.", ("same.md", note)).as_bytes())
    (corpus / "a.eml").rename(corpus / "renamed.eml")
    summary = refresh(bench)
    assert uris(database) == {"gate.md", "tides.txt", "水門.md", "b.eml", "b.eml!/same.md", "c.eml"}
    assert summary.reports["elements"].counts["attachments_left_out"] == 1


def test_one_attachment_can_be_erased_and_the_receipt_names_the_mail_as_a_place(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    bench = make_bench(limits=FREELY)
    write(corpus, "a.eml", mail("Mail", "The mail.", ("deep.md", b"# Deep\n\nOf Zanzibar.")).as_bytes())
    refresh(bench)
    assert NAMED_BY_ITS_MAIL in remove(bench, "a.eml!/deep.md").beyond
    write(corpus, "tides.txt", "No tide.\n")
    refresh(bench)
    assert uris(database) == {"gate.md", "tides.txt", "水門.md", "a.eml"}
    assert places(database, "Zanzibar") == set()


def test_the_mark_can_be_lifted(make_bench: MakeBench, database: Database, corpus: Path) -> None:
    bench = make_bench(limits=FREELY)
    write(corpus, "secret.md", SECRET)
    write(corpus, "a.eml", mail("Mail", "The mail.", ("deep.md", b"# Deep\n\nInside.")).as_bytes())
    refresh(bench)
    remove(bench, "secret.md")
    remove(bench, "a.eml")
    write(corpus, "moved.md", SECRET)
    refresh(bench)
    assert uris(database) == {"gate.md", "tides.txt", "水門.md"}
    for uri in ("secret.md", "a.eml"):
        assert lift(bench, None, uri, run_id="lift") == "notes"
    refresh(bench)
    assert uris(database) == {
        "gate.md", "tides.txt", "水門.md", "secret.md", "moved.md", "a.eml", "a.eml!/deep.md",
    }  # fmt: skip
    assert do(database, "SELECT count(*) FROM erasures") == [(0,)]
    with pytest.raises(ConfigurationError, match=r"'secret\.md' was not erased; nothing was done"):
        lift(bench, None, "secret.md", run_id="lift")


def test_a_refresh_under_way_loses_the_collection_and_writes_nothing_back(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    write(corpus, "secret.md", SECRET)
    refresh(bench)
    with open_refresh(bench, "notes", "under way") as first:
        remove(bench, "secret.md")
        with pytest.raises(LeaseLost), first.writing():
            first.session.connection.execute("INSERT INTO texts (hash, text, tokens) VALUES (sha256(''), 'back', 1)")
    end_refresh(bench, "notes", "done")
    assert places(database, "back") == set()
    refresh(bench)
    assert "secret.md" not in uris(database)


def test_a_refresh_that_lost_its_lease_does_not_take_it_again_by_renewing(database: Database, bench: Workbench) -> None:
    refresh(bench)
    with database.connect() as session:
        (number,) = session.connection.execute("SELECT collection_id FROM collections").fetchone() or (0,)
        lost = acquire(database, session, number, "lost", seconds=30, wait=1)
        assert session.value("refresh/renew_lease", lost._params) == 1
        remove(bench, "tides.txt")
        assert session.value("refresh/renew_lease", lost._params) is None
        lost._stopped.set()
        acquire(database, session, number, "next", seconds=30, wait=0).release()


def test_what_another_collection_shares_stays_there(database: Database, bench: Workbench, corpus: Path) -> None:
    both = dict(bench.collections) | {"twin": bench.collections["notes"]}
    bench.collections = both
    refresh(bench)
    refresh(bench, "twin")
    receipt = remove(bench, "tides.txt")
    assert receipt.removed["elements"] == 0
    assert receipt.shared["elements"] == 1
    query = "SELECT collection FROM search.chunks WHERE uri = 'tides.txt'"
    assert rows(database, query) == [("twin",)]
    assert not refresh(bench, "twin").changed


def test_what_another_collection_has_prepared_and_not_published_stays(
    bench: Workbench, database: Database, endpoint: EmbeddingServer
) -> None:
    bench.collections = dict(bench.collections) | {"twin": bench.collections["notes"]}
    refresh(bench)
    with hooked(at("publication.gated", strike)), pytest.raises(RuntimeError):
        refresh(bench, "twin")
    assert remove(bench, "tides.txt").shared["elements"] == 1
    endpoint.forget()
    refresh(bench, "twin")
    assert rows(database, "SELECT collection FROM search.chunks WHERE uri = 'tides.txt'") == [("twin",)]
    assert endpoint.texts == []


def test_a_garbage_collection_that_is_running_leaves_leftovers_to_the_next(
    bench: Workbench, database: Database
) -> None:
    refresh(bench)
    bench.lease_wait_seconds = 0.0
    with database.connect() as session, alone(session):
        assert remove(bench, "tides.txt").leftovers is None
    assert uris(database) == {"gate.md", "水門.md"}


# Dropping.


def second(bench: Workbench, corpus: Path, **settings: Any) -> None:
    """Declare another collection on a folder of its own."""
    folder = corpus.parent / "second"
    folder.mkdir()
    write(folder, "own.md", "# Own\n\nOnly the second collection has this.\n")
    write(folder, "gate.md", (corpus / "gate.md").read_text())
    declared = {"source": str(folder), "chunking": {"max_tokens": 64, "min_tokens": 4}} | settings
    bench.collections = dict(bench.collections) | {"second": Collection.model_validate(declared)}


def test_a_dropped_collection_leaves_no_row_and_what_others_share_stays(
    bench: Workbench, database: Database, corpus: Path, endpoint: EmbeddingServer
) -> None:
    second(bench, corpus)
    refresh(bench)
    before = rows(database, "SELECT * FROM search.chunks WHERE collection = 'notes' ORDER BY uri, ordinal")
    for number in range(2):
        write(corpus.parent / "second", "held.bin", bytes([0, 1, number]))
        write(corpus.parent / "second", "mail.eml", mail("s", f"{number}", ("a.md", b"# A\n\nText.")).as_bytes())
        refresh(bench, "second")
    remove(bench, "mail.eml", "second")
    (number,) = do(database, "SELECT collection_id FROM collections WHERE name = 'second'")[0]
    bench.collections = {"notes": bench.collections["notes"]}
    removed = drop(bench, "second", by="somebody", run_id="drop")
    assert (removed["heads"], removed["quarantine"], removed["collections"]) == (2, 1, 1)
    referring = do(
        database,
        "SELECT conrelid::regclass::text, a.attname FROM pg_constraint AS k JOIN pg_attribute AS a "
        "ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] WHERE k.contype = 'f' "
        "AND k.confrelid = 'corpus.collections'::regclass",
    )
    assert len(referring) > 5
    for table, column in referring:
        assert do(database, f"SELECT count(*) FROM {table} WHERE {column} = %s", number) == [(0,)], table
    assert do(database, "SELECT collection, dropped_by FROM drops") == [("second", "somebody")]
    assert do(database, "SELECT DISTINCT collection FROM erasures") == [("second",)]
    assert do(database, "SELECT count(*) FROM costs WHERE collection = 'second'")[0][0] > 0
    collect(bench)
    assert places(database, "Only the second collection") == set()
    assert rows(database, "SELECT * FROM search.chunks ORDER BY uri, ordinal") == before
    endpoint.forget()
    assert not refresh(bench).changed


def test_only_what_is_not_declared_can_be_dropped(bench: Workbench) -> None:
    refresh(bench)
    with pytest.raises(ConfigurationError, match=r"take it out of collections\.yaml first"):
        drop(bench, "notes", by="somebody", run_id="drop")
    bench.collections = {}
    with pytest.raises(ConfigurationError, match="no collection 'nodes'; did you mean 'notes'"):
        drop(bench, "nodes", by="somebody", run_id="drop")


def test_a_refresh_of_a_dropped_collection_that_is_under_way_ends(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    refresh(bench)
    with open_refresh(bench, "notes", "under way") as refreshing:
        declared, bench.collections = bench.collections, {}
        drop(bench, "notes", by="somebody", run_id="drop")
        with pytest.raises(LeaseLost), refreshing.writing():
            refreshing.session.connection.execute("DELETE FROM texts")
    end_refresh(bench, "notes", "done")
    bench.collections = declared
    refresh_collection(bench, "notes", "anew")
    assert uris(database) == {"gate.md", "tides.txt", "水門.md"}


def test_dagster_forgets_the_partition_of_a_dropped_collection() -> None:
    with dg.instance_for_test() as instance:
        partitions.register(instance, ["a", "b"])
        assert partitions.forget(instance, "a")
        assert not partitions.forget(instance, "a")
        assert instance.get_dynamic_partitions("collections") == ["b"]


# The command line.


def test_the_commands_ask_refuse_and_print_receipts(
    declare: Any, corpus: Path, database: Database, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        assert run(list(arguments)) == code
        out = capsys.readouterr()
        return out.out + out.err

    write(corpus, "secret.md", SECRET)
    said("refresh")
    assert "did you mean 'secret.md'?" in said("erase", "secert.md", "--yes", code=2)
    assert "confirm it with --yes" in said("erase", "secret.md", code=2)
    receipt = said("erase", "secret.md", "--yes")
    assert "Erased 'secret.md' from notes on " in receipt
    for place in ("the file in the source", "backups", "VACUUM", "embedding endpoint", "other collections"):
        assert place in receipt
    assert "was erased from notes before" in said("erase", "secret.md", "--yes", code=2)
    assert "has it" in said("erase", "secret.md", "--again")
    said("refresh")
    assert json.loads(said("erase", "secret.md", "--yes", "--json"))["removed"]["heads"] == 1
    assert said("status", "--check") == "All is well.\n"
    foreseen = said("sweep", "--dry-run", "--keep-publishes", "1", "--keep-days", "0")
    assert "Nothing was changed." in foreseen
    swept = json.loads(said("sweep", "--keep-publishes", "1", "--keep-days", "0", "--json"))
    assert swept["collected"] == 1
    assert f"publish_changes\t{swept['removed']['publish_changes']}\t" in foreseen
    assert "MB before" in said("sweep")
    assert "take it out of collections.yaml" in said("drop", "notes", "--yes", code=2)
    content = yaml.safe_load((tmp_path / "collections.yaml").read_text())
    content["collections"] = {"others": content["collections"]["notes"]}
    (tmp_path / "collections.yaml").write_text(yaml.safe_dump(content))
    assert "confirm it with --yes" in said("drop", "notes", code=2)
    dropped = said("drop", "notes", "--yes")
    assert "notes is gone from the table. A garbage collection followed, of what nothing reaches any more" in dropped
    assert "profiles" not in dropped, "it never had any"
    assert "in any collection: 1,007 profiles that no declaration asks for, 3 texts." in swept_words(
        {"profiles": 1007, "texts": 3, "claims": 0}
    )
    assert do(database, "SELECT count(*) FROM texts") == [(0,)]
    with dg.DagsterInstance.get() as instance:
        assert instance.get_dynamic_partitions("collections") == []
