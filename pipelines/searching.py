"""Asking the published table as a person at a terminal does, with what `collections.yaml` declares.

How a question is embedded, asked and refused is `pipelines.frameworks.client`'s; here is the declared table, and the
wording for who can name another role with --as or declare another model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from assets.workbench import Workbench
from pipelines.config import Config
from pipelines.frameworks.client import SearchClient
from pipelines.frameworks.passages import Mode, Question, bounded, sendable, written
from pipelines.frameworks.refusals import Wording
from pipelines.serving.asking import reading_client

WORDING = Wording(
    no_role="There is no database role {role!r}; name one with --as.",
    may_not="This login may not search as {role}; GRANT that role TO it, and {reader} TO the role.",
    other_vector=(
        "The endpoint gives {given} dimensions, but space {space} has {dimensions}; declare in collections.yaml the "
        "model that the space was made with."
    ),
)


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
    question = _question(asked)
    with _asking(bench, asked.role) as client:
        return [dict(passage.row) for passage in client.ask(question)]


def check_collection(bench: Workbench, config: Config, name: str | None, role: str | None) -> None:
    """Make sure that there is a collection to ask: a declared one, or one of which the caller sees something.

    Args:
        bench: settings and doors.
        config: the declaration.
        name: of the collection; None for all.
        role: the database role that asks; None for the reader role.

    Raises:
        ConfigurationError: there is none; the message offers the nearest that is declared.
    """
    if name is None or name in config.declaration.collections:
        return
    with _asking(bench, role) as client:
        (seen,) = client.read("serving/count_documents", {"collection": sendable(name)})
    if not seen["documents"]:
        config.collection(name)


def explain(bench: Workbench, asked: Asked) -> dict[str, Any]:
    """Return how a question is answered: indexes, candidates, and what each term weighs.

    Args:
        bench: settings and doors.
        asked: the question.

    Raises:
        ConfigurationError: as for a search.
    """
    question = _question(asked)
    with _asking(bench, asked.role) as client:
        return client.explain(question)


def embed(bench: Workbench, words: str) -> str:
    """Return the vector of a question in the live space, as an SQL literal.

    Args:
        bench: settings and doors.
        words: the question.

    Raises:
        ConfigurationError: nothing is published, or the endpoint gives vectors of other dimensions.
    """
    with _asking(bench, None) as client:
        space, vector = client.vector_of(words)
    return f"'{vector}'::{space['storage']}({space['dimensions']})"


def _question(asked: Asked) -> Question:
    """Say what is wrong before anything is opened; a person may ask with a text of any length."""
    return Question(sendable(asked.words), bounded(asked.k), asked.mode, written(asked.filter), asked.neighbours)


@contextmanager
def _asking(bench: Workbench, role: str | None) -> Iterator[SearchClient]:
    _ = bench.database_as_it_is  # Says what is wrong with it, if it is not there or of another version.
    client = reading_client(bench, role, deadline_seconds=0, wording=WORDING)
    try:
        yield client
    finally:
        client.close()
