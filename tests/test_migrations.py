"""Migrations: what a database is brought to, what is refused, and who may do what afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

import sql
from resources.errors import ConfigurationError
from resources.migrator import SchemaState, migrate, read_state
from resources.postgres import ALLOW_OLD_PGVECTOR, PGVECTOR_FLOOR, Database, Names, pgvector_too_old
from tests.conftest import rows

MakeDatabase = Callable[..., Database]


def change(database: Database, statement: str) -> None:
    """Tamper with a database as its superuser."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def objects(database: Database, schema: str) -> set[tuple[str, str]]:
    """Return the tables, views, indexes and functions of a schema, with their owners."""
    query = (
        "SELECT c.relname || ' ' || c.relkind::text, c.relowner::regrole::text FROM pg_class AS c "
        f"WHERE c.relnamespace = '{schema}'::regnamespace UNION ALL "
        f"SELECT p.proname || replace(pg_get_function_identity_arguments(p.oid), '{schema}.', ''), "
        "p.proowner::regrole::text FROM pg_proc AS p "
        f"WHERE p.pronamespace = '{schema}'::regnamespace"
    )
    return {(str(name), str(owner)) for name, owner in rows(database, query, role=None)}


def test_a_fresh_database_is_brought_up_whole(make_database: MakeDatabase) -> None:
    database = make_database()
    assert read_state(database) == SchemaState(tuple(script.name for script in sql.migrations()), True, 0)
    before = migrate(database)
    assert before.applied == 0
    assert len(before.pending) == len(sql.migrations())
    assert read_state(database) == SchemaState((), False, len(sql.migrations()))
    applied = rows(database, "SELECT number, name, checksum FROM corpus.migrations ORDER BY number", role=None)
    assert applied == [(script.number, script.name, script.checksum) for script in sql.migrations()]
    assert rows(database, "SELECT count(*) FROM search.documents") == [(0,)]


def test_reading_the_state_of_a_fresh_database_changes_nothing(make_database: MakeDatabase) -> None:
    database = make_database()
    read_state(database)
    assert rows(database, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'", role=None) == [(0,)]
    assert rows(database, "SELECT to_regnamespace('corpus'), to_regnamespace('search')", role=None) == [(None, None)]


def test_a_second_migration_does_nothing(database: Database) -> None:
    query = "SELECT xmin::text, applied_at FROM corpus.{} ORDER BY 2, 1"
    before = [rows(database, query.format(name), role=None) for name in ("migrations", "applied_objects")]
    made = objects(database, "corpus") | objects(database, "search")
    assert migrate(database).current
    assert [rows(database, query.format(name), role=None) for name in ("migrations", "applied_objects")] == before
    assert objects(database, "corpus") | objects(database, "search") == made


def test_a_migration_that_was_altered_after_it_ran_is_refused_by_name(database: Database) -> None:
    change(database, "UPDATE corpus.migrations SET checksum = 'other' WHERE number = 2")
    for attempt in (read_state, migrate):
        with pytest.raises(ConfigurationError, match=r"0002_content was altered.*new migration"):
            attempt(database)


def test_a_migration_of_a_newer_version_is_refused_by_name(database: Database) -> None:
    change(database, "INSERT INTO corpus.migrations (number, name, checksum) VALUES (9999, '9999_future', 'x')")
    for attempt in (read_state, migrate):
        with pytest.raises(ConfigurationError, match="9999_future"):
            attempt(database)


def test_only_the_migration_that_is_missing_runs(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    further = sql.Script(9999, "9999_further", "CREATE TABLE further (id integer); -- {corpus}", "checksum")
    known = (*sql.migrations(), further)
    monkeypatch.setattr(sql, "migrations", lambda: known)
    assert read_state(database).pending == ("9999_further",)
    migrate(database)
    assert read_state(database).current
    assert ("further r", "suimon_owner") in objects(database, "corpus")


def test_a_migration_that_fails_leaves_nothing_of_itself(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = sql.Script(9999, "9999_broken", "CREATE TABLE broken (id integer); SELECT 1 / 0;", "checksum")
    known = (*sql.migrations(), broken)
    monkeypatch.setattr(sql, "migrations", lambda: known)
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(database)
    assert "broken r" not in {name for name, _ in objects(database, "corpus")}
    assert read_state(database).pending == ("9999_broken",)


def test_an_object_that_is_stale_is_applied_again(database: Database) -> None:
    change(database, "UPDATE corpus.applied_objects SET checksum = 'other' WHERE name LIKE '0003%'")
    change(database, "DROP VIEW search.documents")
    assert read_state(database) == SchemaState((), True, len(sql.migrations()))
    migrate(database)
    assert read_state(database).current
    assert rows(database, "SELECT count(*) FROM search.documents") == [(0,)]


def test_an_object_that_this_version_no_longer_has_makes_the_schema_stale(database: Database) -> None:
    change(database, "INSERT INTO corpus.applied_objects (name, checksum) VALUES ('0099_gone', 'x')")
    assert read_state(database).stale_objects
    migrate(database)
    assert read_state(database).current


def test_applying_all_objects_again_leaves_the_same_schema(database: Database) -> None:
    made = objects(database, "corpus") | objects(database, "search")
    change(database, "DELETE FROM corpus.applied_objects")
    migrate(database)
    assert objects(database, "corpus") | objects(database, "search") == made


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "stale"])
def test_two_migrations_at_once_both_end_well(make_database: MakeDatabase, template: str, fresh: bool) -> None:
    database = make_database() if fresh else make_database(template)
    if not fresh:
        change(database, "DELETE FROM corpus.applied_objects")
    barrier = threading.Barrier(3)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            barrier.wait(20)
            migrate(database)
        except BaseException as error:  # Handed to the test's own thread.
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert read_state(database) == SchemaState((), False, len(sql.migrations()))


def refused(database: Database, role: str, statement: str) -> bool:
    """Say whether a role may not do something."""
    with database.connect(role=role) as session:
        try:
            session.connection.execute(statement.encode())
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState):
            return True
        return False


