"""Links to documents: a declared template, filled with what is known of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.described import BLOCK, MakeBench, describe, metadata_alone
from tests.fakes.embedding_server import EmbeddingServer


def links(database: Database) -> dict[str, str | None]:
    return dict(rows(database, "SELECT uri, link FROM search.documents"))


@pytest.fixture
def reports(corpus: Path) -> Path:
    """A folder in which every place says something."""
    return describe(corpus)


def test_a_link_is_filled_with_encoded_values_and_is_none_where_one_is_missing(
    make_bench: MakeBench, reports: Path, database: Database
) -> None:
    write(reports, "loose.md", "# Loose\n\nA loose page.\n")
    write(reports, "運転/2023/a b#{page}.md", "# Odd\n\nAn odd name.\n")
    template = "https://h/{department}/{year}/{stem}?n={name}&f={folder}&u={uri}#page={page}"
    refresh(make_bench(metadata=BLOCK, link=template))
    found = links(database)
    assert found["operations/2024/gate.md"] == (
        "https://h/operations/2024/gate?n=gate.md&f=operations/2024&u=operations/2024/gate.md#page=1"
    )
    assert found["loose.md"] is None
    odd = "a%20b%23%7Bpage%7D"
    folder = "%E9%81%8B%E8%BB%A2"
    assert found["運転/2023/a b#{page}.md"] == (
        f"https://h/{folder}/2023/{odd}?n={odd}.md&f={folder}/2023&u={folder}/2023/{odd}.md#page=1"
    )


def test_a_link_leads_to_the_page_of_the_passage(make_bench: MakeBench, corpus: Path, database: Database) -> None:
    refresh(make_bench(link="https://h/{uri}#page={page}"))
    assert rows(database, "SELECT DISTINCT link FROM search.chunks WHERE uri = '水門.md'") == [
        ("https://h/%E6%B0%B4%E9%96%80.md#page=1",)
    ]
    with database.connect() as session:
        session.connection.execute("UPDATE chunks SET pages = '{7,8}'")
    assert rows(database, "SELECT DISTINCT link FROM search.chunks WHERE uri = 'gate.md'") == [
        ("https://h/gate.md#page=7",)
    ]


def test_another_link_template_is_published_as_metadata_alone(
    make_bench: MakeBench, corpus: Path, database: Database, endpoint: EmbeddingServer
) -> None:
    refresh(make_bench(link="https://old/{uri}"))
    embedded = len(endpoint.texts)
    metadata_alone(refresh(make_bench(link="https://new/{uri}")), endpoint, embedded, 3)
    assert links(database)["gate.md"] == "https://new/gate.md"
    refresh(make_bench())
    assert set(links(database).values()) == {None}
