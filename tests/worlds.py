"""A refreshed database that a module's tests only read, and logins of several rights who look into it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from assets.readers import apply_readers
from assets.settings import Collection, Space
from assets.workbench import Doors, Workbench
from resources.parser_pool import ParserPool
from resources.postgres import Database, Session
from tests.conftest import refresh, write
from tests.fakes.embedding_server import EmbeddingServer, embed, serve

_numbers = itertools.count()

Row = tuple[Any, ...]


@dataclass
class World:
    """A database with published collections.

    Attributes:
        database: the database.
        bench: settings and doors; its collections may be replaced.
        folder: a folder a collection.
    """

    database: Database
    bench: Workbench
    folder: Path

    def declare(self, name: str, **settings: Any) -> None:
        """Declare a collection anew; nothing is refreshed."""
        base = {"source": str(self.folder / name), "chunking": {"max_tokens": 64, "min_tokens": 4}}
        self.bench.collections = {**self.bench.collections, name: Collection.model_validate(base | settings)}

    def fill(self, name: str, documents: Mapping[str, str | bytes]) -> None:
        """Write documents below a collection's source."""
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        for uri, text in documents.items():
            write(self.folder / name, uri, text)

    def publish(self, name: str, documents: Mapping[str, str | bytes], **settings: Any) -> None:
        """Declare a collection, write its documents, refresh it."""
        self.fill(name, documents)
        self.declare(name, **settings)
        refresh(self.bench, name)

    def connect(self, login: str | None = None) -> psycopg.Connection[Any]:
        """Connect as a login, or as the superuser."""
        user: dict[str, Any] = {} if login is None else {"user": login}
        return psycopg.connect(self.database.dsn, autocommit=True, **user)

    def rows(self, login: str | None, query: str, params: Any = None, *, role: str | None = None) -> list[Row]:
        """Run a statement as a login, perhaps under a role."""
        with self.connect(login) as connection:
            if role is not None:
                connection.execute(SQL("SET ROLE {}").format(Identifier(role)))
            return connection.execute(query.encode(), params).fetchall()

    def sudo(self, *statements: str) -> None:
        """Run statements as the superuser."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def new_database(postgres: str, template: str) -> Iterator[Database]:
    """Clone a database, and take the clone away again."""
    name = f"world_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
    yield Database(postgres.replace("/postgres?", f"/{name}?"))
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def new_world(
    postgres: str, template: str, pool: ParserPool, folder: Path, endpoint: EmbeddingServer | None = None
) -> Iterator[World]:
    """Make a migrated database with an endpoint, and take it away again.

    Args:
        postgres: DSN of the server.
        template: database to clone.
        pool: warm parsers.
        folder: where sources and state go.
        endpoint: a server that runs; by default one of 32 dimensions is started.
    """
    with new_database(postgres, template) as database, serve(endpoint or EmbeddingServer()) as server:
        declared = {"base_url": server.url, "model": "fake", "token_limit": 128, "max_inputs": 64}
        bench = Workbench(
            collections={},
            spaces={"small": Space.model_validate(declared)},
            root=folder,
            doors=Doors(lambda: database.dsn, lambda: server.url),
            state_folder=folder / "state",
            lease_wait_seconds=5.0,
        )
        bench.__dict__["parser_pool"] = pool
        yield World(database, bench, folder)


def make_logins(world: World, memberships: Mapping[str, tuple[str, ...]], options: Mapping[str, str]) -> None:
    """Make roles of the server, which outlive a database: those that are there stay as they are.

    Args:
        world: any database of the server.
        memberships: by role, the roles that it belongs to, in an order in which they can be made.
        options: by role, what else CREATE ROLE says.
    """
    with world.connect() as connection:
        for role, groups in memberships.items():
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
                made = SQL("CREATE ROLE {} " + options.get(role, "")).format(Identifier(role))
                connection.execute(made)
            for group in groups:
                connection.execute(SQL("GRANT {} TO {}").format(Identifier(group), Identifier(role)))


def vector(words: str, dimensions: int = 32) -> str:
    """Return what the fake endpoint makes of words, as an SQL literal."""
    return "[" + ",".join(f"{value:.7g}" for value in embed(words, dimensions)) + "]"


@dataclass(frozen=True)
class Document:
    """A published document that no file stands behind.

    Attributes:
        uri: its path.
        texts: of its chunks, in order.
        metadata: as readers see it.
        title: likewise.
        language: likewise.
        vectors: of its chunks, as SQL literals; by default what the fake endpoint makes of the texts.
    """

    uri: str
    texts: Sequence[str]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    title: str = "Title"
    language: str = "en"
    vectors: Sequence[str] | None = None


@contextmanager
def owner(database: Database) -> Iterator[Session]:
    """Open a session of the superuser that finds the project's tables."""
    with database.connect(role=None) as session:
        session.connection.execute(session.compose("SET search_path = {corpus}, {extension}"))
        yield session