TABLES = ["migrations", "collections", "documents", "elements", "texts", "chunks", "chunk_sets", "heads", "publishes",
          "spaces", "refreshes", "quarantine", "leases", "targets", "candidates"]  # fmt: skip


def test_a_reader_sees_the_public_face_and_nothing_behind_it(database: Database) -> None:
    for view in ("documents", "spaces", "publishes"):
        assert rows(database, f"SELECT count(*) FROM search.{view}") == [(0,)]
    assert [table for table in TABLES if not refused(database, "reader", f"SELECT FROM corpus.{table}")] == []


def test_a_reader_changes_nothing(database: Database) -> None:
    statements = [
        "CREATE TABLE search.mine (id integer)", "CREATE TABLE corpus.mine (id integer)",
        "CREATE TABLE public.mine (id integer)", "CREATE VIEW search.mine AS SELECT 1", "DELETE FROM search.documents",
        "SELECT corpus.build_vector_index(1)", "SELECT corpus.create_space_table(1)", "SELECT corpus.show_space(1)",
        "DROP VIEW search.documents", "SET ROLE suimon_pipeline",
    ]  # fmt: skip
    if rows(database, "SELECT rolsuper FROM pg_roles WHERE rolname = session_user", role=None) == [(True,)]:
        statements.pop()  # A superuser's session may take any role; what its reader may do is what counts.
    assert [statement for statement in statements if not refused(database, "reader", statement)] == []


