"""The door to documents: anything that can list uris and open one.

A source lists in the order of its uris, so that it can be merged with what the database knows without
holding either in memory, and opens one file at a time. It knows nothing of formats or collections.
What it holds and does not list is counted, so that nothing is left out in silence.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import fsspec
from fsspec.utils import glob_translate

from resources.errors import ConfigurationError, SourceUnavailable
from resources.file_names import is_storable, unwritten, written

DEEPEST_FOLDER = 200
"""Folders in one another that are listed: each is held open while those below it are read."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # Opening a pipe waits for its other end without it.


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed document.

    Attributes:
        uri: path below the source, with forward slashes; unique in the source.
        stamp: changes whenever the bytes may have changed.
        size: bytes.
        modified_ns: when the bytes were written, in ns since 1970, if the stamp rests on a clock.
        metadata: what the source itself knows of the document.
    """

    uri: str
    stamp: str
    size: int
    modified_ns: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class Source(Protocol):
    """What a table, an API or a bucket has to offer to become a source.

    Attributes:
        passed_over: what the last listing met and left out, by why: `hidden` (by its name), `links`, `special`
            (pipes, sockets, devices), `unnameable` (a path that is too long or too deep, or that is no text).
    """

    passed_over: Counter[str]

    def list(self) -> Iterator[Entry]:
        """Yield the documents in the order of their uris by code point.

        Raises:
            SourceUnavailable: the listing failed; a listing that ends is complete.
        """
        ...

    def open(self, uri: str) -> BinaryIO:
        """Open one document, seekable; raises OSError as a file would."""
        ...

    @contextmanager
    def fetch(self, uri: str) -> Iterator[Path]:
        """Give a path where a parser can read the document for a while."""
        ...


class Globs:
    """Which uris belong to a collection."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        """Compile globs, in which `**` spans folders."""
        self._include = [re.compile(glob_translate(glob)) for glob in include]
        self._exclude = [re.compile(glob_translate(glob)) for glob in exclude]
        self._everything = list(include) == ["**/*"] and not exclude
        below = [glob.removesuffix("/**") for glob in exclude if glob.endswith("/**")]
        self._folders = [re.compile(glob_translate(glob)) for glob in below]

    def match(self, uri: str) -> bool:
        """Say whether a uri is included and not excluded."""
        if self._everything:
            return True
        return any(glob.match(uri) for glob in self._include) and not any(glob.match(uri) for glob in self._exclude)

    def leaves_out(self, folder: str) -> bool:
        """Say whether everything below a folder is excluded, as by `folder/**`, so that it need not be listed.

        Args:
            folder: its path below the source, without a slash at its end.
        """
        return any(glob.match(folder) for glob in self._folders)


def _is_left_out(name: str) -> bool:
    """Say whether a name is hidden, or a lock file that an office program left."""
    return name.startswith((".", "~$"))


class LocalFolder:
    """Files below a folder. Hidden files, and unless it was declared otherwise symbolic links, are left out."""

    def __init__(self, root: Path, globs: Globs, *, follow_links: bool = False) -> None:
        """Remember the folder; nothing is read yet.

        Args:
            root: the folder.
            globs: which uris belong.
            follow_links: whether links are followed, also out of the folder.
        """
        self.root = root
        self.globs = globs
        self.follow_links = follow_links
        self.passed_over: Counter[str] = Counter()
        self._no_link = 0 if follow_links else os.O_NOFOLLOW

    def list(self) -> Iterator[Entry]:
        """Yield the files by uri.

        Raises:
            ConfigurationError: the folder does not exist.
            SourceUnavailable: the folder, or one below it, could not be read.
        """
        self.passed_over.clear()
        try:
            folder = os.open(self.root, _FOLDER)
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigurationError(
                f"The source folder {written(str(self.root))} does not exist; create it, mount it, or correct `source`."
            ) from None
        except OSError as error:
            raise self._unlisted("", error) from None
        try:
            yield from self._walk(folder, "", (_identity(os.fstat(folder)),))
        finally:
            os.close(folder)

    def _walk(self, folder: int, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Entry]:
        """List an open folder and those below it.

        Args:
            folder: its descriptor: what is below it cannot be exchanged for a link on the way.
            prefix: its path below the source, with a slash at its end unless it is the source.
            above: which folders it is in, itself included.
        """
        for name, entry in self._entries(folder, prefix):
            uri = prefix + name
            if _is_left_out(name):
                self.passed_over["hidden"] += 1
            elif name.endswith("/"):
                yield from self._descend(folder, entry, uri, above)
            elif (listed := self._entry(entry, uri, prefix)) is not None:
                yield listed

    def _entries(self, folder: int, prefix: str) -> Sequence[tuple[str, os.DirEntry[str]]]:
        """Read a folder; one below sorts as its name with a slash: so uris come out in order by code point."""
        try:
            with os.scandir(folder) as found:
                named = [(written(e.name) + ("/" if self._is_folder(e) else ""), e) for e in found]
        except OSError as error:
            raise self._unlisted(prefix, error) from None
        return sorted(named, key=lambda pair: pair[0])

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir(follow_symlinks=self.follow_links)
        except OSError:
            return False  # A link that leads round in a circle, or to where we may not look.

    def _descend(
        self, folder: int, entry: os.DirEntry[str], uri: str, above: tuple[tuple[int, int], ...]
    ) -> Iterator[Entry]:
        if self.globs.leaves_out(uri[:-1]):
            return
        if len(above) > DEEPEST_FOLDER or not is_storable(uri):
            self.passed_over["unnameable"] += 1
            return
        try:
            below = os.open(entry.name, _FOLDER | self._no_link, dir_fd=folder)
        except OSError as error:
            raise self._unlisted(uri, error) from None
        try:
            identity = _identity(os.fstat(below))
            if identity in above:  # A link to a folder that it is in.
                self.passed_over["links"] += 1
            else:
                yield from self._walk(below, uri, (*above, identity))
        finally:
            os.close(below)

    def _entry(self, entry: os.DirEntry[str], uri: str, prefix: str) -> Entry | None:
        """Look at what is no folder; None, and counted, if it is no document."""
        if not self.globs.match(uri):
            return None
        try:
            seen = entry.stat(follow_symlinks=self.follow_links)
        except OSError as error:
            if self.follow_links and entry.is_symlink():
                self.passed_over["links"] += 1  # It leads nowhere.
                return None
            if isinstance(error, FileNotFoundError):
                return None  # Removed since the folder was read.
            raise self._unlisted(prefix, error) from None
        if not stat.S_ISREG(seen.st_mode):
            self.passed_over["links" if stat.S_ISLNK(seen.st_mode) else "special"] += 1
            return None
        if not is_storable(uri):
            self.passed_over["unnameable"] += 1
            return None
        stamp = f"{seen.st_mtime_ns}-{seen.st_ctime_ns}-{seen.st_size}-{seen.st_ino}"
        return Entry(uri, stamp, seen.st_size, max(seen.st_mtime_ns, seen.st_ctime_ns))

    def _unlisted(self, prefix: str, error: OSError) -> SourceUnavailable:
        """Say which folder could not be listed, and what helps."""
        root = written(str(self.root))
        which = f"The folder {prefix!r} in the source {root}" if prefix else f"The source folder {root}"
        help_ = "refresh again"
        if isinstance(error, PermissionError):
            help_ = "let this user read it" + (", or exclude it with a glob that ends in /**" if prefix else "")
        return SourceUnavailable(
            f"{which} could not be listed ({error.strerror}), so nothing was taken as vanished; {help_}."
        )

    def open(self, uri: str) -> BinaryIO:
        """Open a file without following a link that took its place, or that of a folder above it.

        Raises:
            OSError: it is not there, is no plain file any more, or may not be read.
        """
        descriptor = self._open([part for part in unwritten(uri).split("/") if part not in {"", "."}])
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, "No plain file any more", uri)
        return os.fdopen(descriptor, "rb")

    def _open(self, parts: Sequence[str]) -> int:
        if ".." in parts:
            raise FileNotFoundError(errno.ENOENT, "Not below the source", "/".join(parts))
        folder = os.open(self.root, _FOLDER)
        try:
            for part in parts[:-1]:
                below = os.open(part, _FOLDER | self._no_link, dir_fd=folder)
                os.close(folder)
                folder = below
            return os.open(parts[-1], _FILE | self._no_link, dir_fd=folder)
        finally:
            os.close(folder)

    @contextmanager
    def fetch(self, uri: str) -> Iterator[Path]:
        """Give the file's own path, once it is known to be a plain file still."""
        self.open(uri).close()
        yield self.root / unwritten(uri)


