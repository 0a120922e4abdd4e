"""A published table of any size for the search benchmark, written straight into the project's own tables.

Vectors are drawn around centres, as a model's are around topics; words follow Zipf's law. What a refresh would have
written is written here in bulk: parsing and embedding a hundred thousand passages would take hours and tell nothing
about searching.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import psycopg
from pgvector.psycopg import register_vector

from resources.postgres import Database, Session

DIMENSIONS = 384
CHUNKS_A_DOCUMENT = 10
TOPICS = 400
SHARES = {"half": 2, "tenth": 10, "hundredth": 100, "thousandth": 1000}
"""Metadata fields; each value of one is at this share of the documents."""


@dataclass(frozen=True)
class Questions:
    """What is asked.

    Attributes:
        vectors: shape (questions, dimensions), of length 1.
        words: a line of words for each.
    """

    vectors: np.ndarray
    words: list[str]


class Drawn:
    """Vectors and words from a seed."""

    def __init__(self, seed: int = 7) -> None:
        """Draw the topics."""
        self._random = np.random.default_rng(seed)
        self._centres = self._random.normal(size=(TOPICS, DIMENSIONS))
        self._common = self._random.normal(size=DIMENSIONS) * 1.5
        self._vocabulary = np.array([f"word{number}" for number in range(60_000)])

    def vectors(self, count: int) -> np.ndarray:
        """Return vectors of length 1, shape (count, dimensions)."""
        topics = self._random.integers(TOPICS, size=count)
        found = self._common + self._centres[topics] + self._random.normal(size=(count, DIMENSIONS)) * 0.7
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    def text(self, words: int) -> str:
        """Return a passage whose words follow Zipf's law."""
        ranks = np.exp(self._random.random(words) * np.log(len(self._vocabulary))).astype(int) - 1
        return " ".join(self._vocabulary[ranks])

    def questions(self, count: int) -> Questions:
        """Return questions about the same topics; of ten words, as long ones are."""
        return Questions(self.vectors(count), [self.text(10) for _ in range(count)])


def fill(database: Database, drawn: Drawn, chunks: int, collections: int) -> None:
    """Publish so many chunks, in documents of ten, spread over collections; then build the index.

    Args:
        database: migrated and empty.
        drawn: vectors and words.
        chunks: how many.
        collections: how many.
    """
    with database.connect(role=None) as session:
        connection = session.connection
        register_vector(connection)
        connection.execute(session.compose("SET search_path = {corpus}, {extension}"))
        documents = chunks // CHUNKS_A_DOCUMENT
        _declare(session, collections)
        _documents(connection, documents, collections)
        _texts(connection, drawn, chunks)
        _vectors(connection, drawn, chunks)
        for statement in _AFTERWARDS:
            connection.execute(statement)
        connection.execute("SELECT recount_terms(collection_id) FROM collections")
        connection.execute("SELECT build_vector_index(1)")
        connection.execute("VACUUM ANALYZE")


def _declare(session: Session, collections: int) -> None:
    types = json.dumps(dict.fromkeys(SHARES, "integer"))
    for number in range(collections):
        session.execute("refresh/declare_collection", {"name": f"c{number}"})
    session.connection.execute("UPDATE collections SET metadata_types = %s::jsonb", [types])
    session.connection.execute(
        "INSERT INTO spaces (name, model, query_model, served_model, dimensions, storage, passage_prefix, "
        "query_prefix, normalised, token_limit, tokenizer, max_inputs, live) "
        "VALUES ('bench', 'm', 'm', 'm', %s, 'vector', '', '', true, 512, 'estimate', 64, true)", [DIMENSIONS],
    )  # fmt: skip
    session.connection.execute("SELECT create_space_table(1)")
    session.connection.execute(
        "INSERT INTO recipes (stage, declared, versions, details) "
        "VALUES ('elements', 'p', '', '{}'), ('chunks', 'c', '', '{}')"
    )
    session.connection.execute(
        "INSERT INTO publishes (collection_id, number, run_id) SELECT collection_id, 1, 'bench' FROM collections"
    )


def _documents(connection: psycopg.Connection, documents: int, collections: int) -> None:
    shares = ", ".join(f"'{name}', i %% {share}" for name, share in SHARES.items())
    connection.execute(
        "INSERT INTO documents (collection_id, uri, stamp, settled, size, content_hash, format) "
        "SELECT 1 + i %% %s, 'folder' || i %% 97 || '/document' || i || '.md', '', true, 1, "
        "sha256(i::text::bytea), 'md' "
        "FROM generate_series(1, %s) AS i", [collections, documents],
    )  # fmt: skip
    connection.execute(
        "INSERT INTO elements (content_hash, format, recipe_id, text, elements, pages, properties, counters, language) "
        "SELECT content_hash, 'md', 1, '', '[]', 0, '{}', '{}', CASE WHEN document_id %% 2 = 0 THEN 'ja' ELSE 'en' END "
        "FROM documents ORDER BY document_id",
        [],
    )
    connection.execute("INSERT INTO chunk_sets (elements_id, recipe_id) SELECT elements_id, 2 FROM elements ORDER BY 1")
    connection.execute(
        "INSERT INTO heads (document_id, collection_id, collection, chunk_set_id, uri, title, metadata, publish_id, "
        "audience_id) "
        "SELECT d.document_id, d.collection_id, 'c' || d.collection_id - 1, d.document_id, d.uri, 'Title', "
        f"jsonb_build_object({shares}), d.collection_id, a.audience_id "
        "FROM (SELECT *, document_id AS i FROM documents) AS d INNER JOIN audiences AS a USING (collection_id)", []
    )  # fmt: skip


def _texts(connection: psycopg.Connection, drawn: Drawn, chunks: int) -> None:
    connection.execute("CREATE TEMPORARY TABLE drawn (text text)")
    with connection.cursor() as cursor, cursor.copy("COPY drawn FROM STDIN") as copy:
        for _ in range(chunks):
            copy.write_row([drawn.text(150)])
    connection.execute(
        "INSERT INTO texts (hash, text, tokens, lexemes, terms, lexer) "
        "SELECT sha256(row_number() OVER ()::text::bytea), d.text, 200, l.lexemes, lexeme_count(l.lexemes), "
        "lexer_version() FROM drawn AS d CROSS JOIN LATERAL (SELECT lexemes(d.text) AS lexemes OFFSET 0) AS l"
    )
    connection.execute(
        "INSERT INTO chunks (chunk_set_id, ordinal, text_id, body_start, span, pages, heading_path) "
        "SELECT 1 + (text_id - 1) / %s, (text_id - 1) %% %s, text_id, 0, '[0,1)', '{}', '{}' FROM texts",
        [CHUNKS_A_DOCUMENT, CHUNKS_A_DOCUMENT],
    )


def _vectors(connection: psycopg.Connection, drawn: Drawn, chunks: int) -> None:
    def rows() -> Iterator[tuple[int, np.ndarray]]:
        for first in range(0, chunks, 5000):
            for offset, vector in enumerate(drawn.vectors(min(5000, chunks - first))):
                yield first + offset + 1, vector

    with (
        connection.cursor() as cursor,
        cursor.copy("COPY vectors_bench (text_id, embedding) FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.set_types(["int8", "vector"])
        for row in rows():
            copy.write_row(row)


_AFTERWARDS = ("ANALYZE",)