def load(
    database: Database,
    name: str,
    documents: Sequence[Document],
    *,
    space: str = "small",
    dimensions: int = 32,
    storage: str = "vector",
    **settings: Any,
) -> int:
    """Publish documents straight through the tables, as a refresh would: parsing and embedding take seconds.

    Args:
        database: migrated.
        name: the collection, which is made if there is none.
        documents: further documents of it.
        space: where their vectors go; it is made if there is none.
        dimensions: of the space.
        storage: `vector` or `halfvec`.
        settings: of the collection, for its rules and the types of its metadata.

    Returns:
        The collection's number.
    """
    declared = Collection.model_validate({"source": "nowhere"} | settings)
    with owner(database) as session:
        make_space(session, space, dimensions, storage)
        session.execute("refresh/declare_collection", {"name": name})
        row = session.record("refresh/read_collection", {"name": name})
        number = int(row["collection_id"])
        apply_readers(session, number, declared, row["readers_digest"])
        written = [
            asdict(document) | {"vectors": document.vectors or [vector(text, dimensions) for text in document.texts]}
            for document in documents
        ]
        with session.transaction():
            for statement in _PUBLISH:
                params = {"number": number, "name": name, "documents": json.dumps(written)}
                session.connection.execute(session.compose(statement, vectors=f"vectors_{space}"), params)
            session.connection.execute("SELECT recount_terms(%s)", [number])
    return number


def make_space(session: Session, name: str, dimensions: int, storage: str) -> None:
    """Make a space that is ready, and the recipes of what is in it; the first one is live."""
    session.connection.execute(
        "INSERT INTO recipes (stage, declared, versions, details) VALUES ('elements', 'p', '', '{}'), ('chunks', 'c', "
        "'', '{}') ON CONFLICT DO NOTHING"
    )
    made = session.connection.execute(
        "INSERT INTO spaces (name, model, query_model, served_model, dimensions, storage, passage_prefix, "
        "query_prefix, "
        "normalised, token_limit, tokenizer, max_inputs, live, ready) SELECT %s, 'm', 'asking', 'm', %s, %s, '', '', "
        "true, 512, 'estimate', 64, NOT EXISTS (SELECT FROM spaces WHERE live), true ON CONFLICT DO NOTHING "
        "RETURNING space_id", [name, dimensions, storage],
    ).fetchone()  # fmt: skip
    if made is not None:
        session.connection.execute("SELECT create_space_table(%s)", made)


