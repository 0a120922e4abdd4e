"""Who sees what: rules, roles, and everything that a reader may try to see more."""

from __future__ import annotations

import itertools
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fsspec.utils import glob_translate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL, Identifier
from pydantic import ValidationError

from assets.documents import stage as documents
from assets.publication.rollback import rollback
from assets.readers import apply_readers, uri_pattern
from assets.refresh import open_refresh, run_stage
from assets.settings import Collection
from assets.upkeep.erase import erase
from assets.workbench import Workbench
from resources import failpoints
from resources.migrator import migrate
from resources.parser_pool import ParserPool
from resources.postgres import Database, Session
from tests.conftest import refresh, write
from tests.test_mail import mail
from tests.worlds import Document, World, assert_counted, load, make_logins, new_database, new_world, owner, vector

MARK = "geheim"
"""Stands in every hidden document: text, title, heading, path, metadata."""

ROLES = {
    "sec_board": (),
    "sec_legal": (),
    "sec_chair": ("sec_board",),
    "sec_any": ("suimon_reader",),
    "sec_bea": ("suimon_reader", "sec_board"),
    "sec_cleo": ("suimon_reader", "sec_chair"),
    "sec_lea": ("suimon_reader", "sec_legal"),
    "sec_app": ("suimon_reader", "sec_bea", "sec_any"),
    "sec_pipe": ("suimon_pipeline",),
    "sec_stranger": (),
    "sec_bypass": ("suimon_reader",),
}
LOGINS = {name: "LOGIN" for name in ROLES if name not in {"sec_board", "sec_legal", "sec_chair"}} | {
    "sec_app": "LOGIN NOINHERIT",
    "sec_bypass": "LOGIN BYPASSRLS",
}

NFD = unicodedata.normalize("NFD", "ガイド/取締役.md")

OPEN = {("open", "a.md"), ("open", "b.md"), ("mixed", "x.md"), ("mixed", "boards.md")}
BOARD = {
    ("closed", f"{MARK}.html"), ("mixed", f"board/{MARK}.md"), ("mixed", NFD), ("mixed", "mails/m.eml"),
    ("mixed", "mails/m.eml!/note.md"), ("mixed", "inner.md"),
}  # fmt: skip
LEGAL = {("mixed", "secret.md")}
NOBODY = {("nobody", "n.md")}

RULES: list[dict[str, Any]] = [
    {"path": "board/**", "readers": ["sec_board"]},
    {"path": "ガイド/**", "readers": ["sec_board"]},
    {"path": "mails/*.eml", "readers": ["sec_board"]},
    {"metadata": {"confidentiality": "secret"}, "readers": ["sec_legal"]},
    {"metadata": {"tags": "inner"}, "readers": ["sec_board"]},
]
FIELDS = {"fields": {"confidentiality": {}, "tags": {"type": "strings"}}}


UNREACHED = (
    (
        "INSERT INTO corpus.recipes (stage, declared, versions, details) "
        "SELECT 'chunks', 'old' || i, '', '{}' FROM generate_series(1, 1500) AS i"
    ),
    (
        "INSERT INTO corpus.chunk_sets (elements_id, recipe_id) SELECT e.elements_id, r.recipe_id "
        "FROM corpus.elements AS e CROSS JOIN corpus.recipes AS r WHERE r.declared LIKE 'old%'"
    ),
)
"""Chunk sets that no head shows. A table that is dear to go through lets the planner ask a reader's operator of pairs
that do not belong together first: a head that is visible, and any row of elements."""


def hidden(words: str, front: str = "") -> str:
    """Write a document that is not for everybody; of many passages, so that it has ordinals of its own."""
    head = f"---\n{front}\n---\n" if front else ""
    return f"{head}# {MARK} {words}\n\n" + "".join(
        f"## {MARK} {number}\n\nThe gate of {MARK} {words} {number} is opened by the board alone.\n\n"
        for number in range(5)
    )


