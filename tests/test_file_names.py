"""Names that are no text: each becomes a uri that is one, and leads back to its file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.documents.scan import Comparison
from assets.workbench import Workbench
from resources.file_names import unwritten, written
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.listing import folder, uris

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