def test_the_pipeline_makes_no_tables(database: Database) -> None:
    statements = [
        f"CREATE {what}" for schema in ("corpus", "search", "public")
        for what in (f"TABLE {schema}.mine (id integer)", f"VIEW {schema}.mine AS SELECT 1",
                     f"FUNCTION {schema}.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    ]  # fmt: skip
    statements += [
        "CREATE SCHEMA mine", "ALTER TABLE corpus.documents ADD COLUMN mine text", "DROP TABLE corpus.heads",
        "TRUNCATE corpus.heads", "CREATE INDEX ON corpus.texts (tokens)", "DROP VIEW search.documents",
        "CREATE ROLE mine",
    ]  # fmt: skip
    assert [statement for statement in statements if not refused(database, "pipeline", statement)] == []


def test_the_pipeline_reads_the_migrations_and_changes_none(database: Database) -> None:
    for table in ("migrations", "applied_objects"):
        assert rows(database, f"SELECT count(*) > 0 FROM corpus.{table}", role="pipeline") == [(True,)]
        for statement in (
            f"DELETE FROM corpus.{table}", f"UPDATE corpus.{table} SET checksum = 'x'",
            f"INSERT INTO corpus.{table} SELECT * FROM corpus.{table}",
        ):  # fmt: skip
            assert refused(database, "pipeline", statement), statement


def test_the_view_role_reads_what_its_views_show_and_writes_nothing(database: Database) -> None:
    assert rows(database, "SELECT count(*) FROM corpus.heads", role="view") == [(0,)]
    for statement in ("DELETE FROM corpus.heads", "SELECT FROM corpus.leases", "SELECT FROM corpus.refreshes"):
        assert refused(database, "view", statement), statement


def test_nothing_of_ours_is_open_to_everybody(database: Database) -> None:
    query = (
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p "
        "INNER JOIN pg_namespace AS n ON p.pronamespace = n.oid "
        "WHERE n.nspname = 'corpus' AND p.prosecdef AND has_function_privilege('public', p.oid, 'EXECUTE')"
    )
    assert rows(database, query, role=None) == []
    query = (
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p "
        "INNER JOIN pg_namespace AS n ON p.pronamespace = n.oid WHERE n.nspname IN ('corpus', 'search') "
        "AND p.prosecdef AND NOT coalesce('search_path=corpus, pg_temp' = ANY(p.proconfig), false)"
    )
    assert rows(database, query, role=None) == [], "others may be allowed to create in any further schema"


def test_a_prefix_gives_a_second_installation_in_one_database(database: Database) -> None:
    second = Database(database.dsn, Names("team_"))
    assert not read_state(second).current
    migrate(second)
    assert read_state(second).current
    assert read_state(database).current
    assert rows(second, "SELECT count(*) FROM team_search.documents") == [(0,)]
    theirs = objects(database, "team_corpus")
    assert {name for name, _ in theirs} == {name for name, _ in objects(database, "corpus")}
    assert {owner for _, owner in theirs} == {"team_suimon_owner"}
    assert refused(second, "reader", "SELECT FROM search.documents")
    assert refused(second, "pipeline", "SELECT FROM corpus.documents")
    assert refused(database, "pipeline", "SELECT FROM team_corpus.documents")
    with second.connect() as session:
        session.execute("refresh/declare_collection", {"name": "notes"})
    assert rows(database, "SELECT count(*) FROM corpus.collections", role=None) == [(0,)]


def test_a_database_without_pgvector_says_what_to_do(make_database: MakeDatabase) -> None:
    with pytest.raises(ConfigurationError, match="suimon migrate"), make_database().connect():
        pass


def test_a_login_that_may_not_set_up_is_told_who_may(make_database: MakeDatabase) -> None:
    database = make_database()
    change(database, "DROP ROLE IF EXISTS suimon_test_nobody")
    change(database, "CREATE ROLE suimon_test_nobody LOGIN")
    login = Database(psycopg.conninfo.make_conninfo(database.dsn, user="suimon_test_nobody"))
    try:
        with pytest.raises(ConfigurationError, match="CREATEROLE"):
            migrate(login)
        change(database, "CREATE EXTENSION vector")
        with pytest.raises(ConfigurationError, match="suimon migrate"), login.connect():
            pass
    finally:
        change(database, "DROP ROLE suimon_test_nobody")


def test_a_server_that_is_away_is_a_mistake_that_hides_the_password() -> None:
    away = Database("postgresql://someone:hush-hush@127.0.0.1:9/nothing")
    with pytest.raises(ConfigurationError, match="SUIMON_DATABASE_URL") as raised, away.connect():
        pass
    assert "hush-hush" not in str(raised.value)
    with pytest.raises(ConfigurationError, match="SUIMON_DATABASE_URL") as raised, Database("hush-hush").connect():
        pass
    assert "hush-hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("version", "too_old"),
    [("0.8.6", False), ("0.8.5", True), ("0.8.4", True), ("0.8.0", True), ("0.7.9", True), ("0.8", True),
     ("0.8.10", False), ("0.9.0", False), ("0.9", False), ("1.0", False), ("0.10.0", False), ("0.5.1", True)],
)  # fmt: skip
def test_a_pgvector_below_the_floor_is_too_old(version: str, too_old: bool) -> None:
    assert pgvector_too_old(version) is too_old


def test_the_floor_itself_is_trusted() -> None:
    assert not pgvector_too_old(".".join(map(str, PGVECTOR_FLOOR)))


def test_an_old_pgvector_is_refused_unless_the_risk_is_taken(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(database, "UPDATE pg_extension SET extversion = '0.8.1' WHERE extname = 'vector'")
    with pytest.raises(ConfigurationError, match=rf"0\.8\.1.*CVE-2026-3172.*{ALLOW_OLD_PGVECTOR}"), database.connect():
        pass
    with pytest.raises(ConfigurationError, match=r"0\.8\.1"):
        migrate(database)
    monkeypatch.setenv(ALLOW_OLD_PGVECTOR, "1")
    assert read_state(database).current