@pytest.fixture(scope="module")
def world(
    postgres: str, template: str, parser_pool: ParserPool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Four collections: open to all, closed, closed in part, closed to everybody. Tests only read it."""
    with new_world(postgres, template, parser_pool, tmp_path_factory.mktemp("world")) as made:
        make_logins(made, ROLES, LOGINS)
        made.publish(
            "open", {"a.md": "# Open\n\nThe gate is opened at high water.", "b.md": "# 水門\n\nGate: 水門を開ける。"}
        )
        made.publish("closed", {f"{MARK}.html": f"<h1>{MARK}</h1><p>The gate of {MARK}.</p>"}, readers=["sec_board"])
        note = mail(f"{MARK} mail", "The gate letter.", ("note.md", f"# {MARK}\n\nA gate note.".encode()))
        made.publish(
            "mixed",
            {
                "x.md": "# Mixed\n\nThe gate of everybody.",
                "boards.md": "# Boards\n\nThe gate is made of boards.",
                f"board/{MARK}.md": hidden("board"),
                NFD: hidden("guide"),
                "mails/m.eml": note.as_bytes(),
                "secret.md": hidden("secret", "confidentiality: secret"),
                "inner.md": hidden("inner", "tags: [inner, other]"),
            },
            document_readers=RULES,
            metadata=FIELDS,
        )
        made.publish("nobody", {"n.md": hidden("nobody")}, readers=[])
        made.sudo("CREATE SCHEMA of_any AUTHORIZATION sec_any", *UNREACHED, "ANALYZE")
        yield made


CHANNELS = {
    "chunks": "SELECT DISTINCT collection, uri FROM search.chunks",
    "chunks of the space": "SELECT DISTINCT collection, uri FROM search.chunks_small",
    "documents": "SELECT collection, uri FROM search.documents",
    "semantic": "SELECT DISTINCT collection, uri FROM search.semantic('small', %(vector)s, 1000)",
    "lexical": "SELECT DISTINCT collection, uri FROM search.lexical('small', 'gate', 1000)",
    "hybrid": "SELECT DISTINCT collection, uri FROM search.hybrid('small', %(vector)s, 'gate', 1000)",
    "plain vector order": "SELECT DISTINCT collection, uri FROM (SELECT * FROM search.chunks "
    "ORDER BY embedding <=> %(vector)s LIMIT 1000) AS c",
}
ASKED = {"vector": vector("the gate")}


@pytest.mark.parametrize(
    ("login", "role", "sees"),
    [
        ("sec_any", None, OPEN),
        ("sec_bea", None, OPEN | BOARD),
        ("sec_cleo", None, OPEN | BOARD),
        ("sec_lea", None, OPEN | LEGAL),
        ("sec_app", "sec_any", OPEN),
        ("sec_app", "sec_bea", OPEN | BOARD),
        ("sec_bea", "suimon_reader", OPEN),
        ("sec_bypass", None, OPEN),
        ("sec_pipe", None, OPEN | BOARD | LEGAL | NOBODY),
        (None, None, OPEN | BOARD | LEGAL | NOBODY),
        (None, "suimon_reader", OPEN),
        (None, "sec_lea", OPEN | LEGAL),
    ],
)
def test_each_role_sees_the_same_through_every_door(
    world: World, login: str | None, role: str | None, sees: set[tuple[str, str]]
) -> None:
    for channel, query in CHANNELS.items():
        assert set(world.rows(login, query, ASKED, role=role)) == sees, channel
    publishes = {row[0] for row in world.rows(login, "SELECT collection FROM search.publishes", role=role)}
    assert publishes == {collection for collection, _ in sees}


def test_what_a_publish_moved_is_told_to_who_may_read_all_of_the_collection(world: World) -> None:
    query = "SELECT collection, counts IS NOT NULL FROM search.publishes"
    assert set(world.rows("sec_bea", query)) == {("open", True), ("closed", True), ("mixed", False)}


def test_a_role_that_inherits_nothing_has_to_be_set(world: World) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.rows("sec_app", CHANNELS["chunks"])


def test_set_local_role_ends_with_the_transaction_and_savepoints_are_followed(world: World) -> None:
    def seen() -> set[Any]:
        return set(connection.execute("SELECT collection, uri FROM search.documents").fetchall())

    with world.connect("sec_app") as connection:
        with connection.transaction():
            connection.execute("SET LOCAL ROLE sec_any")
            with suppress(ZeroDivisionError), connection.transaction():
                connection.execute("SET LOCAL ROLE sec_bea")
                assert seen() == OPEN | BOARD
                raise ZeroDivisionError
            assert seen() == OPEN
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            seen()


def test_a_stranger_sees_nothing_and_is_told_nothing(world: World) -> None:
    for query in CHANNELS.values():
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for schema search"):
            world.rows("sec_stranger", query, ASKED)


def test_what_lies_behind_the_public_face_is_out_of_reach(world: World) -> None:
    names = world.rows(
        None, "SELECT relname FROM pg_class WHERE relnamespace = 'corpus'::regnamespace AND relkind IN ('r','v')"
    )
    functions = world.rows(
        None, "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'corpus'::regnamespace"
    )
    with world.connect("sec_any") as connection:
        for (name,) in names:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(SQL("SELECT FROM corpus.{}").format(Identifier(name)))
        for name in (
            "visible_audiences()",
            "declare_readers(1, '[]', '', '{}')",
            "show_chunks(1, 'chunks')",
            "calling_role()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema corpus"):
                connection.execute(f"SELECT corpus.{name}".encode())
        for statement in (
            "CREATE VIEW search.mine AS SELECT 1",
            "CREATE FUNCTION search.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    assert functions


def test_no_function_that_runs_as_its_owner_is_anybodys(world: World) -> None:
    definers = world.rows(
        None,
        "SELECT p.oid::regprocedure::text, p.proconfig::text, has_function_privilege('sec_stranger', p.oid, "
        "'EXECUTE'), "
        "has_function_privilege('suimon_reader', p.oid, 'EXECUTE') FROM pg_proc AS p WHERE p.prosecdef AND "
        "p.pronamespace IN ('corpus'::regnamespace, 'search'::regnamespace)",
    )
    assert [name for name, _, anybody, _ in definers if anybody] == []
    assert {name.split("(")[0].split(".")[-1] for name, _, _, reader in definers if reader} == {
        "visible_audiences", "semantic", "lexical", "hybrid", "explain",
    }  # fmt: skip
    assert [name for name, config, _, _ in definers if "pg_temp" not in (config or "")] == []
    assert [name for name, config, _, reader in definers if reader and "public" in config] == []


# What a reader may try.

PLANS = {
    "as it comes": [],
    "loops": ["enable_hashjoin", "enable_mergejoin"],
    "loops over tables": ["enable_hashjoin", "enable_mergejoin", "enable_indexscan", "enable_bitmapscan",
                          "enable_indexonlyscan", "enable_memoize", "enable_material"],
    "merging": ["enable_hashjoin", "enable_nestloop"],
    "hashing": ["enable_nestloop", "enable_mergejoin", "enable_indexscan", "enable_bitmapscan"],
}  # fmt: skip

SPIES = (
    (
        "CREATE OR REPLACE FUNCTION of_any.spy(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 "
        "AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
    ),
    (
        "CREATE OR REPLACE FUNCTION of_any.same(text, text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 "
        "AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
    ),
)
OPERATOR = (
    "CREATE OPERATOR of_any.### (FUNCTION = of_any.same, LEFTARG = text, RIGHTARG = text, RESTRICT = {}, JOIN = {})"
)

SHAPES = (
    "SELECT 1 FROM {view} WHERE of_any.spy({column})",
    "SELECT 1 FROM {view} WHERE of_any.spy({column}) AND collection = 'closed'",
    "SELECT count(*) FROM {view} GROUP BY of_any.spy({column})",
    "SELECT 1 FROM {view} ORDER BY of_any.spy({column}) LIMIT 1",
    "SELECT 1 FROM {view} AS a, LATERAL (SELECT of_any.spy(a.{column}) OFFSET 0) AS b",
    "SELECT 1 FROM {view} WHERE {column}::text OPERATOR(of_any.###) 'x'",
    "SELECT 1 FROM {view} AS a INNER JOIN (VALUES ('x'), ('y')) AS m (x) ON a.{column}::text OPERATOR(of_any.###) m.x",
    "SELECT 1 FROM {view} WHERE CASE WHEN of_any.spy({column}) THEN true END AND ({column}::text || 'x')::int = 0",
    "EXPLAIN SELECT 1 FROM {view} WHERE {column}::text OPERATOR(of_any.###) 'x'",
)

VIEWS = ("chunks", "chunks_small", "documents", "publishes")


class Spy:
    """A reader with functions of its own, and all that they were handed."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.seen: set[str] = set()
        self.connection = connection
        connection.add_notice_handler(lambda notice: self.seen.add(notice.message_primary or ""))
        for statement in SPIES:
            connection.execute(statement.encode())
        for estimators in (("eqsel", "eqjoinsel"), ("scalarltsel", "scalarltjoinsel")):
            with suppress(psycopg.errors.DuplicateFunction):
                connection.execute(OPERATOR.format(*estimators).encode())

    def ask(self, statement: str) -> set[str]:
        """Run a statement, which may fail; return what was seen, and what the error says."""
        self.seen.clear()
        try:
            self.connection.execute(statement.encode()).fetchall()
        except psycopg.Error as error:
            self.seen.add(str(error))
        return set(self.seen)

    def column(self, view: str, column: str) -> set[str]:
        """Return what the reader may know of a column."""
        found = self.connection.execute(f"SELECT {column}::text FROM search.{view}".encode()).fetchall()
        return {str(value) for (value,) in found} | {"<NULL>"}


def columns_of(connection: psycopg.Connection[Any], view: str) -> list[str]:
    """Return the columns of a view."""
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        [f"search.{view}"],
    ).fetchall()
    return [name for (name,) in found]


