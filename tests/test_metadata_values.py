"""Declared metadata as pure logic: what is written becomes a value of its type, or a problem with a name."""

from __future__ import annotations

import io
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.documents.manifests import NotReadable, read_manifest, read_sidecar
from assets.documents.metadata import merge, pick, settings_digest
from assets.documents.patterns import match_path, sidecar_glob, sidecar_of
from assets.documents.values import FieldType, NotOfType, convert
from assets.settings import Collection, Metadata
from pipelines.config import load
from resources.errors import ConfigurationError
from resources.sources import Entry, Globs

PROPERTY = settings(max_examples=200, deadline=None)
KINDS: tuple[FieldType, ...] = get_args(FieldType)

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
