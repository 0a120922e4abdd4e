"""Asking the published table: the model's vector of some words, and the search functions of the database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg.sql import SQL, Identifier

from assets.workbench import Workbench
from resources.embedding_endpoint import Vectors
from resources.errors import ConfigurationError
from resources.postgres import Session

Mode = Literal["hybrid", "semantic", "lexical"]

LARGEST_K = 1000


@dataclass(frozen=True)
class Asked:
    """A question to the published table.

    Attributes:
        words: as a person wrote them.
        k: how many passages come back at most, from 1 to 1,000.
        mode: by meaning and words together, or by one of them alone.
        filter: which documents, in the grammar of docs/sql.md.
        neighbours: passages before and after each one that come along.
        role: the database role that asks; None for the reader role.
    """

    words: str
    k: int = 5
    mode: Mode = "hybrid"
    filter: Mapping[str, Any] = field(default_factory=dict)
    neighbours: int = 0
    role: str | None = None


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


def search(bench: Workbench, asked: Asked) -> list[dict[str, Any]]:
    """Return the published passages that answer a question best, best first.

    Args:
        bench: settings and doors.
        asked: the question.

    Returns:
        The columns of search.passage (docs/sql.md), a dictionary a passage.

    Raises:
        ConfigurationError: nothing is published, or what is asked for cannot be: k, the filter, the role.
    """
    params = _params(bench, asked)
    with _asking(bench, asked.role) as session:
        return session.records(f"search/{asked.mode}", params)


def explain(bench: Workbench, asked: Asked) -> dict[str, Any]:
    """Return how a question is answered: indexes, candidates, and what each term weighs.

    Args:
        bench: settings and doors.
        asked: the question.

    Raises:
        ConfigurationError: as for a search.
    """
    params = _params(bench, asked)
    params["words"] = None if asked.mode == "semantic" else asked.words
    with _asking(bench, asked.role) as session:
        explained: dict[str, Any] = session.value("search/explain", params)
        return explained


def _params(bench: Workbench, asked: Asked) -> dict[str, Any]:
    if not 1 <= asked.k <= LARGEST_K:  # Before a question is paid for.
        raise ConfigurationError(f"k is {asked.k}; ask for 1 to {LARGEST_K} passages.")
    with bench.database_as_it_is.connect("reader") as session:
        space = live_space(session)
    return {
        "space": space["space"],
        "embedding": None if asked.mode == "lexical" else literal(embed_question(bench, space, asked.words)),
        "words": asked.words,
        "k": asked.k,
        "filter": json.dumps(dict(asked.filter)),
        "neighbours": asked.neighbours,
    }


@contextmanager
def _asking(bench: Workbench, role: str | None) -> Iterator[Session]:
    """A session of whoever asks; what the search functions refuse is said in one sentence."""
    with bench.database_as_it_is.connect("reader") as session:
        try:
            if role is not None:
                session.connection.execute(SQL("SET ROLE {}").format(Identifier(role)))
            yield session
        except psycopg.errors.InvalidParameterValue as error:
            if error.diag.message_hint is None:
                raise ConfigurationError(f"There is no database role {role!r}; name one with --as.") from None
            problem = str(error.diag.message_primary)
            raise ConfigurationError(f"{problem[0].upper()}{problem[1:]}. {error.diag.message_hint}") from None
        except psycopg.errors.InsufficientPrivilege:
            raise ConfigurationError(
                f"This login may not search as {role or 'the reader role'}; GRANT that role TO it, and "
                f"{bench.database_as_it_is.role('reader')} TO the role."
            ) from None
