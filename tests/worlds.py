"""A refreshed database that a module's tests only read, and logins of several rights who look into it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from assets.settings import Collection, Space
from assets.workbench import Doors, Workbench
from resources.parser_pool import ParserPool
from resources.postgres import Database
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
        user = {} if login is None else {"user": login}
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
    name = f"world_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
    database = Database(postgres.replace("/postgres?", f"/{name}?"))
    with serve(endpoint or EmbeddingServer()) as server:
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
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


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
                made = SQL("CREATE ROLE {} " + options.get(role, "")).format(Identifier(role))  # type: ignore[arg-type]
                connection.execute(made)
            for group in groups:
                connection.execute(SQL("GRANT {} TO {}").format(Identifier(group), Identifier(role)))


def vector(words: str, dimensions: int = 32) -> str:
    """Return what the fake endpoint makes of words, as an SQL literal."""
    return "[" + ",".join(f"{value:.7g}" for value in embed(words, dimensions)) + "]"


Leak = Callable[[psycopg.Connection[Any]], list[str]]