def _identity(seen: os.stat_result) -> tuple[int, int]:
    return seen.st_dev, seen.st_ino


class FileSystem:
    """Files below an fsspec URL: S3, GCS, Azure, SFTP, HTTP, and what else fsspec speaks."""

    def __init__(self, url: str, globs: Globs, options: dict[str, Any]) -> None:
        """Open the file system.

        Raises:
            ConfigurationError: the protocol is unknown or its package is not installed.
        """
        self.url = url
        self.globs = globs
        self.passed_over: Counter[str] = Counter()
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url, **options)
        except (ImportError, ValueError) as error:
            reason = type(error).__name__ if "@" in url else str(error)
            raise ConfigurationError(f"The source {shown(url)} cannot be opened: {reason}") from None

    def list(self) -> Iterator[Entry]:
        """Yield the files by uri.

        Raises:
            SourceUnavailable: the listing failed.
        """
        self.passed_over.clear()
        root = self._root.rstrip("/") + "/"
        try:
            self._fs.invalidate_cache()
            found: dict[str, dict[str, Any]] = self._fs.find(self._root, detail=True)
        except Exception as error:
            raise SourceUnavailable(
                f"The source {shown(self.url)} could not be listed ({type(error).__name__}); nothing was changed. "
                "Check the address, the network and the credentials."
            ) from error
        for path, info in sorted(found.items()):
            uri = path.removeprefix(root)
            if uri.endswith("/") or not self.globs.match(uri):
                continue
            if (why := _why_passed_over(uri, info)) is not None:
                self.passed_over[why] += 1
            else:
                yield _remote_entry(uri, info)

    def open(self, uri: str) -> BinaryIO:
        """Open a file, buffered."""
        return cast(BinaryIO, self._fs.open(f"{self._root.rstrip('/')}/{uri}", "rb"))

    @contextmanager
    def fetch(self, uri: str) -> Iterator[Path]:
        """Copy the file into a private temporary folder for as long as it is used."""
        with tempfile.TemporaryDirectory(prefix="suimon-") as folder:
            target = Path(folder) / "document"
            with self.open(uri) as remote, target.open("wb") as local:
                shutil.copyfileobj(remote, local, 1 << 20)
            yield target


