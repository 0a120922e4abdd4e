"""The one client through which everybody reads the published table: frameworks, the MCP server, answers, a terminal.

Each question is a transaction of its own that only reads, under the role that asks: so row security holds per
question, behind a transaction pooler too. No transaction is open while an endpoint is waited for. SQL is in
`sql/queries`; values are bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed

import sql
from pipelines.frameworks.embedding import CalledEmbedder, Embed, Embedder, EndpointEmbedder, NoEmbedder, literal
from pipelines.frameworks.passages import Mode, Passage, Question, checked
from pipelines.frameworks.refusals import PLAIN, Wording, refusals
from resources.embedding_endpoint import EmbeddingEndpoint
from resources.errors import ConfigurationError
from resources.postgres import Names

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool, ConnectionPool

Row = dict[str, Any]
BEGIN = "serving/begin_as"


class SearchClient:
    """Asks the search functions of a database.

    Attributes:
        role: the database role that asks.
    """

    def __init__(
        self,
        dsn: str = "",
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        embed: Embed | Embedder | None = None,
        dimensions: int | None = None,
        space: str | None = None,
        role: str | None = None,
        prefix: str = "",
        pool: ConnectionPool[Any] | None = None,
        async_pool: AsyncConnectionPool[Any] | None = None,
        deadline_seconds: float = 30.0,
        wording: Wording = PLAIN,
    ) -> None:
        """Describe where to ask; nothing is opened yet.

        Args:
            dsn: a libpq connection string; of no use where pools are given.
            base_url: the embedding endpoint up to `/v1`: the one that made the space.
            api_key: None where the endpoint asks for none.
            embed: instead of an endpoint, a function from a text to its vector, or an `Embedder`.
            dimensions: to ask the endpoint for, where collections.yaml declares them.
            space: whose vectors are searched; by default the live one, looked up for each question.
            role: who asks; by default the reader role, which sees what is open to all readers. The login has to be a
                member of it, or it itself.
            prefix: `database.prefix` of collections.yaml.
            pool: takes connections from here instead of opening one a question.
            async_pool: the same for the asynchronous methods.
            deadline_seconds: for the endpoint, and for each statement.
            wording: how refusals are put.

        Raises:
            ConfigurationError: both an endpoint and a function are given, or the role is none.
        """
        if base_url is not None and embed is not None:
            raise ConfigurationError("Give either base_url or embed: a question has one vector.")
        self.role = _role(role, prefix)
        self._dsn, self._pool, self._async_pool = dsn, pool, async_pool
        self._space, self._deadline, self._prefix = space, deadline_seconds, prefix
        self._wording = wording
        self._embedder = _embedder(embed)
        if base_url is not None:
            endpoint = EmbeddingEndpoint(
                base_url=base_url, api_key=api_key, concurrency=4, deadline_seconds=deadline_seconds, keeps=False
            )
            self._embedder = EndpointEmbedder(endpoint, dimensions)

    def as_role(self, role: str) -> Self:
        """Return a client that asks as somebody else, through the same connections.

        Args:
            role: a database role.
        """
        other = copy(self)
        other.role = _role(role, self._prefix)
        return other

    def search(
        self,
        words: str,
        k: int = 10,
        *,
        mode: Mode = "hybrid",
        filter: Mapping[str, Any] | None = None,  # noqa: A002  # The word of every framework.
        neighbours: int = 0,
    ) -> list[Passage]:
        """Return the k published passages that answer a question best, best first.

        Args:
            words: the question.
            k: how many at most; k come back whenever k match.
            mode: `hybrid`, `semantic` or `lexical`; the last needs no endpoint.
            filter: which documents, in the grammar of docs/sql.md.
            neighbours: passages before and after each one that come along in its metadata.

        Raises:
            ConfigurationError: what is asked for cannot be: k, the mode, the filter, the role, the space.
            EndpointUnavailable: the endpoint did not answer in time.
            DatabaseUnavailable: the database did not.
        """
        return self.ask(checked(words, k, mode, filter, neighbours))

    def ask(self, question: Question) -> list[Passage]:
        """Return the passages that answer a question best, best first.

        Args:
            question: as `checked` returns it, or with bounds of the caller's own.

        Raises:
            ConfigurationError: as for a search, and so for the others.
        """
        return [Passage(row) for row in self.read(f"search/{question.mode}", self._params(question))]

    def explain(self, question: Question) -> dict[str, Any]:
        """Return how a question is answered: indexes, candidates, and what each term weighs.

        Args:
            question: as above.

        Raises:
            ConfigurationError: as for a search, and so for the others.
        """
        params = self._params(question)
        if question.mode == "semantic":
            params["words"] = None
        explained: dict[str, Any] = self.read("search/explain", params)[0]["explanation"]
        return explained

    def vector_of(self, words: str) -> tuple[Row, str]:
        """Return the space that is searched, and the vector of a question in it as pgvector reads it.

        Args:
            words: the question.

        Raises:
            ConfigurationError: nothing is published, or the vector does not fit.
            EndpointUnavailable: the endpoint did not answer in time.
        """
        space = self._read_space()
        given = self._embedder.submit(space["query_prefix"] + words, space).result()
        return space, literal(given, space, self._wording)

    async def asearch(
        self,
        words: str,
        k: int = 10,
        *,
        mode: Mode = "hybrid",
        filter: Mapping[str, Any] | None = None,  # noqa: A002
        neighbours: int = 0,
    ) -> list[Passage]:
        """Do the same without blocking the event loop."""
        question = checked(words, k, mode, filter, neighbours)
        space = self._space_of(await self.aread(*self._reading_space()))
        vector = None
        if question.mode != "lexical":
            text = space["query_prefix"] + question.words
            given = await asyncio.wrap_future(await asyncio.to_thread(self._embedder.submit, text, space))
            vector = literal(given, space, self._wording)
        rows = await self.aread(f"search/{question.mode}", _params(question, space, vector))
        return [Passage(row) for row in rows]

    def read(self, name: str, params: Mapping[str, Any]) -> list[Row]:
        """Run `queries/<name>.sql` as the role that asks.

        Args:
            name: folder and file of the statement.
            params: values to bind.

        Raises:
            ConfigurationError: the statement refuses what it was given, or the role may not run it.
            DatabaseUnavailable: the database did not answer in time.
        """
        with self._refusing(), self._connection() as connection, connection.transaction():
            connection.execute(self._statement(BEGIN), self._beginning())
            with connection.cursor(row_factory=dict_row) as cursor:
                cursor.execute(self._statement(name), params)
                return cursor.fetchall()

    async def aread(self, name: str, params: Mapping[str, Any]) -> list[Row]:
        """Do the same without blocking the event loop."""
        with self._refusing():
            async with self._aconnection() as connection, connection.transaction():
                await connection.execute(self._statement(BEGIN), self._beginning())
                async with connection.cursor(row_factory=dict_row) as cursor:
                    await cursor.execute(self._statement(name), params)
                    return await cursor.fetchall()

    def close(self) -> None:
        """Close the connection to the endpoint; pools are whose they were."""
        self._embedder.close()

    def _params(self, question: Question) -> dict[str, Any]:
        if question.mode == "lexical":
            return _params(question, self._read_space(), None)
        return _params(question, *self.vector_of(question.words))

    def _read_space(self) -> Row:
        return self._space_of(self.read(*self._reading_space()))

    def _reading_space(self) -> tuple[str, Row]:
        return "serving/read_space", {"space": self._space}

    def _space_of(self, found: list[Row]) -> Row:
        if found:
            return found[0]
        if self._space is None:
            raise ConfigurationError("Nothing is published yet; run `suimon refresh` first.")
        raise ConfigurationError(f"There is no space {self._space!r}; search.spaces lists them.")

    def _refusing(self) -> AbstractContextManager[None]:
        return refusals(self._wording, self.role, _role(None, self._prefix), self._deadline)

    def _statement(self, name: str) -> Composed:
        return SQL(sql.query(name)).format(**Names(self._prefix).identifiers())

    def _beginning(self) -> dict[str, str]:
        return {"role": self.role, "milliseconds": str(int(self._deadline * 1000))}

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        if self._pool is not None:
            with self._pool.connection() as connection:
                yield connection
            return
        with psycopg.connect(self._dsn, **_CONNECTING) as connection:
            yield connection

    @asynccontextmanager
    async def _aconnection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        if self._async_pool is not None:
            async with self._async_pool.connection() as connection:
                yield connection
            return
        async with await psycopg.AsyncConnection.connect(self._dsn, **_CONNECTING) as connection:
            yield connection


_CONNECTING: dict[str, Any] = {"autocommit": True, "application_name": "suimon search", "connect_timeout": 10}


def _embedder(embed: Embed | Embedder | None) -> Embedder:
    if embed is None:
        return NoEmbedder()
    return CalledEmbedder(embed) if callable(embed) else embed


def _role(role: str | None, prefix: str) -> str:
    if role is None:
        return f"{prefix}suimon_reader"
    if not role.strip() or role.strip().lower() == "none":  # SET ROLE none would give the login's own rights.
        raise ConfigurationError(f"{role!r} is no role; name the database role that asks.")
    return role


def _params(question: Question, space: Row, vector: str | None) -> dict[str, Any]:
    return {
        "space": space["space"],
        "embedding": vector,
        "words": question.words,
        "k": question.k,
        "filter": question.filter,
        "neighbours": question.neighbours,
    }
