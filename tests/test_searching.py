"""Searching as a person at a terminal does: the client's answers, and refusals in words that help there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from assets.workbench import Doors
from pipelines.frameworks.embedding import literal
from pipelines.searching import Asked, embed, explain, search
from resources.embedding_endpoint import EmbeddingEndpoint
from resources.errors import ConfigurationError
from tests.fakes import embedding_server
from tests.served import STAFF, Served

GATE = "When is the flood gate opened?"


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_a_terminal_is_given_what_a_program_is_given(served: Served, mode: Any) -> None:
    asked = Asked(GATE, 4, mode, {"year": {"gte": 2000}}, 1)
    found = served.client().search(GATE, 4, mode=mode, filter={"year": {"gte": 2000}}, neighbours=1)
    assert search(served.bench, asked) == [passage.row for passage in found]
    assert search(served.bench, replace(asked, role=STAFF, filter={"collection": "staff"}))
    assert "semantic" not in explain(served.bench, replace(asked, mode="lexical"))
    assert "lexical" not in explain(served.bench, replace(asked, mode="semantic"))


def test_a_vector_is_written_for_sql(served: Served) -> None:
    vector = embedding_server.embed("query: grease", 32)
    assert embed(served.bench, "grease") == f"'{literal(vector.tolist(), _space(served))}'::vector(32)"


def _space(served: Served) -> dict[str, Any]:
    return served.client().read("serving/read_space", {"space": None})[0]


def test_the_endpoint_is_free_again_after_each_question(served: Served) -> None:
    """The workbench keeps one endpoint a space: closed late, it would be closed under whoever opens it next."""
    served.endpoint.forget()

    async def ask(endpoint: EmbeddingEndpoint) -> int:
        await asyncio.sleep(0.02)
        return len((await endpoint.embed(["query: siren"], "fake")).vectors)

    for _ in range(10):
        assert search(served.bench, Asked("siren", 1))
        assert served.bench.endpoint_of("small").run(ask) == 1
    assert len(served.endpoint.texts) == 20


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(GATE, 0), "k is 0; ask for 1 to 1,000 passages"),
        (Asked(GATE, neighbours=11), "Neighbours is 11, and may be 0 to 10. It is how many"),
        (Asked(GATE, filter={"colour": "red"}), '"colour" is no field that is known here. Fields are'),
        (Asked(GATE, filter={"uri": "\0"}), "Postgres cannot read a value"),
        (Asked("gate \udcff"), "half a character"),
        (Asked(GATE, role="nobody_here"), "There is no database role 'nobody_here'; name one with --as"),
        (Asked(GATE, role="none"), "'none' is no role"),
    ],
)
def test_what_cannot_be_asked_is_said_for_a_person(served: Served, asked: Asked, said: str) -> None:
    for ask in (search, explain):
        if ask is search or asked.neighbours == 0:
            with pytest.raises(ConfigurationError, match=said):
                ask(served.bench, asked)


def test_a_login_is_told_what_it_lacks(served: Served) -> None:
    dsn = served.bench.doors.database_url()
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in ("CREATE ROLE tests_half LOGIN", "GRANT suimon_pipeline TO tests_half"):
            connection.execute(statement.encode())
    half = replace(served.bench, doors=Doors(lambda: dsn.replace("postgres:@", "tests_half:@"), lambda: ""))
    with pytest.raises(ConfigurationError, match=r"may not search as suimon_reader; GRANT suimon_reader TO it\.$"):
        search(half, Asked(GATE, mode="lexical"))
    with pytest.raises(ConfigurationError, match=f"as {STAFF}; GRANT that role TO it, and suimon_reader TO the role"):
        search(half, Asked(GATE, mode="lexical", role=STAFF))


def test_a_model_of_other_dimensions_is_to_be_declared_again(served: Served) -> None:
    other = served.bench.spaces["small"].model_copy(update={"dimensions": 7})
    with pytest.raises(ConfigurationError, match="gives 7 dimensions, but space small has 32; declare in collections"):
        search(replace(served.bench, spaces={"small": other}), Asked(GATE))
