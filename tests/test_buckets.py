"""Sources behind a URL: a bucket is listed and read as a folder is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from assets.workbench import Workbench
from resources.errors import SourceUnavailable
from resources.postgres import Database
from resources.sources import FileSystem, Globs
from tests.conftest import refresh, rows
from tests.listing import EVERYTHING, uris


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