def harmless(text: str) -> bool:
    """Say whether an error is about the statement itself, or about a value that the reader may know."""
    return "does not exist" in text or ("invalid input syntax" in text and MARK not in text)


@pytest.mark.parametrize("plan", PLANS)
def test_no_function_of_a_reader_is_handed_what_it_may_not_see(world: World, plan: str) -> None:
    leaks = {}
    with world.connect("sec_any") as connection:
        spy = Spy(connection)
        for setting in PLANS[plan]:
            connection.execute(f"SET {setting} = off".encode())
        for view in VIEWS:
            for column in columns_of(connection, view):
                may = spy.column(view, column)
                for shape in SHAPES:
                    got = spy.ask(shape.format(view=f"search.{view}", column=column))
                    if found := {text for text in got - may if not harmless(text)}:
                        leaks[view, column, shape] = sorted(found)[:2]
    assert not leaks


def test_the_cast_trick_says_nothing(world: World) -> None:
    with world.connect("sec_any") as connection:
        for view in ("chunks", "documents"):
            for column in columns_of(connection, view):
                trick = f"CASE WHEN {column}::text LIKE '%{MARK}%' THEN ({column}::text)::int END = 0"
                assert connection.execute(f"SELECT 1 FROM search.{view} WHERE {trick}".encode()).fetchall() == []
                zero = f"1 / (CASE WHEN {column}::text LIKE '%{MARK}%' THEN 0 ELSE 1 END) = 1"
                connection.execute(f"SELECT 1 FROM search.{view} WHERE {zero}".encode()).fetchall()