_PUBLISH = (
    """
    INSERT INTO publishes (collection_id, number, run_id)
    SELECT %(number)s, coalesce(max(p.number), 0) + 1, 'loaded' FROM publishes AS p WHERE p.collection_id = %(number)s
    """,
    """
    CREATE TEMPORARY TABLE given ON COMMIT DROP AS
    SELECT g.*, sha256(convert_to(%(name)s || ' ' || g.uri, 'UTF8')) AS content_hash
    FROM jsonb_to_recordset(%(documents)s::jsonb)
        AS g (uri text, title text, language text, metadata jsonb, texts text[], vectors text[])
    """,
    """
    INSERT INTO documents (collection_id, uri, stamp, settled, size, content_hash, format, metadata)
    SELECT %(number)s, g.uri, '', true, 1, g.content_hash, 'md', g.metadata FROM given AS g
    """,
    """
    INSERT INTO elements (content_hash, format, recipe_id, text, elements, pages, properties, counters, language)
    SELECT g.content_hash, 'md', r.recipe_id, '', '[]', 0, '{{}}', '{{}}', g.language
    FROM given AS g CROSS JOIN recipes AS r WHERE r.declared = 'p'
    """,
    """
    INSERT INTO chunk_sets (elements_id, recipe_id)
    SELECT e.elements_id, r.recipe_id
    FROM given AS g INNER JOIN elements AS e ON g.content_hash = e.content_hash CROSS JOIN recipes AS r
    WHERE r.declared = 'c'
    """,
    """
    INSERT INTO texts (hash, text, tokens, lexemes, terms, lexer)
    SELECT DISTINCT ON (t.text)
        sha256(convert_to(t.text, 'UTF8')), t.text, 1, l.lexemes, lexeme_count(l.lexemes), lexer_version()
    FROM given AS g
    CROSS JOIN LATERAL unnest(g.texts) AS t (text)
    CROSS JOIN LATERAL (SELECT lexemes(t.text) AS lexemes) AS l
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO {vectors} (text_id, embedding)
    SELECT DISTINCT ON (x.text_id) x.text_id, t.vector::{extension}.vector
    FROM given AS g
    CROSS JOIN LATERAL unnest(g.texts, g.vectors) AS t (text, vector)
    INNER JOIN texts AS x ON x.hash = sha256(convert_to(t.text, 'UTF8'))
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO chunks (chunk_set_id, ordinal, text_id, body_start, span, pages, heading_path)
    SELECT s.chunk_set_id, t.nth - 1, x.text_id, 0, '[0,1)', '{{}}', '{{}}'
    FROM given AS g
    INNER JOIN elements AS e ON g.content_hash = e.content_hash
    INNER JOIN chunk_sets AS s ON e.elements_id = s.elements_id
    CROSS JOIN LATERAL unnest(g.texts) WITH ORDINALITY AS t (text, nth)
    INNER JOIN texts AS x ON x.hash = sha256(convert_to(t.text, 'UTF8'))
    """,
    """
    INSERT INTO heads (
        document_id, collection_id, collection, chunk_set_id, uri, title, metadata, publish_id, audience_id
    )
    SELECT d.document_id, %(number)s, %(name)s, s.chunk_set_id, g.uri, g.title, g.metadata, p.publish_id, a.audience_id
    FROM given AS g
    INNER JOIN documents AS d ON d.collection_id = %(number)s AND d.uri = g.uri
    INNER JOIN elements AS e ON g.content_hash = e.content_hash
    INNER JOIN chunk_sets AS s ON e.elements_id = s.elements_id
    INNER JOIN (SELECT max(publish_id) AS publish_id FROM publishes WHERE collection_id = %(number)s) AS p ON true
    CROSS JOIN LATERAL audience_of(%(number)s, g.uri, g.metadata) AS a
    """,
)


_COUNTED = {
    "frequencies": "SELECT a.collection_id, a.place, c.term, c.chunks FROM term_counts AS c "
    "INNER JOIN audiences AS a USING (audience_id) WHERE a.collection_id <> ALL(%(waiting)s) ORDER BY 1, 2, 3",
    "sizes": "SELECT a.collection_id, a.place, s.chunks, s.terms FROM audience_sizes AS s "
    "INNER JOIN audiences AS a USING (audience_id) "
    "WHERE (s.chunks, s.terms) <> (0, 0) AND a.collection_id <> ALL(%(waiting)s) ORDER BY 1, 2",
}


def assert_counted(database: Database) -> None:
    """Make sure that the frequencies of terms equal a count from nothing, and that heads are where the rules say.

    Of a rollback that was cut off after its flip the terms are counted by whoever holds the collection next.
    """
    with owner(database) as session, session.connection.transaction(force_rollback=True):
        unwritten = session.connection.execute("SELECT collection_id FROM publishes WHERE NOT written_down").fetchall()
        given = {"waiting": [collection for (collection,) in unwritten]}
        kept = {name: session.connection.execute(query.encode(), given).fetchall() for name, query in _COUNTED.items()}
        session.connection.execute("SELECT recount_terms(collection_id) FROM collections")
        fresh = {name: session.connection.execute(query.encode(), given).fetchall() for name, query in _COUNTED.items()}
        astray = session.connection.execute(
            "SELECT h.uri FROM heads AS h CROSS JOIN LATERAL audience_of(h.collection_id, h.uri, h.metadata) AS a "
            "WHERE a.audience_id <> h.audience_id"
        ).fetchall()
    assert kept == fresh
    assert astray == []
