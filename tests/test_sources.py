"""Sources: what is listed, in which order, and that what is listed can be read."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from resources.errors import ConfigurationError, SourceUnavailable
from resources.file_names import LONGEST_URI
from resources.sources import open_source
from tests.conftest import write
from tests.listing import EVERYTHING, folder, uris
from tests.permissions import without_override

PROPERTY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


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