def test_a_view_of_a_reader_shows_each_who_asks_what_they_may_see(world: World) -> None:
    with world.connect("sec_any") as connection:
        connection.execute("CREATE OR REPLACE VIEW of_any.mine AS SELECT collection, uri FROM search.documents")
        connection.execute("GRANT USAGE ON SCHEMA of_any TO sec_bea, sec_stranger")
        connection.execute("GRANT SELECT ON of_any.mine TO sec_bea, sec_stranger")
    assert set(world.rows("sec_any", "TABLE of_any.mine")) == OPEN
    assert set(world.rows("sec_bea", "TABLE of_any.mine")) == OPEN | BOARD
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.rows("sec_stranger", "TABLE of_any.mine")


def test_a_plan_that_was_made_for_one_role_shows_another_its_own(world: World) -> None:
    with world.connect("sec_app") as connection:
        for mode in ("force_generic_plan", "force_custom_plan"):
            connection.execute(f"SET plan_cache_mode = {mode}".encode())
            for query in CHANNELS.values():
                for role, sees in itertools.islice(itertools.cycle([("sec_bea", OPEN | BOARD), ("sec_any", OPEN)]), 4):
                    with connection.transaction():
                        connection.execute(f"SET LOCAL ROLE {role}".encode())
                        assert set(connection.execute(query.encode(), ASKED, prepare=True)) == sees


def test_a_cursor_that_is_open_shows_no_more_after_the_role_has_changed(world: World) -> None:
    with world.connect("sec_app") as connection, connection.transaction():
        connection.execute("SET LOCAL ROLE sec_any")
        connection.execute("DECLARE c CURSOR FOR SELECT collection, uri FROM search.documents")
        connection.execute("SET LOCAL ROLE sec_bea")
        assert set(connection.execute("FETCH ALL FROM c").fetchall()) <= OPEN | BOARD
        connection.execute("DECLARE d SCROLL CURSOR FOR SELECT collection, uri FROM search.documents")
        connection.execute("FETCH 1 FROM d")
        connection.execute("SET LOCAL ROLE sec_any")


def test_row_security_cannot_be_switched_off(world: World) -> None:
    with world.connect("sec_any") as connection:
        connection.execute("SET row_security = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM search.chunks")
        found = set(connection.execute(CHANNELS["semantic"].encode(), ASKED))
        assert found == OPEN


