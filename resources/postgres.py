"""The door to Postgres: one database, four roles, two schemas.

Speaks rows. Knows how to connect under a role with a pinned search path, how to run a statement from
the `sql` folder, and which pgvector is too old to trust. Knows nothing of stages.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.sql import SQL, Composed, Identifier

import sql
from resources.errors import ConfigurationError, DatabaseUnavailable

Row = TypeVar("Row")

PGVECTOR_FLOOR = (0, 8, 6)
"""Oldest pgvector that is trusted: 0.6.0 to 0.8.1 have CVE-2026-3172, 0.8.3 and 0.8.4 fix index
corruption under INSERT and VACUUM; 0.8.6 is the first with all fixes."""

ALLOW_OLD_PGVECTOR = "SUIMON_ALLOW_OLD_PGVECTOR"


@dataclass(frozen=True)
class Names:
    """Names of schemas and roles; a prefix keeps two installations on one server apart."""

    prefix: str = ""

    def identifiers(self, extension: str = "public") -> dict[str, Identifier]:
        """Return the placeholders that every SQL file may use.

        Args:
            extension: the schema that holds pgvector.
        """
        p = self.prefix
        return {
            "corpus": Identifier(f"{p}corpus"),
            "search": Identifier(f"{p}search"),
            "owner": Identifier(f"{p}suimon_owner"),
            "pipeline": Identifier(f"{p}suimon_pipeline"),
            "view": Identifier(f"{p}suimon_view"),
            "reader": Identifier(f"{p}suimon_reader"),
            "extension": Identifier(extension),
        }


class Session:
    """A connection under one role, and the statements of the `sql` folder.

    Transactions are explicit: outside `transaction()` every statement commits by itself.
    """

    def __init__(self, connection: psycopg.Connection[Any], names: Names, extension: str) -> None:
        """Wrap a connection.

        Args:
            connection: an open connection in autocommit.
            names: schemas and roles.
            extension: the schema that holds pgvector.
        """
        self.connection = connection
        self.names = names
        self.identifiers = names.identifiers(extension)

    def compose(self, text: str, **identifiers: str) -> Composed:
        """Fill the identifiers of a statement; values stay placeholders.

        Args:
            text: a statement from the `sql` folder.
            identifiers: further names, as those of a space's tables.
        """
        further = {key: Identifier(value) for key, value in identifiers.items()}
        return SQL(text).format(**self.identifiers, **further)

    def execute(self, name: str, params: Mapping[str, Any] | None = None, **identifiers: str) -> int:
        """Run `queries/<name>.sql` and return the number of rows that it touched."""
        with self.connection.cursor() as cursor:
            cursor.execute(self.compose(sql.query(name), **identifiers), params)
            return cursor.rowcount

    def rows(
        self, kind: type[Row], name: str, params: Mapping[str, Any] | None = None, **identifiers: str
    ) -> list[Row]:
        """Run `queries/<name>.sql` and return its rows as values of a class."""
        with self.connection.cursor(row_factory=class_row(kind)) as cursor:
            cursor.execute(self.compose(sql.query(name), **identifiers), params)
            return cursor.fetchall()

    def records(self, name: str, params: Mapping[str, Any] | None = None, **identifiers: str) -> list[dict[str, Any]]:
        """Run `queries/<name>.sql` and return its rows as dictionaries."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(self.compose(sql.query(name), **identifiers), params)
            return cursor.fetchall()

    def record(self, name: str, params: Mapping[str, Any] | None = None, **identifiers: str) -> dict[str, Any]:
        """Run `queries/<name>.sql` and return its only row.

        Raises:
            LookupError: there was no row.
        """
        found = self.records(name, params, **identifiers)
        if not found:
            raise LookupError(f"{name}.sql returned no row")
        return found[0]

    def value(self, name: str, params: Mapping[str, Any] | None = None, **identifiers: str) -> Any:
        """Run `queries/<name>.sql` and return the first column of its first row, or None."""
        with self.connection.cursor() as cursor:
            cursor.execute(self.compose(sql.query(name), **identifiers), params)
            row = cursor.fetchone()
            return None if row is None else row[0]

    def stream(
        self,
        kind: type[Row],
        name: str,
        params: Mapping[str, Any] | None = None,
        *,
        batch: int = 2000,
        **identifiers: str,
    ) -> Iterator[Row]:
        """Run `queries/<name>.sql` behind a server-side cursor, in memory bounded by the batch.

        The cursor holds its result without a transaction, so that a slow source or endpoint between two
        rows keeps nothing open.

        Args:
            kind: the class of a row.
            name: folder and file of the statement.
            params: values to bind.
            batch: rows fetched at a time.
            identifiers: further names.
        """
        cursor_name = "stream_" + name.replace("/", "_")
        with self.connection.cursor(cursor_name, row_factory=class_row(kind), withhold=True) as cursor:
            cursor.itersize = batch
            cursor.execute(self.compose(sql.query(name), **identifiers), params, binary=True)
            yield from cursor

    @contextmanager
    def transaction(self, *, repeatable_read: bool = False) -> Iterator[None]:
        """Commit everything inside together, or nothing.

        Args:
            repeatable_read: whether all statements see one state of the database; what another transaction changed
                meanwhile cannot be changed then.

        Raises:
            psycopg.errors.SerializationFailure: something was changed meanwhile; the transaction may be tried again.
        """
        with self.connection.transaction():
            if repeatable_read:
                self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield

    def copy(self, name: str, types: Sequence[str], rows: Iterator[Sequence[Any]], **identifiers: str) -> None:
        """Feed rows to the `COPY ... FROM STDIN (FORMAT binary)` in `queries/<name>.sql`.

        Args:
            name: folder and file of the statement.
            types: the Postgres type of each column, which binary COPY needs.
            rows: the rows.
            identifiers: further names.
        """
        with (
            self.connection.cursor() as cursor,
            cursor.copy(self.compose(sql.query(name), **identifiers)) as copy,
        ):
            copy.set_types(list(types))
            for row in rows:
                copy.write_row(row)


