"""Vectors as arrays, and asking with them in plain SQL."""

from __future__ import annotations

from typing import Any

import numpy as np

from resources.postgres import Database

DIMENSIONS = 32
Array = np.ndarray[Any, np.dtype[np.float64]]


def literal(numbers: Array) -> str:
    """Write a vector as pgvector reads it."""
    return "[" + ",".join(f"{number:.7g}" for number in numbers) + "]"


def distances(vectors: Array, question: Array) -> Array:
    """Return the cosine distance of each vector to a question."""
    return np.asarray(
        1 - vectors @ question / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(question)), dtype=np.float64
    )


def ask(database: Database, query: str, params: Any = None, role: str | None = "reader") -> list[tuple[Any, ...]]:
    """Run a query as a reader."""
    with database.connect(role=role) as session:
        return session.connection.execute(query.encode(), params).fetchall()