def test_who_may_create_in_pgvectors_schema_shadows_nothing_that_runs_as_the_owner(world: World) -> None:
    body = "RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'caught %', current_user; RETURN $1; END $$"
    shadows = [f"CREATE FUNCTION public.{name}({', '.join(['text'] * count)}) {body}"
               for name in ("format", "concat_ws", "quote_literal", "replace") for count in range(1, 9)]  # fmt: skip
    world.sudo("GRANT CREATE ON SCHEMA public TO sec_any")
    try:
        with world.connect("sec_any") as connection:
            caught: list[str] = []
            connection.add_notice_handler(lambda notice: caught.append(notice.message_primary or ""))
            with connection.transaction(force_rollback=True):
                for statement in shadows:
                    connection.execute(statement.encode())
                connection.execute("SET search_path = public, of_any")
                for query in CHANNELS.values():
                    connection.execute(query.encode(), ASKED).fetchall()
                for wrong in ("'none'", "'small'"):
                    with suppress(psycopg.Error), connection.transaction():
                        connection.execute(f"SELECT FROM search.semantic({wrong}, '[1,2]')".encode())
                where = '{"uri": {"prefix": "a"}, "tags": "x", "language": "en", "or": [{"title": "t"}]}'
                connection.execute("SELECT FROM search.lexical('small', 'gate', 5, %s)", [where]).fetchall()
        assert [text for text in caught if "caught suimon" in text] == []
    finally:
        world.sudo("REVOKE CREATE ON SCHEMA public FROM sec_any")


def test_functions_alone_can_be_granted_and_stay_so_through_an_upgrade(
    world: World, postgres: str, template: str
) -> None:
    make_logins(world, {"sec_asker": ()}, {"sec_asker": "LOGIN"})
    world.sudo(*FUNCTIONS_ALONE)
    assert set(world.rows("sec_asker", CHANNELS["hybrid"], ASKED)) == OPEN
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.rows("sec_asker", CHANNELS["chunks"])
    with new_database(postgres, template) as database:
        load(database, "notes", [Document("a.md", ["the gate"])])
        with owner(database) as session:
            for statement in FUNCTIONS_ALONE:
                session.connection.execute(statement.encode())
            session.connection.execute("UPDATE applied_objects SET checksum = 'older'")
        migrate(database)
        with psycopg.connect(database.dsn, user="sec_asker") as connection:
            assert connection.execute("SELECT uri FROM search.lexical('small', 'gate')").fetchall() == [("a.md",)]


FUNCTIONS_ALONE = (
    "GRANT USAGE ON SCHEMA search TO sec_asker",
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA search TO sec_asker",
    "ALTER DEFAULT PRIVILEGES FOR ROLE suimon_owner IN SCHEMA search GRANT EXECUTE ON FUNCTIONS TO sec_asker",
)
"""As docs/security.md has it."""


def test_what_explain_analyze_tells_is_what_the_docs_say(world: World) -> None:
    """Not defended: the server counts what a policy takes away, for whoever may read a view."""
    query = "EXPLAIN (ANALYZE, COSTS off) SELECT FROM search.documents WHERE collection = 'mixed' AND uri = '{}'"
    with world.connect("sec_any") as connection:
        connection.execute("SET enable_seqscan = off")
        plans = [
            "\n".join(line for (line,) in connection.execute(query.format(uri).encode()).fetchall())
            for uri in (f"board/{MARK}.md", "board/there_is_none.md")
        ]
    assert ["Rows Removed by Filter: 1" in plan for plan in plans] == [True, False]


# What others see is the same whether or not the hidden documents exist.

WORDS = ("gate", "water", "board", "水門を開ける", "high", "tide", "opened", "点検")
passages = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=3)
bodies = st.lists(passages, min_size=1, max_size=5)

SHOWN = (
    "rank, collection, uri, title, ordinal, text, score, semantic_score, semantic_rank, lexical_score, lexical_rank, "
    "copies, text_before, text_after, metadata"
)
QUESTIONS = (
    f"SELECT {SHOWN} FROM search.semantic('small', %(vector)s, 5, neighbours => 1)",
    f"SELECT {SHOWN} FROM search.lexical('small', 'gate 水門 board', 5, neighbours => 1)",
    f"SELECT {SHOWN} FROM search.hybrid('small', %(vector)s, 'gate opened 点検', 5)",
    f"SELECT {SHOWN} FROM search.hybrid('small', %(vector)s, 'board', 3, '{{\"kind\": \"a\"}}')",
    # Whether it searched exactly may tell that something is hidden: docs/security.md.
    "SELECT search.explain('small', %(vector)s, 'gate opened 点検', 5) #- '{semantic,by}' #- '{semantic,index}'",
    "SELECT collection, uri, text, embedding::text FROM search.chunks ORDER BY embedding <=> %(vector)s, uri, ordinal",
    "SELECT count(*) FROM search.chunks",
    "SELECT FROM search.lexical('small', 'gate', 5, '{\"secrecy\": 1}')",
    "SELECT FROM search.lexical('small', 'gate', 5, '{\"kind\": 1}')",
    "SELECT FROM search.lexical('small', 'gate', 5, '{\"kind\": {\"like\": 1}}')",
    "SELECT uri FROM search.lexical('small', 'gate', 5, '{\"collection\": \"shut\"}')",
)


