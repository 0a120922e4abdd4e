"""Declared metadata: what people write in several places becomes one typed value a field."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.documents import gathering
from assets.documents.manifests import NotReadable, read_manifest, read_sidecar
from assets.documents.metadata import merge, pick, settings_digest
from assets.documents.patterns import match_path, sidecar_glob, sidecar_of
from assets.documents.values import FieldType, NotOfType, convert
from assets.engine import Summary
from assets.settings import Collection, Metadata
from assets.workbench import Workbench
from pipelines.config import load
from resources.errors import ConfigurationError, SourceUnavailable
from resources.postgres import Database
from resources.sources import Entry, Globs
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer

PROPERTY = settings(max_examples=200, deadline=None)
KINDS: tuple[FieldType, ...] = get_args(FieldType)
MakeBench = Callable[..., Workbench]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
NEARLY = st.from_regex(
    r"[-+]?[0-9０-９]{1,8}[-/.年,]?[0-9]{0,2}[-/.月]?[0-9]{0,2}日?[ T]?[0-9:時分秒Z+]{0,8}|"
    r"(令和|平成|昭和|R|H)[元0-9]{1,2}年[0-9]{1,2}月[0-9]{1,2}日",
    fullmatch=True,
)


def declared(**fields: Any) -> Metadata:
    """Declare fields; a word alone is a type."""
    return Metadata.model_validate(
        {"fields": {name: {"type": field} if isinstance(field, str) else field for name, field in fields.items()}}
    )


def is_of(value: Any, kind: FieldType) -> bool:
    """Say whether a value is what the type promises to whoever casts it in SQL."""
    if kind == "strings":
        return isinstance(value, list) and all(isinstance(item, str) and item for item in value)
    if kind in {"date", "datetime"}:
        parsed: Any = (date if kind == "date" else datetime).fromisoformat(value)
        return bool(parsed.isoformat() == value)
    types: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    return isinstance(value, types[kind]) and (kind == "boolean" or not isinstance(value, bool))


@PROPERTY
@given(value=JSON | NEARLY, kind=st.sampled_from(KINDS))
@example(value="9999-12-31T23:59:59-14:00", kind="datetime")
@example(value=10**5000, kind="string")
@example(value=10**400, kind="number")
@example(value="昭和99年99月99日", kind="date")
@example(value=["2024-03-01"], kind="date")
def test_any_value_becomes_one_of_the_declared_type_or_a_problem(value: Any, kind: FieldType) -> None:
    try:
        converted = convert(value, kind)
    except NotOfType as problem:
        said = str(problem)
    else:
        said = ""
    assert said in {
        "", "not text", "not a list of texts", "not an integer", "not a number", "neither true nor false", "not a date",
        "not a date and time", "too long",
    }  # fmt: skip
    if said:
        return
    assert is_of(converted, kind)
    assert json.loads(json.dumps(converted, allow_nan=False)) == converted
    assert convert(converted, kind) == converted or kind == "strings"


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("2024-03-01", "date", "2024-03-01"), ("2024/3/1", "date", "2024-03-01"), ("2024.3.1", "date", "2024-03-01"),
        ("2024年3月1日", "date", "2024-03-01"), ("２０２４年３月１日", "date", "2024-03-01"),
        ("２０２４／０３／０１", "date", "2024-03-01"), ("令和6年3月1日", "date", "2024-03-01"),
        ("令和 六年", "date", None),
        ("令和元年5月1日（水）", "date", "2019-05-01"), ("㋿６年３月１日", "date", "2024-03-01"),
        ("平成31年4月30日", "date", "2019-04-30"), ("昭和64年1月7日", "date", "1989-01-07"),
        ("大正15年12月24日", "date", "1926-12-24"), ("R6.3.1", "date", "2024-03-01"),
        ("H31/4/30", "date", "2019-04-30"),
        (20240301, "date", "2024-03-01"), ("2024-03-01T23:30:00+09:00", "date", "2024-03-01"),
        ("2024-02-30", "date", None), ("2024年13月1日", "date", None), ("2024", "date", None), (2024, "date", None),
        ("2024-03", "date", None), ("soon", "date", None), ("令和0年1月1日", "date", None), (True, "date", None),
        ("2024-03-01T09:00:00+09:00", "datetime", "2024-03-01T00:00:00+00:00"),
        ("2024/3/1 9:05", "datetime", "2024-03-01T09:05:00"), ("2024-03-01", "datetime", "2024-03-01T00:00:00"),
        ("令和6年3月1日 9時5分", "datetime", "2024-03-01T09:05:00"), ("2024-03-01 25:00", "datetime", None),
        ("2024年3月1日 10:20:30", "datetime", "2024-03-01T10:20:30"), ("2024/3/1 10:2030", "datetime", None),
        ("42", "integer", 42), ("１，２３４", "integer", 1234), ("-7", "integer", -7), (42.0, "integer", 42),
        ("4.5", "integer", None), (True, "integer", None), ("1,23", "integer", None), (2**63, "integer", None),
        ("4.50", "number", 4.5), ("1,234.5", "number", 1234.5), ("1e3", "number", 1000), ("nan", "number", None),
        ("1_000", "number", None), (float("inf"), "number", None), (False, "number", None), ("1e999", "number", None),
        ("はい", "boolean", True), ("いいえ", "boolean", False), ("YES", "boolean", True), ("no", "boolean", False),
        ("１", "boolean", True), (0, "boolean", False), ("TRUE", "boolean", True), ("maybe", "boolean", None),
        (2, "boolean", None),
        ("点検、修繕，Budget; 点検", "strings", ["点検", "修繕", "Budget"]),
        (["a", " b ", "a", ""], "strings", ["a", "b"]),
        (7, "strings", ["7"]), ([{"a": 1}], "strings", None), ([["a"]], "strings", None),
        ("か\u3099", "string", "が"), (" 運転 ", "string", "運転"), (2024, "string", "2024"), (True, "string", "true"),
        (["only"], "string", "only"), (["a", "b"], "string", None), ({}, "string", None),
        ("x" * 10_001, "string", None),
    ],
)  # fmt: skip
def test_values_are_read_as_people_write_them(value: Any, kind: FieldType, expected: Any) -> None:
    if expected is None:
        with pytest.raises(NotOfType):
            convert(value, kind)
    else:
        assert convert(value, kind) == expected
        assert type(convert(value, kind)) is type(expected)


def test_the_place_closest_to_a_persons_hand_wins() -> None:
    places = ["source", "properties", "path", "front_matter", "manifest", "sidecar"]
    field = declared(owner={"default": "default"})
    assert merge(field, {})[0] == {"owner": "default"}
    for strongest in range(len(places)):
        found = {place: {"owner": place} for place in places[: strongest + 1]}
        assert merge(field, found) == ({"owner": places[strongest]}, [])


def test_from_restricts_where_a_value_may_come_from_whatever_its_order() -> None:
    found = {"path": {"owner": "path"}, "sidecar": {"owner": "sidecar"}, "properties": {"owner": "own"}}
    assert merge(declared(owner={"from": ["path", "properties"]}), found)[0] == {"owner": "path"}
    assert merge(declared(owner={"from": ["properties", "path"]}), found)[0] == {"owner": "path"}
    assert merge(declared(owner={"from": ["manifest"]}), found) == ({}, [])


def test_a_value_of_another_type_is_named_and_nothing_weaker_takes_its_place() -> None:
    metadata = declared(effective={"type": "date", "default": "2020-01-01"})
    found = {"sidecar": {"effective": "SECRET"}, "path": {"effective": "2024-03-01"}}
    assert merge(metadata, found) == ({}, ["effective: not a date"])


@pytest.mark.parametrize("nothing", [None, "", " \u3000", []])
def test_where_nothing_is_written_the_next_place_is_asked(nothing: Any) -> None:
    found = {"sidecar": {"owner": nothing}, "path": {"owner": "運転"}}
    assert merge(declared(owner="string"), found) == ({"owner": "運転"}, [])


def test_only_declared_fields_are_taken_under_the_name_that_they_have_where_they_are_found() -> None:
    metadata = declared(short={"key": "dc_title"}, 年度="integer")
    found = {"sidecar": {"DC_Title ": "Gate", "年度": "２０２４", "secret": "x"}}
    assert merge(metadata, found)[0] == {"short": "Gate", "年度": 2024}


@PROPERTY
@given(found=st.dictionaries(st.sampled_from(["a", "b", "Ａ"]), JSON, max_size=3))
def test_whatever_stands_in_a_sidecar_can_be_stored_and_merged(found: dict[str, Any]) -> None:
    kept = pick(found, {"a", "b"})
    text = json.dumps(kept, allow_nan=False)
    assert "\\u0000" not in text
    values, problems = merge(declared(a="integer", b="strings"), {"sidecar": kept})
    assert set(values) | {problem.partition(":")[0] for problem in problems} <= {"a", "b"}


@pytest.mark.parametrize(
    ("pattern", "uri", "expected"),
    [
        ("{department}/{year}/*", "ops/2024/a.md", {"department": "ops", "year": "2024"}),
        ("{department}/{year}/*", "ops/2024/x/a.md", {}),
        ("{department}/{year}/**", "ops/2024/x/a.md", {"department": "ops", "year": "2024"}),
        ("**/{year}年度/*.pdf", "運転課/報告/2024年度/点検.pdf", {"year": "2024"}),
        ("**/{year}年度/*.pdf", "2024年度/点検.pdf", {"year": "2024"}),
        ("{部署}/**", "か\u3099/a.md", {"部署": "が"}),
        ("{year}-{month}-{slug}.md", "2024-03-opening-the-gate.md",
         {"year": "2024", "month": "03", "slug": "opening-the-gate"}),
        ("a.b/{x}", "aXb/c", {}),
        ("{x}/*", "/a", {}),
    ],
)  # fmt: skip
def test_a_pattern_gives_the_named_parts_of_a_path(pattern: str, uri: str, expected: dict[str, str]) -> None:
    assert match_path(pattern, uri) == expected


@PROPERTY
@given(
    template=st.sampled_from(
        ["{uri}.meta.yaml", "{folder}/{stem}.meta.yaml", "{folder}/_meta.yml", "meta/{uri}.json", "meta/{stem}.json"]
    ),
    uri=st.sampled_from(["a.md", "a", "x/a.md", "x/y/水門.md", "x/.b.md", "x/[a]*.md", "x/a.b.c"]),
)
def test_a_documents_sidecar_is_among_those_that_are_listed(template: str, uri: str) -> None:
    assert Globs((sidecar_glob(template),), ()).match(sidecar_of(template, uri))


def test_a_sidecar_is_read_as_it_was_written() -> None:
    written = "部署: 運転\ncode: 0123\npublic: no\nempty: ~\ntags: [a, b]\n"
    expected = {"部署": "運転", "code": "0123", "public": "no", "empty": None, "tags": ["a", "b"]}
    assert read_sidecar(written.encode(), "a.yaml") == expected
    assert read_sidecar(written.encode("cp932"), "a.yaml") == expected
    assert read_sidecar(b"\xef\xbb\xbf" + b'{"a": 1}', "a.JSON") == {"a": 1}
    assert read_sidecar(b"", "a.yaml") == {}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"a: &a [x]\nb: *a\n", "a.yaml"), (b"[" * 100_000, "a.yaml"), (b"[" * 100_000, "a.json"),
        (b"- a\n", "a.yaml"), (b"\xff\xfea\x00", "a.yaml"), (b"a: !!python/name:os.system\n", "a.yaml"),
        (b"a" * 1_000_001, "a.yaml"), (b'{"a": NaN}', "a.json"), (b"a: 1", "a.json"), (b"? [a]\n: b\n", "a.yaml"),
        (b"a: !!timestamp x", "a.yaml"), (b"1" * 10_000, "a.json"),
    ],
)  # fmt: skip
def test_a_sidecar_that_nobody_should_trust_is_refused(content: bytes, name: str) -> None:
    with pytest.raises(NotReadable):
        read_sidecar(content, name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
def test_a_manifest_may_come_from_excel_in_japan(encoding: str) -> None:
    content = 'URI,部署,備考\r\n手順/放流.md,運転,"長い,\r\n備考"\r\n\r\n,無名,\r\n'.encode(encoding)
    assert list(read_manifest(io.BytesIO(content), "index.csv")) == [
        ("手順/放流.md", {"部署": "運転", "備考": "長い,\r\n備考"}), ("", {"部署": "無名"}),
    ]  # fmt: skip


def test_digests_change_with_what_decides_values_and_not_with_descriptions() -> None:
    plain = settings_digest(declared(a="string"))
    assert plain == settings_digest(declared(a={"description": "Who wrote it."}))
    others = [
        declared(a="integer"),
        declared(a={"key": "b"}),
        declared(a={"from": ["path"]}),
        declared(a={"default": "x"}),
    ]
    assert len({plain, "", *map(settings_digest, others)} - {settings_digest(None)}) == 5


ENGLISH = "The gate is opened when the water is high, and the keeper of the gate writes down who asked for it and when."
REPORT = "---\neffective: 令和6年3月1日\ntags: [点検, 修繕]\nfunded: いいえ\n---\n# 点検報告\n\n水門の点検を行った。\n"

FIELDS: dict[str, Any] = {
    "department": {"type": "string"},
    "year": {"type": "integer"},
    "effective": {"type": "date", "from": ["front_matter", "sidecar"]},
    "tags": {"type": "strings"},
    "funded": {"type": "boolean", "default": True},
    "modified": {"type": "datetime", "from": ["source"]},
    "size": {"type": "integer", "from": ["source"]},
    "language": {"type": "string", "from": ["properties"]},
}
BLOCK: dict[str, Any] = {
    "path": "{department}/{year}/*",
    "sidecar": "{uri}.meta.yaml",
    "manifest": "lists/index.csv",
    "fields": FIELDS,
}


@pytest.fixture
def reports(corpus: Path) -> Path:
    """A folder in which every place says something."""
    for path in corpus.iterdir():
        path.unlink()
    write(corpus, "operations/2024/gate.md", f"# Gate\n\n{ENGLISH}\n")
    write(corpus, "運転/2023/点検.md", REPORT)
    write(corpus, "lists/index.csv", "uri,tags,year\noperations/2024/gate.md,gates,\nnowhere.md,lost,1999\n")
    write(corpus, "運転/2023/点検.md.meta.yaml", "year: 2025\n")
    return corpus


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
    assert (counts["listed"], counts["metadata_gathered"], counts["described"]) == (2, 2, 2)
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


def metadata_alone(summary: Summary, endpoint: EmbeddingServer, embedded: int, moved: int) -> None:
    """Assert that a refresh published metadata and did nothing else."""
    counts = {stage: report.counts for stage, report in summary.reports.items()}
    assert counts["documents"]["listed"] == counts["documents"]["unchanged"]  # Not one was read.
    assert counts["elements"]["parsed"] == 0
    assert {name: counts["publication"][name] for name in ("added", "changed", "metadata_only", "removed")} == {
        "added": 0, "changed": 0, "metadata_only": moved, "removed": 0,
    }  # fmt: skip
    assert len(endpoint.texts) == embedded


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


def links(database: Database) -> dict[str, str | None]:
    return dict(rows(database, "SELECT uri, link FROM search.documents"))


def test_a_link_is_filled_with_encoded_values_and_is_none_where_one_is_missing(
    make_bench: MakeBench, reports: Path, database: Database
) -> None:
    write(reports, "loose.md", "# Loose\n\nA loose page.\n")
    write(reports, "運転/2023/a b#{page}.md", "# Odd\n\nAn odd name.\n")
    template = "https://h/{department}/{year}/{stem}?n={name}&f={folder}&u={uri}#page={page}"
    refresh(make_bench(metadata=BLOCK, link=template))
    found = links(database)
    assert found["operations/2024/gate.md"] == (
        "https://h/operations/2024/gate?n=gate.md&f=operations/2024&u=operations/2024/gate.md#page=1"
    )
    assert found["loose.md"] is None
    odd = "a%20b%23%7Bpage%7D"
    folder = "%E9%81%8B%E8%BB%A2"
    assert found["運転/2023/a b#{page}.md"] == (
        f"https://h/{folder}/2023/{odd}?n={odd}.md&f={folder}/2023&u={folder}/2023/{odd}.md#page=1"
    )


def test_a_link_leads_to_the_page_of_the_passage(make_bench: MakeBench, corpus: Path, database: Database) -> None:
    refresh(make_bench(link="https://h/{uri}#page={page}"))
    assert rows(database, "SELECT DISTINCT link FROM search.chunks WHERE uri = '水門.md'") == [
        ("https://h/%E6%B0%B4%E9%96%80.md#page=1",)
    ]
    with database.connect() as session:
        session.connection.execute("UPDATE chunks SET pages = '{7,8}'")
    assert rows(database, "SELECT DISTINCT link FROM search.chunks WHERE uri = 'gate.md'") == [
        ("https://h/gate.md#page=7",)
    ]


def test_another_link_template_is_published_as_metadata_alone(
    make_bench: MakeBench, corpus: Path, database: Database, endpoint: EmbeddingServer
) -> None:
    refresh(make_bench(link="https://old/{uri}"))
    embedded = len(endpoint.texts)
    metadata_alone(refresh(make_bench(link="https://new/{uri}")), endpoint, embedded, 3)
    assert links(database)["gate.md"] == "https://new/gate.md"
    refresh(make_bench())
    assert set(links(database).values()) == {None}


@pytest.mark.parametrize(
    ("collection", "said"),
    [
        ("link: 'http://h/{departmnt}', metadata: {fields: {department: {}}}",
         "link: may not hold {departmnt}; did you mean {department}?"),
        ("link: 'http://h/{tags}', metadata: {fields: {tags: {type: strings}}}",
         "link: may not hold {tags}, which is a list."),
        ("link: 'http://h/{url'", "link: has a brace without its partner."),
        ("metadata: {fields: {department: {}}, path: '{departmnt}/*'}", "did you mean {department}?"),
        ("metadata: {fields: {a: {from: [sidecar]}}, path: '{a}/*'}", "no declared field that comes from path"),
        ("metadata: {fields: {a: {typ: date}}}", "metadata.fields.a.typ is not a known key; did you mean type?"),
        ("metadata: {fields: {a: {form: [path]}}}", "metadata.fields.a.form is not a known key; did you mean from?"),
        ("metadata: {pth: '{a}/*', fields: {a: {}}}", "metadata.pth is not a known key; did you mean path?"),
        ("metadata: {fields: {a: {type: day}}}", "metadata.fields.a.type: input should be 'string'"),
        ("metadata: {fields: {a: {type: date, default: soon}}}", "default is not a date"),
        ("metadata: {fields: {page: {}}}", "cannot name a field"),
        ("metadata: {fields: {a: {}}, sidecar: '{uri}.txt'}", "must end with .yaml, .yml or .json"),
        ("metadata: {fields: {a: {}}, sidecar: '{ur}.yaml'}", "did you mean {uri}?"),
        ("metadata: {fields: {a: {}}, sidecar: 'x-{folder}/a.yaml'}", "{folder} as a part of its own"),
        ("metadata: {fields: {a: {}}, manifest: ../index.csv}", "must be a plain path below the source"),
        ("metadata: {fields: {a: {}}, manifest: index.xlsx}", "must end with .csv, .tsv, .jsonl or .ndjson"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_declaration_is_one_sentence(tmp_path: Path, collection: str, said: str) -> None:
    path = tmp_path / "collections.yaml"
    path.write_text(f"collections: {{notes: {{source: docs, {collection}}}}}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load(path, {})
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_default_may_be_a_yaml_date(tmp_path: Path) -> None:
    path = tmp_path / "collections.yaml"
    path.write_text("collections: {n: {source: d, metadata: {fields: {a: {type: date, default: 2024-03-01}}}}}\n")
    metadata = load(path, {}).collection("n").metadata
    assert metadata
    assert merge(metadata, {}) == ({"a": "2024-03-01"}, [])
    assert len(settings_digest(metadata)) == 32


def test_a_source_without_a_clock_gives_no_modification_time() -> None:
    from assets.documents.metadata import of_source

    assert of_source(Entry("a", "s", 3, 1 << 62, {"owner": "x"})) == {"size": 3, "owner": "x"}
    assert of_source(Entry("a", "s", 3, 1_700_000_000_123_456_789))["modified"] == "2023-11-14T22:13:20.123456+00:00"


def test_a_collection_without_the_block_leaves_out_what_its_user_excludes_and_nothing_else() -> None:
    assert Collection.model_validate({"source": "d", "exclude": ["a"]}).left_out == ("a",)
    with pytest.raises(ValidationError):
        Collection.model_validate({"source": "d", "metadata": {"fields": {}}})
