"""Sources: what is listed, in which order, and that what is listed can be read."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets.documents.scan import Comparison
from assets.workbench import Workbench
from resources.errors import ConfigurationError, SourceUnavailable
from resources.file_names import LONGEST_URI, unwritten, written
from resources.postgres import Database
from resources.sources import FileSystem, Globs, LocalFolder, open_source
from tests.conftest import refresh, rows, write
from tests.permissions import without_override

EVERYTHING = Globs(["**/*"], [])
PROPERTY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def folder(root: Path, include: tuple[str, ...] = ("**/*",), exclude: tuple[str, ...] = ()) -> LocalFolder:
    """Open a folder with globs."""
    return LocalFolder(root, Globs(include, exclude))


def uris(source: LocalFolder | FileSystem) -> list[str]:
    """List a source."""
    return [entry.uri for entry in source.list()]


NASTY = ["-rf.md", "--help", "CON", "nul.txt", "a:b", "trailing.", 'quote".md', "it's.md", "tab\t.md",
         "a/b", "a.txt", "a-b", "a b", "A", "aa", "a0", "ab/c", "ab.c/d", "a/b.c", "水門.md", "水/門.md", "水.md", "が",
         "か\u3099", "\uff21", "😀", "new\nline", "b/a/c", "b.a", "b/a.c", "b/a-c", "~x", "%2F", "'; --"]  # fmt: skip


def test_a_nasty_tree_is_listed_in_the_order_of_its_uris(tmp_path: Path) -> None:
    for name in NASTY:
        write(tmp_path, name, "x")
    assert uris(folder(tmp_path)) == sorted(NASTY)


_PART = st.text("ab.-~ 水\n0", min_size=1, max_size=3).filter(lambda part: not part.startswith((".", "~$")))
TREES = st.sets(st.lists(_PART, min_size=1, max_size=3).map("/".join), min_size=1, max_size=10).map(
    lambda paths: {path for path in paths if not any(other.startswith(f"{path}/") for other in paths)}
)


@PROPERTY
@given(tree=TREES)
@example(tree={"a/b", "a.b", "a-b", "a0"})
def test_any_tree_is_listed_in_the_order_of_its_uris(tmp_path_factory: pytest.TempPathFactory, tree: set[str]) -> None:
    root = tmp_path_factory.mktemp("tree")
    for name in tree:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    assert uris(folder(root)) == sorted(tree)


def test_a_listing_says_size_and_time_and_changes_its_stamp_with_the_bytes(tmp_path: Path) -> None:
    path = write(tmp_path, "gate.md", "closed")
    (before,) = folder(tmp_path).list()
    assert before.size == 6
    assert before.modified_ns is not None
    assert before.modified_ns >= path.stat().st_mtime_ns
    write(tmp_path, "gate.md", "opened")
    (after,) = folder(tmp_path).list()
    assert after.size == before.size
    assert after.stamp != before.stamp


def test_an_edit_that_puts_the_time_back_still_changes_the_stamp(tmp_path: Path) -> None:
    path = write(tmp_path, "gate.md", "closed")
    seen = path.stat()
    (before,) = folder(tmp_path).list()
    replacement = tmp_path.parent / "replacement"
    replacement.write_text("opened", encoding="utf-8")
    os.utime(replacement, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    replacement.replace(path)
    (after,) = folder(tmp_path).list()
    assert after.stamp != before.stamp


def test_hidden_files_and_folders_and_lock_files_are_left_out(tmp_path: Path) -> None:
    for name in (".hidden", ".git/config", "a/.hidden", "~$gate.docx", "a/~$gate.docx", "gate.docx", "a/b"):
        write(tmp_path, name, "x")
    assert uris(folder(tmp_path)) == ["a/b", "gate.docx"]


def test_symbolic_links_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "a/real.md", "x")
    outside = write(tmp_path, "outside/secret.md", "secret")
    (root / "link.md").symlink_to(outside)
    (root / "inner.md").symlink_to(root / "a" / "real.md")
    (root / "folder").symlink_to(outside.parent)
    (root / "a" / "loop").symlink_to(root)
    (root / "dangling").symlink_to(tmp_path / "nowhere")
    assert uris(folder(root)) == ["a/real.md"]


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "gate.md", "x")
    os.mkfifo(tmp_path / "pipe.md")
    with socket.socket(socket.AF_UNIX) as bound:
        # A short relative name: addresses of sockets are limited to about 100 bytes.
        here = Path.cwd()
        os.chdir(tmp_path)
        try:
            bound.bind("socket.md")
        finally:
            os.chdir(here)
        assert uris(folder(tmp_path)) == ["gate.md"]


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    path = write(root, "gate.md", "x")
    outside = write(tmp_path, "secret.md", "secret")
    source = folder(root)
    assert uris(source) == ["gate.md"]
    path.unlink()
    path.symlink_to(outside)
    with pytest.raises(OSError):  # noqa: PT011  # Which one is the file system's business.
        source.open("gate.md")


def test_a_file_that_became_a_pipe_holds_nothing_up(tmp_path: Path) -> None:
    path = write(tmp_path, "gate.md", "x")
    source = folder(tmp_path)
    assert uris(source) == ["gate.md"]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FileNotFoundError):
        source.open("gate.md")
    with pytest.raises(FileNotFoundError), source.fetch("gate.md"):
        pass


def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "a/gate.md", "x")
    outside = write(tmp_path, "outside/gate.md", "secret").parent
    source = folder(root)
    listing = source.list()
    assert next(listing).uri == "a/gate.md"
    (root / "a").rename(root / "b")
    (root / "a").symlink_to(outside)
    with pytest.raises(OSError):  # noqa: PT011  # Which one is the file system's business.
        source.open("a/gate.md")
    with pytest.raises(OSError), source.fetch("a/gate.md"):  # noqa: PT011
        pass


def test_a_folder_that_became_a_link_while_its_parent_was_listed_is_not_listed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "a.md", "x")
    write(root, "b/gate.md", "x")
    outside = write(tmp_path, "outside/secret.md", "secret").parent
    listing = folder(root).list()
    assert next(listing).uri == "a.md"
    (root / "b").rename(root / "c")
    (root / "b").symlink_to(outside)
    with pytest.raises(SourceUnavailable, match="'b/'"):
        list(listing)


def test_nothing_above_the_source_can_be_opened(tmp_path: Path) -> None:
    write(tmp_path, "secret.md", "secret")
    write(tmp_path, "root/gate.md", "x")
    with pytest.raises(FileNotFoundError):
        folder(tmp_path / "root").open("../secret.md")


def test_what_is_left_out_is_counted_by_why(tmp_path: Path) -> None:
    write(tmp_path, "gate.md", "x")
    write(tmp_path, ".hidden", "x")
    write(tmp_path, "...", "x")
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "link.md").symlink_to(tmp_path / "gate.md")
    (tmp_path / "dangling.md").symlink_to(tmp_path / "nowhere")
    source = folder(tmp_path)
    for _ in range(2):  # A second listing counts from nothing.
        assert uris(source) == ["gate.md"]
        assert source.passed_over == {"hidden": 2, "links": 2, "special": 1}


def test_links_are_followed_where_that_is_declared_and_never_round_in_a_circle(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "a/real.md", "real")
    outside = write(tmp_path, "outside/shared.md", "shared")
    (root / "link.md").symlink_to(outside)
    (root / "folder").symlink_to(outside.parent)
    (root / "a" / "loop").symlink_to(root)
    (root / "self.md").symlink_to("self.md")
    (root / "dangling.md").symlink_to(tmp_path / "nowhere")
    source = open_source(str(root), tmp_path, EVERYTHING, {}, follow_links=True)
    assert [entry.uri for entry in source.list()] == ["a/real.md", "folder/shared.md", "link.md"]
    assert source.passed_over == {"links": 3}
    for uri in ("folder/shared.md", "link.md"):
        with source.open(uri) as stream:
            assert stream.read() == b"shared"


def test_a_path_that_no_index_can_hold_costs_itself_alone(tmp_path: Path) -> None:
    write(tmp_path, "gate.md", "x")
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        for number in range(40):  # More than 4,096 bytes: only relative paths lead there.
            Path(f"{number:0>120}").mkdir()
            os.chdir(f"{number:0>120}")
            Path("deep.md").write_text("x", encoding="utf-8")
    finally:
        os.chdir(here)
    source = folder(tmp_path)
    found = uris(source)
    assert len(found) == 17
    assert max(len(uri.encode()) for uri in found) <= LONGEST_URI
    assert source.passed_over["unnameable"] == 1


def test_folders_nested_without_end_cost_themselves_alone(tmp_path: Path) -> None:
    write(tmp_path, "gate.md", "x")
    (tmp_path / "/".join("d" * 300)).mkdir(parents=True)
    source = folder(tmp_path)
    assert uris(source) == ["gate.md"]
    assert source.passed_over == {"unnameable": 1}


def test_a_listing_that_is_given_up_leaves_no_folder_open(tmp_path: Path) -> None:
    write(tmp_path, "a/b/c/gate.md", "x")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    listing = folder(tmp_path).list()
    next(listing)
    del listing
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_folder_that_is_excluded_whole_need_not_be_readable(tmp_path: Path) -> None:
    write(tmp_path, "gate.md", "x")
    for private in ("lost+found", "a/private"):
        (tmp_path / private).mkdir(parents=True)
        (tmp_path / private).chmod(0)
    with without_override():
        with pytest.raises(SourceUnavailable, match=r"'a/private/'.* let this user read it, or exclude it"):
            uris(folder(tmp_path))
        assert uris(folder(tmp_path, exclude=("lost+found/**", "**/private/**"))) == ["gate.md"]


def test_a_source_folder_that_may_not_be_read_is_no_missing_one(tmp_path: Path) -> None:
    (tmp_path / "above" / "root").mkdir(parents=True)
    (tmp_path / "above").chmod(0)
    with without_override(), pytest.raises(SourceUnavailable, match="let this user read it"):
        uris(folder(tmp_path / "above" / "root"))


_RAW = st.lists(
    st.sampled_from([b"\\", b"x", b"5", b"c", b"\xff", b"\x83", "水".encode(), b"8", b"f", b"\n"]),
    min_size=1,
    max_size=8,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(names=st.sets(_RAW, min_size=1, max_size=6))
@example(names={b"\\xff", b"\xff"})
def test_no_two_names_are_written_alike_and_each_can_be_told_from_how_it_is_written(names: set[bytes]) -> None:
    found = {written(os.fsdecode(name)): name for name in names}
    assert len(found) == len(names)
    for text, name in found.items():
        assert text.encode()
        assert os.fsencode(unwritten(text)) == name


def test_a_name_that_reads_like_another_ones_odd_bytes_costs_nobody_anything(tmp_path: Path) -> None:
    for name in (b"\xff.md", b"\\xff.md", b"\\x5cxff.md"):
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    source = folder(tmp_path)
    assert len(list(Comparison(source.list(), []))) == 3
    contents = set()
    for uri in uris(source):
        with source.open(uri) as stream:
            contents.add(stream.read())
    assert contents == {b"\xff.md", b"\\xff.md", b"\\x5cxff.md"}


BROKEN = [b"\xff.txt", b"b\xfe/c.txt", b"\x83\x65\x83\x58\x83\x67.txt"]
"""Names that are no UTF-8: noise, a folder, and a Japanese name in cp932."""


@pytest.fixture
def broken_names(tmp_path: Path) -> Path:
    """A folder in which some names are no UTF-8."""
    root = tmp_path / "root"
    root.mkdir()
    for name in [*BROKEN, b"a.txt", b"z.txt", "水.txt".encode(), b"b/c.txt"]:
        path = root / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name)
    return root


def test_names_that_are_no_utf_8_become_uris_that_are(broken_names: Path) -> None:
    found = uris(folder(broken_names))
    assert len(found) == len(set(found)) == 7
    assert all(uri.encode() for uri in found)


def test_names_that_are_no_utf_8_are_listed_in_the_order_of_their_uris(broken_names: Path) -> None:
    found = uris(folder(broken_names))
    assert found == sorted(found)
    assert len(list(Comparison(folder(broken_names).list(), []))) == 7


def test_files_whose_names_are_no_utf_8_are_readable(broken_names: Path) -> None:
    source = folder(broken_names)
    contents = set()
    for entry in sorted(source.list(), key=lambda entry: entry.uri):
        with source.open(entry.uri) as stream:
            contents.add(stream.read())
        with source.fetch(entry.uri) as path:
            contents.add(path.read_bytes())
    assert contents == {*BROKEN, b"a.txt", b"z.txt", "水.txt".encode(), b"b/c.txt"}


def test_files_whose_names_are_no_utf_8_are_readable_by_a_stage_that_did_not_list_them(broken_names: Path) -> None:
    found = uris(folder(broken_names))
    contents = set()
    for uri in found:
        with folder(broken_names).fetch(uri) as path:
            contents.add(path.read_bytes())
    assert len(contents) == 7


def test_a_document_whose_name_is_no_utf_8_is_published(bench: Workbench, corpus: Path, database: Database) -> None:
    write(corpus, os.fsdecode(b"\xff.txt"), "The weir is closed for repairs.")
    refresh(bench)
    assert rows(database, "SELECT count(DISTINCT uri) FROM search.chunks") == [(4,)]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (("**/*",), (), ["a/b/c.md", "a/b.txt", "a.md", "水/門.md"]),
        (("**/*.md",), (), ["a/b/c.md", "a.md", "水/門.md"]),
        (("*.md",), (), ["a.md"]),
        (("a/*",), (), ["a/b.txt"]),
        (("a/**/*",), (), ["a/b/c.md", "a/b.txt"]),
        (("**/*",), ("a/**",), ["a.md", "水/門.md"]),
        (("**/*",), ("**/*.md",), ["a/b.txt"]),
        (("**/*.md", "**/*.txt"), ("水/*",), ["a/b/c.md", "a/b.txt", "a.md"]),
        (("?.md",), (), ["a.md"]),
        (("**/[a-c].md",), (), ["a/b/c.md", "a.md"]),
        (("水/門.md",), (), ["水/門.md"]),
        (("nothing/**",), (), []),
    ],
)
def test_globs_say_which_files_belong(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], expected: list[str]
) -> None:
    for name in ("a/b/c.md", "a/b.txt", "a.md", "水/門.md"):
        write(tmp_path, name, "x")
    assert uris(folder(tmp_path, include, exclude)) == sorted(expected)


def test_a_name_with_a_newline_is_matched_like_any_other(tmp_path: Path) -> None:
    write(tmp_path, "new\nline.md", "x")
    assert uris(folder(tmp_path, ("**/*.md",))) == ["new\nline.md"]
    assert uris(folder(tmp_path, exclude=("**/*.md",))) == []


def test_a_missing_folder_is_a_mistake_that_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        list(folder(tmp_path / "nowhere").list())
    write(tmp_path, "file", "x")
    with pytest.raises(ConfigurationError, match="file"):
        list(folder(tmp_path / "file").list())


def test_a_folder_that_cannot_be_read_fails_the_listing(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, f"{number}/gate.md", "x")
    source = folder(tmp_path)
    listing = source.list()
    assert next(listing).uri == "0/gate.md"
    (tmp_path / "2" / "gate.md").unlink()
    (tmp_path / "2").rmdir()
    with pytest.raises(SourceUnavailable, match="could not be listed"):
        list(listing)


def test_a_file_that_is_removed_while_the_folder_is_listed_is_left_out(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, f"{number}.md", "x")
    listing = folder(tmp_path).list()
    assert next(listing).uri == "0.md"
    (tmp_path / "1.md").unlink()
    assert [entry.uri for entry in listing] == ["2.md"]


def test_a_relative_source_starts_from_the_declaration(tmp_path: Path) -> None:
    write(tmp_path / "docs", "gate.md", "x")
    for declared in ("docs", "./docs", f"{tmp_path}/docs", f"file://{tmp_path}/docs", f"local://{tmp_path}/docs"):
        source = open_source(declared, tmp_path, EVERYTHING, {})
        assert [entry.uri for entry in source.list()] == ["gate.md"]


def test_an_unknown_protocol_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nosuch://"):
        open_source("nosuch://bucket", tmp_path, EVERYTHING, {})


@dataclass
class Bucket:
    """A bucket on a server of the test's own, and what one needs to reach it."""

    options: dict[str, Any]
    client: Any
    name: str

    def put(self, key: str, content: str | bytes) -> None:
        """Write an object."""
        body = content.encode() if isinstance(content, str) else content
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def open(self, path: str = "", **globs: tuple[str, ...]) -> FileSystem:
        """Open a source below the bucket."""
        declared = Globs(globs.get("include", ("**/*",)), globs.get("exclude", ()))
        return FileSystem(f"s3://{self.name}{path}", declared, self.options)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 server on loopback."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """An empty bucket."""
    import boto3

    key = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=s3, **key)
    name = f"bucket-{abs(hash(request.node.name))}"
    client.create_bucket(Bucket=name)
    yield Bucket({"endpoint_url": s3, "key": "testing", "secret": "testing"}, client, name)
    client.close()


def test_a_bucket_is_listed_in_the_order_of_its_uris(bucket: Bucket) -> None:
    names = ["a/b", "a.txt", "a-b", "a b", "aa", "水/門.md", "水門.md", "b/a/c", "b.a"]
    for name in names:
        bucket.put(f"docs/{name}", "x")
    for hidden in ("docs/.hidden", "docs/.git/config", "docs/folder/", "docs-old/a", "other"):
        bucket.put(hidden, "")
    assert uris(bucket.open("/docs")) == sorted(names)
    assert uris(bucket.open("/docs/")) == sorted(names)
    assert uris(bucket.open("/docs", include=("**/*.md",))) == ["水/門.md", "水門.md"]
    assert uris(bucket.open("/docs", exclude=("a*", "a/**"))) == ["b.a", "b/a/c", "水/門.md", "水門.md"]


def test_the_root_of_a_bucket_can_be_a_source(bucket: Bucket) -> None:
    bucket.put("gate.md", "x")
    bucket.put("a/b", "x")
    assert uris(bucket.open()) == ["a/b", "gate.md"]


def test_objects_that_no_table_can_name_are_counted_and_links_of_a_remote_folder_are_left_out() -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/left_out/gate.md", b"x")
    memory.pipe("/left_out/nul\0.md", b"x")
    memory.pipe(f"/left_out/{'n' * 2100}.md", b"x")
    source = FileSystem("memory://left_out", EVERYTHING, {})
    found = memory.find("/left_out", detail=True) | {
        f"/left_out/{kind}.md": {"name": f"/left_out/{kind}.md", "size": 1, "type": kind} for kind in ("link", "other")
    }
    source._fs = _Listing(found)
    assert uris(source) == ["gate.md"]
    assert source.passed_over == {"unnameable": 2, "links": 1, "special": 1}


@dataclass
class _Listing:
    """A file system that lists what SFTP would, whose links and pipes memory does not have."""

    found: dict[str, dict[str, Any]]

    def invalidate_cache(self) -> None:
        pass

    def find(self, path: str, detail: bool) -> dict[str, dict[str, Any]]:
        return self.found


def test_lock_files_in_a_bucket_are_left_out_as_in_a_folder(bucket: Bucket) -> None:
    bucket.put("~$gate.docx", "x")
    bucket.put("a/~$gate.docx", "x")
    bucket.put("gate.docx", "x")
    assert uris(bucket.open()) == ["gate.docx"]


def test_an_object_can_be_opened_and_fetched(bucket: Bucket) -> None:
    content = os.urandom(3_000_000)
    bucket.put("docs/水門.md", content)
    source = bucket.open("/docs")
    with source.open("水門.md") as stream:
        assert stream.read(10) == content[:10]
        stream.seek(0)
        assert stream.read() == content
    with source.fetch("水門.md") as path:
        assert path.read_bytes() == content
    assert not path.exists()


def test_a_missing_object_raises_as_a_file_would(bucket: Bucket) -> None:
    bucket.put("docs/gate.md", "x")
    with pytest.raises(OSError, match=r"nothing\.md"), bucket.open("/docs").open("nothing.md") as stream:
        stream.read()


def test_a_changed_object_changes_its_stamp_and_an_equal_one_keeps_it(bucket: Bucket) -> None:
    bucket.put("gate.md", "closed")
    source = bucket.open()
    (before,) = source.list()
    assert before.size == 6
    bucket.put("gate.md", "closed")
    assert [entry.stamp for entry in source.list()] == [before.stamp]
    bucket.put("gate.md", "opened")
    assert [entry.stamp for entry in source.list()] != [before.stamp]
    with source.open("gate.md") as stream:
        assert stream.read() == b"opened"


def test_a_missing_bucket_fails_the_listing_and_lists_nothing(bucket: Bucket) -> None:
    source = FileSystem("s3://no-such-bucket/docs", EVERYTHING, bucket.options)
    with pytest.raises(SourceUnavailable, match="no-such-bucket"):
        list(source.list())


def test_a_server_that_is_away_fails_the_listing_without_naming_the_key() -> None:
    options = {"endpoint_url": "http://127.0.0.1:9", "key": "testing", "secret": "hush-hush",
               "config_kwargs": {"retries": {"max_attempts": 1}, "connect_timeout": 1}}  # fmt: skip
    with pytest.raises(SourceUnavailable) as raised:
        list(FileSystem("s3://bucket/docs", EVERYTHING, options).list())
    assert "hush-hush" not in str(raised.value)


def test_a_collection_is_refreshed_from_a_bucket(
    bucket: Bucket, make_bench: Callable[..., Workbench], database: Database
) -> None:
    bucket.put("docs/gate.md", "# Gate\n\nThe gate is opened when the water is high.\n")
    bucket.put("docs/tides/high.txt", "High tide is at six.\n")
    bucket.put("docs/水門.md", "# 水門\n\n水位が高いときは水門を開ける。\n")
    bench = make_bench(source=f"s3://{bucket.name}/docs", storage_options=bucket.options)
    summary = refresh(bench)
    assert summary.reports["publication"].counts["added"] == 3
    seen = rows(database, "SELECT DISTINCT uri FROM search.chunks ORDER BY uri")
    assert [uri for (uri,) in seen] == ["gate.md", "tides/high.txt", "水門.md"]
    assert not refresh(bench).changed
    bucket.put("docs/tides/high.txt", "High tide is at seven.\n")
    assert refresh(bench).reports["publication"].counts["changed"] == 1
