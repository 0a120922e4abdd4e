"""A published table that is damaged behind Suimon's back, and how what is found is told."""

from __future__ import annotations

import itertools
from typing import Any

import psycopg

from assets.upkeep.verify import verify
from assets.upkeep.verify_findings import Finding
from assets.workbench import Workbench
from resources.postgres import Database
from tests.conftest import rows
from tests.test_cli import declare  # noqa: F401  # A fixture.

_numbers = itertools.count()

LONG = "# Manual\n\n" + "\n\n".join(
    f"## Part {number}\n\n"
    + " ".join(f"Sentence {number}-{place} tells of the sluice and of its gate." for place in range(9))
    for number in range(6)
)

DOCUMENTS = {
    "manual.md": LONG,
    "gate.md": "# Gate\n\nThe gate is opened when the water is high.\n\n## Checks\n\nGrease the hinges.\n",
    "tides.txt": "High tide is at six. Low tide is at noon.\n",
    "水門.md": "# 水門\n\n水位が高いときは水門を開ける。点検は毎月行う。\n",
}
SETTINGS: dict[str, Any] = {"chunking": {"max_tokens": 64, "min_tokens": 4}}
SPACE: dict[str, Any] = {"model": "fake", "token_limit": 128, "max_inputs": 16}

PUBLISHED = """
SELECT collection, uri, link, title, heading_path, pages, ordinal, text, html, flags, metadata::text, embedding::text,
published_at, publish, run_id, document_id, span::text, lead, text_id
FROM search.chunks ORDER BY collection, uri, ordinal
"""

SOME_SET = "(SELECT min(h.chunk_set_id) FROM heads h WHERE h.uri = 'manual.md')"
SOME_TEXT = f"(SELECT k.text_id FROM chunks k WHERE k.chunk_set_id = {SOME_SET} AND k.ordinal = 2)"


def damage(database: Database, *statements: str) -> None:
    """Do something behind Suimon's back, past foreign keys, as a superuser may."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("SET search_path = corpus, public")
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            done = connection.execute(statement.encode())
            assert done.rowcount != 0, statement


def published(database: Database) -> list[tuple[Any, ...]]:
    return rows(database, PUBLISHED)


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the private tables but the ledger of comparisons."""
    names = rows(
        database,
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'corpus'::regnamespace AND c.relkind = 'r' "
        "AND c.relname <> 'verifications' ORDER BY 1",
        role=None,
    )
    return {
        name: rows(database, f'SELECT t.ctid::text, t.xmin::text, t::text FROM corpus."{name}" t ORDER BY 1', role=None)
        for (name,) in names
    }


def check(bench: Workbench, names: list[str] | None = None, *, repair: bool = False, **more: Any) -> list[Finding]:
    return verify(bench, names, repair=repair, run_id=f"verify-{next(_numbers)}", **more)


def kinds(found: list[Finding]) -> dict[str, int]:
    return {item.kind: item.count for item in found}


HEADS = {
    "heads_missing": (["DELETE FROM heads WHERE uri IN ('gate.md', 'tides.txt')"], 2),
    "heads_extra": (
        [
            (
                "INSERT INTO documents (collection_id, uri, stamp, settled, size, content_hash, format, vanished_at) "
                "SELECT collection_id, 'ghost.md', '', true, 1, content_hash, format, now() FROM documents LIMIT 1"
            ),
            (
                "INSERT INTO heads SELECT d.document_id, h.collection_id, h.collection, h.chunk_set_id, d.uri, h.link, "
                "h.title, h.metadata, h.publish_id, h.audience_id FROM heads h, documents d "
                "WHERE h.uri = 'gate.md' AND d.uri = 'ghost.md'"
            ),
        ],
        1,
    ),
    "heads_altered": (
        [
            "UPDATE heads SET title = 'Another' WHERE uri = 'gate.md'",
            "UPDATE heads SET metadata = '{}' WHERE uri = 'tides.txt'",
            f"UPDATE heads SET chunk_set_id = {SOME_SET} WHERE uri = '水門.md'",
        ],
        3,
    ),
    "documents_missing": (["DELETE FROM documents WHERE uri = 'gate.md'"], 1),
}

CHUNKS = {
    "chunks_missing": ([f"DELETE FROM chunks WHERE chunk_set_id = {SOME_SET} AND ordinal = 1"], 1),
    "chunks_extra": (
        [
            (
                "INSERT INTO chunks (chunk_set_id, ordinal, text_id, body_start, span, pages, heading_path) "
                "SELECT chunk_set_id, ordinal + 1, text_id, body_start, span, pages, heading_path FROM chunks "
                f"WHERE chunk_set_id = {SOME_SET} ORDER BY ordinal DESC LIMIT 1"
            )
        ],
        1,
    ),
    "chunks_altered": ([f"UPDATE chunks SET heading_path = '{{Wrong}}' WHERE chunk_set_id = {SOME_SET}"], 1),
    "texts_altered": ([f"UPDATE texts SET text = 'Something else' WHERE text_id = {SOME_TEXT}"], 1),
    "texts_missing": ([f"DELETE FROM texts WHERE text_id = {SOME_TEXT}"], 1),
}

VECTORS = {
    "vectors_missing": ([f"DELETE FROM vectors_small WHERE text_id = {SOME_TEXT}"], 1),
    "vectors_altered": (
        [
            (
                "UPDATE vectors_small SET embedding = (SELECT v.embedding FROM vectors_small v "
                f"WHERE v.text_id <> {SOME_TEXT} LIMIT 1) WHERE text_id = {SOME_TEXT}"
            )
        ],
        1,
    ),
    "vectors_zero": (
        [
            (
                "UPDATE vectors_small SET embedding = array_fill(0, ARRAY[32])::vector, "
                f"digest = vector_digest(array_fill(0, ARRAY[32])::vector) WHERE text_id = {SOME_TEXT}"
            )
        ],
        1,
    ),
}


UNUSED_TEXT = (
    "INSERT INTO texts (text_id, hash, text, tokens) OVERRIDING SYSTEM VALUE SELECT 900000, sha256('x'), 'x', 1"
)
UNUSED_VECTOR = (
    "INSERT INTO vectors_small SELECT 900000, embedding, vector_digest(embedding) FROM vectors_small LIMIT 1"
)
