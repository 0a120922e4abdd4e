"""Bring a database's schema to what this version of the project needs.

Migrations run once, in order, each in one transaction with its record, pinned by checksum. Objects are
idempotent and run together whenever the text of one of them changed. Everything happens under one
advisory lock that is tried, never waited for inside the server.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

import sql
from resources.errors import ConfigurationError, TransientError
from resources.postgres import Database, Session

LOCK_WAIT_SECONDS = 60.0

ROLES = ("owner", "pipeline", "view", "reader")


@dataclass(frozen=True)
class SchemaState:
    """What a database has and lacks.

    Attributes:
        pending: migrations that have not run.
        stale_objects: whether an object's text differs from what was applied.
        applied: how many migrations have run.
    """

    pending: tuple[str, ...]
    stale_objects: bool
    applied: int

    @property
    def current(self) -> bool:
        """Whether nothing is left to do."""
        return not self.pending and not self.stale_objects


def read_state(database: Database) -> SchemaState:
    """Compare the database with the project's SQL; changes nothing.

    Raises:
        ConfigurationError: an applied migration was altered, or is unknown to this version.
    """
    with database.connect(role=None) as session:
        try:
            return _state(session)
        except psycopg.errors.InsufficientPrivilege:
            raise ConfigurationError(
                f"This login may not see the schema; have an administrator GRANT {database.role('pipeline')} (to "
                f"refresh) and {database.role('reader')} (to search) TO it."
            ) from None


def migrate(database: Database) -> SchemaState:
    """Apply what is missing; returns the state found before.

    Raises:
        ConfigurationError: the login may not create what is missing, or an applied migration was altered.
        TransientError: another migration held the lock for too long.
    """
    with database.connect(role=None) as session:
        before = _state(session)
        if before.current:
            return before
        with _lock(session):
            _bootstrap(session)
    with database.connect(role="owner") as session, _lock(session):
        _apply(session)
    return before


def _state(session: Session) -> SchemaState:
    known = {script.number: script for script in sql.migrations()}
    exists = session.connection.execute(
        "SELECT to_regclass(%s) IS NOT NULL AND has_table_privilege(to_regclass(%s), 'SELECT')",
        [f'"{session.names.prefix}corpus".migrations'] * 2,
    ).fetchone()
    if exists is None or not exists[0]:
        return SchemaState(tuple(script.name for script in known.values()), stale_objects=True, applied=0)
    rows = session.connection.execute(
        session.compose("SELECT number, name, checksum FROM {corpus}.migrations ORDER BY number")
    ).fetchall()
    for number, name, checksum in rows:
        if number not in known:
            raise ConfigurationError(
                f"The database has migration {name}, which this version of suimon does not know; use the version "
                "that made it, or a newer one."
            )
        if known[number].checksum != checksum:
            raise ConfigurationError(
                f"Migration {name} was altered after it ran; restore sql/migrations/{name}.sql and put the change "
                "into a new migration."
            )
    applied = {row[0] for row in rows}
    objects = dict(
        session.connection.execute(session.compose("SELECT name, checksum FROM {corpus}.applied_objects")).fetchall()
    )
    wanted = {script.name: script.checksum for script in sql.objects()}
    pending = tuple(script.name for number, script in known.items() if number not in applied)
    return SchemaState(pending, objects != wanted, len(applied))


@contextmanager
def _lock(session: Session) -> Iterator[None]:
    key = zlib.crc32(f"{session.names.prefix}suimon migrations".encode())
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        row = session.connection.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
        if row is not None and row[0]:
            break
        if time.monotonic() > deadline:
            raise TransientError("Another migration is running; wait for it to end and run `suimon migrate` again.")
        time.sleep(0.1)
    try:
        yield
    finally:
        session.connection.execute("SELECT pg_advisory_unlock(%s)", [key])


def _bootstrap(session: Session) -> None:
    """Make extension, roles and schemas: what needs more rights than the owner role has."""
    try:
        session.connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        for name in ROLES:
            _make_role(session, f"{session.names.prefix}suimon_{name}")
        for statement in (
            "GRANT {view} TO {owner}",
            "CREATE SCHEMA IF NOT EXISTS {corpus} AUTHORIZATION {owner}",
            "CREATE SCHEMA IF NOT EXISTS {search} AUTHORIZATION {owner}",
            "GRANT CREATE, USAGE ON SCHEMA {search} TO {view}",
        ):
            session.connection.execute(session.compose(statement))
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"This login may not set the database up ({str(error).splitlines()[0]}); run `suimon migrate` once as a "
            "superuser, or as a user with CREATEROLE and CREATE on the database in which a superuser has already run "
            "CREATE EXTENSION vector."
        ) from None


def _make_role(session: Session, role: str) -> None:
    row = session.connection.execute(
        "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s), "
        "CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s) "
        "THEN pg_has_role(%(role)s, %(membership)s) ELSE false END",
        {"role": role, "membership": "SET" if session.connection.info.server_version >= 160000 else "MEMBER"},
    ).fetchone()
    exists, usable = row or (False, False)
    if not exists:
        session.connection.execute(session.compose("CREATE ROLE {role} NOLOGIN", role=role))
    if not usable:
        session.connection.execute(session.compose("GRANT {role} TO CURRENT_USER", role=role))


def _apply(session: Session) -> None:
    connection = session.connection
    with session.transaction():
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL, "
            "checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS applied_objects (name text PRIMARY KEY, checksum text NOT NULL, "
            "applied_at timestamptz NOT NULL DEFAULT now())"
        )
    pending = set(_state(session).pending)
    for script in sql.migrations():
        if script.name in pending:
            with session.transaction():
                connection.execute(session.compose(script.text))
                connection.execute(
                    "INSERT INTO migrations (number, name, checksum) VALUES (%s, %s, %s)",
                    [script.number, script.name, script.checksum],
                )
    try:
        _apply_objects(session)
    except psycopg.errors.LockNotAvailable:
        raise TransientError(
            "A reader holds a view of Suimon for longer than the migration waits; nothing was changed, try again."
        ) from None
    except psycopg.errors.DependentObjectsStillExist as error:
        raise ConfigurationError(
            f"Something of yours depends on a view of Suimon ({error.diag.message_detail}); drop it, run "
            "`suimon migrate`, and create it again."
        ) from None


def _apply_objects(session: Session) -> None:
    """Run all objects in one transaction; readers behind a waiting DROP VIEW wait for seconds at most."""
    connection = session.connection
    with session.transaction():
        connection.execute("SET LOCAL lock_timeout = '5s'")
        for script in sql.objects():
            connection.execute(session.compose(script.text))
        connection.execute("DELETE FROM applied_objects")
        for script in sql.objects():
            connection.execute(
                "INSERT INTO applied_objects (name, checksum) VALUES (%s, %s)", [script.name, script.checksum]
            )
