"""Asking the published table: the model's vector of some words, and the passages nearest to it."""

from __future__ import annotations

from typing import Any

from assets.workbench import Workbench
from resources.embedding_endpoint import Vectors
from resources.errors import ConfigurationError
from resources.postgres import Session

LARGEST_K = 1000


def live_space(session: Session) -> dict[str, Any]:
    """Return the space that readers see.

    Raises:
        ConfigurationError: nothing was ever published.
    """
    found = session.records("search/read_space")
    if not found:
        raise ConfigurationError("Nothing is published yet; run `suimon refresh` first.")
    return found[0]


def embed_question(bench: Workbench, space: dict[str, Any], words: str) -> Vectors:
    """Return the vector of a question in a space, shape (dimensions,).

    Raises:
        ConfigurationError: the endpoint gives vectors of other dimensions.
    """
    text = f"{space['query_prefix']}{words}"
    declared = bench.space(space["space"]).dimensions
    answer = bench.endpoint_of(space["space"]).run(
        lambda endpoint: endpoint.embed([text], space["query_model"], declared)
    )
    vector: Vectors = answer.vectors[0]
    if len(vector) != space["dimensions"]:
        raise ConfigurationError(
            f"The endpoint gives {len(vector)} dimensions, but space {space['space']} has {space['dimensions']}; "
            "declare in collections.yaml the model that the space was made with."
        )
    return vector


def literal(vector: Vectors) -> str:
    """Write a vector as pgvector reads it."""
    return "[" + ",".join(f"{value:.7g}" for value in vector.tolist()) + "]"


def search(bench: Workbench, words: str, *, k: int = 5, collection: str | None = None) -> list[dict[str, Any]]:
    """Return the k published passages nearest to some words, best first.

    The index is asked first, with an iterative scan; where it gives fewer rows than asked for, the answer
    is computed exactly, so that k rows come back when k exist.

    Args:
        bench: settings and doors.
        words: the question.
        k: how many.
        collection: only of this one.

    Raises:
        ConfigurationError: nothing is published, or k is absurd.
    """
    if not 1 <= k <= LARGEST_K:
        raise ConfigurationError(f"k is {k}; ask for 1 to {LARGEST_K} passages.")
    with bench.database_as_it_is.connect("reader") as session:
        space = live_space(session)
    vector = literal(embed_question(bench, space, words))
    with bench.database_as_it_is.connect("reader") as session:
        found = _nearest(session, space, vector, k, collection, exact=False)
        return found if len(found) == k else _nearest(session, space, vector, k, collection, exact=True)


def _nearest(
    session: Session, space: dict[str, Any], vector: str, k: int, collection: str | None, *, exact: bool
) -> list[dict[str, Any]]:
    params = {"embedding": vector, "k": k, "collection": collection}
    with session.transaction():
        session.connection.execute("SELECT '[1]'::vector")  # Loads the library, whose settings are then known.
        if exact:
            session.connection.execute("SET LOCAL enable_indexscan = off")
        else:
            session.connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
            session.connection.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(max(100, k))])
        return session.records(
            "search/semantic", params, chunks=f"chunks_{space['space']}", vector_type=space["storage"]
        )
