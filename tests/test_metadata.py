"""Declared metadata: what people write in several places becomes one typed value a field."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assets.documents import gathering
from assets.workbench import Workbench
from resources.errors import ConfigurationError, SourceUnavailable
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.described import BLOCK, FIELDS, REPORT, MakeBench, describe, metadata_alone
from tests.fakes.embedding_server import EmbeddingServer


@pytest.fixture
def reports(corpus: Path) -> Path:
    """A folder in which every place says something."""
    return describe(corpus)


def shown(database: Database) -> dict[str, dict[str, Any]]:
    """Return what readers see, without what every document has."""
    found = rows(database, "SELECT uri, metadata FROM search.documents ORDER BY uri")
    plain = {"name", "folder", "format"}
    return {uri: {key: value for key, value in metadata.items() if key not in plain} for uri, metadata in found}


def test_values_from_every_place_reach_the_table_with_their_types(
    make_bench: MakeBench, reports: Path, database: Database
) -> None:
    summary = refresh(make_bench(metadata=BLOCK))
    gate, report = shown(database)["operations/2024/gate.md"], shown(database)["運転/2023/点検.md"]
    modified = datetime.fromisoformat(gate.pop("modified"))
    assert abs(time.time() - modified.timestamp()) < 600  # A new file: its inode changed just now.
    assert modified.tzinfo == UTC
    assert gate == {
        "department": "operations", "year": 2024, "tags": ["gates"], "funded": True, "language": "en",
        "size": (reports / "operations/2024/gate.md").stat().st_size,
    }  # fmt: skip
    assert {key: report[key] for key in ("department", "year", "effective", "tags", "funded", "language")} == {
        "department": "運転", "year": 2025, "effective": "2024-03-01", "tags": ["点検", "修繕"], "funded": False,
        "language": "ja",
    }  # fmt: skip
    counts = summary.reports["documents"].counts | summary.reports["elements"].counts
    assert (counts["listed"], counts["metadata_gathered"], counts["metadata_written"]) == (2, 2, 2)
    assert "described" not in counts, "nobody asked a model"
    assert (counts["manifest_unmatched"], counts["manifest_repeated"], counts["metadata_problems"]) == (1, 0, 0)


def test_sql_filters_by_typed_values_in_documents_and_chunks(
    make_bench: MakeBench, reports: Path, database: Database
) -> None:
    refresh(make_bench(metadata=BLOCK))
    for view in ("search.documents", "search.chunks"):
        for filtered in ('{"year": 2024}', '{"tags": ["gates"]}', '{"funded": true}', '{"language": "en"}'):
            found = rows(database, f"SELECT DISTINCT uri FROM {view} WHERE metadata @> '{filtered}'")
            assert found == [("operations/2024/gate.md",)], filtered
        assert rows(database, f'SELECT uri FROM {view} WHERE metadata @> \'{{"year": "2024"}}\'') == []
        japanese = rows(database, f"SELECT DISTINCT uri FROM {view} WHERE metadata ->> 'department' = '運転'")
        assert japanese == [("運転/2023/点検.md",)]
    assert rows(database, "SELECT language FROM search.documents ORDER BY uri") == [("en",), ("ja",)]


def is_idle(bench: Workbench) -> bool:
    """Say whether one more refresh finds nothing to do."""
    summary = refresh(bench)
    return not summary.changed and not summary.reports["documents"].counts.get("metadata_gathered")


def test_an_edit_of_a_sidecar_publishes_metadata_alone(
    make_bench: MakeBench, reports: Path, database: Database, endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(metadata=BLOCK)
    refresh(bench)
    embedded = len(endpoint.texts)
    assert is_idle(bench)
    opened: list[str] = []
    original = gathering.Gatherer._read_sidecar

    def read(self: gathering.Gatherer, listed: Any) -> Any:
        opened.append(listed.uri)
        return original(self, listed)

    monkeypatch.setattr(gathering.Gatherer, "_read_sidecar", read)
    assert is_idle(bench)
    assert opened == []

    write(reports, "運転/2023/点検.md.meta.yaml", "year: 2026\ntags: [改訂]\n")
    metadata_alone(refresh(bench), endpoint, embedded, 1)
    assert shown(database)["運転/2023/点検.md"]["year"] == 2026
    assert opened == ["運転/2023/点検.md.meta.yaml"]
    assert is_idle(bench)

    write(reports, "operations/2024/gate.md.meta.yaml", "department: gates\n")  # One that appears.
    metadata_alone(refresh(bench), endpoint, embedded, 1)
    assert shown(database)["operations/2024/gate.md"]["department"] == "gates"

    (reports / "運転/2023/点検.md.meta.yaml").unlink()  # One that disappears.
    metadata_alone(refresh(bench), endpoint, embedded, 1)
    report = shown(database)["運転/2023/点検.md"]
    assert (report["year"], report["tags"]) == (2023, ["点検", "修繕"])
    assert is_idle(bench)


def test_a_sidecar_too_young_to_be_trusted_is_read_again(
    make_bench: MakeBench, reports: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(metadata=BLOCK)
    monkeypatch.setattr(gathering, "await_tick", lambda modified: False)
    refresh(bench)
    summary = refresh(bench)
    assert summary.reports["documents"].counts["metadata_gathered"] == 1
    assert not summary.changed  # It said the same.
    monkeypatch.undo()
    refresh(bench)
    assert is_idle(bench)


def test_a_changed_row_of_the_manifest_publishes_its_document_alone(
    make_bench: MakeBench, reports: Path, database: Database, endpoint: EmbeddingServer
) -> None:
    bench = make_bench(metadata=BLOCK)
    refresh(bench)
    embedded = len(endpoint.texts)
    write(
        reports,
        "lists/index.csv",
        "uri,tags,year\n運転/2023/点検.md,緊急,1\n./operations/2024/gate.md,gates,\n".encode("cp932"),
    )
    summary = refresh(bench)
    metadata_alone(summary, endpoint, embedded, 1)
    assert summary.reports["documents"].counts["metadata_gathered"] == 1
    assert summary.reports["documents"].counts["manifest_unmatched"] == 0
    report = shown(database)["運転/2023/点検.md"]
    assert (report["tags"], report["year"]) == (["緊急"], 2025)  # The sidecar is stronger than the manifest.
    assert is_idle(bench)


def test_a_manifest_of_json_lines_does_too(make_bench: MakeBench, reports: Path, database: Database) -> None:
    write(reports, "index.jsonl", '{"uri": "operations/2024/gate.md", "tags": ["a", "b"], "year": "２０２０"}\n\n')
    refresh(make_bench(metadata=BLOCK | {"manifest": "index.jsonl"}, exclude=["lists/**"]))
    gate = shown(database)["operations/2024/gate.md"]
    assert (gate["tags"], gate["year"]) == (["a", "b"], 2020)
    assert "index.jsonl" not in shown(database)


def test_front_matter_comes_with_the_document(make_bench: MakeBench, reports: Path, database: Database) -> None:
    bench = make_bench(metadata=BLOCK)
    refresh(bench)
    write(reports, "運転/2023/点検.md", REPORT.replace("令和6年3月1日", "2025/4/1").replace("funded: いいえ\n", ""))
    refresh(bench)
    report = shown(database)["運転/2023/点検.md"]
    assert (report["effective"], report["funded"]) == ("2025-04-01", True)


def test_another_pattern_type_or_field_is_published_as_metadata_alone(
    make_bench: MakeBench, reports: Path, database: Database, endpoint: EmbeddingServer
) -> None:
    refresh(make_bench(metadata=BLOCK))
    embedded = len(endpoint.texts)
    fields = FIELDS | {"year": {"type": "string"}, "section": {"type": "string"}}
    del fields["tags"]
    bench = make_bench(metadata=BLOCK | {"path": "{section}/**", "fields": fields, "sidecar": None},
                       exclude=["**/*.meta.yaml"])  # fmt: skip
    metadata_alone(refresh(bench), endpoint, embedded, 2)
    report = shown(database)["運転/2023/点検.md"]
    assert report["section"] == "運転"
    assert not {"department", "tags", "year"} & set(report)
    assert is_idle(bench)


def test_another_default_needs_no_gathering_and_is_published_all_the_same(
    make_bench: MakeBench, reports: Path, database: Database, endpoint: EmbeddingServer
) -> None:
    refresh(make_bench(metadata=BLOCK))
    embedded = len(endpoint.texts)
    summary = refresh(make_bench(metadata=BLOCK | {"fields": FIELDS | {"funded": {"type": "boolean"}}}))
    metadata_alone(summary, endpoint, embedded, 1)
    assert summary.reports["documents"].counts["metadata_gathered"] == 0
    assert "funded" not in shown(database)["operations/2024/gate.md"]


def test_without_the_block_the_plain_metadata_comes_back(
    make_bench: MakeBench, reports: Path, database: Database, endpoint: EmbeddingServer
) -> None:
    left_out = ["**/*.meta.yaml", "lists/**"]
    plain = make_bench(exclude=left_out)
    refresh(plain)
    before = rows(database, "SELECT uri, metadata FROM search.documents ORDER BY uri")
    embedded = len(endpoint.texts)
    assert "metadata_gathered" not in refresh(plain).reports["documents"].counts
    declaring = make_bench(metadata=BLOCK | {"fields": FIELDS | {"format": {"default": "none"}}})
    metadata_alone(refresh(declaring), endpoint, embedded, 2)
    assert rows(database, "SELECT uri, metadata FROM search.documents ORDER BY uri") != before
    metadata_alone(refresh(plain), endpoint, embedded, 2)
    assert rows(database, "SELECT uri, metadata FROM search.documents ORDER BY uri") == before
    kept = "SELECT DISTINCT declared, declared_stamp, described_for, metadata_problems FROM corpus.documents"
    assert rows(database, kept, role="pipeline") == [({}, "", "", [])]
    assert is_idle(plain)


def test_a_document_that_was_only_touched_keeps_its_metadata(
    make_bench: MakeBench, reports: Path, database: Database
) -> None:
    block = BLOCK | {"fields": {name: field for name, field in FIELDS.items() if name not in {"modified", "size"}}}
    bench = make_bench(metadata=block)
    refresh(bench)
    before = shown(database)
    write(reports, "運転/2023/点検.md", REPORT)
    assert refresh(bench).reports["documents"].counts["touched"] == 1
    write(reports, "operations/2024/gate.md.meta.yaml", "funded: 0\n")
    refresh(bench)
    after = shown(database)
    assert after["運転/2023/点検.md"] == before["運転/2023/点検.md"]
    assert after["operations/2024/gate.md"]["funded"] is False


def test_wrong_values_are_left_out_named_and_counted_without_being_quoted(
    make_bench: MakeBench, reports: Path, database: Database
) -> None:
    write(reports, "運転/2023/点検.md.meta.yaml", "year: SECRET\neffective: SECRET\ntags: {SECRET: 1}\n")
    write(reports, "operations/2024/gate.md.meta.yaml", "- SECRET\n")
    bench = make_bench(metadata=BLOCK)
    summary = refresh(bench)
    assert summary.reports["elements"].counts["metadata_problems"] == 2
    assert summary.reports["publication"].counts["added"] == 2
    report = shown(database)["運転/2023/点検.md"]
    assert not {"year", "effective", "tags"} & set(report)
    problems = dict(rows(database, "SELECT uri, metadata_problems FROM corpus.documents", role="pipeline"))
    assert problems == {
        "運転/2023/点検.md": ["year: not an integer", "effective: not a date", "tags: not a list of texts"],
        "operations/2024/gate.md": ["sidecar: cannot be read"],
    }
    write(reports, "運転/2023/点検.md.meta.yaml", "year: 2025\n")
    (reports / "operations/2024/gate.md.meta.yaml").unlink()
    assert refresh(bench).reports["elements"].counts["metadata_problems"] == 0


def test_a_sidecar_that_cannot_be_opened_leaves_what_was_there_and_is_tried_again(
    make_bench: MakeBench, reports: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(metadata=BLOCK)
    refresh(bench)
    write(reports, "運転/2023/点検.md.meta.yaml", "year: 2030\n")

    def refuse(self: object, listed: object) -> None:
        raise PermissionError

    with monkeypatch.context() as broken:
        broken.setattr(gathering.Gatherer, "_read_sidecar", refuse)
        refresh(bench)
    assert shown(database)["運転/2023/点検.md"]["year"] == 2025
    refresh(bench)
    assert shown(database)["運転/2023/点検.md"]["year"] == 2030


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("lists/none.csv", None, "is not below the source"),
        ("lists/bad.csv", b"path,tags\na,b\n", "has no column uri"),
        ("lists/bad.csv", b"", "has no column uri"),
        ("lists/bad.csv", b'uri,tags\n"a"b,SECRET\n', "is damaged at line 2"),
        ("lists/bad.csv", b"uri\n\x81", "is in no encoding that is known here"),
        ("lists/bad.jsonl", b'{"uri": "a"}\n{"uri": SECRET}\n', "is no JSON object at line 2"),
        ("lists/bad.jsonl", b'{"path": "SECRET"}\n', "has no uri at line 1"),
    ],
)
def test_a_bad_manifest_stops_the_refresh_with_one_sentence(
    make_bench: MakeBench, reports: Path, database: Database, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        write(reports, name, content)
    with pytest.raises(ConfigurationError) as raised:
        refresh(make_bench(metadata=BLOCK | {"manifest": name}))
    assert str(raised.value).startswith(f"collections.notes.metadata.manifest: {name} {said}")
    assert "SECRET" not in str(raised.value)
    assert raised.value.exit_code == 2
    assert rows(database, "SELECT count(*) FROM search.documents") == [(0,)]


def test_a_manifest_that_cannot_be_read_at_present_is_worth_a_retry(
    make_bench: MakeBench, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(metadata=BLOCK)

    def refuse(stream: object, name: str) -> Any:
        raise OSError

    monkeypatch.setattr(gathering, "read_manifest", refuse)
    with pytest.raises(SourceUnavailable):
        refresh(bench)


def test_sidecars_and_manifest_are_found_though_the_globs_name_only_documents(
    make_bench: MakeBench, reports: Path, database: Database
) -> None:
    refresh(make_bench(metadata=BLOCK, include=["**/*.md"]))
    assert shown(database)["運転/2023/点検.md"]["year"] == 2025
    assert shown(database)["operations/2024/gate.md"]["tags"] == ["gates"]


def test_attachments_inherit_what_is_declared_of_their_mail(
    make_bench: MakeBench, reports: Path, database: Database
) -> None:
    """An attachment is made by hand here: what the source lists decides nothing about it."""
    bench = make_bench(metadata=BLOCK)
    refresh(bench)
    with database.connect() as session:
        session.connection.execute(
            "INSERT INTO documents"
            " (collection_id, uri, stamp, settled, size, content_hash, format, metadata, parent_id, part,"
            " root_uri, parts)"
            " SELECT collection_id, uri || '!/a.md', '', true, size, content_hash, format, %s, document_id, '1',"
            " uri, '{1}'"
            " FROM documents WHERE uri = '運転/2023/点検.md'",
            [json.dumps({"name": "a.md"})],
        )
        session.connection.execute(
            "UPDATE elements SET attachments = %s WHERE content_hash IN"
            " (SELECT content_hash FROM documents WHERE uri = '運転/2023/点検.md')",
            [json.dumps([{"part": "1", "name": "a.md"}])],
        )
        session.connection.execute("UPDATE collections SET converged = null")
    link = {"link": "https://h/{department}/{uri}"}
    refresh(make_bench(metadata=BLOCK, **link))
    attached = shown(database)["運転/2023/点検.md!/a.md"]
    assert (attached["department"], attached["year"], attached["effective"]) == ("運転", 2025, "2024-03-01")
    assert not {"modified", "size"} & set(attached)
    write(reports, "運転/2023/点検.md.meta.yaml", "year: 2031\n")
    refresh(make_bench(metadata=BLOCK, **link))
    assert shown(database)["運転/2023/点検.md!/a.md"]["year"] == 2031
    links = rows(database, "SELECT link FROM search.documents WHERE uri LIKE '運転%'")
    assert len(set(links)) == 1
    assert links[0][0].endswith("/2023/%E7%82%B9%E6%A4%9C.md")
    refresh(make_bench(exclude=["**/*.meta.yaml", "lists/**"]))
    plain = rows(database, "SELECT metadata FROM search.documents WHERE uri LIKE '%!/a.md'")
    assert plain == [({"name": "a.md"},)]