def answers(database: Database, login: str) -> list[Any]:
    """Return all that a login gets, rows and errors."""
    found: list[Any] = []
    with psycopg.connect(database.dsn, autocommit=True, user=login) as connection:
        for question in QUESTIONS:
            try:
                found.append(connection.execute(question.encode(), ASKED).fetchall())
            except psycopg.Error as error:
                found.append((str(error), error.diag.message_hint, error.sqlstate))
    return found


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shown=bodies, in_part=bodies, shut=bodies)
def test_no_answer_count_score_or_error_depends_on_what_is_hidden(
    world: World, postgres: str, template: str, shown: list[list[str]], in_part: list[list[str]], shut: list[list[str]]
) -> None:
    kinds: dict[str, Any] = {"metadata": {"fields": {"kind": {}}}}
    rules: dict[str, Any] = {"document_readers": [{"path": "board/**", "readers": ["sec_board"]}]}
    secret: dict[str, Any] = {"metadata": {"fields": {"secrecy": {"type": "integer"}}}, "readers": ["sec_board"]}
    told = []
    for with_hidden in (False, True):
        with new_database(postgres, template) as database:
            open_ones = [Document(f"{n}.md", texts, {"kind": "ab"[n % 2]}) for n, texts in enumerate(shown)]
            if with_hidden:
                load(
                    database,
                    "shut",
                    [Document(f"{n}.md", texts, {"secrecy": n}) for n, texts in enumerate(shut)],
                    **secret,
                )
                open_ones[:0] = [Document(f"board/{n}.md", texts, {"kind": "a"}) for n, texts in enumerate(in_part)]
            load(database, "mixed", open_ones, **kinds, **rules)
            told.append(answers(database, "sec_any"))
            if with_hidden:
                assert answers(database, "sec_bea") != told[-1]
    for question, without, with_hidden_ones in zip(QUESTIONS, *told, strict=True):
        assert without == with_hidden_ones, question


def test_k_rows_come_back_when_what_is_nearer_is_hidden(postgres: str, template: str, world: World) -> None:
    near = vector("the gate")
    with new_database(postgres, template) as database:
        far = [Document(f"{n}.md", [f"far gate {n}"]) for n in range(12)]
        close = [Document(f"board/{n}.md", [f"text {n}"], vectors=[near]) for n in range(300)]
        load(database, "mixed", [*far, *close], document_readers=[{"path": "board/**", "readers": ["sec_board"]}])
        with owner(database) as session:
            session.connection.execute("SELECT build_vector_index(1)")
        for question in ("semantic('small', %s, 10)", "hybrid('small', %s, 'gate', 10)"):
            with psycopg.connect(database.dsn, autocommit=True, user="sec_any") as connection:
                rows = connection.execute(f"SELECT uri FROM search.{question}".encode(), [near]).fetchall()
            assert len(rows) == 10
            assert not any(uri.startswith("board/") for (uri,) in rows)


# Rules come into force.


@pytest.fixture
def notes(
    make_bench: Callable[..., Workbench], database: Database, tmp_path: Path, world: World
) -> tuple[World, Workbench]:
    """The collection `notes` of a database of the test's own, published."""
    bench = make_bench()
    own = World(database, bench, tmp_path)
    refresh(bench)
    return own, bench


def apply(database: Database, bench: Workbench, name: str = "notes") -> int | None:
    """Bring declared rules into force without a refresh."""
    with database.connect() as session:
        row = session.record("refresh/read_collection", {"name": name})
        return apply_readers(session, row["collection_id"], bench.collection(name), row["readers_digest"])


def uris(world: World, login: str) -> set[str]:
    """Return what a login sees."""
    return {uri for (uri,) in world.rows(login, "SELECT uri FROM search.documents")}


def redeclare(bench: Workbench, **settings: Any) -> None:
    """Declare `notes` anew."""
    old = bench.collection("notes").model_dump(mode="json", exclude={"source"})
    source = bench.collection("notes").source
    bench.collections = {"notes": Collection.model_validate(old | {"source": source} | settings)}


ALL = {"gate.md", "tides.txt", "水門.md"}
GATE_RULE = [{"path": "gate*", "readers": ["sec_board"]}]


