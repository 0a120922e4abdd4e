"""A table that was published once, copied for each test of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from assets.settings import Collection, Space
from assets.workbench import Doors, Workbench
from resources.parser_pool import ParserPool
from resources.postgres import Database
from tests.conftest import refresh, write
from tests.fakes.embedding_server import EmbeddingServer, serve
from tests.test_cli import declare  # noqa: F401  # A fixture.
from tests.verify.damage import DOCUMENTS, SETTINGS, SPACE


@pytest.fixture(scope="module")
def published_once(
    postgres: str, template: str, parser_pool: ParserPool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A database with a published collection, and its folder: made once, copied for each test."""
    folder = tmp_path_factory.mktemp("once")
    for name, content in DOCUMENTS.items():
        write(folder, name, content)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE published_once TEMPLATE {}").format(Identifier(template)))
    with serve(EmbeddingServer()) as endpoint:
        bench = Workbench(
            collections={"notes": Collection.model_validate({"source": str(folder), **SETTINGS})},
            spaces={"small": Space.model_validate({"base_url": endpoint.url, **SPACE})},
            root=folder,
            doors=Doors(lambda: postgres.replace("/postgres?", "/published_once?"), lambda: endpoint.url),
            state_folder=tmp_path_factory.mktemp("state"),
        )
        bench.__dict__["parser_pool"] = parser_pool
        refresh(bench)
    yield "published_once", folder
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP DATABASE published_once WITH (FORCE)")


@pytest.fixture
def database(make_database: Callable[..., Database], published_once: tuple[str, Path]) -> Database:
    """A database of the test's own, with what was published."""
    return make_database(published_once[0])


@pytest.fixture
def corpus(published_once: tuple[str, Path], tmp_path: Path) -> Path:
    """The folder of what was published."""
    return Path(shutil.copytree(published_once[1], tmp_path / "corpus"))


@pytest.fixture
def kept(bench: Workbench) -> Workbench:
    """A workbench whose collection is published and whole."""
    return bench
