"""The search functions over twenty thousand chunks: k rows whenever k match, the index, and what is as before."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.sql import SQL

from resources.postgres import Database, Session
from tests.asking import DIMENSIONS, Array, ask, distances, literal
from tests.worlds import Document, load, new_database, owner

LARGE, A_DOCUMENT = 20_000, 10


class Large:
    """Twenty thousand chunks in three collections, of random directions.

    Attributes:
        vectors: by text, shape (LARGE, DIMENSIONS).
        near: a question whose nearest 2,500 chunks are of documents with side `near`.
        crowded: a question whose nearest 400 vectors no head shows.
    """

    def __init__(self) -> None:
        drawn = np.random.default_rng(5)
        self.near, self.crowded = drawn.normal(size=(2, DIMENSIONS))
        self.vectors = drawn.normal(size=(LARGE, DIMENSIONS))
        self.vectors[:2500] = self.near * 2 + drawn.normal(size=(2500, DIMENSIONS))
        self.unseen = self.crowded * 3 + drawn.normal(size=(400, DIMENSIONS))
        self.documents = np.arange(LARGE) // A_DOCUMENT
        self.questions = drawn.normal(size=(6, DIMENSIONS))

    def fits(self, where: dict[str, Any]) -> Array:
        """Say for each chunk whether its document fits."""
        d = self.documents
        rules = {
            "side": lambda v: np.where(d < 250, "near", "far") == v, "half": lambda v: d % 2 == v,
            "tenth": lambda v: d % 10 == v, "hundredth": lambda v: d % 100 == v, "thousandth": lambda v: d % 1000 == v,
            "collection": lambda v: d % 3 == {"c0": 0, "c1": 1, "secret": 2}[v],
        }  # fmt: skip
        found = np.ones(LARGE, dtype=bool)
        for name, value in where.items():
            found &= rules[name](value)
        return found


FILL = (
    "INSERT INTO publishes (collection_id, number, run_id) SELECT collection_id, 2, 'filled' FROM collections",
    (
        "INSERT INTO documents (collection_id, uri, stamp, settled, size, content_hash, format) SELECT 1 + "
        "i % 3, 'f/' || i, '', true, 1, "
        "sha256(i::text::bytea), 'md' FROM generate_series(0, 1999) AS i"
    ),
    (
        "INSERT INTO elements (content_hash, format, recipe_id, text, elements, pages, properties, "
        "counters, language) SELECT content_hash, "
        "'md', 1, '', '[]', 0, '{}', '{}', 'en' FROM documents WHERE uri LIKE 'f/%' ORDER BY document_id"
    ),
    "INSERT INTO chunk_sets (elements_id, recipe_id) SELECT elements_id, 2 FROM elements ORDER BY elements_id",
    (
        "INSERT INTO heads SELECT d.document_id, d.collection_id, c.name, s.chunk_set_id, d.uri, null, "
        "'Title', jsonb_build_object("
        "'side', CASE WHEN n.i < 250 THEN 'near' ELSE 'far' END, 'half', n.i % 2, 'tenth', n.i % 10, 'hundredth', "
        "n.i % 100, "
        "'thousandth', n.i % 1000), p.publish_id, a.audience_id FROM documents AS d INNER JOIN collections AS c "
        "USING (collection_id) "
        "INNER JOIN elements AS e USING (content_hash) INNER JOIN chunk_sets AS s USING (elements_id) INNER JOIN "
        "publishes AS p ON "
        "p.collection_id = c.collection_id AND p.number = 2 INNER JOIN audiences AS a ON a.collection_id = "
        "c.collection_id CROSS JOIN "
        "LATERAL (SELECT substr(d.uri, 3)::int AS i) AS n"
    ),
    (
        "INSERT INTO texts (text_id, hash, text, tokens, lexemes, terms, lexer) OVERRIDING SYSTEM VALUE SELECT i + 1, "
        "sha256(('t' || i)::bytea), 'text ' || i, 1, ('gate ' || CASE WHEN i % 5000 = 7 THEN 'rare' ELSE 'w' || i "
        "% 40 END)::tsvector, 2, "
        "lexer_version() FROM generate_series(0, 20399) AS i"
    ),
    (
        "INSERT INTO chunks (chunk_set_id, ordinal, text_id, body_start, span, pages, heading_path) SELECT "
        "s.chunk_set_id, m, 1 + 10 * "
        "(s.nth - 1) + m, 0, '[0,1)', '{}', '{}' FROM (SELECT chunk_set_id, row_number() OVER (ORDER BY "
        "chunk_set_id) AS nth FROM "
        "chunk_sets) AS s CROSS JOIN generate_series(0, 9) AS m"
    ),
)


@pytest.fixture(scope="module")
def large(postgres: str, template: str) -> Iterator[tuple[Database, Large]]:
    """Fill the tables in bulk; the third collection is for one role alone, 400 vectors for nobody."""
    made = Large()
    fields = {
        name: {"type": "string" if name == "side" else "integer"}
        for name in ("side", "half", "tenth", "hundredth", "thousandth")
    }
    with new_database(postgres, template) as database:
        with psycopg.connect(postgres, autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_roles WHERE rolname = 'sec_large'").fetchone() is None:
                connection.execute("CREATE ROLE sec_large")
                connection.execute("GRANT suimon_reader TO sec_large")
        for name in ("c0", "c1", "secret"):
            load(database, name, [], metadata={"fields": fields}, readers=["sec_large"] if name == "secret" else None)
        with owner(database) as session:
            for statement in FILL:
                session.connection.execute(statement.encode())
            with (
                session.connection.cursor() as cursor,
                cursor.copy("COPY vectors_small (text_id, embedding) FROM STDIN") as copy,
            ):
                for number, numbers in enumerate([*made.vectors, *made.unseen]):
                    copy.write_row((number + 1, literal(numbers)))
            session.connection.execute("SELECT recount_terms(collection_id) FROM collections")
            session.connection.execute("SELECT build_vector_index(1)")
            session.connection.execute("ANALYZE")
        yield database, made


FILTERS: tuple[dict[str, Any], ...] = (
    {}, {"half": 1}, {"tenth": 3}, {"hundredth": 7}, {"thousandth": 5}, {"side": "far"}, {"side": "near"},
    {"collection": "c0"}, {"collection": "c1", "hundredth": 7}, {"collection": "secret"}, {"side": "far", "tenth": 3},
)  # fmt: skip


@pytest.mark.parametrize("role", ["reader", "everything"])
@pytest.mark.parametrize("where", FILTERS)
def test_k_rows_come_back_when_k_match_and_they_are_the_nearest(
    large: tuple[Database, Large], where: dict[str, Any], role: str
) -> None:
    database, made = large
    matching = made.fits(where) if role == "everything" else made.fits(where) & (made.documents % 3 != 2)
    recalls = []
    with database.connect(role=None) as session:
        session.connection.execute(
            SQL("SET ROLE {}").format(SQL("sec_large" if role == "everything" else "suimon_reader"))
        )
        for question in (made.near, made.crowded, *made.questions[:2]):
            near = distances(made.vectors, question)
            for k in (10, 60):
                best = np.flatnonzero(matching)[np.argsort(near[matching])][:k]
                found = session.connection.execute(
                    "SELECT text_id - 1, score FROM search.semantic('small', %s::public.vector, %s, %s)",
                    [literal(question), k, json.dumps(where)],
                ).fetchall()
                assert len(found) == len(best)
                assert all(matching[text] for text, _ in found)
                assert [score for _, score in found] == pytest.approx([1 - near[text] for text, _ in found], abs=1e-4)
                assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
                recalls.append(len({text for text, _ in found} & set(best)) / len(best) if len(best) else 1.0)
                mixed = session.connection.execute(
                    "SELECT count(*) FROM search.hybrid('small', %s::public.vector, 'gate rare', %s, %s)",
                    [literal(question), k, json.dumps(where)],
                ).fetchone()
                assert mixed == (len(best),)
    assert np.mean(recalls) >= 0.95


def test_lexical_gives_k_rows_under_a_filter_though_the_rare_words_are_elsewhere(large: tuple[Database, Large]) -> None:
    database, made = large
    for where in FILTERS:
        matching = made.fits(where) & (made.documents % 3 != 2)
        found = ask(
            database, "SELECT text_id - 1 FROM search.lexical('small', 'gate rare', 50, %s)", [json.dumps(where)]
        )
        assert len(found) == min(50, matching.sum())
        assert all(matching[text] for (text,) in found)


def explained(session: Session, query: str, question: Array) -> str:
    """Return a plan, without the numbers of the vector."""
    lines = session.connection.execute(f"EXPLAIN {query}".encode(), [literal(question)], prepare=False).fetchall()
    return "\n".join(re.sub(r"'\[.*\]'", "'[...]'", line) for (line,) in lines)


@pytest.mark.parametrize("view", ["chunks", "chunks_small"])
@pytest.mark.parametrize("where", ["", "WHERE collection = 'c0' "])
def test_plain_sql_in_order_of_distance_is_served_by_the_index(
    large: tuple[Database, Large], view: str, where: str
) -> None:
    database, made = large
    query = f"SELECT uri, text FROM search.{view} {where}ORDER BY embedding <=> %s::public.vector LIMIT 10"
    with database.connect("reader") as session:
        plan = explained(session, query, made.questions[0])
        assert "Index Scan using vectors_small_hnsw" in plan, plan
        assert not re.search("Seq Scan on (vectors_small|chunks|texts)", plan), plan


def test_plain_sql_gives_fewer_rows_than_there_are_where_what_is_nearer_is_not_shown(
    large: tuple[Database, Large],
) -> None:
    """What docs/sql.md and docs/security.md say of plain SQL, and what helps."""
    database, made = large
    query = "SELECT count(*) FROM (SELECT FROM search.chunks ORDER BY embedding <=> %s::public.vector LIMIT 10) AS c"
    with database.connect("reader") as session, session.transaction():
        session.connection.execute("SELECT '[1]'::public.vector")
        assert session.connection.execute(query.encode(), [literal(made.crowded)]).fetchone() == (0,)
        session.connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        assert session.connection.execute(query.encode(), [literal(made.crowded)]).fetchone() == (10,)


def test_the_settings_of_the_caller_are_as_before(large: tuple[Database, Large]) -> None:
    database, made = large
    names = (
        "hnsw.ef_search",
        "hnsw.iterative_scan",
        "hnsw.max_scan_tuples",
        "search_path",
        "jit",
        "standard_conforming_strings",
        "plan_cache_mode",
        "enable_hashjoin",
    )
    query = (
        "SELECT (SELECT count(*) FROM search.hybrid('small', q.vector, 'gate', 10, f.filter)), "
        "(SELECT count(*) FROM search.semantic('small', q.vector, 10, f.filter)) "
        "FROM CAST(%s AS public.vector) AS q (vector), CAST(%s AS jsonb) AS f (filter)"
    )

    def look() -> list[Any]:
        return [session.connection.execute(f"SHOW {name}".encode()).fetchone() for name in names]

    with database.connect("reader") as session:
        session.connection.execute("SELECT '[1]'::public.vector")
        for statement in ("SET hnsw.ef_search = 7", "SET hnsw.iterative_scan = relaxed_order"):
            session.connection.execute(statement.encode())
        before = look()
        for where in ({}, {"side": "far"}, {"hundredth": 7}):
            session.connection.execute(query.encode(), [literal(made.near), json.dumps(where)])
            assert look() == before
            with session.connection.transaction():
                session.connection.execute("SET LOCAL hnsw.ef_search = 11")
                inside = look()
                session.connection.execute(query.encode(), [literal(made.near), json.dumps(where)])
                assert look() == inside
                with pytest.raises(psycopg.Error), session.connection.transaction():
                    session.connection.execute(query.encode(), [literal(made.near), '{"no": 1}'])
                assert look() == inside
            assert look() == before


def test_the_shortest_way_keeps_its_plan_and_looks_no_further_than_k(large: tuple[Database, Large]) -> None:
    database, made = large
    plans: list[str] = []
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        try:
            connection.execute("LOAD 'auto_explain'")
        except psycopg.errors.UndefinedFile:
            pytest.skip("the server has no auto_explain")
        for name, value in (("log_min_duration", "0"), ("log_nested_statements", "on"), ("log_analyze", "on")):
            connection.execute(SQL("SELECT set_config('auto_explain.{}', '{}', false)").format(SQL(name), SQL(value)))
        connection.execute("SET client_min_messages = log")
        connection.add_notice_handler(lambda notice: plans.append(notice.message_primary or ""))
        connection.execute("SELECT FROM search.semantic('small', %s::public.vector)", [literal(made.questions[0])])
    (plan,) = (plan for plan in plans if "vectors_small_hnsw" in plan)
    assert re.search(r"Order By: \(embedding \S*<=>\)? \$\d+\)", plan), "it was planned for this vector alone"
    assert re.search(r"Index Scan using vectors_small_hnsw .*rows=10(\.00)? loops=1\)", plan)


def test_prepared_statements_and_a_discarded_session_answer_the_same(large: tuple[Database, Large]) -> None:
    database, made = large
    calls = {
        "semantic": "SELECT text_id FROM search.semantic('small', %(q)s::public.vector, 5, %(f)s)",
        "lexical": "SELECT text_id FROM search.lexical('small', 'gate rare', 5, %(f)s)",
        "hybrid": "SELECT text_id FROM search.hybrid('small', %(q)s::public.vector, 'gate rare', 5, %(f)s)",
    }
    params = {"q": literal(made.questions[1]), "f": '{"half": 1}'}
    for call in calls.values():
        wanted = ask(database, call, params)
        assert len(wanted) == 5
        for mode in ("auto", "force_generic_plan", "force_custom_plan"):
            with psycopg.connect(database.dsn, autocommit=True, options="-c role=suimon_reader") as connection:
                connection.execute(f"SET plan_cache_mode = {mode}".encode())
                for _ in range(3):
                    assert connection.execute(call.encode(), params, prepare=True).fetchall() == wanted
        with psycopg.connect(database.dsn, autocommit=True, prepare_threshold=None) as connection:
            for _ in range(2):
                connection.execute("SET ROLE suimon_reader")
                assert connection.execute(call.encode(), params).fetchall() == wanted
                connection.execute("DISCARD ALL")


def test_the_first_statement_of_a_session_may_be_any_of_them(large: tuple[Database, Large]) -> None:
    database, made = large
    for call in ("semantic('small', %s::public.vector)", "hybrid('small', %s::public.vector, 'gate')"):
        with psycopg.connect(database.dsn, autocommit=True, options="-c role=suimon_reader") as connection:
            assert len(connection.execute(f"SELECT FROM search.{call}".encode(), [literal(made.near)]).fetchall()) == 10
    with psycopg.connect(database.dsn, autocommit=True, options="-c role=suimon_reader") as connection:
        assert len(connection.execute("SELECT FROM search.lexical('small', 'gate')").fetchall()) == 10


def test_one_statement_sees_one_publish(large: tuple[Database, Large]) -> None:
    """The functions are STABLE: they see what the statement around them sees, whatever commits meanwhile."""
    database, made = large
    volatility = ask(
        database,
        "SELECT proname::text, provolatile::text FROM pg_proc WHERE pronamespace = 'search'::regnamespace AND "
        "proretset",
        role=None,
    )
    assert set(volatility) == {("semantic", "s"), ("lexical", "s"), ("hybrid", "s")}
    title = "SELECT DISTINCT title FROM search.semantic('small', %s::public.vector, 3, '{\"hundredth\": 7}')"
    statement = f"SELECT ARRAY({title}), pg_sleep(0.6)::text, ARRAY({title})"
    with database.connect("reader") as session, database.connect(role=None) as other:

        def publish() -> None:
            other.connection.execute("SELECT pg_sleep(0.2)")
            other.connection.execute(
                "UPDATE corpus.heads SET title = 'Later' WHERE (metadata ->> 'hundredth')::int = 7"
            )

        thread = threading.Thread(target=publish)
        thread.start()
        row = session.connection.execute(statement.encode(), [literal(made.near)] * 2).fetchone()
        thread.join()
        other.connection.execute("UPDATE corpus.heads SET title = 'Title' WHERE title = 'Later'")
    assert row is not None
    assert row[0] == row[2] == ["Title"]


# Scenario 16 of the scorecard, through the functions.


def test_a_filter_of_two_percent_over_3072_dimensions_gives_ten_rows(postgres: str, template: str) -> None:
    drawn = np.random.default_rng(3)
    with new_database(postgres, template) as database:
        documents = [
            Document(
                f"{n}.md",
                [f"text {n} {m}" for m in range(12)],
                {"team": f"team{n}"},
                vectors=[literal(v) for v in drawn.normal(size=(12, 3072))],
            )
            for n in range(50)
        ]
        load(database, "notes", documents, dimensions=3072, storage="halfvec", metadata={"fields": {"team": {}}})
        with owner(database) as session:
            session.connection.execute("SELECT build_vector_index(1)")
        question = literal(drawn.normal(size=3072))
        for call in ("semantic('small', %(q)s, 10, %(f)s)", "hybrid('small', %(q)s, 'text', 10, %(f)s)"):
            found = ask(database, f"SELECT uri FROM search.{call}", {"q": question, "f": '{"team": "team7"}'})
            assert found == [("7.md",)] * 10
