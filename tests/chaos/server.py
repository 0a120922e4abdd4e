"""A Postgres of the test's own, whose postmaster may be killed and started again on the same data."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from tests.servers import programs, start_server

HAND = "chaos hand"
"""Application name of the test's own connections: they are nobody's work, and nobody's victim."""

SETTINGS = {
    "listen_addresses": "",
    # What a killed process wrote is in the kernel's memory and survives it; only a killed machine would lose it.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",  # Forty databases that live for a second each are not worth its while.
    "max_connections": "60",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
}


class Server:
    """A Postgres that is a child of this process, so that its death is noticed and its body taken away."""

    def __init__(self) -> None:
        """Make the data directory and start the server."""
        self.folder = Path(tempfile.mkdtemp(prefix="suimon-chaos-"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        # The package's own start makes the data directory, and the unprivileged user that root needs for it.
        start_server(self.data).cleanup()
        owner = self.data.stat()
        self._user = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else None
        if self._user:
            os.chown(self.folder, *self._user)
        self._program = str(programs() / "postgres")
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self.deaths = 0
        self.revive()

    @property
    def postmaster(self) -> int:
        """Process id of the postmaster."""
        assert self._process is not None, "started"
        return self._process.pid

    @property
    def dead(self) -> bool:
        """Whether the postmaster has ended."""
        return self._process is None or self._process.poll() is not None

    def dsn(self, database: str = "postgres") -> str:
        """Return the connection string of a database."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def hand(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Connect as the superuser, in autocommit."""
        return psycopg.connect(self.dsn(database), autocommit=True, application_name=HAND)

    def kill(self) -> None:
        """Kill the postmaster."""
        os.kill(self.postmaster, signal.SIGKILL)

    def revive(self) -> bool:
        """Start the server if it does not run, and wait until it answers; say whether that was necessary.

        It refuses to start while a backend of its former life is still at work: then it is started again.
        """
        with self._lock:
            if self._process is not None:
                if not self.dead and self._answers():
                    return False
                self._process.wait(60)  # Killed a moment ago, it may be seen alive still.
            self.deaths += self._process is not None
            deadline = time.monotonic() + 60
            self._process = self._start()
            while not self._answers():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"Postgres did not start; see {self.folder / 'log'}")
                if self._process.poll() is not None:
                    self._process = self._start()
                time.sleep(0.02)
            return True

    def _start(self) -> subprocess.Popen[bytes]:
        settings = SETTINGS | {"unix_socket_directories": str(self.folder)}
        arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        user, group = self._user or (None, None)
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._program, "-D", str(self.data), *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                user=user, group=group, extra_groups=[] if self._user else None, cwd=self.folder,
            )  # fmt: skip

    def _answers(self) -> bool:
        try:
            self.hand().close()
        except psycopg.OperationalError:
            return False
        return True

    def create(self, name: str, template: str = "template0") -> str:
        """Make a database as a copy of another; returns its connection string."""
        with self.hand() as hand:
            hand.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
            # A sequence is logged ahead of its use, but copied as it stands: without a checkpoint, a crash would
            # give out numbers of the copy twice.
            hand.execute(SQL("CHECKPOINT"))
        return self.dsn(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        with self.hand() as hand:
            hand.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    def close(self) -> None:
        """Stop the server and remove its data."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # At once: nobody wants the data.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