def test_rules_hold_at_once_without_a_refresh_and_are_taken_back_alike(notes: tuple[World, Workbench]) -> None:
    world, bench = notes
    assert uris(world, "sec_any") == ALL
    redeclare(bench, readers=["sec_board"])
    assert apply(world.database, bench) == 0
    assert (uris(world, "sec_any"), uris(world, "sec_bea")) == (set(), ALL)
    assert apply(world.database, bench) is None
    redeclare(bench, readers=None, document_readers=GATE_RULE)
    assert apply(world.database, bench) == 1
    assert (uris(world, "sec_any"), uris(world, "sec_bea")) == (ALL - {"gate.md"}, ALL)
    redeclare(bench, document_readers=[{"path": "tides*", "readers": []}, *GATE_RULE])
    assert apply(world.database, bench) == 2
    assert (uris(world, "sec_any"), uris(world, "sec_bea")) == ({"水門.md"}, ALL - {"tides.txt"})
    redeclare(bench, document_readers=[])
    apply(world.database, bench)
    assert uris(world, "sec_any") == ALL
    assert_counted(world.database)


def test_a_revoked_role_is_out_at_the_next_statement_even_where_it_was_set(notes: tuple[World, Workbench]) -> None:
    world, bench = notes
    redeclare(bench, readers=["sec_passing"])
    make_logins(
        world, {"sec_passing": ("suimon_reader",), "sec_pia": ("suimon_reader", "sec_passing")}, {"sec_pia": "LOGIN"}
    )
    apply(world.database, bench)
    count = "SELECT count(*) FROM search.documents"
    with world.connect("sec_pia") as inherits, world.connect("sec_pia") as sets:
        sets.execute("SET ROLE sec_passing")
        assert [c.execute(count).fetchone() for c in (inherits, sets)] == [(3,), (3,)]
        world.sudo("REVOKE sec_passing FROM sec_pia")
        assert [c.execute(count).fetchone() for c in (inherits, sets)] == [(0,), (0,)]
        asked = sets.execute("SELECT FROM search.semantic('small', %s)", [vector("gate")]).fetchall()
        assert asked == []


def test_a_role_that_does_not_exist_lets_nobody_in_until_it_is_made(notes: tuple[World, Workbench]) -> None:
    world, bench = notes
    redeclare(bench, readers=["sec_Später"])
    apply(world.database, bench)
    assert uris(world, "sec_any") == set()
    world.sudo('DROP ROLE IF EXISTS "sec_Später"', 'CREATE ROLE "sec_Später"')
    assert uris(world, "sec_any") == set()
    world.sudo('GRANT "sec_Später" TO sec_any')
    assert uris(world, "sec_any") == ALL
    world.sudo('DROP ROLE "sec_Später"')
    assert uris(world, "sec_any") == set()


def test_a_rollback_brings_back_no_reader_and_no_erased_document(
    notes: tuple[World, Workbench], corpus: Path, database: Database
) -> None:
    world, bench = notes
    bench.accept_deletions = True
    (corpus / "gate.md").unlink()
    write(corpus, "tides.txt", "The word quagmire stands here alone.\n")
    refresh(bench)
    redeclare(bench, document_readers=[*GATE_RULE, {"path": "水門*", "readers": []}])
    refresh(bench)
    assert uris(world, "sec_any") == {"tides.txt"}
    erase(bench, "notes", "tides.txt", by="somebody", run_id="erase")
    rollback(bench, "notes", 1, by="somebody", run_id="back")
    assert uris(world, "sec_any") == set()
    assert uris(world, "sec_bea") == {"gate.md"}
    assert_counted(database)
    assert world.rows(None, "SELECT count(*) FROM corpus.term_counts WHERE term ~ 'quagmire|tide'") == [(0,)]


def test_the_words_of_an_erased_document_go_though_a_rollback_was_cut_off_before_it_counted(
    notes: tuple[World, Workbench], corpus: Path, database: Database
) -> None:
    _, bench = notes
    bench.accept_deletions = True
    write(corpus, "late.md", "# Late\n\nThe word quagmire stands here alone.\n")
    refresh(bench)

    def cut(session: Any, name: str, *args: Any, **more: Any) -> Any:
        if name == "publication/recount_terms":
            raise KeyboardInterrupt
        return kept(session, name, *args, **more)

    kept = Session.execute
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Session, "execute", cut)
        rollback(bench, "notes", 1, by="somebody", run_id="back")
    erase(bench, "notes", "late.md", by="somebody", run_id="erase")
    with owner(database) as session:
        left = session.connection.execute("SELECT count(*) FROM term_counts WHERE term ~ 'quagm'").fetchone()
    assert left == (0,)


@pytest.mark.parametrize("point", ["publication.gated", "publication.heads_moved", "publication.committing"])
def test_rules_that_change_while_a_refresh_publishes_hold_for_all_of_it(
    notes: tuple[World, Workbench], corpus: Path, point: str
) -> None:
    world, bench = notes
    for number in range(3):
        write(corpus, f"gate{number}.md", f"# Gate {number}\n\nAnother gate, number {number}.\n")
    write(corpus, "gate.md", "# Gate\n\nThe gate was mended.\n")
    at_the_same_time(bench, world.database, point, lambda: refresh(bench))
    assert uris(world, "sec_any") == ALL - {"gate.md"}
    assert_counted(world.database)


