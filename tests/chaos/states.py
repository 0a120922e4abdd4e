"""What a reader sees, as one digest: everything in the public tables but who published it, when and under which ids."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.sql import SQL

NOTHING = "no table"
"""The state before the first refresh has made the public tables."""

_STATE = SQL(
    """
    SELECT md5(concat_ws('|',
        (SELECT string_agg(c.line, E'\\n' ORDER BY c.line COLLATE "C")
         FROM (SELECT (to_jsonb(c) - %(lineage)s::text[])::text AS line FROM search.chunks AS c) AS c),
        (SELECT string_agg(d.line, E'\\n' ORDER BY d.line COLLATE "C")
         FROM (SELECT (to_jsonb(d) - %(lineage)s::text[])::text AS line FROM search.documents AS d) AS d)
    )), (SELECT count(*) FROM search.chunks), (SELECT count(DISTINCT publish) FROM search.documents)
    """
)

LINEAGE = ["publish", "published_at", "run_id", "document_id", "text_id"]
"""Columns that differ between two tables of the same documents that came about in different ways."""


def read_state(connection: psycopg.Connection[Any]) -> str:
    """Digest what readers see, in one statement and so in one snapshot.

    Args:
        connection: in autocommit.
    """
    try:
        row = connection.execute(_STATE, {"lineage": LINEAGE}).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return NOTHING
    assert row is not None, "an aggregate"
    return f"{row[0]} {row[1]} chunks"
