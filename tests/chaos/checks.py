"""What must be true of a database after a refresh was interrupted and done again: each check returns sentences."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg.sql import SQL, Composed

from tests.chaos.server import HAND
from tests.chaos.states import NOTHING

Connection = psycopg.Connection[Any]

CONCURRENCY = 2
IN_FLIGHT = CONCURRENCY + 2 * CONCURRENCY + (2 * CONCURRENCY + 1)
"""Requests that may be without vectors at any moment: those under way, those whose answers wait in the queue of twice
the concurrency, and those that are being written, which were taken from a full queue."""

COUNTED = {
    "claims that nobody holds": "SELECT count(*) FROM corpus.claims",
    "wanted texts": "SELECT count(*) FROM corpus.wanted_texts",
    "postponed texts": "SELECT count(*) FROM corpus.postponed",
    "answers about documents that are described": """
        SELECT count(*) FROM corpus.profile_parts INNER JOIN corpus.profiles USING (elements_id, recipe_id)
    """,
    "invalid indexes": "SELECT count(*) FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)",
    "advisory locks": (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ),
    "leases that are still held": "SELECT count(*) FROM corpus.leases WHERE holder <> ''",
    "heads that differ from the ledger": """
        SELECT count(*) FROM corpus.heads AS h
        FULL JOIN (
            SELECT DISTINCT ON (document_id) document_id, publish_id, chunk_set_id, link, title, metadata
            FROM corpus.publish_changes ORDER BY document_id, publish_id DESC
        ) AS c USING (document_id)
        WHERE (h.chunk_set_id, h.publish_id, h.link, h.title, h.metadata)
        IS DISTINCT FROM (c.chunk_set_id, c.publish_id, c.link, c.title, c.metadata)
        AND NOT (h.document_id IS NULL AND c.chunk_set_id IS NULL)
    """,
}
"""Things of which there must be none, with the query that counts them."""

UNSETTLED = {
    "collections that have not converged": "SELECT count(*) FROM corpus.collections WHERE converged IS NULL",
    "documents that are neither published nor quarantined nor vanished": """
        SELECT count(*) FROM corpus.documents AS d
        WHERE d.vanished_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM corpus.heads AS h WHERE h.document_id = d.document_id)
        AND NOT EXISTS (SELECT 1 FROM corpus.quarantine AS q WHERE q.document_id = d.document_id)
    """,
    "vanished documents that are still shown": """
        SELECT count(*) FROM corpus.heads AS h INNER JOIN corpus.documents AS d USING (document_id)
        WHERE d.vanished_at IS NOT NULL
    """,
}
"""Likewise, but not after a rollback, which shows on purpose what the source no longer holds."""

TEMPORARY = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind IN ('r', 'S', 'v')"

CONTENT = {
    "documents": """
        SELECT to_jsonb(d) - '{document_id,collection_id,parent_id,stamp,settled,found_at,changed_at,vanished_at,
        described_for}'::text[] || jsonb_build_object('vanished', d.vanished_at IS NOT NULL) FROM corpus.documents AS d
    """,
    "elements": "SELECT to_jsonb(e) - '{elements_id,recipe_id,created_at}'::text[] FROM corpus.elements AS e",
    "chunk_sets": """
        SELECT jsonb_build_array(e.content_hash, s.digest, count(k.ordinal))
        FROM corpus.chunk_sets AS s INNER JOIN corpus.elements AS e USING (elements_id)
        LEFT JOIN corpus.chunks AS k USING (chunk_set_id) GROUP BY e.content_hash, e.format, s.chunk_set_id
    """,
    "texts": "SELECT jsonb_build_array(hash, text, tokens) FROM corpus.texts",
    "vectors": """
        SELECT jsonb_build_array(t.hash, v.embedding::text, v.digest)
        FROM corpus.vectors_small AS v INNER JOIN corpus.texts AS t USING (text_id)
    """,
    "element_passes": """
        SELECT jsonb_build_array(e.content_hash, e.format, p.suite_id IS NULL)
        FROM corpus.element_passes AS p INNER JOIN corpus.elements AS e USING (elements_id)
    """,
    "chunk_set_passes": """
        SELECT jsonb_build_array(e.content_hash, e.format)
        FROM corpus.chunk_set_passes AS p INNER JOIN corpus.chunk_sets AS s USING (chunk_set_id)
        INNER JOIN corpus.elements AS e USING (elements_id)
    """,
    "vector_passes": """
        SELECT jsonb_build_array(t.hash) FROM corpus.vector_passes AS p INNER JOIN corpus.texts AS t USING (text_id)
    """,
    "quarantine": """
        SELECT jsonb_build_array(d.uri, q.stage, q.reason, q.detail)
        FROM corpus.quarantine AS q INNER JOIN corpus.documents AS d USING (document_id)
    """,
    "text_failures": """
        SELECT jsonb_build_array(t.hash, f.reason) FROM corpus.text_failures AS f
        INNER JOIN corpus.texts AS t USING (text_id)
    """,
    "profiles": """
        SELECT jsonb_build_array(
            e.content_hash, p.profile, p.entities, p.entities_dropped, p.dropped, p.parts, p.model,
            (SELECT count(*) FROM corpus.profile_passes AS s WHERE s.profile_id = p.profile_id)
        )
        FROM corpus.profiles AS p INNER JOIN corpus.elements AS e USING (elements_id)
    """,
    "profile_parts": "SELECT to_jsonb(a) FROM corpus.profile_parts AS a",
    "profile_failures": "SELECT to_jsonb(f) - 'last_seen' FROM corpus.profile_failures AS f",
    "publishes": "SELECT jsonb_build_array(number, kind, counts) FROM corpus.publishes",
    "spaces": "SELECT to_jsonb(s) - '{space_id,created_at}'::text[] FROM corpus.spaces AS s",
    "indexes": "SELECT jsonb_build_array(indexdef) FROM pg_indexes WHERE schemaname = 'corpus'",
    "publish_changes": """
        SELECT jsonb_build_array(p.number, d.uri, e.content_hash, c.link, c.title, c.metadata)
        FROM corpus.publish_changes AS c INNER JOIN corpus.publishes AS p USING (publish_id)
        INNER JOIN corpus.documents AS d USING (document_id)
        LEFT JOIN corpus.chunk_sets AS s USING (chunk_set_id) LEFT JOIN corpus.elements AS e USING (elements_id)
    """,
}
"""Everything that is kept, by natural keys: without ids, clocks and names of runs."""


def _one(connection: Connection, query: SQL | Composed) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None, "an aggregate"
    return row[0]


def leftovers(connection: Connection, *, temporary: bool = True, settled: bool = True) -> list[str]:
    """Say what an interruption left behind.

    Args:
        connection: of the superuser.
        temporary: whether temporary tables count. After the death of a postmaster they wait, empty, for autovacuum
            or for the next backend in their place: that is Postgres's own way of clearing them.
        settled: whether the source and the published table have to agree.
    """
    queries = COUNTED | (UNSETTLED if settled else {}) | ({"temporary tables": TEMPORARY} if temporary else {})
    found = {name: _one(connection, SQL(query)) for name, query in queries.items()}
    return [f"{count} {name}" for name, count in found.items() if count]


def content(connection: Connection) -> dict[str, str]:
    """Digest all that is kept, by table."""
    digests = {}
    for name, query in CONTENT.items():
        text = SQL("SELECT md5(string_agg(c.line::text, '\n' ORDER BY c.line::text)) || ' ' || count(*) FROM ({}) AS c")
        lines = SQL("SELECT i.* AS line FROM ({}) AS i (line)").format(SQL(query))
        try:
            digests[name] = str(_one(connection, text.format(lines)))
        except psycopg.errors.UndefinedTable:
            digests[name] = NOTHING
    return digests


def differences(mine: dict[str, str], twins: dict[str, str]) -> list[str]:
    """Say which tables differ from those of a twin that nobody interrupted."""
    return [
        f"{name} is {mine[name]}, where it would be {twin} without the interruption"
        for name, twin in twins.items()
        if mine[name] != twin
    ]


def stored_texts(connection: Connection) -> set[str]:
    """Return the texts that have a vector."""
    try:
        rows = connection.execute("SELECT text FROM corpus.texts INNER JOIN corpus.vectors_small USING (text_id)")
    except psycopg.errors.UndefinedTable:
        return set()
    return {row[0] for row in rows.fetchall()}


def passages(connection: Connection) -> set[str]:
    """Return all texts that documents became: what else an endpoint hears are probes of a new space."""
    return {row[0] for row in connection.execute("SELECT text FROM corpus.texts").fetchall()}


def paid_again(earlier: set[str], sent: Sequence[str], stored: set[str]) -> tuple[list[str], int]:
    """Look at what one run sent, after others were interrupted.

    Args:
        earlier: texts that earlier runs sent.
        sent: texts of this run, in order; without the probes of a new space.
        stored: texts that had a vector when it began.

    Returns:
        What is wrong, and how many texts were sent again because they were in flight: sent before, and not stored.
    """
    wrong = []
    if len(set(sent)) != len(sent):
        wrong.append(f"{len(sent) - len(set(sent))} texts were sent twice within one run")
    again = set(sent) & stored
    if again:
        wrong.append(f"{len(again)} texts were sent again although their vectors were stored")
    return wrong, len(set(sent) & earlier)


def lost_answers(requests: Sequence[Sequence[str]], stored: set[str]) -> list[str]:
    """Say whether more requests are without vectors than could be in flight.

    Args:
        requests: the texts of each request that was sent so far; without the probes of a new space.
        stored: texts that have a vector.
    """
    lost = sum(not stored.issuperset(texts) for texts in requests)
    return [f"{lost} requests were in flight, of {IN_FLIGHT} that can be"] if lost > IN_FLIGHT else []


def mixed_reads(states: Iterable[str], allowed: Sequence[str]) -> list[str]:
    """Say which reads were of no publish, or went back to an earlier one.

    Args:
        states: in the order in which they were seen.
        allowed: the states of the publishes, in their order.
    """
    place = 0
    for number, state in enumerate(states):
        if state not in allowed:
            return [f"read {number} saw {state}, which no publish ever was"]
        if state not in allowed[place:]:
            return [f"read {number} went back to {state}"]
        place = allowed.index(state, place)
    return []


def await_backends(connection: Connection, seconds: float = 60.0) -> list[str]:
    """Wait for the backends of dead workers to go; says which did not, and ends them."""
    query = (
        "SELECT pid, state, left(query, 60) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name <> %s AND backend_type = 'client backend'"
    )
    deadline = time.monotonic() + seconds
    while rows := connection.execute(query, [HAND]).fetchall():
        if time.monotonic() > deadline:
            for row in rows:
                connection.execute("SELECT pg_terminate_backend(%s, 5000)", [row[0]])
            return [f"backend {row[0]} stayed: {row[1]}, {row[2]}" for row in rows]
        time.sleep(0.01)
    return []
