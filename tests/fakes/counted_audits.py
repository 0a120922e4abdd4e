"""Audits counted by one statement of SQL each, in milliseconds; Great Expectations takes over a second a refresh.

The bounds, the batches, the role, the connection of its own and the kinds of errors are the same; only the pages
for people are left out. `test_audits.py` and whatever else is marked `great_expectations` runs the real thing, and
there both have to count the same. With SUIMON_AUDITS=real nothing is stood in for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import sqlalchemy
from psycopg.sql import SQL, Identifier
from sqlalchemy.pool import NullPool

from assets.auditing import expectations
from assets.auditing.audit import _outside
from assets.auditing.expectations import Measured
from assets.auditing.suite import Audit

REAL = os.environ.get("SUIMON_AUDITS") == "real"

theirs = expectations.measure
"""What is stood in for."""


def measure(
    url: str, suite: str, batches: Mapping[str, str], audits: Sequence[Audit], report: Path | None
) -> dict[str, Measured]:
    """Count the rows with a value, and those outside the bounds, as `assets.auditing.expectations.measure` does."""
    measured = {}
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    with engine.connect().execution_options(no_parameters=True) as connection:
        for audit in audits:
            query = SQL("SELECT count({column}), count(*) FILTER (WHERE {outside}) FROM ({batch}) AS batch").format(
                column=Identifier(audit.column), outside=_outside(audit), batch=SQL(batches[audit.batch])
            )
            rows, unexpected = connection.exec_driver_sql(query.as_string()).one()
            measured[audit.name] = Measured(rows, unexpected)
    return measured


def both(
    url: str, suite: str, batches: Mapping[str, str], audits: Sequence[Audit], report: Path | None
) -> dict[str, Measured]:
    """Let both count, and return what they agree on."""
    counted = measure(url, suite, batches, audits, report)
    found = theirs(url, suite, batches, audits, report)
    assert counted == found
    return found


def stand_in() -> None:
    """Put it in the place of Great Expectations, for as long as this process lives."""
    if not REAL:
        expectations.measure = measure
