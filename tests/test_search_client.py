"""The client that frameworks share: right answers, the caller's rights, and clear words for what cannot be asked."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import Any

import pytest
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from pipelines.frameworks.client import SearchClient
from resources.errors import ConfigurationError, DatabaseUnavailable, EndpointUnavailable
from tests.fakes.embedding_server import EmbeddingServer, embed
from tests.served import STAFF, Served

GATE = "When is the flood gate opened?"


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_each_mode_finds_the_passage_and_says_where_it_is_from(served: Served, mode: Any) -> None:
    best = served.client().search(GATE, 3, mode=mode)[0]
    assert "80 centimetres" in best.text
    assert best.id == "handbook/ops/gate.md#0"
    metadata = best.metadata
    assert metadata["link"] == "https://example.org/ops/gate.md#page=1"
    assert (metadata["collection"], metadata["year"], metadata["department"]) == ("handbook", 2026, "ops")
    assert json.loads(json.dumps(metadata)) == metadata
    assert metadata["score"] == best.score


def test_japanese_is_found_by_meaning_and_by_words(served: Served) -> None:
    assert served.client().search("水門はいつ開けるか", 1)[0].document == "handbook/ops/水門.md"
    assert served.client().search("水門", 1, mode="lexical")[0].document == "handbook/ops/水門.md"


def test_the_question_is_embedded_with_the_spaces_prefix_and_model(served: Served) -> None:
    served.endpoint.forget()
    served.client().search(GATE)
    assert served.endpoint.texts == [f"query: {GATE}"]


def test_words_alone_need_no_endpoint(served: Served) -> None:
    assert SearchClient(served.dsn).search("siren", mode="lexical")
    with pytest.raises(ConfigurationError, match="give base_url or embed"):
        SearchClient(served.dsn).search("siren")


def test_a_function_may_embed_instead_of_an_endpoint(served: Served) -> None:
    asked: list[str] = []

    def embedding(text: str) -> list[float]:
        asked.append(text)
        return [float(value) for value in embed(text, 32)]

    client = SearchClient(served.dsn, embed=embedding)
    assert client.search(GATE, 3) == served.client().search(GATE, 3)
    assert asyncio.run(client.asearch(GATE, 3)) == client.search(GATE, 3)
    assert asked == [f"query: {GATE}"] * 3


def test_asynchronous_answers_are_the_same_also_beside_each_other(served: Served) -> None:
    client = served.client()

    async def ask() -> list[Any]:
        return await asyncio.gather(*(client.asearch(GATE, k) for k in (1, 2, 3, 4)))

    assert asyncio.run(ask()) == [client.search(GATE, k) for k in (1, 2, 3, 4)]


def test_it_works_where_an_event_loop_is_running(served: Served) -> None:
    async def ask() -> Any:
        return served.client().search(GATE, 1)  # As in a notebook.

    assert asyncio.run(ask())[0].id == "handbook/ops/gate.md#0"


def test_neighbours_come_along(served: Served) -> None:
    [passage] = served.client().search("Grease the hinges every month", 1, neighbours=1)
    assert "80 centimetres" in passage.metadata["text_before"][0]
    assert "siren" in passage.metadata["text_after"][0]


def test_a_role_sees_what_it_may_and_no_more(served: Served) -> None:
    question = "What does the keeper earn? 4711 crowns"
    assert not [p for p in served.client().search(question, 50) if p.row["collection"] == "staff"]
    assert served.client(STAFF).search(question, 1)[0].document == "staff/salaries.md"
    everyone = served.client()
    assert everyone.as_role(STAFF).search(question, 1)[0].document == "staff/salaries.md"
    assert not [p for p in everyone.search(question, 50) if p.row["collection"] == "staff"]


@pytest.mark.parametrize("role", ["none", "NONE", " none ", "", "  "])
def test_no_role_is_no_way_to_the_logins_own_rights(served: Served, role: str) -> None:
    with pytest.raises(ConfigurationError, match="is no role"):
        served.client(role)
    with pytest.raises(ConfigurationError, match="is no role"):
        served.client().as_role(role)


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("nobody_here", "There is no database role 'nobody_here'"),
        ("postgres", "may not search as postgres"),
        ("suimon_pipeline", "may not search as suimon_pipeline"),
        ("suimon_reader; RESET ROLE", "There is no database role"),
        ('suimon_reader"', "There is no database role"),
    ],
)
def test_a_role_that_the_login_has_not_is_refused(served: Served, role: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        served.client(role).search("gate", mode="lexical")


def test_pooled_connections_keep_no_role(served: Served) -> None:
    with ConnectionPool(served.dsn, min_size=1, max_size=1, open=True) as pool:
        client = SearchClient(pool=pool, role=STAFF)
        assert client.search("keeper", mode="lexical")
        assert not client.as_role("suimon_reader").search("keeper", mode="lexical")
        with pool.connection() as connection:
            assert connection.execute("SELECT current_user, current_setting('transaction_read_only')").fetchone() == (
                "tests_app",
                "off",
            )

    async def ask() -> Any:
        async with AsyncConnectionPool(served.dsn, min_size=1, max_size=1, open=False) as async_pool:
            return await SearchClient(async_pool=async_pool, role=STAFF).asearch("keeper", mode="lexical")

    assert asyncio.run(ask())


def test_nothing_can_be_written(served: Served) -> None:
    client = served.client()
    with client._connection() as connection, connection.transaction():
        connection.execute(client._statement("serving/begin_as"), client._beginning())
        shown = connection.execute("SELECT current_user, current_setting('transaction_read_only')").fetchone()
    assert shown == ("suimon_reader", "on")


@pytest.mark.parametrize(
    ("wanted", "documents"),
    [
        ({"year": {"lt": 2000}}, {"old.md"}),
        ({"tags": "water"}, {"gate.md"}),
        ({"uri": {"prefix": "ops/"}, "language": "ja"}, {"水門.md"}),
        ({"reviewed": dt.date(2026, 4, 1)}, {"gate.md"}),
        ({"or": [{"year": 1998}, {"tags": {"in": ("水門",)}}]}, {"old.md", "水門.md"}),
    ],
)
def test_filters_are_those_of_the_table(served: Served, wanted: Any, documents: set[str]) -> None:
    found = served.client().search("gate", 50, mode="semantic", filter=wanted)
    assert {passage.metadata["name"] for passage in found} == documents


NESTED: dict[str, Any] = {}
for _ in range(100_000):
    NESTED = {"not": NESTED}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"k": 0}, "ask for 1 to 1,000"),
        ({"k": 1001}, "ask for 1 to 1,000"),
        ({"k": True}, "ask for 1 to 1,000"),
        ({"k": "3"}, "ask for 1 to 1,000"),
        ({"mode": "psychic"}, "the modes are hybrid, semantic, lexical"),
        ({"neighbours": 11}, "it may be 0 to 10"),
        ({"filter": {"colour": "red"}}, '"colour" is no field that is known here'),
        ({"filter": {"year": {"around": 3}}}, '"around" of year is no operator'),
        ({"filter": {"year": "x"}}, "year is of type integer"),
        ({"filter": ["year"]}, "The filter is no object"),
        ({"filter": {"year": float("nan")}}, "cannot be written as JSON"),
        ({"filter": {"year": object()}}, "cannot be written as JSON"),
        ({"filter": {"uri": "a\x00b"}}, "Postgres cannot read a value"),
        ({"filter": {"uri": "\ud800"}}, "half a character"),
        ({"filter": NESTED}, "cannot be written as JSON"),
        ({"words": "gate \x00"}, "NUL or half a character"),
        ({"words": "  \n"}, "The question is empty"),
        ({"words": "gate " * 5000}, "25,000 characters"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(served: Served, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        served.client().search(**{"words": "gate", **settings})


def test_hostile_values_are_values(served: Served) -> None:
    hostile = "'; DROP TABLE corpus.texts; --"
    assert served.client().search(hostile, 2)
    assert served.client().search("gate", filter={"uri": hostile}) == []
    with pytest.raises(ConfigurationError, match="is no field"):
        served.client().search("gate", filter={hostile: 1})


def test_a_vector_that_does_not_fit_is_refused_by_both_names(served: Served) -> None:
    with pytest.raises(ConfigurationError, match="7 dimensions, and space small has 32"):
        SearchClient(served.dsn, embed=lambda _: [1.0] * 7).search("gate")
    with pytest.raises(ConfigurationError, match="no finite number"):
        SearchClient(served.dsn, embed=lambda _: [float("nan")] * 32).search("gate")
    with pytest.raises(ConfigurationError, match="Give either base_url or embed"):
        SearchClient(served.dsn, base_url="http://127.0.0.1:9/v1", embed=lambda _: [1.0])


def test_what_is_not_there_is_said(served: Served, make_database: Any, template: str) -> None:
    with pytest.raises(ConfigurationError, match="no space 'large'"):
        SearchClient(served.dsn, base_url=served.endpoint.url, space="large").search("gate")
    with pytest.raises(ConfigurationError, match="Nothing is published yet"):
        SearchClient(make_database(template).dsn).search("gate", mode="lexical")
    with pytest.raises(ConfigurationError, match="no schema `search` of this version"):
        SearchClient(make_database().dsn).search("gate", mode="lexical")
    with pytest.raises(DatabaseUnavailable, match="could not be reached"):
        SearchClient("host=/nowhere dbname=x").search("gate", mode="lexical")
    with pytest.raises(ConfigurationError, match="connection string cannot be read"):
        SearchClient("no dsn = at all").search("gate", mode="lexical")


def test_an_endpoint_that_fails_is_said(served: Served, endpoint: EmbeddingServer) -> None:
    endpoint.trouble = lambda texts: (500, {}, {"error": "no"})
    client = SearchClient(served.dsn, base_url=endpoint.url, deadline_seconds=0.5)
    with pytest.raises(EndpointUnavailable):
        client.search("gate")
    client.close()
    endpoint.trouble = None
    assert client.search("gate")  # It opens again.
    client.close()
    with pytest.raises(ConfigurationError, match="write it as https"):
        SearchClient(served.dsn, base_url="nonsense").search("gate")
