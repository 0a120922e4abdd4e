"""The door to documents: anything that can list uris and open one.

A source lists in the order of its uris, so that it can be merged with what the database knows without
holding either in memory, and opens one file at a time. It knows nothing of formats or collections.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import fsspec
from fsspec.utils import glob_translate

from resources.errors import ConfigurationError, SourceUnavailable


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
    """What a table, an API or a bucket has to offer to become a source."""

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

    def match(self, uri: str) -> bool:
        """Say whether a uri is included and not excluded."""
        if self._everything:
            return True
        return any(glob.match(uri) for glob in self._include) and not any(glob.match(uri) for glob in self._exclude)


def _is_left_out(name: str) -> bool:
    """Say whether a name is hidden, or a lock file that an office program left."""
    return name.startswith((".", "~$"))


def _readable(name: str) -> str:
    r"""Write a file name as UTF-8; bytes that are none become \xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class LocalFolder:
    """Files below a folder. Hidden files and symbolic links are left out."""

    def __init__(self, root: Path, globs: Globs) -> None:
        """Remember the folder; nothing is read yet."""
        self.root = root
        self.globs = globs

    def list(self) -> Iterator[Entry]:
        """Yield the files by uri.

        Raises:
            ConfigurationError: the folder does not exist.
            SourceUnavailable: a folder below it could not be read.
        """
        if not self.root.is_dir():
            raise ConfigurationError(
                f"The source folder {self.root} does not exist; create it, mount it, or correct `source`."
            )
        try:
            yield from self._walk(str(self.root), "")
        except OSError as error:
            raise SourceUnavailable(
                f"The source folder {self.root} could not be listed ({error.strerror}); nothing was changed."
            ) from None

    def _walk(self, folder: str, prefix: str) -> Iterator[Entry]:
        with os.scandir(folder) as found:
            # A folder sorts as its name with a slash: then the uris come out in order by code point.
            entries = sorted(
                ((_readable(e.name) + ("/" if e.is_dir(follow_symlinks=False) else ""), e) for e in found),
                key=lambda pair: pair[0],
            )
        for name, entry in entries:
            if _is_left_out(name):
                continue
            if name.endswith("/"):
                yield from self._walk(entry.path, prefix + name)
                continue
            try:
                seen = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # Removed since the folder was read.
            uri = prefix + name
            if stat.S_ISREG(seen.st_mode) and self.globs.match(uri):
                stamp = f"{seen.st_mtime_ns}-{seen.st_ctime_ns}-{seen.st_size}-{seen.st_ino}"
                yield Entry(uri, stamp, seen.st_size, max(seen.st_mtime_ns, seen.st_ctime_ns))

    def _path(self, uri: str) -> Path:
        r"""Find the file behind a uri; one whose name is not UTF-8 has its odd bytes written as \xNN."""
        path = self.root / uri
        if path.exists() or "\\x" not in uri:
            return path
        name = re.sub(rb"\\x([89a-f][0-9a-f])", lambda match: bytes.fromhex(match[1].decode()), uri.encode())
        return self.root / os.fsdecode(name)

    def open(self, uri: str) -> BinaryIO:
        """Open a file without following a link that took its place."""
        descriptor = os.open(self._path(uri), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        return os.fdopen(descriptor, "rb")

    @contextmanager
    def fetch(self, uri: str) -> Iterator[Path]:
        """Give the file's own path."""
        yield self._path(uri)


class FileSystem:
    """Files below an fsspec URL: S3, GCS, Azure, SFTP, HTTP, and what else fsspec speaks."""

    def __init__(self, url: str, globs: Globs, options: dict[str, Any]) -> None:
        """Open the file system.

        Raises:
            ConfigurationError: the protocol is unknown or its package is not installed.
        """
        self.url = url
        self.globs = globs
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
            hidden = any(map(_is_left_out, uri.split("/")))
            if not hidden and not uri.endswith("/") and self.globs.match(uri):
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


def open_source(url: str, base: Path, globs: Globs, options: dict[str, Any]) -> Source:
    """Open a declared source.

    Args:
        url: a path, relative to the declaration's folder, or an fsspec URL.
        base: that folder.
        globs: which uris belong.
        options: for the fsspec file system.
    """
    if "://" in url and not url.startswith("file://"):
        return FileSystem(url, globs, options)
    return LocalFolder((base / Path(url.removeprefix("file://")).expanduser()).resolve(), globs)
