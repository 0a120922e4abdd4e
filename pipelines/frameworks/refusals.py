"""What a database refuses to who asks, as errors of ours: one sentence each, with what to do about it.

Nothing of a document or of a connection string is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from resources.errors import ConfigurationError, DatabaseUnavailable


@dataclass(frozen=True)
class Wording:
    """How a refusal is put where somebody asks: what helps a program is not what helps a person at a terminal.

    Attributes:
        no_role: filled with role.
        may_not: filled with role, and reader, which is the reader role.
        other_vector: filled with given, space, dimensions and model; of a vector that does not fit its space.
    """

    no_role: str = "There is no database role {role!r}."
    may_not: str = "This login may not search as {role}; GRANT {role} TO it, and {reader} TO {role}."
    other_vector: str = (
        "The question's vector has {given} dimensions, and space {space} has {dimensions}; embed questions with model "
        "{model}, and give the same `dimensions` as collections.yaml does."
    )

    def refusing(self, role: str, reader: str) -> str:
        """Say that the login may not ask as a role; the reader role itself needs no further grant."""
        if role == reader:
            return f"This login may not search as {reader}; GRANT {reader} TO it."
        return self.may_not.format(role=role, reader=reader)


PLAIN = Wording()


@contextmanager
def refusals(wording: Wording, role: str, reader: str, deadline_seconds: float) -> Iterator[None]:
    """Say in one sentence what the database refuses inside.

    Args:
        wording: for whom.
        role: who asks.
        reader: the reader role's name.
        deadline_seconds: that each statement was given.

    Raises:
        ConfigurationError: what is asked for cannot be, or the role may not ask it.
        DatabaseUnavailable: the database did not answer, or not in time.
    """
    try:
        yield
    except psycopg.errors.InvalidParameterValue as error:
        if error.diag.message_hint is None:
            raise ConfigurationError(wording.no_role.format(role=role)) from None
        problem = str(error.diag.message_primary)
        raise ConfigurationError(f"{problem[0].upper()}{problem[1:]}. {error.diag.message_hint}") from None
    except psycopg.errors.InsufficientPrivilege:
        raise ConfigurationError(wording.refusing(role, reader)) from None
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName):
        raise ConfigurationError(
            "The database has no schema `search` of this version; run `suimon migrate` there, and give the prefix if "
            "one is declared."
        ) from None
    except psycopg.DataError as error:
        raise ConfigurationError(f"Postgres cannot read a value that was given ({error.sqlstate}).") from None
    except psycopg.errors.QueryCanceled:
        raise DatabaseUnavailable(
            f"The search did not end within {deadline_seconds:g} s; ask again, or raise deadline_seconds."
        ) from None
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(
            f"Postgres could not be reached or went away ({error.sqlstate or type(error).__name__}); check the "
            "connection string and that the server is running."
        ) from None
    except psycopg.ProgrammingError as error:
        if error.sqlstate is not None:
            raise
        raise ConfigurationError(
            "The connection string cannot be read; write it as postgresql://user:password@host:5432/database."
        ) from None
