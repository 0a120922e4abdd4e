"""What a reader may try to see more: functions, views, plans, cursors, settings and grants of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from resources.migrator import migrate
from resources.parser_pool import ParserPool
from tests.guarded import ASKED, BOARD, CHANNELS, MARK, OPEN, guarded_world
from tests.worlds import Document, World, load, make_logins, new_database, owner


@pytest.fixture(scope="module")
def world(
    postgres: str, template: str, parser_pool: ParserPool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Tests only read it."""
    with guarded_world(postgres, template, parser_pool, tmp_path_factory.mktemp("world")) as made:
        yield made


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
