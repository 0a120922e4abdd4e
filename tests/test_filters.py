"""Filters: the grammar against an evaluation in Python, what is hostile, what is wrong, and which index serves."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets.documents.values import convert
from resources.postgres import Database
from tests.worlds import Document, load, new_database, owner

PROPERTY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TYPES: dict[str, Any] = {
    "department": "string", "tags": "strings", "year": "integer", "ratio": "number", "final": "boolean",
    "due": "date", "met": "datetime", "部署": "string", "collection": "string", "or": "string",
}  # fmt: skip
OTHER_TYPES = {"department": "string", "mixed": "string", "tags": "string"}
"""Of a second collection, which declares one field otherwise."""

DEPARTMENTS = ("ops", "Ops", "o'ps", 'o"ps', "50%", "a\\b", "$v0", "水門", "ope", "{}", "'; DROP TABLE heads; --")
TAGS = ("a", "b", "a b", "水", "%")
DAYS = ("2024-02-29", "2026-04-01", "2026-04-02", "1999-12-31")
TIMES = (
    "2026-04-01T00:00:00", "2026-04-01T09:30:00+00:00", "2026-04-01T09:30:00.500000+00:00", "2026-04-01T18:30:00+09:00",
    "2026-03-31T23:59:59-05:00", "2025-01-01T12:00:00",
)  # fmt: skip
URIS = ("minutes/a.md", "minutes/b%.md", "Minutes/c.md", "水門/d.md", "e_f.md", "minutes.md")
LANGUAGES = ("en", "ja", "und")
PUBLISHED = dt.datetime(2026, 4, 1, 9, 30, tzinfo=dt.UTC)


def some_documents(seed: int, types: dict[str, str], count: int) -> list[Document]:
    """Make documents whose metadata has every state: there, null, missing, of each type."""
    draw = random.Random(seed)
    values: dict[str, list[Any]] = {
        "string": list(DEPARTMENTS), "strings": [[], ["a"], ["a", "b"], ["水", "%"], list(TAGS)],
        "integer": [2023, 2024, 2025, -1, 0, 2**60], "number": [0.5, 1, 1.0, -2.25, 2024], "boolean": [True, False],
        "date": list(DAYS), "datetime": [convert(text, "datetime") for text in TIMES],
    }  # fmt: skip
    made = []
    for number in range(count):
        metadata = {}
        for name, kind in types.items():
            if draw.random() < 0.75:
                metadata[name] = draw.choice([None, *values[kind] * 2])
        uri = f"{draw.choice(URIS)}.{number}"
        made.append(
            Document(uri, [f"gate {seed} {number}"], metadata, draw.choice(DEPARTMENTS), draw.choice(LANGUAGES))
        )
    return made


class Filled:
    """A database, and its visible documents as a filter sees them; with a short repr, since Hypothesis prints it."""

    def __init__(self, database: Database, documents: list[dict[str, Any]]) -> None:
        self.database = database
        self.documents = documents

    def __repr__(self) -> str:
        return "filled"


@pytest.fixture(scope="module")
def filled(postgres: str, template: str) -> Iterator[Filled]:
    """Two open collections and one that nobody may see; the documents as a filter sees them."""
    with new_database(postgres, template) as database:
        seen = []
        for seed, (name, types) in enumerate(
            {"alpha": TYPES, "beta": OTHER_TYPES, "unseen": {"secret": "string"}}.items()
        ):
            fields = {"fields": {field: {"type": kind} for field, kind in types.items()}}
            documents = some_documents(seed, types, 60)
            load(database, name, documents, metadata=fields, readers=[] if name == "unseen" else None)
            if name != "unseen":
                seen += [
                    {"uri": d.uri, "title": d.title, "language": d.language, "collection": name, "metadata": d.metadata}
                    for d in documents
                ]
        with owner(database) as session:
            session.connection.execute(
                "UPDATE publishes SET published_at = %s, number = 7 + collection_id", [PUBLISHED]
            )
            session.connection.execute("ANALYZE")
        publishes = {"alpha": 8, "beta": 9}
        shown = [d | {"publish": publishes[str(d["collection"])], "published_at": PUBLISHED} for d in seen]
        yield Filled(database, shown)


def ask(database: Database, where: Any) -> list[str]:
    """Return the uris of the documents that fit."""
    with database.connect("reader") as session:
        found = session.connection.execute(
            "SELECT uri FROM search.lexical('small', 'gate', 1000, %s::jsonb)", [json.dumps(where)]
        ).fetchall()
    return sorted(uri for (uri,) in found)


# The grammar in Python. A condition is true or false; what is of another type does not fit.

BUILT_IN = {"collection", "uri", "title", "language", "publish", "published_at"}
ANY = {"tags"}
"""Declared in two ways."""


def type_of(name: str) -> str:
    """Return the type of a metadata field."""
    if name in ANY:
        return "any"
    return TYPES.get(name) or OTHER_TYPES.get(name) or "string"


def as_stored(name: str, value: Any) -> Any:
    """Return a value of a filter as the field holds it."""
    if name == "published_at":
        found = dt.datetime.fromisoformat(value)
        return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    if name not in BUILT_IN and type_of(name) == "datetime" and isinstance(value, str):
        return convert(value, "datetime")
    return value


def comparable(left: Any, right: Any) -> bool:
    """Say whether two values have one type, as JSON has types."""
    kinds = [bool if isinstance(v, bool) else float if isinstance(v, int | float) else type(v) for v in (left, right)]
    return kinds[0] is kinds[1]


def holds(operator: str, items: list[Any], value: Any) -> bool:
    """Evaluate one condition over the values that a document has."""
    if operator == "exists":
        return bool(items) is value
    if operator == "in":
        return any(holds("eq", items, one) for one in value)
    if operator == "ne":
        return not holds("eq", items, value)
    if value is None:
        return not items
    tests = {
        "eq": lambda item: item == value, "gt": lambda item: item > value, "gte": lambda item: item >= value,
        "lt": lambda item: item < value, "lte": lambda item: item <= value,
        "prefix": lambda item: item.startswith(value),
    }  # fmt: skip
    return any(comparable(item, value) and tests[operator](item) for item in items)


def fits(where: dict[str, Any], document: dict[str, Any]) -> bool:
    """Evaluate a filter."""
    for key, asked in where.items():
        if key == "and":
            good = all(fits(part, document) for part in asked)
        elif key == "or":
            good = any(fits(part, document) for part in asked)
        elif key == "not":
            good = not fits(asked, document)
        else:
            good = fits_field(key, asked, document)
        if not good:
            return False
    return True


def fits_field(key: str, asked: Any, document: dict[str, Any]) -> bool:
    """Evaluate the conditions of one field."""
    name = key.removeprefix("metadata.")
    found = document[key] if key in BUILT_IN else document["metadata"].get(name)
    items = [item for item in (found if isinstance(found, list) else [found]) if item is not None]
    conditions = asked if isinstance(asked, dict) else {"in": asked} if isinstance(asked, list) else {"eq": asked}
    name = key if key in BUILT_IN else name
    for operator, value in conditions.items():
        given = [as_stored(name, one) if one is not None else None for one in value] if operator == "in" else value
        given = as_stored(name, given) if operator not in {"in", "exists"} and given is not None else given
        if not holds(operator, items, given):
            return False
    return True


def conditions_of(
    values: st.SearchStrategy[Any], *, ordered: bool = True, text: bool = False
) -> st.SearchStrategy[Any]:
    """Return conditions over values of one type."""
    maybe = st.one_of(st.none(), values)
    simple = [
        maybe, st.lists(maybe, max_size=3), maybe.map(lambda v: {"eq": v}), maybe.map(lambda v: {"ne": v}),
        st.lists(maybe, max_size=3).map(lambda v: {"in": v}), st.booleans().map(lambda v: {"exists": v}),
    ]  # fmt: skip
    if ordered:
        simple.append(st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), values, min_size=1, max_size=2))
    if text:
        simple.append(values.map(lambda v: {"prefix": v[:2]}))
    return st.one_of(simple)


texts = st.one_of(st.sampled_from(DEPARTMENTS), st.text("oOps'\"%\\$v0水{}[]*;-", max_size=4))
times = st.one_of(st.sampled_from([*TIMES, *DAYS, "2026-04-01 09:30Z", "2026-04-01T09:30:00.500Z"]))
numbers = st.one_of(st.integers(-3, 2026), st.sampled_from([0.5, 1.0, -2.25, 2024.0, 2**60]))
anything = st.one_of(texts, numbers, st.booleans(), st.sampled_from(TAGS))
NAMES = ("department", "metadata.department", "部署", "metadata.collection", "metadata.or", "mixed")
COLLECTIONS = ("alpha", "beta", "unseen", "none", "al")
leaves = st.one_of(
    st.tuples(st.sampled_from(NAMES),
              conditions_of(texts, text=True)),
    st.tuples(st.just("tags"), conditions_of(anything)),
    st.tuples(st.sampled_from(["year", "ratio"]), conditions_of(numbers)),
    st.tuples(st.just("final"), conditions_of(st.booleans())),
    st.tuples(st.just("due"), conditions_of(st.sampled_from(DAYS))),
    st.tuples(st.just("met"), conditions_of(times)),
    st.tuples(st.just("published_at"), conditions_of(times)),
    st.tuples(st.just("publish"), conditions_of(st.integers(7, 10))),
    st.tuples(st.just("collection"), conditions_of(st.sampled_from(COLLECTIONS), text=True)),
    st.tuples(st.just("uri"), conditions_of(st.sampled_from([*URIS, "minutes/", "水", "%"]), text=True)),
    st.tuples(st.just("title"), conditions_of(texts, text=True)),
    st.tuples(st.just("language"), conditions_of(st.sampled_from([*LANGUAGES, "fr"]), text=True)),
)  # fmt: skip
filters = st.recursive(
    st.lists(leaves, max_size=3).map(dict),
    lambda inner: st.one_of(
        st.tuples(
            st.lists(leaves, max_size=2).map(dict),
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=1, max_size=3),
        )
        .map(lambda t: t[0] | {t[1]: t[2]}),
        st.tuples(st.lists(leaves, max_size=1).map(dict), inner).map(lambda t: t[0] | {"not": t[1]}),
    ),
    max_leaves=6,
)  # fmt: skip


@PROPERTY
@given(where=filters)
@example(where={"uri": {"prefix": "minutes/"}, "department": "ops", "collection": ["alpha", "beta"]})
@example(where={"uri": {"prefix": "minutes/", "ne": "x"}, "collection": "alpha", "not": {"year": {"gt": 2023}}})
@example(where={"department": "ops", "metadata.department": "Ops"})
@example(where={"not": {"tags": {"gt": 1}}})
@example(where={"not": {"department": {"prefix": "op"}}})
@example(where={"collection": ["alpha", None]})
@example(where={"or": [{"collection": "unseen"}]})
def test_a_filter_gives_the_documents_that_the_same_filter_in_python_gives(
    filled: Filled, where: dict[str, Any]
) -> None:
    database, documents = filled.database, filled.documents
    assert ask(database, where) == sorted(d["uri"] for d in documents if fits(where, d))


def test_no_setting_of_the_session_changes_what_a_filter_means(filled: Filled) -> None:
    database, documents = filled.database, filled.documents
    where = {
        "or": [{"due": {"gte": "2026-04-01"}}, {"met": {"lt": "2026-04-01T09:30:00Z"}}],
        "published_at": {"lte": "2026-04-01T09:30"},
    }
    wanted = sorted(d["uri"] for d in documents if fits(where, d))
    assert wanted
    with database.connect("reader") as session:
        for setting in ("DateStyle = German", "DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Tokyo'", "search_path = ''",
                        "transform_null_equals = on", "standard_conforming_strings = off", "enable_indexscan = off",
                        "extra_float_digits = -15", "plan_cache_mode = force_generic_plan"):  # fmt: skip
            session.connection.execute(f"SET {setting}".encode())
            found = session.connection.execute(
                "SELECT uri FROM search.lexical('small', 'gate', 1000, %s::jsonb)", [json.dumps(where)]
            ).fetchall()
            assert sorted(uri for (uri,) in found) == wanted, setting


# What is hostile stays a value.

keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
hostile = st.one_of(keys, st.sampled_from([
    '"', "\\", "$", "$.a", "a.b", 'a"b', "it's", "%s", "{}", '") || (1 == 1', "$v0", "metadata.x", "metadata.", "",
    "' OR 1=1 --", "@", "*", "\n", "$[*] ? (@ == 1)", "and", "or", "not", "uri",
]))  # fmt: skip


@PROPERTY
@given(key=hostile, stored=hostile, asked=hostile, operator=st.sampled_from(["eq", "ne", "in", "prefix", "gt", "lte"]))
def test_no_key_and_no_value_becomes_sql_or_jsonpath(
    filled: Filled, key: str, stored: str, asked: str, operator: str
) -> None:
    database = filled.database
    condition = {operator: [asked] if operator == "in" else asked}
    params = {
        "filter": json.dumps({"or": [{f"metadata.{key}": condition}]}),
        "plain": json.dumps({f"metadata.{key}": condition}),
        "eq": json.dumps({f"metadata.{key}": asked}), "types": json.dumps({key: "string"}),
        "metadata": json.dumps({key: stored}),
    }  # fmt: skip
    query = (
        "SELECT f.name, coalesce(m.metadata @> (f.made).contains, true) AND coalesce(jsonb_path_match(m.metadata, "
        '(f.made).path, (f.made).variables || \'{{"uri": "u"}}\', true), (f.made).path IS NULL) '
        "FROM (SELECT %(metadata)s::jsonb AS metadata) "
        "AS m CROSS JOIN LATERAL (VALUES ('nested', compiled_filter(%(filter)s, %(types)s)), ('plain', "
        "compiled_filter(%(plain)s, %(types)s)), ('eq', compiled_filter(%(eq)s, %(types)s))) AS f (name, made)"
    )
    with owner(database) as session:
        found = dict(session.connection.execute(session.compose(query), params).fetchall())
    wanted = holds(operator, [stored], condition[operator])
    assert found == {"nested": wanted, "plain": wanted, "eq": stored == asked}


# What is wrong is said.


@pytest.mark.parametrize(
    ("where", "message", "hint"),
    [
        ([], "array is no filter", "A filter is a JSON object"),
        ("x", "string is no filter", "A filter is a JSON object"),
        (None, "null is no filter", "A filter is a JSON object"),
        ({"and": []}, '"and" wants a list', "metadata.and"),
        ({"or": {"year": 1}}, '"or" wants a list', "metadata.or"),
        ({"not": [1]}, "array is no filter", ""),
        ({"or": [{"year": 1}, 7]}, "number is no filter", ""),
        ({"yaer": 1}, '"yaer" is no field', "year"),
        ({"secret": "x"}, '"secret" is no field', "tags"),
        ({"year": "2024"}, "year is of type integer", "Give a JSON number."),
        ({"department": 1}, "department is of type string", "Give a JSON string."),
        ({"final": "true"}, "final is of type boolean", "Give a JSON boolean."),
        ({"collection": 1}, "collection is of type string", "Give a JSON string."),
        ({"collection": ["alpha", 1]}, "collection is of type string", ""),
        ({"publish": "1"}, "publish is of type integer", ""),
        ({"year": {}}, "nothing is asked of year", '"exists"'),
        ({"year": {"like": 1}}, '"like" of year is no operator', "gte"),
        ({"year": {"in": 1}}, '"in" of year wants a list', ""),
        ({"year": {"gt": [1]}}, '"gt" of year wants one value', ""),
        ({"year": {"gt": None}}, '"gt" of year wants a value', "exists"),
        ({"year": {"eq": {"a": 1}}}, '"eq" of year wants one value', ""),
        ({"year": {"exists": 1}}, '"exists" of year is true or false', ""),
        ({"year": {"prefix": "2"}}, '"prefix" is for text, and year is of type integer', "ranges"),
        ({"department": {"prefix": 2}}, '"prefix" is for text', ""),
        ({"due": "2026"}, '"2026" is no date', "2026-04-01"),
        ({"due": "today"}, '"today" is no date', "2026-04-01"),
        ({"due": "01/02/2026"}, "is no date", ""),
        ({"due": "2026-02-30"}, '"2026-02-30" is no date', ""),
        ({"due": "12026-02-03"}, "is no date", ""),
        ({"met": "noon"}, '"noon" is no time', "+09:00"),
        ({"met": "2026-04-01T09:30:00+99:00"}, "is no time", ""),
        ({"published_at": "yesterday"}, '"yesterday" is no time', ""),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused_in_a_sentence_with_a_hint(
    filled: Filled, where: Any, message: str, hint: str
) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        ask(filled.database, where)
    assert message in (refused.value.diag.message_primary or "")
    assert hint in (refused.value.diag.message_hint or "")


def test_a_filter_that_is_nested_too_deeply_or_too_large_is_refused(
    filled: Filled,
) -> None:
    deep: Any = {"year": 1}
    for _ in range(21):
        deep = {"not": deep}
    large = {"or": [{"year": {"gt": number}} for number in range(600)]}
    for where in (deep, large):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="too deeply, or too large"):
            ask(filled.database, where)
    assert ask(filled.database, {"year": list(range(5000))}) == ask(filled.database, {"year": {"gte": 0, "lt": 5000}})


def test_a_null_filter_and_an_empty_one_ask_nothing(filled: Filled) -> None:
    database, documents = filled.database, filled.documents
    assert len(ask(database, {})) == len(documents)
    with database.connect("reader") as session:
        found = session.connection.execute(
            "SELECT count(*) FROM search.lexical('small', 'gate', 1000, null)"
        ).fetchone()
    assert found == (len(documents),)


def test_a_collection_that_may_not_be_seen_is_like_one_that_does_not_exist(
    filled: Filled,
) -> None:
    for name in ("unseen", "there_is_none"):
        assert ask(filled.database, {"collection": name}) == []
        assert len(ask(filled.database, {"collection": {"ne": name}})) == len(filled.documents)


# Which index serves.


@pytest.mark.parametrize(
    ("where", "index", "entry"),
    [
        ({"department": "水門"}, "heads_by_metadata", "(metadata @> "),
        ({"tagged": "rare"}, "heads_by_metadata", "(metadata @> "),
        ({"uri": {"prefix": "rare/"}}, "heads_by_uri", "((collection = ANY "),
        ({"collection": "small_one"}, "heads_by_collection_id", "((collection_id = ANY "),
    ],
)
def test_what_is_outermost_is_found_through_an_index_by_its_first_column(
    postgres: str, template: str, where: dict[str, Any], index: str, entry: str
) -> None:
    with new_database(postgres, template) as database:
        fields = {"fields": {"department": {}, "tagged": {"type": "strings"}}}
        rare = Document("rare/a.md", ["gate"], {"department": "水門", "tagged": ["rare", "b"]})
        load(database, "large", [rare], metadata=fields)
        load(database, "small_one", [Document("b.md", ["gate b"])], metadata=fields)
        with owner(database) as session:
            connection = session.connection
            connection.execute(
                "INSERT INTO documents (collection_id, uri, stamp, settled, size, content_hash, format) SELECT "
                "1, 'f/' || i, '', "
                "true, 1, sha256(i::text::bytea), 'md' FROM generate_series(1, 5000) AS i"
            )
            connection.execute(
                "INSERT INTO heads SELECT d.document_id, 1, 'large', h.chunk_set_id, d.uri, null, 't', "
                "jsonb_build_object('department', 'ops' || d.document_id % 50, 'tagged', '[\"b\"]'::jsonb), "
                "h.publish_id, h.audience_id "
                "FROM documents AS d CROSS JOIN heads AS h WHERE d.uri LIKE 'f/%' AND h.collection_id = 1"
            )
            connection.execute("ANALYZE")
            connection.execute(
                "CREATE FUNCTION explained(wanted jsonb) RETURNS SETOF text LANGUAGE plpgsql AS $$ DECLARE "
                "plan search_plan; BEGIN "
                "plan := planned_search((SELECT s FROM spaces AS s), wanted); RETURN QUERY EXECUTE 'EXPLAIN "
                "SELECT h.document_id FROM heads "
                "AS h WHERE ' || entry_condition(plan) USING null::public.vector, plan.audiences, "
                "(plan.filter).uri_prefix, (plan.filter).contains, "
                "(plan.filter).path, (plan.filter).variables; END $$"
            )
            plan = connection.execute(
                "SELECT string_agg(e, E'\\n') FROM explained(%s) AS e", [json.dumps(where)]
            ).fetchone()
        assert plan is not None
        assert index in plan[0]
        assert f"Index Cond: {entry}" in plan[0]
