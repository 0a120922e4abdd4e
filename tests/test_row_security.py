"""Who sees what: each role the same through every door, and nothing that tells what is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL, Identifier

from resources.parser_pool import ParserPool
from resources.postgres import Database
from tests.guarded import ASKED, BOARD, CHANNELS, LEGAL, NOBODY, OPEN, guarded_world
from tests.worlds import Document, World, load, new_database, owner, vector


@pytest.fixture(scope="module")
def world(
    postgres: str, template: str, parser_pool: ParserPool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Tests only read it."""
    with guarded_world(postgres, template, parser_pool, tmp_path_factory.mktemp("world")) as made:
        yield made


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