@pytest.mark.parametrize("point", ["publication/pin", "rollback.committing"])
def test_rules_that_change_while_a_rollback_commits_hold_for_all_of_it(
    notes: tuple[World, Workbench], corpus: Path, point: str
) -> None:
    world, bench = notes
    bench.accept_deletions = True
    (corpus / "gate.md").unlink()
    refresh(bench)
    back = lambda: rollback(bench, "notes", 1, by="somebody", run_id="back")  # noqa: E731
    at_the_same_time(bench, world.database, point, back)
    assert uris(world, "sec_bea") == ALL
    assert uris(world, "sec_any") == ALL - {"gate.md"}
    assert_counted(world.database)


def at_the_same_time(bench: Workbench, database: Database, point: str, act: Callable[[], Any]) -> None:
    """Apply rules for gates from another connection while something stands at a failpoint, or before a statement."""
    declared = Collection.model_validate(
        bench.collection("notes").model_dump(mode="json", exclude={"source"})
        | {"source": bench.collection("notes").source, "document_readers": GATE_RULE}
    )

    def declare() -> None:
        with database.connect() as session:
            row = session.record("refresh/read_collection", {"name": "notes"})
            apply_readers(session, row["collection_id"], declared, row["readers_digest"])

    other = threading.Thread(target=declare)

    def hook(name: str) -> None:
        if name == point and not other.ident:
            other.start()
            other.join(0.7)  # It waits, or is done.

    def execute(session: Session, name: str, *args: Any, **more: Any) -> int:
        hook(name)
        return kept(session, name, *args, **more)

    kept = Session.execute
    failpoints.install(hook)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Session, "execute", execute)
            act()
    finally:
        failpoints.install(None)
        other.join(10)
    assert other.ident
    assert not other.is_alive()


def test_a_run_applies_its_rules_once_so_that_newer_ones_stay(notes: tuple[World, Workbench], corpus: Path) -> None:
    world, bench = notes
    write(corpus, "more.md", "# More\n\nMore words.\n")
    with open_refresh(bench, "notes", "slow") as opened:
        run_stage(opened, "documents", documents.run)
    old = dict(bench.collections)
    redeclare(bench, readers=[])
    apply(world.database, bench)
    bench.collections = old
    with open_refresh(bench, "notes", "slow"):
        assert uris(world, "sec_any") == set()


# Declarations.


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"metadata": {"confidentialty": "secret"}}, "'confidentialty' is no metadata field"),
        ({"metadata": {"year": "last"}}, "'last' of year is not an integer"),
        ({"path": "a/**b"}, r"'\*\*' can only be an entire path component"),
        ({}, "needs path, metadata or both"),
    ],
)
def test_a_rule_that_could_fit_no_document_is_refused(rule: dict[str, Any], message: str) -> None:
    fields = {"fields": {"confidentiality": {}, "year": {"type": "integer"}}}
    with pytest.raises(ValidationError, match=message):
        Collection.model_validate(
            {"source": "x", "metadata": fields, "document_readers": [rule | {"readers": ["board"]}]}
        )


@pytest.mark.parametrize("role", ["public", "none", "", "r" * 64, "水" * 22])
def test_what_can_be_no_role_is_refused(role: str) -> None:
    with pytest.raises(ValidationError, match="role"):
        Collection.model_validate({"source": "x", "readers": [role]})
    with pytest.raises(ValidationError, match="role"):
        Collection.model_validate({"source": "x", "document_readers": [{"path": "x", "readers": [role]}]})


_GLOB = st.text("ab/.*?[]!^-\\ $+(){}|#&~é水\n'\":=,%", min_size=1, max_size=7)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(glob=_GLOB, paths=st.lists(_GLOB, min_size=1, max_size=6))
def test_a_glob_fits_the_same_paths_in_postgres_as_where_sources_are_listed(
    world: World, glob: str, paths: list[str]
) -> None:
    try:
        pattern = re.compile(glob_translate(unicodedata.normalize("NFC", glob)))
    except (re.error, ValueError):
        return
    paths = [*paths, glob, glob.replace("**", "a/b").replace("*", "ab").replace("?", "a")]
    query = "SELECT normalize(p.uri) ~ %s FROM unnest(%s::text[]) WITH ORDINALITY AS p (uri, nth) ORDER BY nth"
    found = [row[0] for row in world.rows(None, query, [uri_pattern(glob), paths])]
    assert found == [pattern.match(unicodedata.normalize("NFC", path)) is not None for path in paths]