@dataclass(frozen=True)
class Database:
    """A database that the user declared, or the embedded one.

    Attributes:
        dsn: a libpq connection string.
        names: schemas and roles.
    """

    dsn: str
    names: Names = field(default_factory=Names)

    @contextmanager
    def connect(self, role: str | None = "pipeline") -> Iterator[Session]:
        """Open a session under a role.

        Args:
            role: `owner`, `pipeline`, `view` or `reader`; None for the login itself.

        Raises:
            ConfigurationError: the database cannot be reached, has no pgvector, or one below the floor.
            DatabaseUnavailable: it went away inside the block, or could not go on; what was committed is kept.
        """
        with self._open() as connection:
            try:
                extension = _pgvector_schema(connection)
                session = Session(connection, self.names, extension or "public")
                if role is not None:
                    self._assume(session, role, extension)
                yield session
            except psycopg.Error as error:
                if isinstance(error, psycopg.OperationalError) or connection.broken:
                    raise unavailable(error) from None
                raise

    def ping(self) -> None:
        """Connect and leave again.

        Raises:
            ConfigurationError: the database cannot be reached.
        """
        self._open().close()

    def _open(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(self.dsn, autocommit=True, application_name="suimon", connect_timeout=10)
        except psycopg.OperationalError as error:
            if any(state in str(error) for state in _PASSING):
                raise unavailable(error) from None
            raise ConfigurationError(
                f"Postgres could not be reached ({_first_line(error)}); check SUIMON_DATABASE_URL and that the "
                "server is running, or unset it to use the embedded one."
            ) from None
        except psycopg.ProgrammingError:
            raise ConfigurationError(
                "SUIMON_DATABASE_URL is not a connection string; write it as "
                "postgresql://user:password@host:5432/database."
            ) from None

    def _assume(self, session: Session, role: str, extension: str | None) -> None:
        if extension is None:
            raise ConfigurationError(
                "The database has no pgvector extension; run `suimon migrate`, or CREATE EXTENSION vector as a "
                "user who may."
            )
        path = session.compose("SET search_path = {corpus}, {extension}, pg_temp")
        try:
            session.connection.execute(session.compose("SET ROLE {wanted}", wanted=self.role(role)))
        except (psycopg.errors.InvalidParameterValue, psycopg.errors.InsufficientPrivilege):
            raise ConfigurationError(
                f"This login may not act as {self.role(role)}; run `suimon migrate` once as a user with CREATEROLE, "
                f"then GRANT {self.role(role)} TO the login that refreshes."
            ) from None
        session.connection.execute(path)

    def role(self, name: str) -> str:
        """Return the database's name of one of the four roles."""
        return f"{self.names.prefix}suimon_{name}"


_PASSING = ("the database system is", "too many clients", "remaining connection slots")
"""What Postgres says to who connects while it starts, stops or is full; none of it is the user's mistake."""


def unavailable(error: psycopg.Error) -> DatabaseUnavailable:
    """Say what a connection that is no more, or a full disk, means for a refresh; nothing of the statement is in it."""
    kind, state = type(error).__name__, error.sqlstate or "connection lost"
    if isinstance(error, psycopg.errors.DiskFull):
        return DatabaseUnavailable(
            f"The disk of the Postgres server is full ({state}); what was committed is kept: free space there, then "
            "refresh again."
        )
    return DatabaseUnavailable(
        f"Postgres went away or could not go on ({kind}, {state}); what was committed is kept: refresh again once it "
        "answers."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]


def _pgvector_schema(connection: psycopg.Connection[Any]) -> str | None:
    row = connection.execute(
        "SELECT n.nspname, e.extversion FROM pg_extension AS e "
        "INNER JOIN pg_namespace AS n ON e.extnamespace = n.oid WHERE e.extname = 'vector'"
    ).fetchone()
    if row is None:
        return None
    if pgvector_too_old(row[1]) and os.environ.get(ALLOW_OLD_PGVECTOR) != "1":
        floor = ".".join(map(str, PGVECTOR_FLOOR))
        raise ConfigurationError(
            f"pgvector {row[1]} is older than {floor}, which fixes CVE-2026-3172 and index corruption; install "
            f"{floor} and run ALTER EXTENSION vector UPDATE, or set {ALLOW_OLD_PGVECTOR}=1 to take the risk."
        )
    return str(row[0])


def pgvector_too_old(version: str) -> bool:
    """Say whether a pgvector version is below the security floor.

    Args:
        version: as in `pg_extension.extversion`.
    """
    parts = tuple(int(part) for part in version.split(".") if part.isdigit())
    return parts < PGVECTOR_FLOOR