def shown(url: str) -> str:
    """Return an address without the user and password that it may hold."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def _why_passed_over(uri: str, info: dict[str, Any]) -> str | None:
    if any(map(_is_left_out, uri.split("/"))):
        return "hidden"
    kind = info.get("type")
    if kind in {"link", "other"}:
        return "links" if kind == "link" else "special"
    return None if is_storable(uri) else "unnameable"


def _remote_entry(uri: str, info: dict[str, Any]) -> Entry:
    size = int(info.get("size") or 0)
    tag = info.get("ETag") or info.get("etag") or info.get("md5Hash")
    if tag:
        return Entry(uri, f"{tag}-{size}", size)
    modified = info.get("LastModified") or info.get("last_modified") or info.get("mtime") or info.get("created")
    if isinstance(modified, datetime):
        modified = modified.timestamp()
    nanoseconds = int(float(modified) * 1e9) if isinstance(modified, int | float) else None
    # Without a tag or a clock nothing tells an edit of equal size: modified far in the future is never settled.
    return Entry(uri, f"{nanoseconds}-{size}", size, nanoseconds if nanoseconds is not None else 1 << 62)


def open_source(url: str, base: Path, globs: Globs, options: dict[str, Any], *, follow_links: bool = False) -> Source:
    """Open a declared source.

    Args:
        url: a path, relative to the declaration's folder, or an fsspec URL.
        base: that folder.
        globs: which uris belong.
        options: for the fsspec file system.
        follow_links: whether symbolic links in a folder are followed.
    """
    path = re.sub("^(file|local)://", "", url)
    if "://" in path:
        return FileSystem(url, globs, options)
    return LocalFolder((base / Path(path).expanduser()).resolve(), globs, follow_links=follow_links)
